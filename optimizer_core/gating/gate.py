"""Two programs on the same rows, in pairs, until a sequential test says which way it is.

Rows are read in an order drawn with the seed, and judged in that order whatever the number of threads, so the same
answers give the same decision. A row that could not be answered for a reason that passes (an endpoint that is down,
a row that hangs) says nothing and is left out, as is a row that neither program answers. Where one program has no
answer that the other has (it cannot be parsed, it raises), whoever uses it gets nothing: that counts as the lowest
score, and the errors are shown apart.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import dspy

from mipro_studio.optimizer_core.analysis.sequential import Decision, SequentialTest
from mipro_studio.optimizer_core.analysis.statistics import paired_difference
from mipro_studio.optimizer_core.errors import BadInput, StudioError
from mipro_studio.optimizer_core.evaluation.failures import FailureWatch
from mipro_studio.optimizer_core.evaluation.pool import TookTooLong, WorkPool
from mipro_studio.optimizer_core.evaluation.program_run import CONTROL, run_once
from mipro_studio.optimizer_core.metrics.scoring import Scorer
from mipro_studio.optimizer_core.models.role_model import RoleModel
from mipro_studio.optimizer_core.plurals import plural
from mipro_studio.optimizer_core.seeds import generator
from mipro_studio.optimizer_core.types import Cell, CellKey, ErrorClass, Example, Usage

__all__ = ["BASELINE", "CANDIDATE", "Contest", "Pair", "Rule", "Ruling", "hold"]

BASELINE, CANDIDATE = "baseline", "candidate"
MOST_LEFT_OUT = 0.2
"""Share of the rows read beyond which what is left says nothing about the data."""


class Rule(StrEnum):
    """What has to be shown: that the candidate is worse by no more than the margin, or that it is better at all."""

    NO_REGRESSION = "no-regression"
    IMPROVEMENT = "improvement"


@dataclass(frozen=True)
class Ruling:
    """The rule of a gate.

    Attributes:
        margin: no-regression: the loss that must not be passed; improvement: the gain that must not be missed. In
            units of the metric.
        confidence: 1 - the chance of passing what should fail, and of failing what should pass.
        low, high: Lowest and highest score that the metric gives.
    """

    rule: Rule = Rule.NO_REGRESSION
    margin: float = 0.05
    confidence: float = 0.9
    low: float = 0.0
    high: float = 1.0

    def test(self) -> SequentialTest:
        """The test that holds it.

        Raises:
            BadInput: it cannot be held.
        """
        if not self.low < self.high:
            raise BadInput(f"The range {self.low:g} to {self.high:g} is none.", "Give the lower end first.")
        below, above = (-self.margin, 0.0) if self.rule is Rule.NO_REGRESSION else (0.0, self.margin)
        return SequentialTest(below, above, 1 - self.confidence, self.high - self.low)


@dataclass(frozen=True)
class Contest:
    """What is compared, and how it is asked.

    Attributes:
        programs, role_models: BASELINE and CANDIDATE -> module, shared by all threads, and what it works with.
        row_limit_s: Seconds that a program may take on a row.
    """

    programs: Mapping[str, dspy.Module]
    role_models: Mapping[str, RoleModel]
    scorer: Scorer
    threads: int = 8
    row_limit_s: float | None = None
    folders: tuple[Path, ...] = ()
    seed: int = 0


@dataclass(frozen=True)
class Pair:
    """One row and what both programs made of it; `scores` is None where it is left out."""

    example: Example
    cells: Mapping[str, Cell]
    scores: tuple[float, float] | None

    @property
    def difference(self) -> float:
        """Candidate minus baseline."""
        assert self.scores is not None
        return self.scores[1] - self.scores[0]


@dataclass(frozen=True)
class GateResult:
    """What a gate came to.

    Attributes:
        reason: Why it is undecided; empty otherwise.
        rows: How many there are; `pairs` are those that were read, in order.
        paired: See `paired_difference`: the plain fixed-size interval, for people. The decision does not hang on it.
        evidence: How far the bets on passing and on failing have come; 1 decides.
    """

    decision: Decision
    reason: str
    rows: int
    pairs: tuple[Pair, ...]
    paired: Mapping[str, Any]
    evidence: Mapping[str, float]
    usage: Mapping[str, Usage] = field(default_factory=dict)

    @property
    def used(self) -> list[Pair]:
        return [pair for pair in self.pairs if pair.scores is not None]

    def mean(self, which: str) -> float | None:
        """Mean score over the rows used."""
        place = (BASELINE, CANDIDATE).index(which)
        found = [pair.scores[place] for pair in self.used if pair.scores is not None]
        return sum(found) / len(found) if found else None

    def errors(self, which: str) -> dict[str, int]:
        """Class -> rows that the program has no answer on."""
        return dict(Counter(cell.error.value for pair in self.pairs if (cell := pair.cells[which]).error is not None))


async def hold(contest: Contest, rows: Sequence[Example], ruling: Ruling) -> GateResult:
    """Ask both programs until the ruling's test decides, or the rows are used up.

    Raises:
        BadInput: the ruling cannot be held, a score is outside its range, or there are no rows.
    """
    if not rows:
        raise BadInput("There are no rows to compare the programs on.")
    order = list(rows)
    generator(contest.seed, "gate").shuffle(order)
    asker = _Asker(contest)
    try:
        return await _held(asker, order, ruling)
    finally:
        asker.close()


async def _held(asker: "_Asker", order: Sequence[Example], ruling: Ruling) -> GateResult:
    test, watch, pairs, reason = ruling.test(), FailureWatch(), [], ""
    try:
        async for example, cells in asker.pairs(order):
            pair = Pair(example, cells, _scores(cells, ruling))
            pairs.append(pair)
            if pair.scores is not None and test.see(pair.difference) is not Decision.UNDECIDED:
                break
            for cell in cells.values():
                if (why := watch.why_stop(cell, example)) is not None:
                    raise why
    except CONTROL as stopped:  # a cap, an endpoint that is down, or nothing works
        reason = stopped.message
    verdict = test.verdict
    left_out = sum(pair.scores is None for pair in pairs)
    decision = verdict.decision
    if left_out > MOST_LEFT_OUT * len(pairs):
        decision = Decision.UNDECIDED
        reason = reason or f"{left_out} of {len(pairs)} rows could not be compared, which is too many."
    elif decision is Decision.UNDECIDED and not reason:
        reason = f"{plural(len(order), 'row is', 'rows are')} too few to tell."
    return GateResult(
        decision=decision,
        reason=reason,
        rows=len(order),
        pairs=tuple(pairs),
        paired=paired_difference([pair.scores for pair in pairs if pair.scores is not None]),
        evidence={
            "pass": verdict.for_pass * (1 - ruling.confidence),
            "fail": verdict.for_fail * (1 - ruling.confidence),
        },
        usage={name: sum((pair.cells[name].usage for pair in pairs), Usage()) for name in (BASELINE, CANDIDATE)},
    )


def _scores(cells: Mapping[str, Cell], ruling: Ruling) -> tuple[float, float] | None:
    both = [cells[BASELINE], cells[CANDIDATE]]
    if all(cell.error is not None for cell in both) or any(_passes(cell.error) for cell in both):
        return None
    for score in (cell.score for cell in both if cell.score is not None):
        if not ruling.low <= score <= ruling.high:
            raise BadInput(
                f"The metric gave {score:g}, which is outside {ruling.low:g} to {ruling.high:g}.",
                "Name the lowest and the highest score that it gives: --range LOW,HIGH.",
            )
    before, after = (ruling.low if cell.score is None else cell.score for cell in both)
    return before, after


def _passes(error: ErrorClass | None) -> bool:
    """Whether the failure says nothing about the program."""
    return error is not None and (error.transient or error in (ErrorClass.AUTH, ErrorClass.MODEL))


class _Asker:
    """Asks both programs about rows, several rows ahead, and hands them on in order."""

    def __init__(self, contest: Contest) -> None:
        self._contest = contest
        self._pool = WorkPool(contest.threads)
        self._ahead = max(1, contest.threads // 2)

    def close(self) -> None:
        self._pool.close()

    async def pairs(self, rows: Sequence[Example]) -> Any:
        """(row, {which: cell}) for each row."""
        waiting: deque[tuple[Example, asyncio.Task[dict[str, Cell]]]] = deque()
        coming = enumerate(rows)
        try:
            while True:
                while len(waiting) <= self._ahead and (row := next(coming, None)) is not None:
                    waiting.append((row[1], asyncio.create_task(self._pair(*row))))
                if not waiting:
                    return
                example, task = waiting.popleft()
                yield example, await task
        finally:
            self._pool.refuse(StudioError("The gate has decided."))
            for _, task in waiting:
                task.cancel()

    async def _pair(self, place: int, example: Example) -> dict[str, Cell]:
        asked = [self._cell(which, place, example) for which in (BASELINE, CANDIDATE)]
        return dict(zip((BASELINE, CANDIDATE), await asyncio.gather(*asked), strict=True))

    async def _cell(self, which: str, place: int, example: Example) -> Cell:
        """The cell, asked for again where it failed for a reason that passes."""
        contest = self._contest

        def ask() -> Cell:
            module = contest.programs[which]
            return run_once(module, example, contest.role_models[which], contest.scorer, which, contest.folders)

        try:
            cell = await self._pool.run(ask, place, contest.row_limit_s)
            if cell.error is not None and cell.error.transient:
                cell = await self._pool.run(ask, place, contest.row_limit_s)
            return cell
        except TookTooLong as late:
            key = CellKey(which, example.split, example.id)
            return Cell(key, None, ErrorClass.TIMEOUT, str(late), seconds_s=late.limit_s)
