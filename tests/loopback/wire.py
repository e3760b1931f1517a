"""HTTP/1.1 by hand on an asyncio protocol.

A request costs one parse, one timer and one write: no task, no stream reader, no framework, so
that on two cores the endpoint is not what limits a client with many threads.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    411: "Length Required",
    429: "Too Many Requests",
    500: "Internal Server Error",
}


@dataclass
class HttpRequest:
    """One complete request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class HttpConnection(asyncio.Protocol):
    """One client connection with keep-alive; one request is served at a time."""

    def __init__(
        self,
        on_open: Callable[[HttpConnection], None],
        on_request: Callable[[HttpConnection, HttpRequest], None],
    ) -> None:
        self._on_open = on_open
        self._on_request = on_request
        self._buffer = bytearray()
        self._keep_alive = True
        self.transport: asyncio.Transport | None = None
        self.busy = False
        self.on_lost: Callable[[], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._on_open(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        if self.on_lost is not None:
            self.on_lost()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self.busy:
            self._next()

    def reply(self, status: int, payload: Any, headers: dict[str, str] | None = None) -> None:
        """Send JSON and wait for the next request of this connection."""
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        lines = [
            f"HTTP/1.1 {status} {REASONS.get(status, 'Other')}",
            "content-type: application/json",
            f"content-length: {len(body)}",
        ]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        if not self._keep_alive:
            lines.append("connection: close")
        self.busy = False
        if self.transport is None:
            return
        self.transport.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body)
        if self._keep_alive:
            self._next()
        else:
            self.transport.close()

    def drop(self) -> None:
        """Close without a reply."""
        if self.transport is not None:
            self.transport.abort()

    def _next(self) -> None:
        request = self._take()
        if request is not None:
            self.busy = True
            self._on_request(self, request)

    def _take(self) -> HttpRequest | None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        first, *rest = self._buffer[:end].decode("latin-1").split("\r\n")
        headers = {}
        for line in rest:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        method, _, target = first.partition(" ")
        self._keep_alive = headers.get("connection", "").lower() != "close"
        if "transfer-encoding" in headers:
            # No client here sends chunked bodies; without a length the stream cannot be resumed.
            self._keep_alive = False
            self._buffer.clear()
            self.reply(411, {"error": {"message": "send a content-length"}})
            return None
        start = end + 4
        stop = start + int(headers.get("content-length") or 0)
        if len(self._buffer) < stop:
            return None
        body = bytes(self._buffer[start:stop])
        del self._buffer[:stop]
        return HttpRequest(method, target.split(" ")[0].split("?")[0], headers, body)
