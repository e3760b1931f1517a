"""DSPy engine that answers with the embedded model's server.

Implements the contract of ``dspy.clients.engines.base``: one canonical request in, one response
out; failures are ``dspy.lm15`` errors; retries, caching and history belong to ``dspy.LM``.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
from dspy import lm15
from dspy.clients.engines.base import validate_request

from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.models.embedded.connection import Connection, connect
from mipro_studio.optimizer_core.models.embedded.slots import SlotBook

__all__ = ["AsyncEmbeddedEngine", "EmbeddedEngine"]

_PROVIDER: Final = "embedded"
# Config.extensions keys this engine understands, all passed to llama.cpp under the same name.
_EXTENSIONS: Final = frozenset({"grammar", "json_schema", "min_p", "repeat_penalty"})
_READ_TIMEOUT_S: Final = 300.0
_POOL: Final = httpx.Limits(max_connections=32, max_keepalive_connections=32)


class EmbeddedEngine:
    """Thread-safe. Connects on the first call, so that it costs nothing to construct.

    ``seed`` is used for requests with a temperature above 0 that bring none of their own;
    ``max_tokens`` bounds every answer, whatever the request asks for.

    ``adapters`` are files of low-rank adapters that the server holds beside the weights; ``adapter`` is the place
    of the one that answers, None for the weights alone. Engines with the same ``adapters`` share a server.

    ``base`` is a GGUF file to serve instead of the embedded model's own weights, such as merged ones.
    """

    supports_grammar: Final = True
    supports_function_calling: Final = False
    supports_reasoning: Final = False
    supports_response_schema: Final = False
    supported_params: Final = frozenset({"temperature", "max_tokens", "top_p", "top_k", "stop", "seed"})

    def __init__(
        self,
        *,
        seed: int = 0,
        max_tokens: int = 200,
        adapters: Sequence[Path] = (),
        adapter: int | None = None,
        base: Path | None = None,
    ) -> None:
        self.seed = seed
        self.max_tokens = max_tokens
        self.adapters = tuple(adapters)
        self.adapter = adapter
        self.base = base
        self._lock = threading.Lock()
        self._session: _Session | None = None

    def complete(self, request: lm15.Request) -> lm15.Response:
        """One answer. Raises ``dspy.lm15`` errors only."""
        validate_request(request)
        payload = self._payload(request)
        session = self._live_session()
        try:
            return session.ask(request, payload)
        except (httpx.NetworkError, httpx.RemoteProtocolError):
            # The server is gone (killed, or left while this process was suspended). Nothing was
            # answered and nothing is billed, so its successor gets what is still the first attempt.
            return _ask(self._live_session(instead_of=session), request, payload)
        except httpx.HTTPError as exc:
            raise _transport_error(exc) from exc

    def stream(self, request: lm15.Request) -> Iterator[Any]:
        """The complete answer as canonical events; answers are too short to be worth streaming."""
        yield from lm15.response_to_events(self.complete(request))

    def close(self) -> None:
        """Give up the claim on the server. The engine may be used again afterwards."""
        with self._lock:
            session, self._session = self._session, None
        if session is not None:
            session.close()

    def dump_state(self) -> dict[str, Any]:
        state: dict[str, Any] = {"seed": self.seed, "max_tokens": self.max_tokens}
        if self.adapters:
            state |= {"adapters": [str(path) for path in self.adapters], "adapter": self.adapter}
        if self.base is not None:
            state["base"] = str(self.base)
        return state

    @classmethod
    def load_state(cls, state: dict[str, Any]) -> EmbeddedEngine:
        return cls(
            seed=int(state.get("seed", 0)),
            max_tokens=int(state.get("max_tokens", 200)),
            adapters=[Path(path) for path in state.get("adapters", ())],
            adapter=state.get("adapter"),
            base=Path(state["base"]) if state.get("base") else None,
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> EmbeddedEngine:
        # DSPy deep-copies programs per candidate; the copies share one connection pool.
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (_restore, (self.dump_state(),))

    def _live_session(self, instead_of: _Session | None = None) -> _Session:
        with self._lock:
            current = self._session
            # A forked child must not share its parent's sockets or lock.
            if current is None or current is instead_of or current.pid != os.getpid():
                try:
                    self._session = _Session(connect(self.base, self.adapters))
                except StudioError as exc:
                    raise lm15.TransportError(str(exc), provider=_PROVIDER) from exc
            assert self._session is not None
            return self._session

    def _payload(self, request: lm15.Request) -> dict[str, Any]:
        config = request.config
        extensions = dict(config.extensions or {})
        unknown = extensions.keys() - _EXTENSIONS
        if unknown or request.tools or config.response_format is not None:
            names = sorted(unknown) or ["tools" if request.tools else "response_format"]
            raise lm15.UnsupportedFeatureError(
                f"The embedded model does not support {', '.join(names)}.", feature=names[0], provider=_PROVIDER
            )
        temperature = config.temperature or 0.0
        payload: dict[str, Any] = {
            "messages": _messages(request),
            "max_tokens": min(config.max_tokens or self.max_tokens, self.max_tokens),
            "temperature": temperature,
            "cache_prompt": True,
            **extensions,
        }
        if self.adapters:
            # An adapter that is not named keeps the scale that it was loaded with.
            payload["lora"] = [
                {"id": place, "scale": float(place == self.adapter)} for place in range(len(self.adapters))
            ]
        if temperature > 0:
            payload["seed"] = config.seed if config.seed is not None else self.seed
            payload |= {k: v for k in ("top_p", "top_k") if (v := getattr(config, k)) is not None}
        if config.stop:
            payload["stop"] = list(config.stop)
        return payload


class AsyncEmbeddedEngine:
    """Asynchronous face of an :class:`EmbeddedEngine`; each call waits in a worker thread."""

    supports_grammar: Final = True

    def __init__(self, engine: EmbeddedEngine) -> None:
        self.engine = engine

    async def complete(self, request: lm15.Request) -> lm15.Response:
        return await asyncio.to_thread(self.engine.complete, request)

    async def stream(self, request: lm15.Request) -> AsyncIterator[Any]:
        for event in lm15.response_to_events(await self.complete(request)):
            yield event

    async def aclose(self) -> None:
        await asyncio.to_thread(self.engine.close)

    def dump_state(self) -> dict[str, Any]:
        return self.engine.dump_state()

    @classmethod
    def load_state(cls, state: dict[str, Any]) -> AsyncEmbeddedEngine:
        return cls(EmbeddedEngine.load_state(state))


class _Session:
    """A connection with an HTTP pool per lane and the book of its slots, bound to the process that made it."""

    def __init__(self, connection: Connection) -> None:
        self.pid = os.getpid()
        self.connection = connection
        self._slots = SlotBook(len(connection.base_urls), connection.slots)
        self._lanes = [
            httpx.Client(
                base_url=base_url,
                headers=connection.headers,
                timeout=httpx.Timeout(_READ_TIMEOUT_S, connect=5.0),
                limits=_POOL,
                trust_env=False,  # a proxy from the environment must not sit between us and 127.0.0.1
            )
            for base_url in connection.base_urls
        ]

    def ask(self, request: lm15.Request, payload: dict[str, Any]) -> lm15.Response:
        """The answer, from the slot that knows the prompt's beginning. Raises what httpx raises."""
        prefix = _Prefix.of(payload["messages"], payload.get("lora"))
        slot = self._slots.begin(prefix.key)
        cold: bool | None = None
        try:
            lane, within = slot % len(self._lanes), slot // len(self._lanes)
            answer = self._lanes[lane].post("/v1/chat/completions", json={**payload, "id_slot": within})
            response = _response(request, answer)
            cold = prefix.was_cold(response.usage)
            return response
        finally:
            self._slots.end(prefix.key, slot, cold=cold)

    def close(self) -> None:
        for lane in self._lanes:
            lane.close()
        self.connection.close()


@dataclass(frozen=True)
class _Prefix:
    """What the calls of one candidate have in common: everything ahead of the last turn.

    ``share`` is its part of the prompt's characters, from 0 to 1.
    """

    key: str
    share: float

    @classmethod
    def of(cls, messages: list[dict[str, str]], adapters: list[dict[str, Any]] | None) -> _Prefix:
        # A slot forgets its prompt when its adapter changes, so each adapter has prefixes of its own.
        text = json.dumps(messages[:-1])
        whole = len(text) + len(messages[-1]["content"])
        return cls(f"{json.dumps(adapters)}{text}", len(text) / whole)

    def was_cold(self, usage: lm15.Usage) -> bool:
        """Whether less than half of the prefix was found in the slot (tokens taken as even in length)."""
        return (usage.cache_read_tokens or 0) < (usage.input_tokens or 0) * self.share / 2


def _restore(state: dict[str, Any]) -> EmbeddedEngine:
    return EmbeddedEngine.load_state(state)


def _ask(session: _Session, request: lm15.Request, payload: dict[str, Any]) -> lm15.Response:
    try:
        return session.ask(request, payload)
    except httpx.HTTPError as exc:
        raise _transport_error(exc) from exc


def _transport_error(exc: httpx.HTTPError) -> lm15.LM15Error:
    if isinstance(exc, httpx.TimeoutException):
        return lm15.TimeoutError(f"The embedded model did not answer in time: {exc!r}", provider=_PROVIDER)
    return lm15.TransportError(f"The embedded model's server could not be reached: {exc!r}", provider=_PROVIDER)


def _messages(request: lm15.Request) -> list[dict[str, str]]:
    messages = []
    system = request.system
    if system is not None:
        text = system if isinstance(system, str) else "".join(_part_text(part) for part in system)
        messages.append({"role": "system", "content": text})
    for message in request.messages:
        role = "system" if message.role == "developer" else message.role
        messages.append({"role": role, "content": "".join(_part_text(part) for part in message.parts)})
    return messages


def _part_text(part: Any) -> str:
    if not isinstance(part, lm15.TextPart):
        raise lm15.UnsupportedFeatureError(
            f"The embedded model reads text only, not {part.type}.", feature=part.type, provider=_PROVIDER
        )
    return str(part.text)


def _response(request: lm15.Request, answer: httpx.Response) -> lm15.Response:
    try:
        body = answer.json()
        if answer.status_code != 200:
            raise _server_error(answer.status_code, body)
        choice, usage = body["choices"][0], body["usage"]
        details = usage.get("prompt_tokens_details") or {}
        return lm15.Response(
            id=body.get("id"),
            model=request.model,
            message=lm15.Message.assistant([lm15.TextPart(choice["message"]["content"] or "")]),
            finish_reason="length" if choice["finish_reason"] == "length" else "stop",
            usage=lm15.Usage(
                input_tokens=usage["prompt_tokens"],
                output_tokens=usage["completion_tokens"],
                cache_read_tokens=details.get("cached_tokens"),
            ),
        )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as exc:
        raise lm15.ServerError(
            f"The embedded model's server answered in an unexpected form: {answer.text[:200]!r}",
            provider=_PROVIDER, status=answer.status_code,
        ) from exc  # fmt: skip


def _server_error(status: int, body: Any) -> lm15.LM15Error:
    """The canonical error for llama.cpp's ``{"error": {"type", "message"}}`` body."""
    error = body["error"]
    kind, message = str(error.get("type", "")), str(error.get("message", ""))
    by_kind = {"exceed_context_size_error": lm15.ContextLengthError, "authentication_error": lm15.AuthError}
    by_status = {429: lm15.RateLimitError, 503: lm15.ServerError, 408: lm15.TimeoutError, 504: lm15.TimeoutError}
    fallback = lm15.InvalidRequestError if status < 500 else lm15.ServerError
    target = by_kind.get(kind) or by_status.get(status) or fallback
    error_value: lm15.LM15Error = target(
        f"The embedded model refused the request: {message}", provider=_PROVIDER, provider_code=kind, status=status
    )
    return error_value
