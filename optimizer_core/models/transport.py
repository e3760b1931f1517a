"""DSPy's native HTTP transport with a deadline and a size for the whole of a call.

On its own it limits the wait for the next byte only: a byte a second outlives every timeout, and a reply without end
is read until the memory is.
"""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from dspy import lm15
from dspy._vendor.lm15.transports import ReadTimeout, StdlibTransport, WriteTimeout

from mipro_studio.optimizer_core.models.classes import TOO_LARGE
from mipro_studio.optimizer_core.models.deadlines import MOST_BYTES, packed_again

__all__ = ["BoundedTransport"]

LONGEST_CONNECT_S = 10.0


class BoundedTransport(StdlibTransport):  # type: ignore[misc]
    """Safe in threads, each with one call at a time.

    Args:
        timeout_s: Seconds from the beginning of a call, connecting included, to the last byte of its reply.
        most_bytes: Longest reply, headers included, as it comes and unpacked.
    """

    def __init__(self, timeout_s: float, most_bytes: int = MOST_BYTES, **settings: Any) -> None:
        waits = dict.fromkeys(("read_timeout", "write_timeout", "pool_timeout"), timeout_s)
        super().__init__(connect_timeout=min(timeout_s, LONGEST_CONNECT_S), **waits, **settings)
        self._timeout_s = timeout_s
        self._most_bytes = most_bytes
        self._begun = threading.local()
        self.replies = threading.local()

    def stream(self, request: Any) -> Any:
        self._begun.at = time.monotonic()
        response = super().stream(request)
        read = response.read

        def kept() -> bytes:
            body: bytes = read()
            self.replies.body = body
            return body

        response.read = kept
        return response

    @property
    def last_body(self) -> bytes:
        """The last reply that this thread has read."""
        return getattr(self.replies, "body", b"")

    def _open(self, *arguments: Any, **settings: Any) -> Any:
        connection = super()._open(*arguments, **settings)
        connection.sock = _BoundedSocket(connection.sock)
        return connection

    def _send_request(self, connection: Any, *arguments: Any, **settings: Any) -> Any:
        connection.sock.begin(self._begun.at + self._timeout_s, self._most_bytes)
        return super()._send_request(connection, *arguments, **settings)

    def _read_head(self, connection: Any, **settings: Any) -> Any:
        head = super()._read_head(connection, **settings)
        if packed_again(head.headers_all("content-encoding")):
            raise _too_large()
        return head

    def _iter_body(self, *arguments: Any, **settings: Any) -> Iterator[bytes]:
        """What a compressed reply unpacks to is limited as well: a kilobyte becomes a megabyte."""
        left = self._most_bytes
        with closing(super()._iter_body(*arguments, **settings)) as chunks:
            for chunk in chunks:
                left -= len(chunk)
                if left < 0:
                    raise _too_large()
                yield chunk


def _too_large() -> lm15.ProviderError:
    return lm15.ProviderError("The reply is longer than an answer can be.", provider_code=TOO_LARGE)


class _BoundedSocket:
    """A socket that serves one exchange after another, each until its deadline and up to its number of bytes."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._until = 0.0
        self._left = 0

    def begin(self, until: float, most_bytes: int) -> None:
        self._until = until
        self._left = most_bytes

    def sendall(self, data: bytes) -> None:
        left_s = self._until - time.monotonic()
        if left_s <= 0:
            raise WriteTimeout("timed out before the request was sent")
        self._sock.settimeout(left_s)
        self._sock.sendall(data)

    def recv(self, size: int) -> bytes:
        left_s = self._until - time.monotonic()
        if left_s <= 0:
            raise ReadTimeout("timed out before the reply was complete")
        self._sock.settimeout(left_s)
        data = self._sock.recv(size)
        self._left -= len(data)
        if self._left < 0:
            raise _too_large()
        return data

    def settimeout(self, timeout_s: float | None) -> None:
        """The deadline decides."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)
