"""How fast the endpoint is: the spread of its latencies, and the calls a minute that it takes."""

from __future__ import annotations

import math

from tests.loopback.config import LoopbackConfig


def spread_of(kind: str, draw: float) -> float:
    """What a latency is multiplied with: 1 on average. `draw` is uniform between 0 and 1."""
    if kind == "exponential":
        return -math.log(max(1e-9, 1.0 - draw))
    if kind == "slow twentieth":
        return (10.0 if draw < 0.05 else 1.0) / 1.45
    return 1.0


class Bucket:
    """Tokens for calls, which come in at the endpoint's rate."""

    def __init__(self) -> None:
        self._tokens: float | None = None
        self._at = 0.0

    def wait_s(self, now: float, config: LoopbackConfig) -> float:
        """0 when the call is taken; else the seconds until there is room for one."""
        if config.calls_per_minute is None:
            return 0.0
        rate = config.calls_per_minute / 60.0
        before = config.burst if self._tokens is None else self._tokens
        self._tokens, self._at = min(config.burst, before + max(0.0, now - self._at) * rate), now
        if self._tokens < 1.0:
            return (1.0 - self._tokens) / rate
        self._tokens -= 1.0
        return 0.0
