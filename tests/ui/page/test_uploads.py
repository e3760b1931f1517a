import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from mipro_studio.optimizer_core import files
from mipro_studio.optimizer_core.errors import BadInput, StudioError
from mipro_studio.ui.page import uploads

ROWS = b"question,answer\n" + b"".join(b"q%d,a%d\n" % (n, n) for n in range(5000))


def test_a_file_is_kept_once_beside_the_store(empty: Path) -> None:
    first = uploads.keep("my data.CSV", b"a,b\n1,2\n")
    assert first == uploads.keep("other.csv", b"a,b\n1,2\n")
    assert first.parent == empty.parent / "uploads"
    assert first.read_bytes() == b"a,b\n1,2\n"


@pytest.mark.parametrize("name", ["rows.tsv", "rows.CSV.gz", "rows.jsonl.gz", "rows.ndjson"])
def test_every_kind_of_file_that_is_read_may_be_uploaded(empty: Path, name: str) -> None:
    kept = uploads.keep(name, b"a,b\n1,2\n").name
    assert kept.split(".", 1)[1] == name.lower().split(".", 1)[1]


@pytest.mark.parametrize("name", ["x.gz", "x.exe", "x", "../../x.py"])
def test_what_is_not_data_is_refused(empty: Path, name: str) -> None:
    with pytest.raises(BadInput, match="not a kind of file"):
        uploads.keep(name, b"")


def test_a_file_that_is_too_large_is_refused(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_MB", 0)
    with pytest.raises(BadInput, match="larger than 0 MB"):
        uploads.keep("x.csv", b"a")


def test_half_a_file_of_an_earlier_upload_is_not_taken_for_the_whole(empty: Path) -> None:
    path = uploads.keep("rows.csv", ROWS)
    path.write_bytes(ROWS[: len(ROWS) // 2])
    assert uploads.keep("rows.csv", ROWS).read_bytes() == ROWS
    path.write_bytes(ROWS[:-1] + b"?")
    assert uploads.keep("rows.csv", ROWS).read_bytes() == ROWS


KEEPS = [lambda: uploads.keep("rows.csv", ROWS), lambda: uploads.keep_program("p.py", b"x = 1")]


@pytest.mark.parametrize("keep", KEEPS, ids=["data", "program"])
def test_a_disk_that_fills_is_said_and_leaves_nothing(
    empty: Path, monkeypatch: pytest.MonkeyPatch, keep: Callable[[], Path]
) -> None:
    def full(path: Path, content: bytes) -> None:
        with path.open("wb") as out:
            out.write(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(StudioError, match=r"could not be kept.*No space left"):
            keep()
    assert [path for path in (empty.parent / "uploads").rglob("*") if path.is_file()] == []
    assert keep().read_bytes()


def test_uploads_are_for_their_owner_alone(empty: Path) -> None:
    data, program = uploads.keep("rows.csv", ROWS), uploads.keep_program("p.py", b"x = 1")
    modes = {path.stat().st_mode & 0o777 for path in (data, program)}
    assert modes == {files.PRIVATE_FILE}
    assert {folder.stat().st_mode & 0o777 for folder in (data.parent, program.parent)} == {files.PRIVATE_FOLDER}


def test_an_uploaded_program_is_not_written_again_while_a_worker_imports_it(empty: Path) -> None:
    path = uploads.keep_program("p.py", b"x = 1")
    before = path.stat().st_ino, path.stat().st_mtime_ns
    assert uploads.keep_program("p.py", b"x = 1") == path
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == before


def test_an_uploaded_program_that_misses_its_neighbour_is_told_the_way_out(empty: Path) -> None:
    program = f"{uploads.keep_program('p.py', b'import helpers')}:program"
    for words in ("ModuleNotFoundError: No module named 'helpers'", "FileNotFoundError: [Errno 2] No such file"):
        assert "Name its path under My own instead" in uploads.alone(program, words)
        assert uploads.alone("/home/me/p.py", words) == ""
    assert uploads.alone(program, "KeyError: 'x'") == ""
