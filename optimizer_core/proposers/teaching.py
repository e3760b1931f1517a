"""Demo sets that do not starve where the program is seldom right.

Every set has a teacher of its own: the set as far as it is built, filled up with labelled rows in the set's order, so
that no two teachers are right on the same rows (DSPy gives every set a teacher with other labelled demos). A row that
failed is tried again by whoever comes to it with another teacher. All sets walk on in rounds: which rows a round asks
for depends on the scores of the rounds before it, and not on who answers first.
"""

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mipro_studio.optimizer_core.config import SearchSettings
from mipro_studio.optimizer_core.proposers.bootstrap import LOOK_AHEAD, Bootstrapper, SetPlan
from mipro_studio.optimizer_core.proposers.labels import labeled_demos
from mipro_studio.optimizer_core.types import Arm, Cell, Demo, Example

__all__ = ["MOST_TRIES", "NOTHING_PASSED", "Lesson", "Teaching", "drop_equal_sets", "most_lessons", "nobody"]

MOST_TRIES = 4
"""Teacher runs in all, as a multiple of the training rows; also how often a set's walk may go over them."""
OF_CAP = 4
"""Teacher runs may take one program run in so many of what a cap leaves beside the baseline."""
ANYWAY = 3
"""Times over the rows after which a teaching that nothing has passed gives up."""
NOTHING_PASSED = (
    "The teacher ran on {runs} training rows and none reached the threshold {threshold:g}; the best scored {best:g}. "
    "Rows are tried again with other labelled demos; what would help is a stronger teacher (--teacher) or a lower "
    "threshold (--threshold)."
)

Fields = Mapping[str, tuple[Sequence[str], Sequence[str]]]


@dataclass(frozen=True)
class Lesson:
    """A run of a teacher to be made: on `row`, the `attempt`-th on it (from 0), with these demos by predictor."""

    row: Example
    attempt: int
    demos: Mapping[str, Sequence[Demo]]

    @property
    def teacher(self) -> object:
        """What tells one teacher from another."""
        return tuple(
            (name, tuple((demo.example_id, demo.augmented) for demo in of)) for name, of in self.demos.items()
        )


Give = Callable[[Lesson], Awaitable[Cell]]
Hear = Callable[[int, Sequence[Cell]], Awaitable[None]]
"""(lessons so far, those of the round that is over)."""


@dataclass
class _Walk:
    """How far one set has come: the rows that it has still to come to, and the traces that it took."""

    plan: SetPlan
    queue: deque[int]
    kept: list[Cell] = field(default_factory=list)
    times: int = 1

    @property
    def lacking(self) -> int:
        return self.plan.n_bootstrapped - len(self.kept)


def most_lessons(n_rows: int, n_val: int, cap: int | None) -> int:
    """How many teacher runs may be made: a multiple of the rows, and under a cap a bounded share of it."""
    most = MOST_TRIES * n_rows
    return most if cap is None else max(0, min(most, (cap - n_val) // OF_CAP))


class Teaching:
    """Builds demo sets, all at once.

    Args:
        fields: {predictor: (inputs, outputs)}.
        taught: The predictors that a teacher shows demos to; one that brings its own is its own teacher.
        rows: Training rows in order.
        settings: As in `Bootstrapper`.
        seed: The run's.
        most: Teacher runs that may be made.
    """

    def __init__(
        self,
        fields: Fields,
        taught: Sequence[str],
        rows: Sequence[Example],
        settings: SearchSettings,
        seed: int,
        most: int,
    ) -> None:
        self._fields = fields
        self._taught = taught
        self._rows = rows
        self._settings = settings
        self._most = most
        self._sets = Bootstrapper(fields, rows, nobody, settings, seed)
        self._passed: dict[str, Cell] = {}
        self._attempts: dict[str, int] = {}
        self._tried: set[tuple[str, object]] = set()
        self._given = 0

    async def build(self, plans: Sequence[SetPlan], give: Give, hear: Hear) -> list[Arm]:
        """The demo sets of `plans`, one a predictor and plan.

        Args:
            give: Runs a teacher, or finds that it did.
            hear: Told after every round.
        """
        walks = [_Walk(plan, deque(plan.order)) for plan in plans]
        while asked := self._round(walks):
            cells = await asyncio.gather(*(give(lesson) for _, lesson in asked))
            for (walk, lesson), cell in zip(asked, cells, strict=True):
                if self._sets.passes(cell) and lesson.row.id not in self._passed:
                    self._passed[lesson.row.id] = cell
                    walk.kept.append(cell)
            await hear(self._given, cells)
        return [demo_set for walk in walks for demo_set in self._sets.finish(walk.plan, self._filled(walk))]

    def spare(self, plan: SetPlan) -> list[Arm]:
        """The sets of one more plan, of the traces that there are: no teacher runs for it."""
        return self._sets.finish(plan, self._filled(_Walk(plan, deque())))

    def _round(self, walks: Sequence[_Walk]) -> list[tuple[_Walk, Lesson]]:
        """The lessons of the next round; none when all sets are full or no more may be given."""
        asked: list[tuple[_Walk, Lesson]] = []
        busy: set[str] = set()
        hopeless = not self._passed and self._given >= ANYWAY * len(self._rows)
        for walk in walks:
            if hopeless or not walk.plan.n_bootstrapped:
                continue
            for lesson in self._next(walk, busy):
                if self._given >= self._most:
                    return asked
                self._given += 1
                self._attempts[lesson.row.id] = lesson.attempt + 1
                self._tried.add((lesson.row.id, lesson.teacher))
                busy.add(lesson.row.id)
                asked.append((walk, lesson))
        return asked

    def _next(self, walk: _Walk, busy: set[str]) -> list[Lesson]:
        """What `walk` asks for now; it takes the traces on its way that are there already."""
        found: list[Lesson] = []
        later: list[int] = []
        while walk.lacking > 0 and len(found) < LOOK_AHEAD * walk.lacking:
            if not walk.queue:
                if found or later or walk.times >= MOST_TRIES:
                    break
                walk.times += 1
                walk.queue.extend(at for at in walk.plan.order if self._rows[at].id not in self._passed)
                if not walk.queue:
                    break
            at = walk.queue.popleft()
            row = self._rows[at]
            if row.id in self._passed:
                if self._passed[row.id] not in walk.kept:
                    walk.kept.append(self._passed[row.id])
            elif row.id in busy:
                later.append(at)
            else:
                lesson = Lesson(row, self._attempts.get(row.id, 0), self._demos(walk, row))
                if (row.id, lesson.teacher) not in self._tried:
                    found.append(lesson)
        walk.queue.extendleft(reversed(later))
        return found

    def _demos(self, walk: _Walk, row: Example) -> dict[str, list[Demo]]:
        """The teacher's: what the set has, then labelled rows in its order, others each time round, never the row."""
        shown = {cell.key.example for cell in walk.kept} | {row.id}
        most = walk.plan.filled_to(self._settings)
        start = (walk.times - 1) * most % max(len(walk.plan.order), 1)
        order = [*walk.plan.order[start:], *walk.plan.order[:start]]
        spare = [self._rows[at] for at in order if self._rows[at].id not in shown]
        demos = {}
        for name in self._taught:
            traced = [demo for cell in walk.kept for demo in self._sets.traced(name, cell)]
            room = max(0, most - len(traced))
            inputs, outputs = self._fields[name]
            demos[name] = [*traced, *labeled_demos(spare[:room], inputs, outputs)]
        return demos

    def _filled(self, walk: _Walk) -> list[Cell]:
        """The traces of a set: its own, then those of others that are next in its order."""
        ids = {cell.key.example for cell in walk.kept}
        names = (self._rows[at].id for at in walk.plan.order)
        others = [self._passed[name] for name in names if name in self._passed and name not in ids]
        return [*walk.kept, *others][: walk.plan.n_bootstrapped]


def drop_equal_sets(sets: Sequence[Arm], known: Sequence[Arm]) -> list[Arm]:
    """`sets`, those switched off that show what an active one before them shows, with the reason."""
    seen = {_shown(one): one for one in known if one.active}
    judged = []
    for one in sets:
        same = seen.setdefault(_shown(one), one)
        if same is not one:
            reason = f"the same demos as set {same.index}" if one.demos else "no demos: that is zero-shot"
            one = replace(one, active=False, reason=reason)
        judged.append(one)
    return judged


def _shown(one: Arm) -> tuple[str, str]:
    """What a set puts into the prompt, and where."""
    return one.owner, json.dumps([[demo.fields, demo.augmented] for demo in one.demos], sort_keys=True)


async def nobody(row: Example) -> Cell:
    """The teacher of a `Bootstrapper` that only puts demos together."""
    raise AssertionError("lessons are given by `build`")
