"""An endpoint that answers with bytes: whatever a broken or hostile one may say, and how slowly."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

__all__ = ["RawEndpoint", "completion", "error", "http"]


def http(body: bytes, status: int = 200, **headers: str) -> bytes:
    """A whole HTTP answer."""
    lines = [f"HTTP/1.1 {status} Words", f"content-length: {len(body)}", "content-type: application/json"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def completion(content: str | None = "hello", finish: str = "stop", usage: Any = None, **message: Any) -> bytes:
    """A chat completion; without `usage` it does not say what it took."""
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": content, **message}}
    body = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    return http(json.dumps(body if usage is None else {**body, "usage": usage}).encode())


def error(status: int, message: str, code: str | None = None, **headers: str) -> bytes:
    body = {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}
    return http(json.dumps(body).encode(), status, **headers)


class RawEndpoint:
    """`with RawEndpoint(answer) as endpoint: endpoint.base_url`; `answer()` gives bytes, or pieces with pauses.

    Args:
        pause_s: Seconds before each piece.
    """

    def __init__(self, answer: Callable[[], bytes | Iterable[bytes]], pause_s: float = 0.0) -> None:
        self.answer = answer
        self.served = 0
        self.sent_bytes = 0
        self._pause_s = pause_s
        self._ended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"

    def __enter__(self) -> RawEndpoint:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            while _read_request(client):
                self.served += 1
                said = self.answer()
                for piece in [said] if isinstance(said, bytes) else said:
                    time.sleep(self._pause_s)
                    if self._ended.is_set():
                        return
                    client.sendall(piece)
                    self.sent_bytes += len(piece)


def _read_request(client: socket.socket) -> bool:
    data = b""
    while b"\r\n\r\n" not in data:
        more = client.recv(65536)
        if not more:
            return False
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    sizes = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
    length = int(sizes[0]) if sizes else 0
    while len(body) < length:
        body += client.recv(65536)
    return True


def without_end() -> Iterator[bytes]:
    """A reply whose body never ends."""
    yield b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    while True:
        yield chunk
