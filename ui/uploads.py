"""Files that a person uploads: checked again here (the browser's checks can be passed by), kept beside the store."""

import hashlib
from pathlib import Path

from optimizer_core.errors import BadInput
from storage import default_store

__all__ = ["ENDINGS", "MAX_MB", "keep"]

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
