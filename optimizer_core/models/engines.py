"""The engine behind an endpoint model: DSPy's native one, set up once for the whole run.

`dspy.LM` on its own chooses an engine and looks the price up anew for every call, which costs 2 to 4 ms of the
interpreter each; an engine object costs under 1 ms. What the native engine cannot carry stays with DSPy.
"""

import json
import urllib.request
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
import dspy
from dspy import lm15
from dspy._vendor.lm15.providers.base import HttpResponse
from dspy.clients.backend_selection import select_backend
from dspy.clients.capabilities import capabilities
from dspy.clients.engines.lm15_engine import LM15Engine, timeouts_for
from dspy.clients.model_metadata import model_info, rate
from dspy.lm15 import Request, Response, RouterConfig

from mipro_studio.optimizer_core.config import EMBEDDED, ModelSpec
from mipro_studio.optimizer_core.models.classes import MALFORMED

__all__ = ["ThreadedEngine", "native_engine", "prices_usd_per_token"]

MAX_CONNECTIONS = 512


class _NativeEngine(LM15Engine):  # type: ignore[misc]
    """DSPy's native engine, which may be copied with the program that uses it, and says what the model can do."""

    def __init__(self, config: RouterConfig, probe: dspy.LM) -> None:
        super().__init__(config, model_type=probe.model_type)
        able = capabilities(probe)
        self.supports_function_calling = able.function_calling
        self.supports_reasoning = able.reasoning
        self.supports_response_schema = able.response_schema
        self.supported_params = set(able.params)

    def complete(self, request: Request) -> Response:
        try:
            return super().complete(request)
        except lm15.LM15Error:
            raise
        except Exception as error:  # noqa: BLE001 - the usage in a reply may be anything, and so may its reader raise
            return self._without_usage(request, error)

    def _without_usage(self, request: Request, error: Exception) -> Response:
        """The reply that could not be read, read once more without the usage in it, which may be anything.

        Raises:
            ProviderError: it was not the usage.
        """
        try:
            body = json.loads(self.config.transport.last_body)
            del body["usage"]
            provider, routed = self._target(request)
            said = HttpResponse(200, "OK", [], json.dumps(body).encode(), provider=provider.provider)
            return provider.parse_response(routed, said)
        except Exception:  # noqa: BLE001 - whatever it is, the first error says what is wrong
            words = f"The reply cannot be read: {type(error).__name__}: {error}"
            raise lm15.ProviderError(words, provider_code=MALFORMED, status=200) from error

    def __deepcopy__(self, memo: dict[int, Any]) -> "_NativeEngine":
        return self  # it holds connections, and is safe to share


class ThreadedEngine:
    """An engine for event loops: each call waits in a thread, so that one pool of connections serves all loops.

    DSPy's own async engine has connections for every loop, and `asyncio.run` in a program is a loop a program run.
    """

    def __init__(self, engine: LM15Engine) -> None:
        self._engine = engine

    async def complete(self, request: Request) -> Response:
        return await _in_thread(partial(self._engine.complete, request))

    async def stream(self, request: Request) -> AsyncIterator[Any]:
        events = self._engine.stream(request)
        try:
            while (event := await _in_thread(partial(next, events, None))) is not None:
                yield event
        finally:
            await _in_thread(events.close)

    def __deepcopy__(self, memo: dict[int, Any]) -> "ThreadedEngine":
        return self


async def _in_thread(work: Callable[[], Any]) -> Any:
    """`work()` in a thread that nobody waits for when the task is cancelled; as many at once as there are tasks."""
    return await anyio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=anyio.CapacityLimiter(1))


def native_engine(spec: ModelSpec, api_key: str | None) -> LM15Engine | None:
    """The native engine for `spec`; None when DSPy would send the model's calls through LiteLLM.

    Raises:
        ValueError, dspy's LMError: the model string is not one.
    """
    client: dict[str, Any] = {"timeout": spec.timeout_s}
    if api_key:
        client["api_key"] = api_key
    if spec.api_base:
        client["api_base"] = spec.api_base
    probe = dspy.LM(spec.model, **client)
    selection = select_backend(probe)
    if not selection.native:
        return None
    provider = selection.resolution.provider
    clients = selection.clients
    url = clients.get("api_base") or clients.get("base_url")
    config = RouterConfig(
        api_keys={provider: clients["api_key"]} if "api_key" in clients else None,
        base_urls={provider: url} if url else None,
        **_transport(spec.timeout_s),
    )
    return _NativeEngine(config, probe)


def _transport(timeout_s: float) -> dict[str, Any]:
    try:
        from mipro_studio.optimizer_core.models.transport import BoundedTransport
    except ImportError:  # DSPy's private place for its own; the default transport has no deadline for a whole call
        return {"timeouts": timeouts_for(timeout_s), "max_connections": MAX_CONNECTIONS}
    # Without a proxy there is no need to read all of the environment again for every request.
    proxied = bool(urllib.request.getproxies())
    return {"transport": BoundedTransport(timeout_s, max_connections=MAX_CONNECTIONS, trust_env=proxied)}


def prices_usd_per_token(spec: ModelSpec) -> tuple[float, float] | None:
    """(input, output) dollars a token: the person's own prices, else the list that DSPy carries; None = not known."""
    if spec.model == EMBEDDED:
        return (0.0, 0.0)
    if spec.input_usd_per_mtok is not None and spec.output_usd_per_mtok is not None:
        return (spec.input_usd_per_mtok / 1e6, spec.output_usd_per_mtok / 1e6)
    if spec.api_base:
        return None  # somebody's own endpoint does not bill what the provider of a like-named model does
    provider, _, name = spec.model.partition("/")
    info = model_info(provider, name)
    prices = (rate(info, "input_cost_per_token"), rate(info, "output_cost_per_token")) if info else (None, None)
    return (float(prices[0]), float(prices[1])) if None not in prices else None  # type: ignore[arg-type]
