"""The trials that a search has asked for, in order, and what a decision may know of them."""

from collections.abc import Sequence
from dataclasses import replace

from mipro_studio.optimizer_core.errors import BudgetReached
from mipro_studio.optimizer_core.optimizers.base import View
from mipro_studio.optimizer_core.optimizers.context import RunContext
from mipro_studio.optimizer_core.runs.apply_edits import first_tries, with_untried
from mipro_studio.optimizer_core.search.knowledge import Knowledge, known_spending
from mipro_studio.optimizer_core.search.schedules import State
from mipro_studio.optimizer_core.search.surrogates import Observation
from mipro_studio.optimizer_core.seeds import derive_seed
from mipro_studio.optimizer_core.types import FULL_KINDS, Candidate, CellKey, Split, Trial, TrialKind

__all__ = ["TrialsSoFar"]


class TrialsSoFar:
    """The trials asked for, finished or under way.

    `known` is always a number of trials: the first so many, in order, each finished. What else has come in is not
    looked at, so that a decision does not depend on which answer came first.

    Attributes:
        trials: As they were asked for: what came of them is in the score table.
        candidates: One a trial.
    """

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._settings = context.config.search
        self._knowledge = Knowledge(context.table, context.objective, context.arms.names)
        self._asked: dict[str, dict[str, None]] = {}
        self.trials: list[Trial] = []
        self.candidates: list[Candidate] = []

    def add(self, trial: Trial, candidate: Candidate) -> None:
        """A trial has been asked for."""
        self.trials.append(trial)
        self.candidates.append(candidate)
        self._asked.setdefault(trial.candidate, {}).update(dict.fromkeys(trial.examples))

    def __len__(self) -> int:
        return len(self.trials)

    @property
    def last(self) -> Trial:
        return self.trials[-1]

    @property
    def number(self) -> int:
        """Number of the latest trial; 0 before the first, as the baseline has none."""
        return max((trial.number for trial in self.trials), default=0)

    @property
    def suggested(self) -> int:
        """Trials of the optimizer; those that a person's arms get come on top."""
        return self.number - first_tries(self._context.arms, self.candidates)

    def untried(self, leader: Candidate) -> Candidate | None:
        """`leader` with the next arm of a person that no trial has tried; None where all were."""
        return with_untried(self._context.arms, self.candidates, leader)

    def in_full(self) -> frozenset[str]:
        """Ids of the candidates with a full evaluation, finished or under way."""
        return frozenset(trial.candidate for trial in self.trials if trial.kind in FULL_KINDS)

    def with_all_cells(self) -> frozenset[str]:
        """Ids of the candidates with a cell for every validation example."""
        n_val = len(self._context.examples[Split.VAL])
        tried = {trial.candidate for trial in self.trials}
        return frozenset(one for one in tried if len(self._context.table.row(one, Split.VAL)) == n_val)

    def last_begun_in_full(self) -> Candidate | None:
        """Candidate of the latest full evaluation that none of whose arms was taken out since; the baseline's is
        none."""
        pairs = zip(reversed(self.trials), reversed(self.candidates), strict=True)
        begun = (candidate for trial, candidate in pairs if trial.kind is TrialKind.FULL)
        return next((one for one in begun if self._context.allows(one)), None)

    def decided_on(self) -> int:
        """How many trials the next full evaluation of the end knows: those up to the last suggestion, and no fewer
        than the latest such evaluation did."""
        n, trials = len(self.trials), self.trials
        if n == 0 or self.last.known is None:
            return n
        while n > 1 and trials[n - 1].kind is TrialKind.FULL and trials[n - 1].number == trials[n - 2].number:
            n -= 1
        return max(n, self.last.known)

    # What decisions are made on.

    def observed(self, known: int) -> list[Observation]:
        """One observation a trial that has a score."""
        return self._knowledge.observed(self.trials[:known])

    def state(self, known: int, over: bool = False) -> State:
        """What the schedule may know; `over`: there are no more suggestions."""
        out = self._knowledge.ruled_out(self.trials[:known])
        observed = [seen for seen in self.observed(known) if seen.candidate.id not in out]
        return State(
            examples=[example.id for example in self._context.examples[Split.VAL]],
            observed=[seen for seen in observed if self._context.allows(seen.candidate)],
            asked=self._asked,
            exhausted=self.in_full(),
            last=self.last,
            over=over,
            room=self._context.evaluator.room,
            seed=self._context.config.seed,
            ruled_out=out,
            features=self._context.space.features,
        )

    def view(self, state: State, known: int) -> View:
        """What the optimizer may know, given what the schedule does."""
        cap = self._context.config.budget.max_program_runs
        return View(
            number=self.suggested + 1,
            observed=self.observed(known),
            pending=self.candidates[known:],
            exhausted=state.exhausted | state.ruled_out,
            seed=derive_seed(self._context.config.seed, "suggest", self.number + 1),
            progress=self._progress(cap),
            trial=self.number + 1,
            room=None if cap is None else cap - self.last.program_runs,
        )

    def _progress(self, cap: int | None) -> float:
        """Share that is spent of the trials, or of the cap where that ends first. The same when resumed."""
        spent = self.number / max(self._settings.trials, 1)
        if cap is not None:
            spent = max(spent, self.last.program_runs / cap)
        return min(spent, 1.0)

    # What caps leave.

    def new(self, candidate: str, examples: Sequence[str]) -> int:
        """How many of these cells would count against the cap: a second try of one that failed does not."""
        missing = self._context.evaluator.missing([CellKey(candidate, Split.VAL, name) for name in examples])
        return sum(self._context.table.get(key) is None for key in missing)

    def require_reserve(self, needed: int, known: int) -> None:
        """A trial must leave room for one last full evaluation, without which a capped run has no best to show.

        Args:
            needed: Program runs of the trial and of that evaluation.

        Raises:
            BudgetReached: they would pass a cap.
        """
        context = self._context
        context.evaluator.require_room(needed)
        if not context.meter.capped:
            return
        cells, done = self._knowledge.spent(self.trials[:known])
        spent = cells + known_spending(call.usage for call in context.proposer.prompter.calls)
        reason = context.meter.forecast(
            replace(spent, calls=spent.calls + spent.retries), done, context.evaluator.program_runs - done + needed
        )
        if reason:
            raise BudgetReached(reason)
