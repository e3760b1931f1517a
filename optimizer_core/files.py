"""Files that the studio writes: for their owner alone, and whole or not at all."""

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

__all__ = ["PRIVATE_FILE", "PRIVATE_FOLDER", "open_log", "private_folder", "write_private", "written_aside"]

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700


def private_folder(path: Path) -> Path:
    """`path`, made when missing; a folder of ours that others may look into is closed to them.

    What a link leads to is somebody else's, and stays as they made it.
    """
    path.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
    if path.stat().st_mode & 0o077 and not path.is_symlink():
        with suppress(PermissionError):  # somebody else's folder stays as they made it
            path.chmod(PRIVATE_FOLDER)
    return path


def open_log(path: Path) -> BinaryIO:
    """`path` to be appended to, by its owner alone; made with its folder when missing.

    Raises:
        OSError: it cannot be written.
    """
    private_folder(path.parent)
    log = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE), "ab")
    os.fchmod(log.fileno(), PRIVATE_FILE)
    return log


@contextmanager
def written_aside(path: Path, ending: str = ".part") -> Iterator[Path]:
    """An empty private file beside `path`, to be filled: it takes the place of `path` when the block ends well.

    Whoever opens `path` meets the old content or the whole new one, after a full disk and after a crash too. A link
    stays one, and what it leads to is written; a pipe or a device (`/dev/stdout`) is written to.

    Args:
        ending: Of the file's name meanwhile, where what fills it chooses a format by that.

    Raises:
        OSError: it cannot be written; `path` is as it was, and nothing is left beside it.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        with _into_a_device(path, ending) as aside:
            yield aside
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
    aside = path.with_name(f".{path.name[:40]}.{secrets.token_hex(6)}{ending}")  # a name has at most 255 bytes
    os.close(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE))
    try:
        yield aside
        with aside.open("rb") as written:
            os.fsync(written.fileno())  # else a power cut could leave the new name on an empty file
        aside.chmod(PRIVATE_FILE)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def _into_a_device(path: Path, ending: str) -> Iterator[Path]:
    """What stands in the way is no file that another could take the place of.

    Raises:
        IsADirectoryError: it is a folder.
    """
    with tempfile.TemporaryDirectory() as folder, path.open("wb") as out:
        aside = Path(folder) / f"aside{ending}"
        aside.touch(PRIVATE_FILE)
        yield aside
        out.write(aside.read_bytes())


def write_private(path: Path, content: bytes) -> None:
    """Write `content` to `path`, see `written_aside`.

    Raises:
        OSError: it cannot be written; `path` is as it was.
    """
    with written_aside(path) as aside:
        aside.write_bytes(content)
