"""Counting what a peer spends, without trusting its own bookkeeping: program runs, model calls, evaluations."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Callable
from typing import Any, Final

import dspy

from mipro_studio.optimizer_core.config import ModelSpec, RunConfig
from mipro_studio.optimizer_core.models.lms import MeteredLM, adapter_for, build_lm
from mipro_studio.optimizer_core.models.meter import Meter
from mipro_studio.optimizer_core.seeds import derive_seed
from mipro_studio.optimizer_core.types import Role

__all__ = ["AdapterByModel", "CapReached", "PeerLM", "RunCounter", "peer_lm", "record_evaluations"]


LONGEST_CALL_S: Final = 120.0


class CapReached(BaseException):
    """A program run beyond the cap was about to start. No Exception: DSPy would score it 0 and go on."""


class RunCounter:
    """Counts the runs of a program class and refuses those beyond `cap`. Thread-safe."""

    def __init__(self, cap: int) -> None:
        self.cap = cap
        self.runs = 0
        self._sealed = False
        self._lock = threading.Lock()

    def watch(self, program: type[dspy.Module]) -> None:
        """Count every `forward` of this class from now on, of copies too: optimizers deepcopy their student."""
        forward = program.forward

        @functools.wraps(forward)
        def counted(module: Any, *arguments: Any, **named: Any) -> Any:
            self._admit()
            return forward(module, *arguments, **named)

        program.forward = counted

    def seal(self) -> None:
        """From now on count and refuse nothing: the sealed test is counted apart.

        DSPy does not wait for its threads when it ends early; what they still have is refused first.
        """
        for thread in threading.enumerate():
            if thread.name.startswith("ThreadPoolExecutor"):
                thread.join(LONGEST_CALL_S)
        self._sealed = True

    def _admit(self) -> None:
        with self._lock:
            if self._sealed:
                return
            if self.runs >= self.cap:
                raise CapReached
            self.runs += 1


class PeerLM(MeteredLM):
    """A metered model with a cache in memory, as DSPy's users have it: an equal request is not asked twice.

    Every request that reaches the model is metered; one that the cache answers costs nothing, as with DSPy's own.
    """

    _cache: dict[str, Any]

    def __call__(self, prompt: Any = None, *, messages: Any = None, **kwargs: Any) -> Any:
        key = json.dumps([self.model, prompt, messages, {**self.kwargs, **kwargs}], default=str, sort_keys=True)
        if key not in self._cache:
            self._cache[key] = super().__call__(prompt, messages=messages, **kwargs)
        return self._cache[key]

    def __deepcopy__(self, memo: dict[int, Any]) -> PeerLM:
        return self  # a meter has a lock, and copies must be counted on the same one


def peer_lm(config: RunConfig, role: Role, meter: Meter) -> PeerLM:
    """The model that our own run would use in this role, with the cache."""
    lm: Any = build_lm(config.model_for(role), role, meter, config.retries, derive_seed(config.seed, "model", role))
    lm.__class__ = PeerLM
    lm._cache = {}
    return lm  # type: ignore[no-any-return]


class AdapterByModel(dspy.Adapter):  # type: ignore[misc]
    """Writes prompts as each model needs them: DSPy has one adapter for all models, we may have two kinds."""

    def __init__(self, specs: dict[str, ModelSpec]) -> None:
        super().__init__()
        self._adapters = {model: adapter_for(spec) for model, spec in specs.items()}

    def __call__(self, lm: Any, *arguments: Any, **named: Any) -> Any:
        return self._adapters[lm.model](lm, *arguments, **named)

    def format(self, *arguments: Any, **named: Any) -> Any:
        return next(iter(self._adapters.values())).format(*arguments, **named)


def record_evaluations(on_evaluation: Callable[[Any, list[tuple[Any, Any, float]]], None]) -> None:
    """Tell `on_evaluation(program, [(example, prediction, score)])` of every `dspy.Evaluate` in this process."""
    evaluate = dspy.Evaluate.__call__

    @functools.wraps(evaluate)
    def told(self: Any, program: Any, *arguments: Any, **named: Any) -> Any:
        result = evaluate(self, program, *arguments, **named)
        on_evaluation(program, result.results)
        return result

    dspy.Evaluate.__call__ = told
