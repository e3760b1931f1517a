"""The meter: counts every attempt of every model call, refuses calls over a cap, and notices a dead endpoint."""

import threading
import time
from collections.abc import Iterable
from dataclasses import replace

from mipro_studio.optimizer_core.config import Budget
from mipro_studio.optimizer_core.errors import BudgetReached, RunPaused, StudioError
from mipro_studio.optimizer_core.types import Burn, ErrorClass, Role, Usage

__all__ = ["Meter"]


class Meter:
    """Totals by role over all lives of a run, caps, and the switch that stops every further call.

    Thread-safe. A cap on calls is exact; caps on tokens, dollars and minutes are checked before each call, so
    they are passed by at most what is under way.

    Args:
        budget: The caps. `Role.TEST` is under none.
        burns: What earlier lives of the run spent.
        spent_s: Wall seconds of earlier lives.
        pause_after: Failures in a row of a kind that passes with time after which the run pauses.
    """

    def __init__(
        self, budget: Budget, burns: Iterable[Burn] = (), spent_s: float = 0.0, pause_after: int = 10
    ) -> None:
        self._budget = budget
        self._totals: dict[Role, Usage] = {burn.role: burn.usage for burn in burns}
        self._dirty: set[Role] = set()
        self._lock = threading.Lock()
        self._started = time.monotonic() - spent_s
        self._pause_after = pause_after
        self._failures = 0
        self._halt: StudioError | None = None
        self._testing = False
        self.halted = threading.Event()

    def admit(self, role: Role, requests: int = 1) -> None:
        """Count one attempt of `role`, before it is made.

        Args:
            requests: Calls that the attempt is counted as.

        Raises:
            BudgetReached: it would pass a cap.
            RunPaused, StopRequested: the run is being halted.
        """
        with self._lock:
            role = self._counted(role)
            if self._halt is not None and not (role is Role.TEST and isinstance(self._halt, BudgetReached)):
                raise self._halt
            if role is not Role.TEST:
                reason = self._over()
                if reason:
                    self._stop(BudgetReached(reason))
                    raise BudgetReached(reason)
            self._add(role, Usage(calls=requests))

    def take_back(self, role: Role, requests: int) -> None:
        """An admitted attempt turned out to be none: the answer was known."""
        with self._lock:
            self._add(self._counted(role), Usage(calls=-requests))

    def _counted(self, role: Role) -> Role:
        # What a judge says about the sealed test belongs to the test, which is under no cap.
        return Role.TEST if self._testing and role is Role.JUDGE else role

    def _caps(self) -> tuple[tuple[float, float | None, str], ...]:
        """(used, cap, what) of every cap but the one on program runs."""
        budget = self._budget
        total = self.capped_total()
        return (
            (total.calls, budget.max_lm_calls, "LM calls"),
            (total.input_tokens + total.output_tokens, budget.max_tokens, "tokens"),
            (total.cost_usd or 0.0, budget.max_usd, "dollars"),
            ((time.monotonic() - self._started) / 60, budget.max_minutes, "minutes"),
        )

    def _over(self) -> str:
        return next(
            (f"The cap of {cap} {what} is reached." for used, cap, what in self._caps() if cap and used >= cap), ""
        )

    def forecast(self, done: int, more: int) -> str:
        """Why `more` program runs would pass a cap, judged by what the `done` ones took; empty if they would not."""
        if done == 0:
            return self._over()
        for used, cap, what in self._caps():
            if cap and used + more * used / done > cap:
                return f"The cap of {cap} {what} leaves no room for another trial and the last full evaluation."
        return ""

    def answered(self, role: Role, usage: Usage) -> None:
        """Add the tokens, dollars and seconds of an admitted call that was answered."""
        with self._lock:
            self._failures = 0
            self._add(self._counted(role), replace(usage, calls=0))

    def failed(self, role: Role, error: ErrorClass, seconds_s: float, retried: bool) -> None:
        """Note an admitted call that failed; enough in a row of a kind that passes with time halt the run."""
        with self._lock:
            self._add(self._counted(role), Usage(retries=int(retried), lm_s=seconds_s))
            # A rate limit is an answer: the endpoint is alive and says when to come back.
            if not error.transient or error is ErrorClass.RATE_LIMIT:
                return
            self._failures += 1
            if self._failures >= self._pause_after:
                self._stop(
                    RunPaused(
                        f"{self._failures} model calls in a row failed ({error.value}); "
                        "the endpoint seems to be down.",
                        "Resume the run when it is back: nothing that was answered is asked again.",
                    )
                )

    def halt(self, reason: StudioError) -> None:
        """Let no further call begin; waiting retries give up at once. The first reason stands."""
        with self._lock:
            self._stop(reason)

    @property
    def halt_reason(self) -> StudioError | None:
        return self._halt

    def _stop(self, reason: StudioError) -> None:
        if self._halt is None:
            self._halt = reason
            self.halted.set()

    def open_for_test(self) -> None:
        """Let the sealed test run although a cap was reached or a person asked to stop."""
        with self._lock:
            self._testing = True
            self._halt = None
            self._failures = 0
            self.halted.clear()

    def _add(self, role: Role, usage: Usage) -> None:
        self._totals[role] = self._totals.get(role, Usage()) + usage
        self._dirty.add(role)

    def total(self, role: Role) -> Usage:
        return self._totals.get(role, Usage())

    def capped_total(self) -> Usage:
        """Sum over the roles that caps apply to."""
        total = Usage()
        for role, usage in self._totals.items():
            if role is not Role.TEST:
                total = total + usage
        return total

    def changed(self) -> list[Burn]:
        """Totals of the roles that changed since the last call, to be committed with the cells they paid for."""
        with self._lock:
            burns = [Burn(role, self._totals[role]) for role in sorted(self._dirty)]
            self._dirty.clear()
            return burns
