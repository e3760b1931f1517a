"""Files that a person uploads: checked again here (the browser's checks can be passed by), kept beside the store."""

import hashlib
import re
from pathlib import Path

from mipro_studio.optimizer_core.errors import BadInput, StudioError
from mipro_studio.optimizer_core.files import private_folder, write_private
from mipro_studio.optimizer_core.sources import ENDINGS, ending_of
from mipro_studio.storage import default_store

__all__ = ["MAX_MB", "alone", "keep", "keep_program"]

MAX_MB = 50


def keep(name: str, content: bytes) -> Path:
    """Write `content` under its own hash and return where; the same file is kept once.

    Raises:
        BadInput: too large, or not a kind of file that is read.
        StudioError: it cannot be written.
    """
    ending = ending_of(name)
    if not ending:
        raise BadInput(
            f"{name!r} is not a kind of file that is read.", f"Use one of {', '.join(ENDINGS)}, each also with .gz."
        )
    if len(content) > MAX_MB * 1024 * 1024:
        raise BadInput(f"{name!r} is larger than {MAX_MB} MB.", "Name its path instead of uploading it.")
    packed = ".gz" if name.lower().endswith(".gz") else ""
    return _kept(_folder() / f"{_digest(content)}.{ending}{packed}", content)


def keep_program(name: str, content: bytes) -> Path:
    """Write a program file under its own name in a folder named after its content, and return where.

    Raises:
        BadInput: it is no Python file, or larger than a program is.
        StudioError: it cannot be written.
    """
    stem = re.sub(r"\W", "_", Path(name).stem) or "program"
    if Path(name).suffix != ".py":
        raise BadInput(f"{name!r} is not a Python file.", "Upload the .py file that has the dspy.Module.")
    if len(content) > 1024 * 1024:
        raise BadInput(f"{name!r} is larger than 1 MB.", "Name its path instead of uploading it.")
    return _kept(_folder() / _digest(content) / f"{stem}.py", content)


def alone(program: str, words: str) -> str:
    """The way out where an uploaded program misses a file that stands beside it at home; empty elsewhere.

    Args:
        words: What went wrong.
    """
    missing = ("ModuleNotFoundError", "ImportError", "FileNotFoundError", "No such file", "relative import")
    if not program.startswith(str(_folder())) or not any(word in words for word in missing):
        return ""
    return (
        "An uploaded file stands alone: what it imports or reads from its own folder is not here. Name its path "
        "under My own instead, where the studio can see that folder, or put all of it into the one file."
    )


def _folder() -> Path:
    return default_store().absolute().parent / "uploads"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _kept(path: Path, content: bytes) -> Path:
    """`path` with `content` in it. A file that is there is looked into: its name alone does not say what it holds."""
    try:
        private_folder(_folder())
        private_folder(path.parent)
        if not _holds(path, content):
            write_private(path, content)
    except OSError as error:
        raise StudioError(
            f"The upload could not be kept in {path.parent}: {error.strerror}.", "Free some space, then try again."
        ) from error
    return path


def _holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content
