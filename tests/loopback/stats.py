"""Counting at the endpoint."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any


@dataclass
class RoleCount:
    """Calls and tokens under one model name."""

    total: int = 0
    ok: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    busy_s: float = 0.0


class StatsBook:
    """Counts chat calls only; /stats, /control and their like never appear in it."""

    def __init__(self) -> None:
        self.total = self.ok = 0
        self.failed: dict[str, int] = defaultdict(int)
        self.first_at: float | None = None
        self.last_at: float | None = None
        self.busy_s = 0.0
        self.in_flight = 0
        self.max_in_flight = 0
        self.connections = 0
        self.connections_refused = 0
        self.roles: dict[str, RoleCount] = defaultdict(RoleCount)
        self._weights: dict[int, float] = defaultdict(float)
        self._changed_at = 0.0

    def begin(self, now: float, model: str) -> None:
        """A request has arrived."""
        if self.first_at is None:
            self.first_at = self._changed_at = now
        self._move(now, self.in_flight + 1)
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        self.total += 1
        self.roles[model].total += 1

    def end(self, started: float, now: float, model: str, failure: str | None) -> None:
        """A request has left: answered, refused, or its connection lost (`failure` says which)."""
        self._move(now, self.in_flight - 1)
        self.last_at = now
        self.busy_s += now - started
        role = self.roles[model]
        role.busy_s += now - started
        if failure is None:
            self.ok += 1
            role.ok += 1
        else:
            self.failed[failure] += 1
            role.failed += 1

    def tokens(self, model: str, prompt: int, completion: int) -> None:
        """Usage as reported to the client; only an answered request has any."""
        role = self.roles[model]
        role.prompt_tokens += prompt
        role.completion_tokens += completion

    def snapshot(self, now: float) -> dict[str, Any]:
        """All counts as JSON data. The histogram covers first_at..last_at, and up to `now` while busy."""
        if self.in_flight:
            self._move(now, self.in_flight)
        return {
            "total": self.total,
            "ok": self.ok,
            "failed": sum(self.failed.values()),
            "failed_by_kind": dict(self.failed),
            "first_at": self.first_at,
            "last_at": self.last_at,
            "busy_s": self.busy_s,
            "in_flight": self.in_flight,
            "max_in_flight": self.max_in_flight,
            "in_flight_s": {str(level): seconds for level, seconds in sorted(self._weights.items())},
            "connections": self.connections,
            "connections_refused": self.connections_refused,
            "roles": {name: vars(role) for name, role in self.roles.items()},
        }

    def _move(self, now: float, level: int) -> None:
        self._weights[self.in_flight] += now - self._changed_at
        self._changed_at = now
        self.in_flight = level
