"""Which requests go wrong, and how."""

from __future__ import annotations

from tests.loopback.config import LoopbackConfig
from tests.loopback.hashing import unit


class FaultPlan:
    """Decides the fate of each request: None (served) or a kind of `FAULT_KINDS`."""

    def __init__(self, config: LoopbackConfig) -> None:
        self._config = config
        self._script = list(config.fault_script)
        self._count = 0

    def restart(self) -> None:
        """Draw from the beginning again; what the script has spent stays spent."""
        self._count = 0

    def adopt(self, config: LoopbackConfig) -> None:
        """Follow changed settings that are not about faults: the script is not played again."""
        self._config = config

    def fate(self, prompt: str) -> str | None:
        """The fate of the next request.

        By default the draw depends on the order of arrival and not on the prompt, so that a
        retry of a failed request meets the normal odds.
        """
        config = self._config
        self._count += 1
        if self._script:
            scripted = self._script.pop(0)
            return None if scripted == "ok" else scripted
        if config.fail_rate <= 0.0:
            return None
        by = self._count if config.fail_by == "counter" else prompt
        if unit("fail", config.seed, by) >= config.fail_rate:
            return None
        return self._kind(unit("kind", config.seed, by))

    def _kind(self, draw: float) -> str:
        kinds = sorted((name, weight) for name, weight in self._config.fail_kinds.items() if weight > 0)
        left = draw * sum(weight for _, weight in kinds)
        for name, weight in kinds:
            left -= weight
            if left < 0:
                return name
        return kinds[-1][0]
