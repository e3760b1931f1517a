"""Settings of the loopback endpoint; every field can be changed on a running one (`POST /control`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

FAULT_KINDS = ("429", "500", "drop", "hang")
FAULT_SEEDING = ("counter", "prompt")
SPREADS = ("constant", "exponential", "slow twentieth")


@dataclass(frozen=True)
class LoopbackConfig:
    """What the endpoint answers, how slowly, and how often it misbehaves."""

    latency_s: float = 0.0
    jitter: float = 0.0
    """Share of the latency: 0.5 spreads it over +-50 %, decided by the prompt alone."""

    spread: str = "constant"
    """How latencies spread around `latency_s`, their mean: "constant", "exponential", or "slow twentieth", where one
    call in 20 takes ten times as long as the others. Decided by the prompt and the order of arrival."""
    calls_per_minute: float | None = None
    """Calls beyond this rate are refused with 429 and a Retry-After that says when there is room; None = no limit."""
    burst: float = 10.0
    """Calls that are taken at once after a pause, where there is such a limit."""

    responder: str | Callable[[list[dict[str, Any]], dict[str, Any]], str] = "echo"
    """A built-in name ("echo", "oracle"), an importable "module:function", or a callable."""
    gold: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Oracle: input text -> {output field: right answer}."""
    labels: Mapping[str, list[Any]] = field(default_factory=dict)
    """Oracle: output field -> answers to choose a wrong one from; by default all gold values."""
    base_quality: float = 0.5
    """Oracle: probability of a right answer under an instruction of neutral quality, no demos."""
    correlation: float = 0.0
    """Oracle: share of the examples whose difficulty does not depend on the prompt."""
    salt_fields: list[str] = field(default_factory=list)
    """Names in the request body, such as "temperature" or "seed", that also decide the reply."""

    fail_rate: float = 0.0
    fail_kinds: Mapping[str, float] = field(default_factory=lambda: {"429": 1.0, "500": 1.0, "drop": 1.0})
    """Kind -> weight; the kinds are 429, 500, drop and hang."""
    fail_by: str = "counter"
    """"counter": a retry draws again; "prompt": the same prompt always meets the same fate."""
    fault_script: list[str] = field(default_factory=list)
    """Fates of the next requests in order of arrival ("ok" or a kind); then `fail_rate` rules."""
    fault_latency_s: float = 0.0
    retry_after_s: float | None = 0.0
    """Value of the Retry-After header of a 429; None leaves the header out."""
    hang_s: float = 30.0
    seed: int = 0

    down: bool = False
    """Accept every connection and close it at once."""
    listening: bool = True
    """False closes the listening socket itself (connection refused), True opens it again."""
    require_key: str | None = None
    quote_key: bool = False
    """Repeat the caller's key in the text of every error, as some providers do."""
    models: list[str] = field(default_factory=list)
    """If any are given, other model names get a 404."""
    keep_requests: bool = False

    def __post_init__(self) -> None:
        if unknown := set(self.fail_kinds) - set(FAULT_KINDS):
            raise ValueError(f"unknown fault kinds {sorted(unknown)}, expected some of {FAULT_KINDS}")
        if unknown := set(self.fault_script) - {*FAULT_KINDS, "ok"}:
            raise ValueError(f"unknown fates {sorted(unknown)} in fault_script")
        if self.fail_by not in FAULT_SEEDING:
            raise ValueError(f"fail_by must be one of {FAULT_SEEDING}, not {self.fail_by!r}")
        if self.spread not in SPREADS:
            raise ValueError(f"spread must be one of {SPREADS}, not {self.spread!r}")
        if not 0.0 <= self.jitter <= 1.0 or not 0.0 <= self.fail_rate <= 1.0:
            raise ValueError("jitter and fail_rate are shares between 0 and 1")

    def updated(self, changes: Mapping[str, Any]) -> LoopbackConfig:
        """This configuration with some fields replaced; an unknown name is an error."""
        known = {item.name for item in fields(self)}
        if unknown := set(changes) - known:
            raise ValueError(f"unknown settings {sorted(unknown)}")
        return replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        """Settings as JSON data; a responder given as a function travels as its import path."""
        data = {item.name: getattr(self, item.name) for item in fields(self)}
        if callable(self.responder):
            path = f"{self.responder.__module__}:{getattr(self.responder, '__qualname__', '')}"
            if "<" in path or path.startswith("__main__") or path.endswith(":"):
                raise ValueError("this responder cannot be imported by another process; use in_thread=True")
            data["responder"] = path
        return data
