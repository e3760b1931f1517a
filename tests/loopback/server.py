"""The endpoint itself: routes, latency, faults and counting, on one event loop."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.loopback.config import LoopbackConfig
from tests.loopback.faults import FaultPlan
from tests.loopback.hashing import digest, prompt_text, unit
from tests.loopback.pace import Bucket, spread_of
from tests.loopback.responders import build_responder
from tests.loopback.stats import StatsBook
from tests.loopback.wire import HttpConnection, HttpRequest

_HOST = "127.0.0.1"


def _error(message: str, kind: str, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


@dataclass(eq=False)
class _Call:
    """One chat call in service."""

    connection: HttpConnection
    body: dict[str, Any]
    model: str
    started: float
    serial: int
    key: str = ""
    reply: str | None = None
    timer: asyncio.TimerHandle | None = None
    closed: bool = False


class LoopbackServer:
    """Two listening sockets: the API, which can be taken down, and the control port, which cannot."""

    def __init__(self, config: LoopbackConfig) -> None:
        self._config = config
        self._responder = build_responder(config)
        self._faults = FaultPlan(config)
        self._stats = StatsBook()
        self._requests: list[dict[str, Any]] = []
        self._serial = 0
        self._bucket = Bucket()
        self._calls: set[_Call] = set()
        self._clients: set[HttpConnection] = set()
        self._api: asyncio.Server | None = None
        self._control: asyncio.Server | None = None
        self._opening: asyncio.Task[None] | None = None
        self.port = 0
        self.control_port = 0

    async def start(self, port: int = 0, control_port: int = 0) -> None:
        """Open both ports; 0 lets the system choose."""
        loop = asyncio.get_running_loop()
        self._control = await loop.create_server(
            lambda: HttpConnection(lambda _: None, self._on_control), _HOST, control_port
        )
        self.control_port = self._control.sockets[0].getsockname()[1]
        self.port = port
        await self._listen()
        if not self._config.listening:
            self._unlisten()

    def stop(self) -> None:
        """Close everything."""
        self._unlisten()
        if self._control is not None:
            self._control.close()

    async def _listen(self) -> None:
        if self._api is None:
            loop = asyncio.get_running_loop()
            self._api = await loop.create_server(
                lambda: HttpConnection(self._on_open, self._on_request), _HOST, self.port, backlog=1024
            )
            self.port = self._api.sockets[0].getsockname()[1]

    def _unlisten(self) -> None:
        if self._api is not None:
            self._api.close()
            self._api = None
        self._drop_all()

    def _drop_all(self) -> None:
        for call in list(self._calls):
            self._finish(call, "down")
        for client in list(self._clients):
            client.drop()

    # -- API port ---------------------------------------------------------------------------

    def _on_open(self, connection: HttpConnection) -> None:
        if self._config.down:
            self._stats.connections_refused += 1
            connection.drop()
            return
        self._stats.connections += 1
        self._clients.add(connection)
        connection.on_lost = partial(self._clients.discard, connection)

    def _on_request(self, connection: HttpConnection, request: HttpRequest) -> None:
        if request.path.endswith("/chat/completions"):
            self._chat(connection, request)
        elif request.path.endswith("/models"):
            names = self._config.models or ["loop"]
            data = [{"id": name, "object": "model", "owned_by": "loopback"} for name in names]
            connection.reply(200, {"object": "list", "data": data})
        else:
            self._on_control(connection, request)

    def _chat(self, connection: HttpConnection, request: HttpRequest) -> None:
        started = time.monotonic()
        config = self._config
        try:
            body = json.loads(request.body)
            messages = list(body["messages"])
        except (ValueError, KeyError, TypeError):
            connection.reply(400, _error("the body needs a list of messages", "invalid_request_error"))
            return
        self._serial += 1
        call = _Call(
            connection,
            body,
            str(body.get("model", "")),
            started,
            self._serial,
            request.headers.get("authorization", ""),
        )
        self._calls.add(call)
        self._stats.begin(started, call.model)
        connection.on_lost = partial(self._on_client_lost, call)
        if config.require_key is not None and request.headers.get("authorization") != f"Bearer {config.require_key}":
            error = _error("Incorrect API key provided", "invalid_request_error", "invalid_api_key")
            self._after(call, config.fault_latency_s, partial(self._refuse, call, 401, error))
        elif config.models and call.model not in config.models:
            message = f"The model `{call.model}` does not exist"
            self._refuse(call, 404, _error(message, "invalid_request_error", "model_not_found"))
        elif (wait_s := self._bucket.wait_s(started, config)) > 0.0:
            error = _error("Rate limit reached", "requests", "rate_limit_exceeded")
            self._refuse(call, 429, error, {"retry-after": f"{wait_s:.3f}"})
        elif (fate := self._faults.fate(prompt_text(messages))) is not None:
            delay = config.hang_s if fate == "hang" else config.fault_latency_s
            self._after(call, delay, partial(self._fail, call, fate))
        else:
            self._serve(call, messages)

    def _serve(self, call: _Call, messages: list[dict[str, Any]]) -> None:
        config = self._config
        call.reply = self._responder(messages, call.body)
        delay = config.latency_s * spread_of(config.spread, unit("spread", config.seed, call.serial))
        if config.jitter:
            delay *= 1.0 + config.jitter * (2.0 * unit("jitter", config.seed, prompt_text(messages)) - 1.0)
        # The time spent composing the reply is part of the promised latency.
        self._after(call, delay - (time.monotonic() - call.started), partial(self._answer, call, messages))

    def _after(self, call: _Call, delay: float, action: Any) -> None:
        if delay <= 0:
            action()
        else:
            call.timer = asyncio.get_running_loop().call_later(delay, action)

    def _answer(self, call: _Call, messages: list[dict[str, Any]]) -> None:
        reply = call.reply or ""
        prompt = prompt_text(messages)
        usage = {"prompt_tokens": max(1, len(prompt) // 4), "completion_tokens": max(1, len(reply) // 4)}
        payload = {
            "id": f"chatcmpl-{digest(prompt)}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": call.model,
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": reply}, "finish_reason": "stop"},
            ],
            "usage": {**usage, "total_tokens": sum(usage.values())},
        }
        if self._finish(call, None):
            self._stats.tokens(call.model, usage["prompt_tokens"], usage["completion_tokens"])
            call.connection.reply(200, payload, {"x-request-id": f"loop-{call.serial}"})

    def _refuse(
        self, call: _Call, status: int, payload: dict[str, Any], headers: dict[str, str] | None = None
    ) -> None:
        if self._finish(call, str(status)):
            if self._config.quote_key:
                payload = {"error": {**payload["error"], "message": f"{payload['error']['message']}: {call.key}"}}
            call.connection.reply(status, payload, {"x-request-id": f"loop-{call.serial}", **(headers or {})})

    def _fail(self, call: _Call, kind: str) -> None:
        if kind == "429":
            wait = self._config.retry_after_s
            headers = {} if wait is None else {"retry-after": f"{wait:g}"}
            self._refuse(call, 429, _error("Rate limit reached", "requests", "rate_limit_exceeded"), headers)
        elif kind == "500":
            self._refuse(call, 500, _error("The server had an error", "server_error"))
        else:
            self._finish(call, kind)
            call.connection.drop()

    def _on_client_lost(self, call: _Call) -> None:
        self._clients.discard(call.connection)
        # The client gave up first; in a hang that is the point, otherwise it is worth its own name.
        hanging = call.timer is not None and call.reply is None
        self._finish(call, "hang" if hanging else "abandoned")

    def _finish(self, call: _Call, failure: str | None) -> bool:
        """Book the end of a call once; False if it had ended before."""
        if call.closed:
            return False
        call.closed = True
        if call.timer is not None:
            call.timer.cancel()
        self._calls.discard(call)
        call.connection.on_lost = partial(self._clients.discard, call.connection)
        now = time.monotonic()
        self._stats.end(call.started, now, call.model, failure)
        if self._config.keep_requests:
            outcome = failure or "ok"
            reply = call.reply if failure is None else None
            self._requests.append(
                {
                    "serial": call.serial,
                    "model": call.model,
                    "outcome": outcome,
                    "body": call.body,
                    "reply": reply,
                    "started_at": call.started,
                    "ended_at": now,
                }
            )
        return True

    # -- control port -----------------------------------------------------------------------

    def _on_control(self, connection: HttpConnection, request: HttpRequest) -> None:
        route = (request.method, request.path.removeprefix("/v1"))
        if route == ("GET", "/stats"):
            connection.reply(200, self._stats.snapshot(time.monotonic()))
        elif route == ("GET", "/requests"):
            connection.reply(200, self._requests)
        elif route == ("POST", "/reset"):
            self._reset()
            connection.reply(200, {"ok": True})
        elif route == ("POST", "/control"):
            self._change(connection, request.body)
        else:
            message = f"no route {request.method} {request.path}"
            connection.reply(404, _error(message, "invalid_request_error"))

    def _reset(self) -> None:
        """Forget the counts; calls in service are booked in the new book from now on."""
        self._stats = StatsBook()
        self._requests = []
        self._faults.restart()
        now = time.monotonic()
        for call in self._calls:
            call.started = now
            self._stats.begin(now, call.model)

    def _change(self, connection: HttpConnection, body: bytes) -> None:
        try:
            self._apply(json.loads(body))
        except (ValueError, TypeError, ImportError, AttributeError) as exc:
            connection.reply(400, _error(str(exc), "invalid_request_error"))
            return
        # The reply waits until the socket is open again, so that a client may rely on it.
        self._opening = asyncio.get_running_loop().create_task(self._reply_open(connection))

    def _apply(self, changes: dict[str, Any]) -> None:
        """Follow changed settings; a setting that is not one leaves everything as it was."""
        config = self._config.updated(changes)
        responder = build_responder(config)
        self._config, self._responder = config, responder
        if any(name.startswith(("fail", "fault", "seed")) for name in changes):
            self._faults = FaultPlan(config)
        else:
            self._faults.adopt(config)
        if not config.listening:
            self._unlisten()
        elif config.down:
            self._drop_all()

    async def _reply_open(self, connection: HttpConnection) -> None:
        if self._config.listening:
            await self._listen()
        connection.reply(200, {"ok": True})
