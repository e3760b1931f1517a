from pathlib import Path

import pytest

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.ui import uploads


def test_a_file_is_kept_once_beside_the_store(empty: Path) -> None:
    first = uploads.keep("my data.CSV", b"a,b\n1,2\n")
    assert first == uploads.keep("other.csv", b"a,b\n1,2\n")
    assert first.parent == empty.parent / "uploads"
    assert first.read_bytes() == b"a,b\n1,2\n"


@pytest.mark.parametrize("name", ["x.exe", "x", "../../x.py"])
def test_what_is_not_data_is_refused(empty: Path, name: str) -> None:
    with pytest.raises(BadInput, match="not a kind of file"):
        uploads.keep(name, b"")


def test_a_file_that_is_too_large_is_refused(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_MB", 0)
    with pytest.raises(BadInput, match="larger than 0 MB"):
        uploads.keep("x.csv", b"a")
