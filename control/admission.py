"""Who is at the other end of a connection, for everything of the studio that listens. No web framework."""

import os
import secrets
import socket
import sys
from collections.abc import Collection
from pathlib import Path
from urllib.parse import urlsplit

__all__ = ["belongs_to_us", "is_called", "is_own_page", "same_token"]

Address = tuple[str, int]


def is_called(host: str, names: Collection[str]) -> bool:
    """Whether a request's Host is one of `names`; a web page elsewhere could point a name of its own here."""
    return _name(f"//{host}") in {name.strip().lower() for name in names}


def is_own_page(origin: str | None, host: str) -> bool:
    """Whether a request that names an Origin comes from a page of the server that it asks; browsers name it."""
    try:
        return origin is None or urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False


def _name(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def same_token(shown: str, token: str) -> bool:
    return bool(token) and secrets.compare_digest(shown.encode("utf-8", "replace"), token.encode())


def belongs_to_us(client: Address, server: Address) -> bool:
    """Whether `client` is connected to `server` on this machine, by a process of whoever runs this one.

    Read from the kernel's list of connections. False also where there is no such list: only Linux has it.
    """
    table = Path("/proc/self/net/tcp6" if ":" in client[0] else "/proc/self/net/tcp")
    try:
        theirs, ours = _as_listed(*client), _as_listed(*server)
        rows = (line.split() for line in table.read_text().splitlines()[1:])
        return any(row[1] == theirs and row[2] == ours and int(row[7]) == os.getuid() for row in rows)
    except (OSError, ValueError, IndexError):
        return False


def _as_listed(host: str, port: int) -> str:
    """An address as the kernel lists it: 32 bits at a time, in the machine's byte order."""
    packed = socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    words = [int.from_bytes(packed[at : at + 4], sys.byteorder) for at in range(0, len(packed), 4)]
    return f"{''.join(f'{word:08X}' for word in words)}:{port:04X}"
