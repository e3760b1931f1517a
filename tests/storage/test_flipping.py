"""One bit turned over, or the end cut off: a sentence or the right data, no traceback, no wrong data in silence."""

from pathlib import Path

import pytest

from tests.storage.flipping import FILES, RAISED, SILENT, counted


@pytest.mark.parametrize("kind", FILES)
def test_a_damaged_file_is_said_to_be_one_or_read_rightly(kind: str, tmp_path: Path) -> None:
    found, wrong = counted(tmp_path, kind, 40)
    assert (found[RAISED], found[SILENT]) == (0, 0), wrong
