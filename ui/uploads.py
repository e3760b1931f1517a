"""Files that a person uploads: checked again here (the browser's checks can be passed by), kept beside the store."""

import hashlib
import re
from pathlib import Path

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.storage import default_store

__all__ = ["ENDINGS", "MAX_MB", "keep", "keep_program"]

ENDINGS = ("csv", "json", "jsonl", "parquet")
MAX_MB = 50


def keep(name: str, content: bytes) -> Path:
    """Write `content` under its own hash and return where; the same file is kept once.

    Raises:
        BadInput: too large, or not a kind of file that is read.
    """
    ending = Path(name).suffix.lower().lstrip(".")
    if ending not in ENDINGS:
        raise BadInput(f"{name!r} is not a kind of file that is read.", f"Use one of {', '.join(ENDINGS)}.")
    if len(content) > MAX_MB * 1024 * 1024:
        raise BadInput(f"{name!r} is larger than {MAX_MB} MB.", "Name its path instead of uploading it.")
    folder = default_store().absolute().parent / "uploads"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{hashlib.sha256(content).hexdigest()[:16]}.{ending}"
    if not path.exists():
        path.write_bytes(content)
    return path


def keep_program(name: str, content: bytes) -> Path:
    """Write a program file under its own name in a folder named after its content, and return where.

    Raises:
        BadInput: it is no Python file, or larger than a program is.
    """
    stem = re.sub(r"\W", "_", Path(name).stem) or "program"
    if Path(name).suffix != ".py":
        raise BadInput(f"{name!r} is not a Python file.", "Upload the .py file that has the dspy.Module.")
    if len(content) > 1024 * 1024:
        raise BadInput(f"{name!r} is larger than 1 MB.", "Name its path instead of uploading it.")
    folder = default_store().absolute().parent / "uploads" / hashlib.sha256(content).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{stem}.py"
    path.write_bytes(content)
    return path
