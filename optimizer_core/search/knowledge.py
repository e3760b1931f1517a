"""What a decision may know: the first so many trials, in order, and the cells they asked for.

What else has come in by chance is not looked at, so a decision is the same whatever the threads, and when a killed
run makes it again.
"""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from mipro_studio.optimizer_core.evaluation.objective import THE_SCORE, Objective, over_limits
from mipro_studio.optimizer_core.evaluation.score_table import ScoreTable
from mipro_studio.optimizer_core.search.surrogates import Observation
from mipro_studio.optimizer_core.types import FULL_KINDS, Candidate, Cell, CellKey, Split, Trial, Usage

__all__ = ["Knowledge", "known_spending"]

REASONING = "reasoning"
"""The output that `dspy.ChainOfThought` adds."""


def known_spending(usages: Iterable[Usage]) -> Usage:
    """Their sum, an unknown price taken for nothing, as caps do."""
    return sum((replace(usage, cost_usd=usage.cost_usd or 0.0) for usage in usages), Usage())


class Knowledge:
    """Reads the table through the trials. Keeps what it has read, as decisions know ever more of them.

    Args:
        objective: What the search maximizes: what surrogates and schedules are told as scores.
        names: The program's predictors, in their order.
    """

    def __init__(self, table: ScoreTable, objective: Objective = THE_SCORE, names: Sequence[str] = ()) -> None:
        self._table = table
        self._objective = objective
        self._places = {name: place for place, name in enumerate(names)}
        self._read = 0
        self._asked: dict[str, dict[str, None]] = {}
        self._known: dict[str, Observation] = {}
        self._own: list[float | None] = []

    def observed(self, trials: Sequence[Trial]) -> list[Observation]:
        """One observation a trial that has a score, in order.

        A candidate's mean is over all its cells that `trials` asked for, beside the mean of the trial's own.

        Args:
            trials: The first so many trials of the run, each finished.
        """
        if len(trials) < self._read:
            self._read, self._asked, self._known, self._own = 0, {}, {}, []
        for trial in trials[self._read :]:
            self._learn(trial)
        self._read = len(trials)
        observations = []
        before = 0
        for trial, own in zip(trials, self._own, strict=True):
            if own is not None:
                known = self._known[trial.candidate]
                new = trial.number > before
                full = trial.kind in FULL_KINDS
                observations.append(replace(known, own=own, number=trial.number, suggested=new, full=full))
            before = trial.number
        return observations

    def ruled_out(self, trials: Sequence[Trial]) -> frozenset[str]:
        """Candidates that broke a limit in what `trials` asked for, so that they cannot win; see `over_limits`."""
        if not self._objective.limited:
            return frozenset()
        over: dict[str, dict[str, bool]] = {}
        for trial in trials:
            row = self._table.row(trial.candidate, Split.VAL)
            cells = {name: row[name] for name in trial.examples if name in row and row[name].score is not None}
            over.setdefault(trial.candidate, {}).update(
                {name: self._objective.over(cell) for name, cell in cells.items()}
            )
        return over_limits(over)

    def spent(self, trials: Sequence[Trial]) -> tuple[Usage, int]:
        """(what was spent on them, how many): the cells that `trials` asked for, and those of training rows."""
        asked: dict[str, dict[str, None]] = {}
        for trial in trials:
            asked.setdefault(trial.candidate, {}).update(dict.fromkeys(trial.examples))
        keys = [CellKey(name, Split.VAL, example) for name, examples in asked.items() for example in examples]
        cells = [cell for key in keys if (cell := self._table.get(key)) is not None]
        on_train = [cell for cell in self._table.cells() if cell.key.split is Split.TRAIN]
        cells += sorted(on_train, key=lambda cell: (cell.key.candidate, cell.key.example))
        return known_spending(cell.usage for cell in cells), len(cells)

    def _learn(self, trial: Trial) -> None:
        asked = self._asked.setdefault(trial.candidate, {})
        asked.update(dict.fromkeys(trial.examples))
        row = self._table.row(trial.candidate, Split.VAL)
        cells = {name: self._objective(row[name]) for name in asked if name in row}
        scores = {name: score for name, score in cells.items() if score is not None}
        if scores:
            mean = math.fsum(scores.values()) / len(scores)
            answers = {name: told for name in scores if (told := self._answers(row[name]))}
            self._known[trial.candidate] = Observation(
                Candidate.parse(trial.candidate), mean, len(scores), scores, answers=answers
            )
        own = [scores[name] for name in trial.examples if name in scores]
        self._own.append(math.fsum(own) / len(own) if own else None)

    def _answers(self, cell: Cell) -> tuple[tuple[int, str], ...]:
        """What every predictor answered, where each of several was asked once; reasoning is never the same twice."""
        places = [self._places.get(step.predictor) for step in cell.trace]
        if len(places) < 2 or None in places or len(set(places)) < len(places):
            return ()
        told = ({key: value for key, value in step.outputs.items() if key != REASONING} for step in cell.trace)
        texts = (json.dumps(one, sort_keys=True, default=str) for one in told)
        return tuple((place, text) for place, text in zip(places, texts, strict=True) if place is not None)
