"""Models for the roles: a `dspy.LM` whose every attempt is metered, capped, retried and classified."""

import os
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any

import dspy
from dspy.utils.callback import with_callbacks
from dspy.utils.exceptions import LMError, LMUnsupportedFeatureError

from mipro_studio.optimizer_core.config import EMBEDDED, ModelSpec
from mipro_studio.optimizer_core.errors import BadInput, ModelUnavailable
from mipro_studio.optimizer_core.models.attempts import Account, Asking, aask, ask
from mipro_studio.optimizer_core.models.classes import classify
from mipro_studio.optimizer_core.models.deadlines import awaited_within, bound_replies, within
from mipro_studio.optimizer_core.models.engines import ThreadedEngine, native_engine, prices_usd_per_token
from mipro_studio.optimizer_core.models.following import follow
from mipro_studio.optimizer_core.models.foreign import PLAIN_ACALL, PLAIN_CALL, count_foreign_models
from mipro_studio.optimizer_core.models.meter import Meter
from mipro_studio.optimizer_core.models.own_calls import count_own_calls
from mipro_studio.optimizer_core.models.sharing.call_limits import host_of
from mipro_studio.optimizer_core.models.type_adapters import remember_type_adapters
from mipro_studio.optimizer_core.types import Role

__all__ = ["MeteredLM", "adapter_for", "build_lm", "classify"]

# Before a person's program is imported, which may take DSPy's functions by name.
follow()
bound_replies()
count_foreign_models()
count_own_calls()
remember_type_adapters()


_left_to_dspy: ContextVar[bool] = ContextVar("left_to_dspy", default=False)
"""The call under way is one that the native engine cannot carry."""


class MeteredLM(dspy.LM):  # type: ignore[misc]
    """A `dspy.LM` that asks the meter before each attempt and tells it what came of it, see `models.attempts`.

    DSPy's response cache is off, whatever a call says: every call is paid for once and counted.

    Args:
        deadline_s: Seconds that one attempt may take in all where DSPy sends it; an engine of ours sees to it itself.
        clients: How DSPy reaches the endpoint by itself, where `engine` is ours: a request that the native engine
            has no form for (audio, a file's name) goes the way that DSPy chooses for it.
    """

    def __init__(
        self,
        model: str,
        *,
        account: Account,
        retries: int,
        deadline_s: float | None = None,
        clients: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(model, cache=False, num_retries=0, **kwargs)
        self.account = account
        self._retries = retries
        self._deadline_s = deadline_s
        self._clients = clients
        base = (clients or kwargs).get("api_base")
        self.endpoint = host_of(base) if base else model

    @property
    def _engine_spec(self) -> Any:
        return "auto" if _left_to_dspy.get() else self._engine

    @_engine_spec.setter
    def _engine_spec(self, engine: Any) -> None:
        self._engine = engine

    @with_callbacks  # type: ignore[untyped-decorator]
    def __call__(self, prompt: Any = None, *, messages: Any = None, **kwargs: Any) -> Any:
        def send(**options: Any) -> Any:
            call = partial(PLAIN_CALL, self, prompt, messages=messages, **options)
            return within(self._deadline_s, call, self.model) if isinstance(self.engine, str) else call()

        asking = self._asking(kwargs)
        return ask(asking, lambda: self._sent(send, kwargs))

    @with_callbacks  # type: ignore[untyped-decorator]
    async def acall(self, prompt: Any = None, *, messages: Any = None, **kwargs: Any) -> Any:
        def send(**options: Any) -> Awaitable[Any]:
            sent: Awaitable[Any] = PLAIN_ACALL(self, prompt, messages=messages, **options)
            return awaited_within(self._deadline_s, sent, self.model) if isinstance(self.engine, str) else sent

        asking = self._asking(kwargs)
        return await aask(asking, lambda: self._asent(send, kwargs))

    def _sent(self, send: Callable[..., Any], options: Mapping[str, Any]) -> Any:
        try:
            return send(**options)
        except LMUnsupportedFeatureError:
            with self._left_to_dspy() as clients:
                return send(**options, **clients)

    async def _asent(self, send: Callable[..., Awaitable[Any]], options: Mapping[str, Any]) -> Any:
        try:
            return await send(**options)
        except LMUnsupportedFeatureError:
            with self._left_to_dspy() as clients:
                return await send(**options, **clients)

    @contextmanager
    def _left_to_dspy(self) -> Iterator[Mapping[str, Any]]:
        """The error that is being handled is raised again where DSPy would do nothing else."""
        if self._clients is None:
            raise
        token = _left_to_dspy.set(True)
        try:
            yield self._clients
        finally:
            _left_to_dspy.reset(token)

    def _asking(self, kwargs: dict[str, Any]) -> Asking:
        kwargs.pop("cache", None)
        n = {**self.kwargs, **kwargs}.get("n") or 1
        # An engine of our own is asked once for each of `n` completions.
        requests = n if isinstance(n, int) and not isinstance(self.engine, str) else 1
        return Asking(self, self.account, self._retries, requests)


def build_lm(
    spec: ModelSpec, role: Role, meter: Meter, retries: int, seed: int, adapters: Sequence[str] = ()
) -> MeteredLM:
    """The model of `spec` for `role`.

    Args:
        meter: Admits and counts each of its calls.
        retries: Further attempts of a call that failed for a reason that passes.
        seed: Of the embedded model's answers at a temperature above 0; endpoints are not told.
        adapters: Files of all adapters that the embedded model's server is to hold, where it answers for several.

    Raises:
        BadInput: the model string or a setting is not usable, or the key's variable is not set.
    """
    settings: dict[str, Any] = {"temperature": spec.temperature, "max_tokens": spec.max_tokens}
    account = Account(meter, role, prices_usd_per_token(spec))
    shared: dict[str, Any] = {"account": account, "retries": retries, "deadline_s": spec.timeout_s}
    if spec.model == EMBEDDED:
        from mipro_studio.optimizer_core.models.embedded import LM_NAME
        from mipro_studio.optimizer_core.models.embedded.engine import AsyncEmbeddedEngine, EmbeddedEngine

        limit = spec.max_tokens or 200
        held = tuple(dict.fromkeys((*adapters, *([spec.weights] if spec.weights else []))))
        place = held.index(spec.weights) if spec.weights else None
        embedded = EmbeddedEngine(seed=seed, max_tokens=limit, adapters=[*map(Path, held)], adapter=place)
        settings = {"temperature": spec.temperature or 0.0, "max_tokens": limit}
        return MeteredLM(LM_NAME, **shared, **settings, engine=embedded, async_engine=AsyncEmbeddedEngine(embedded))
    key = _key(spec)
    try:
        clients = {"timeout": spec.timeout_s, "api_base": spec.api_base, "api_key": key}
        engine = native_engine(spec, key)
        if engine is not None:
            settings |= {"engine": engine, "async_engine": ThreadedEngine(engine), "clients": clients}
        else:
            settings |= clients
        return MeteredLM(spec.model, **shared, **settings)
    except (LMError, ValueError, TypeError) as error:
        raise BadInput(f"The model {spec.model!r} cannot be used: {error}.") from error


def _key(spec: ModelSpec) -> str | None:
    if spec.api_key_env is None:
        # An endpoint of one's own often wants no key, but its client insists on one.
        return "none" if spec.api_base else None
    key = os.environ.get(spec.api_key_env)
    if not key:
        raise BadInput(
            f"The environment variable {spec.api_key_env!r} that should hold the key of {spec.model!r} is not set.",
            "Set it and start again.",
        )
    return key


def adapter_for(spec: ModelSpec) -> Any:
    """How prompts are written for the model: compact for the embedded one, DSPy's ChatAdapter otherwise."""
    if spec.model != EMBEDDED:
        return dspy.ChatAdapter()
    try:
        from mipro_studio.optimizer_core.models.embedded import CompactAdapter
    except ImportError as error:
        raise ModelUnavailable(
            "The embedded model needs the package xllamacpp, which cannot be imported.",
            "Install requirements.txt, or use an endpoint.",
        ) from error
    return CompactAdapter()
