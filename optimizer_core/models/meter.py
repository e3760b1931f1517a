"""The meter: counts every attempt of every model call, refuses calls over a cap, and notices a dead endpoint."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace

from mipro_studio.optimizer_core.config import Budget
from mipro_studio.optimizer_core.errors import BudgetReached, RunPaused, StudioError
from mipro_studio.optimizer_core.models.sharing.call_limits import CallLimits
from mipro_studio.optimizer_core.models.sharing.endpoint_limit import CallEnd
from mipro_studio.optimizer_core.types import ErrorClass, Role, Spent, Usage

__all__ = ["Meter"]

LENT_SHARE = 64
"""Of the calls that a cap leaves at most one in so many is lent at a time."""
LENT_S = 0.05


class Meter:
    """Totals by role over all lives of a run, caps, and the switch that stops every further call.

    Thread-safe. A cap on calls is exact. What a call takes in tokens and dollars is not known beforehand, so each
    call under way counts as the mean of its role's, or of all before its role has one: those caps are passed by what
    calls take beyond that, and where nothing was answered yet by what is under way.

    Args:
        budget: The caps. Roles of the sealed test are under none.
        spending: What earlier lives of the run spent.
        spent_s: Wall seconds of earlier lives.
        pause_after: Failures in a row of a kind that passes with time after which the run pauses.
        retry_budget: Attempts in this life, beyond the first of each call, after which the run pauses.

    Attributes:
        limits: Hold calls back that an endpoint would refuse; None = nothing is held back.
        beside_usd: Dollars that were spent on no call and count under the cap, such as those of a training.
    """

    def __init__(
        self,
        budget: Budget,
        spending: Iterable[Spent] = (),
        spent_s: float = 0.0,
        pause_after: int = 10,
        retry_budget: int = 1000,
    ) -> None:
        self._budget = budget
        self._capped = any(cap is not None for cap in budget.model_dump().values())
        self._totals: dict[Role, Usage] = {spent.role: spent.usage for spent in spending}
        # A call without a price makes a total unknown, but no cap may forget what the others cost.
        self._known_usd = {role: usage.cost_usd or 0.0 for role, usage in self._totals.items()}
        self._dirty: set[Role] = set()
        self._lock = threading.Condition()
        self._lent = 0
        self.limits: CallLimits | None = None
        self.beside_usd = 0.0
        self._watchers: list[Callable[[], None]] = []
        self._started = time.monotonic() - spent_s
        self._pause_after = pause_after
        self._failures = 0
        self._retries_left = retry_budget
        self._under_way: Counter[Role] = Counter()
        # Calls, their tokens, their known dollars.
        self._answered = {
            role: (usage.calls, usage.input_tokens + usage.output_tokens, usage.cost_usd or 0.0)
            for role, usage in self._totals.items()
        }
        self._halt: StudioError | None = None
        self._testing = False
        self.halted = threading.Event()

    def __deepcopy__(self, memo: dict[int, object]) -> "Meter":
        return self  # copies of a model, which programs make, are counted together

    def enter(self, role: Role, requests: int, endpoint: str) -> Role:
        """Wait for a turn at `endpoint`, then `admit`. What has entered is to `leave`."""
        if self.limits is None:
            return self.admit(role, requests)
        self.limits.begin(endpoint, self.halted)
        return self._admit_at(role, requests, endpoint)

    async def enter_async(self, role: Role, requests: int, endpoint: str) -> Role:
        """`enter` for a task of an event loop, which goes on while this waits."""
        if self.limits is None:
            return self.admit(role, requests)
        await self.limits.begin_async(endpoint, self.halted)
        return self._admit_at(role, requests, endpoint)

    def _admit_at(self, role: Role, requests: int, endpoint: str) -> Role:
        try:
            return self.admit(role, requests)
        except StudioError:
            assert self.limits is not None
            self.limits.withdrawn(endpoint)
            raise

    def admit(self, role: Role, requests: int = 1) -> Role:
        """Count one attempt of `role`, before it is made. Returns the role that it is counted under.

        Args:
            requests: Calls that the attempt is counted as.

        Raises:
            BudgetReached: it would pass a cap.
            RunPaused, StopRequested: the run is being halted.
        """
        with self._lock:
            while (admitted := self._admitted(role, requests)) is None:
                self._lock.wait(LENT_S)  # what a process has borrowed comes back with its row, or is spent
            return admitted

    def try_admit(self, role: Role, requests: int = 1) -> Role | None:
        """`admit` for the process that lends calls to others; None where it has to wait for what is lent."""
        with self._lock:
            return self._admitted(role, requests)

    def _admitted(self, role: Role, requests: int) -> Role | None:
        role = self._counted(role)
        if self._halt is not None and not (role.sealed and isinstance(self._halt, BudgetReached)):
            raise self._halt
        if not role.sealed and self._capped:
            reason = self._over(self._lent)
            if reason and self._lent and not self._over(0):
                return None
            if reason:
                self._stop(BudgetReached(reason))
                raise BudgetReached(reason)
        self._begin(role, requests)
        return role

    def _begin(self, role: Role, requests: int) -> None:
        self._add(role, Usage(calls=requests))
        self._under_way[role] += requests

    def lend(self, role: Role, calls: int) -> int:
        """Let another process make up to `calls` calls without asking for each.

        Nothing is lent where calls are capped by what they take or by time, nor to a run that is halted, nor near the
        end of a cap on calls: every call is asked for there.

        Returns:
            How many; they count as spent for all others until they are `begin_lent` or given back.
        """
        with self._lock:
            budget = self._budget
            if self._halt is not None or budget.max_tokens or budget.max_usd or budget.max_minutes:
                return 0
            if budget.max_lm_calls and not role.sealed:
                left = budget.max_lm_calls - self.capped_total().calls - self._lent
                calls = min(calls, left // LENT_SHARE)
            self._lent += max(0, calls)
            return max(0, calls)

    def begin_lent(self, role: Role, requests: int = 1) -> None:
        """A call that was lent is being made. It is counted even if the run has been halted since."""
        with self._lock:
            self._lent -= requests
            self._begin(role, requests)
            self._lock.notify_all()

    def give_back(self, calls: int) -> None:
        """Calls that were lent and are not needed."""
        with self._lock:
            self._lent -= calls
            self._lock.notify_all()

    def watch(self, on_change: Callable[[], None]) -> None:
        """Call `on_change`, in any thread, when the run is halted or opened for the sealed test."""
        self._watchers.append(on_change)

    def leave(self, role: Role, requests: int = 1, endpoint: str = "", end: CallEnd | None = None) -> None:
        """An admitted attempt is over. `role` is the one that `admit` returned, `end` how it ended at `endpoint`."""
        with self._lock:
            self._under_way[role] -= requests
        if end is not None and self.limits is not None:
            self.limits.ended(endpoint, end)

    def take_back(self, role: Role, requests: int = 1) -> None:
        """An admitted attempt turned out to be none: the answer was known."""
        with self._lock:
            self._add(self._counted(role), Usage(calls=-requests))

    def _counted(self, role: Role) -> Role:
        # What a judge says about the sealed test belongs to the test, which is under no cap.
        return Role.JUDGE_TEST if self._testing and role is Role.JUDGE else role

    def _caps(self, total: Usage, usd: float) -> tuple[tuple[float, float | None, str], ...]:
        """(used, cap, what) of every cap but the one on program runs."""
        budget = self._budget
        return (
            (total.calls, budget.max_lm_calls, "LM calls"),
            (total.input_tokens + total.output_tokens, budget.max_tokens, "tokens"),
            (usd, budget.max_usd, "dollars"),
            ((time.monotonic() - self._started) / 60, budget.max_minutes, "minutes"),
        )

    def _expected(self) -> Usage:
        """What the calls under way will take if they are like their role's earlier ones; they are counted already."""
        tokens = usd = 0.0
        of_all = [sum(column) for column in zip(*self._answered.values(), strict=True)] or [0, 0, 0.0]
        for role, number in self._under_way.items():
            calls, of_calls, usd_of_calls = self._answered.get(role, of_all)
            if calls and not role.sealed:
                tokens += number * of_calls / calls
                usd += number * usd_of_calls / calls
        return Usage(input_tokens=round(tokens), cost_usd=usd)

    def _over(self, lent: int) -> str:
        expected = replace(self._expected(), calls=lent)
        usd = self._spent_usd() + (expected.cost_usd or 0.0)
        caps = self._caps(self.capped_total() + expected, usd)
        return next((f"The cap of {cap} {what} is reached." for used, cap, what in caps if cap and used >= cap), "")

    def _spent_usd(self) -> float:
        return self.beside_usd + sum(usd for role, usd in self._known_usd.items() if not role.sealed)

    def room_for(self, usd: float) -> bool:
        """Whether `usd` dollars more stay below the cap."""
        with self._lock:
            return self._budget.max_usd is None or self._spent_usd() + usd <= self._budget.max_usd

    def cap_reached(self) -> str:
        """Which cap is reached already, in words; empty for none. For work that makes no calls."""
        with self._lock:
            return self._over(0)

    @property
    def capped(self) -> bool:
        """Whether there is any cap but the one on program runs."""
        return any(cap is not None for _, cap, _ in self._caps(Usage(), 0.0))

    def forecast(self, spent: Usage, done: int, more: int) -> str:
        """Why `more` program runs would pass a cap, judged by what the `done` ones took; empty if they would not.

        Args:
            spent: What they took, and whatever was spent beside them. Not what was spent in all: that depends on
                what came in first, and on calls that a killed life lost.
        """
        if done == 0:
            return self._over(0)
        for used, cap, what in self._caps(spent, spent.cost_usd or 0.0):
            beside = self.beside_usd if what == "dollars" else 0.0
            if cap and beside + used + more * used / done > cap:
                return f"The cap of {cap} {what} leaves no room for another trial and the last full evaluation."
        return ""

    def answered(self, role: Role, usage: Usage) -> None:
        """Add the tokens, dollars and seconds of an admitted call that was answered."""
        with self._lock:
            role = self._counted(role)
            self._failures = 0
            self._add(role, replace(usage, calls=0))
            known_usd = usage.cost_usd or 0.0
            self._known_usd[role] = self._known_usd.get(role, 0.0) + known_usd
            calls, tokens, usd = self._answered.get(role, (0, 0, 0.0))
            tokens += usage.input_tokens + usage.output_tokens
            self._answered[role] = (calls + usage.calls, tokens, usd + known_usd)

    def failed(self, role: Role, error: ErrorClass, seconds_s: float, retried: bool) -> None:
        """Note an admitted call that failed.

        Enough failures in a row of a kind that passes with time halt the run, and so do more retries than it has.

        Args:
            role: The one that `admit` returned.
            seconds_s: How long the call took.
            retried: It will be tried again.
        """
        with self._lock:
            self._add(self._counted(role), Usage(retries=int(retried), lm_s=seconds_s))
            self._retries_left -= retried
            if self._retries_left < 0:
                self._stop(
                    RunPaused(
                        f"Model calls failed so often that all retries of the run are used up ({error.value}).",
                        "Resume the run when the endpoint is well, or with fewer threads.",
                    )
                )
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
            self._tell()

    def _tell(self) -> None:
        for on_change in self._watchers:
            on_change()

    def open_for_test(self) -> None:
        """Let the sealed test run although a cap was reached or a person asked to stop."""
        with self._lock:
            self._testing = True
            self._halt = None
            self._failures = 0
            self.halted.clear()
            self._tell()

    def _add(self, role: Role, usage: Usage) -> None:
        self._totals[role] = self._totals.get(role, Usage()) + usage
        self._dirty.add(role)

    def total(self, role: Role) -> Usage:
        return self._totals.get(role, Usage())

    def capped_total(self) -> Usage:
        """Sum over the roles that caps apply to."""
        total = Usage()
        for role, usage in self._totals.items():
            if not role.sealed:
                total = total + usage
        return total

    def changed(self) -> list[Spent]:
        """Totals of the roles that changed since the last call, to be committed with the cells they paid for."""
        with self._lock:
            spending = [Spent(role, self._totals[role]) for role in sorted(self._dirty)]
            self._dirty.clear()
            return spending
