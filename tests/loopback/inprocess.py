"""The endpoint inside the test's own process: the same server, without sockets.

A DSPy model (or `httpx.Client`) that is given `base_url` builds its real request and reads the real reply (or the
status, the lost connection, the time-out); only the bytes between are handed over by a function call. That takes two
thirds of the time of a call over HTTP. Other processes, and asynchronous clients, cannot reach it.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
from dspy._vendor.lm15.transports import ConnectError, ReadError, ReadTimeout, StdlibTransport
from dspy._vendor.lm15.transports._types import TransportRequest, TransportResponse

from tests.loopback.endpoint import LoopbackEndpoint
from tests.loopback.server import LoopbackServer
from tests.loopback.wire import REASONS, HttpRequest

__all__ = ["InProcessEndpoint"]

_FOREVER_S = 600.0
_numbers = itertools.count()
_servers: dict[str, _Server] = {}
_over_sockets = StdlibTransport.stream
_over_httpx = httpx.HTTPTransport.handle_request


class InProcessEndpoint(LoopbackEndpoint):
    """`with InProcessEndpoint(responder=...) as endpoint:` takes any callable as responder."""

    def start(self) -> LoopbackEndpoint:
        """Answer at `base_url`, in this process alone."""
        self._host = f"loop-{next(_numbers)}.in-process"
        self._server = _servers[self._host] = _Server(self.config)
        self.base_url = f"http://{self._host}/v1"
        StdlibTransport.stream, httpx.HTTPTransport.handle_request = _stream, _handle
        return self

    def close(self) -> None:
        """Answer nothing more."""
        self._server.stop()
        _servers.pop(self._host, None)

    def control(self, **changes: Any) -> None:
        """Change settings; unlike over HTTP a responder may be any callable."""
        self.config = self.config.updated(changes)
        self._server.adopt(changes)

    def _ask(self, method: str, path: str, payload: Any = None) -> Any:
        exchange = self._server.control(HttpRequest(method, path, {}, json.dumps(payload).encode()))
        return json.loads(exchange.body)  # the same types as over HTTP


class _Exchange:
    """What a connection is to the server: one request and what becomes of it. It is its own timer, too."""

    def __init__(self) -> None:
        self.on_lost: Callable[[], None] | None = None
        self.ended = threading.Event()
        self.status: int | None = None  # None once ended: the connection was dropped
        self.headers: dict[str, str] = {}
        self.body = b""
        self.delay_s = 0.0
        self.then: Callable[[], None] | None = None

    def reply(self, status: int, payload: Any, headers: dict[str, str] | None = None) -> None:
        self.status, self.headers = status, headers or {}
        self.body = json.dumps(payload).encode()
        self.ended.set()

    def drop(self) -> None:
        self.ended.set()

    def cancel(self) -> None:
        self.then = None


class _Server(LoopbackServer):
    """The thread that calls waits where the event loop would, and does what the loop's timer would."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._lock = threading.RLock()
        self._open = config.listening

    def serve(self, request: HttpRequest, timeout_s: float) -> _Exchange:
        """A request's whole life; raises what a socket's reader would."""
        exchange: Any = _Exchange()
        with self._lock:
            if not self._open:
                raise ConnectError("connection refused")
            self._on_open(exchange)
            if not exchange.ended.is_set():
                self._on_request(exchange, request)
        if exchange.then is not None:
            self._wait(exchange, timeout_s)
        with self._lock:
            self._clients.discard(exchange)
        if exchange.status is None:
            raise ReadError("server closed connection before sending response")
        return exchange  # type: ignore[no-any-return]

    def _wait(self, exchange: _Exchange, timeout_s: float) -> None:
        exchange.ended.wait(min(exchange.delay_s, timeout_s))
        with self._lock:
            if exchange.then is None:
                return  # it was dropped while it waited
            if exchange.delay_s <= timeout_s:
                exchange.then()
                return
            if exchange.on_lost is not None:
                exchange.on_lost()
        raise ReadTimeout(f"read timed out waiting for headers: {timeout_s:g} s")

    def control(self, request: HttpRequest) -> _Exchange:
        exchange: Any = _Exchange()
        with self._lock:
            self._on_control(exchange, request)
        return exchange  # type: ignore[no-any-return]

    def adopt(self, changes: dict[str, Any]) -> None:
        with self._lock:
            self._apply(changes)
            self._open = self._config.listening

    def _after(self, call: Any, delay: float, action: Callable[[], None]) -> None:
        if delay <= 0:
            action()
            return
        call.timer = call.connection
        call.connection.delay_s, call.connection.then = delay, action

    def _unlisten(self) -> None:
        self._open = False
        self._drop_all()


def _stream(transport: StdlibTransport, request: TransportRequest) -> TransportResponse:
    """`StdlibTransport.stream`, which looks here first."""
    url = urlsplit(request.url)
    server = _servers.get(url.hostname or "")
    if server is None:
        return _over_sockets(transport, request)
    headers = {name.lower(): value for name, value in request.headers}
    timeout_s = request.read_timeout or getattr(transport, "_read_timeout", None) or _FOREVER_S
    exchange = server.serve(HttpRequest(request.method, url.path, headers, request.body), timeout_s)
    assert exchange.status is not None
    return TransportResponse(
        status=exchange.status,
        reason=REASONS.get(exchange.status, "Other"),
        headers=list(exchange.headers.items()),
        http_version="HTTP/1.1",
        chunks=iter([exchange.body]),
        release=lambda consumed: None,
    )


def _handle(transport: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
    """`httpx.HTTPTransport.handle_request`, which looks here first."""
    server = _servers.get(request.url.host)
    if server is None:
        return _over_httpx(transport, request)
    headers = {name.lower(): value for name, value in request.headers.items()}
    timeout_s = request.extensions.get("timeout", {}).get("read") or _FOREVER_S
    try:
        exchange = server.serve(HttpRequest(request.method, request.url.path, headers, request.read()), timeout_s)
    except ConnectError as error:
        raise httpx.ConnectError(str(error), request=request) from error
    except ReadTimeout as error:
        raise httpx.ReadTimeout(str(error), request=request) from error
    except ReadError as error:
        raise httpx.RemoteProtocolError(str(error), request=request) from error
    return httpx.Response(exchange.status or 0, headers=exchange.headers, content=exchange.body, request=request)
