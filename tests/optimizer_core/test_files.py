import errno
import os
import threading
from pathlib import Path

import pytest

from mipro_studio.optimizer_core.files import open_log, private_folder, write_private, written_aside


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture(autouse=True)
def _open_umask() -> object:
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_a_file_and_the_folder_made_for_it_are_for_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "made" / "report #1?.html"
    write_private(path, b"words")
    assert (path.read_bytes(), mode(path), mode(path.parent)) == (b"words", 0o600, 0o700)


def test_a_log_is_appended_to_and_closed_to_others(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "run.log"
    for words in (b"one\n", b"two\n"):
        with open_log(path) as log:
            log.write(words)
        assert (mode(path), mode(path.parent)) == (0o600, 0o700)
        path.chmod(0o644)  # as an older studio made it
    assert path.read_bytes() == b"one\ntwo\n"


def test_a_file_that_others_could_read_is_closed_by_the_next_write(tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    path.write_text("old")
    assert mode(path) == 0o644
    write_private(path, b"new")
    assert (path.read_bytes(), mode(path)) == (b"new", 0o600)


@pytest.mark.parametrize("there", [b"old", None])
def test_a_disk_that_fills_leaves_what_was_there_and_no_half_file(tmp_path: Path, there: bytes | None) -> None:
    path = tmp_path / "file.csv"
    if there is not None:
        path.write_bytes(there)
    with pytest.raises(OSError, match="No space"), written_aside(path) as aside:
        aside.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert [one.read_bytes() for one in tmp_path.iterdir()] == ([] if there is None else [there])


def test_readers_meet_the_old_content_or_the_whole_new_one(tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(b"old")
    with written_aside(path, ".csv") as aside:
        assert (aside.parent, aside.suffix, mode(aside)) == (tmp_path, ".csv", 0o600)
        aside.write_bytes(b"half of the n")
        assert path.read_bytes() == b"old"
        aside.write_bytes(b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_the_longest_name_of_a_file_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("ü" * 120 + ".json")
    write_private(path, b"{}")
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_of_ours_that_others_could_enter_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    assert mode(folder) == 0o755
    assert mode(private_folder(folder)) == 0o700


def test_what_a_link_leads_to_stays_as_its_owner_made_it(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    (tmp_path / "logs").symlink_to(shared)
    private_folder(tmp_path / "logs")
    assert mode(shared) == 0o777


def test_a_link_stays_one_and_what_it_leads_to_is_written(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    real, link = tmp_path / "elsewhere" / "real.json", tmp_path / "link.json"
    link.symlink_to(real)
    for content in (b"first", b"second"):
        write_private(link, content)
        assert link.is_symlink() and real.read_bytes() == content and mode(real) == 0o600


def test_a_pipe_or_a_device_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    write_private(Path("/dev/null"), b"nobody reads this")
    assert Path("/dev/null").is_char_device()
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()
    write_private(pipe, b"through the pipe")
    reader.join(120)
    assert read == [b"through the pipe"] and pipe.is_fifo()
    with pytest.raises(IsADirectoryError):
        write_private(tmp_path, b"no file")
