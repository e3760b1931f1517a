"""What a large file holds, by hash, taken anew only when its size, time or inode says that it is another.

Beside the file stands what is known of it, so that a process that starts need not read a hundred megabytes; where the
folder cannot be written each process reads it once.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path

from mipro_studio.optimizer_core.errors import ModelUnavailable
from mipro_studio.optimizer_core.files import write_private

__all__ = ["expect", "expected", "remember", "require_as_made", "sha256", "sha256_of"]

_CHUNK_BYTES = 1 << 20
_known: dict[Path, dict[str, object]] = {}


def sha256(path: Path) -> str:
    """The hash of the file, read to its end; hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while chunk := handle.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_of(path: Path) -> str:
    """As `sha256`, from memory or from the record beside the file while the file is the one that was read.

    Raises:
        OSError: it cannot be read.
    """
    identity = _identity(path)
    known = _known.get(path) or _record(path)
    if _identity_of(known) != identity or not isinstance(known.get("sha256"), str):
        known = remember(path, sha256(path), identity)
    _known[path] = known
    return str(known["sha256"])


def remember(path: Path, digest: str, identity: dict[str, object] | None = None) -> dict[str, object]:
    """Keep that the file, as it is now, has this hash."""
    known = {**_record(path), **(identity or _identity(path)), "sha256": digest}
    _known[path] = known
    _write(path, known)
    return known


def expect(path: Path, digest: str) -> None:
    """Keep what a file that was made here must hold, see `expected`."""
    _write(path, {**_record(path), "expected": digest})
    _known.pop(path, None)


def expected(path: Path) -> str:
    """The hash that was given to `expect`; empty when none was."""
    return str(_record(path).get("expected", ""))


def require_as_made(path: Path) -> None:
    """Refuse a file that was made here and holds something else by now; one that nobody told of may be anything.

    Raises:
        ModelUnavailable: it was changed or cut, or is not there.
    """
    try:
        if (wanted := expected(path)) and sha256_of(path) != wanted:
            raise ModelUnavailable(
                f"The tuned weights in {path} are not those that were trained: the file was changed.",
                "Put the file back, or train once more.",
            )
    except OSError as error:
        raise ModelUnavailable(f"The tuned weights in {path} cannot be read: {error.strerror}.") from error


def _identity(path: Path) -> dict[str, object]:
    found = path.stat()
    return {"size": found.st_size, "mtime_ns": found.st_mtime_ns, "inode": found.st_ino}


def _identity_of(record: dict[str, object]) -> dict[str, object]:
    return {name: record.get(name) for name in ("size", "mtime_ns", "inode")}


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.sha256")


def _record(path: Path) -> dict[str, object]:
    try:
        found = json.loads(_beside(path).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(path: Path, record: dict[str, object]) -> None:
    with suppress(OSError):  # a folder of somebody else's
        write_private(_beside(path), json.dumps(record).encode())
