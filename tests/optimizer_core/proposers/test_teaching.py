"""Teachers of several demos: sets that do not starve where a program is seldom right."""

import asyncio
import random
from collections.abc import Callable, Sequence

import pytest

from mipro_studio.optimizer_core.config import SearchSettings
from mipro_studio.optimizer_core.parameters.demos import demos_arm, made_how
from mipro_studio.optimizer_core.proposers.bootstrap import plan_sets
from mipro_studio.optimizer_core.proposers.teaching import (
    Lesson,
    Teaching,
    drop_equal_sets,
    most_lessons,
)
from mipro_studio.optimizer_core.types import TEACHER, Arm, Cell, CellKey, Demo, Split, TraceStep
from tests.optimizer_core.builders import make_examples

ROWS = make_examples(20, 1)[:20]
FIELDS = {"draft": (("message",), ("notes",)), "queue": (("message", "notes"), ("queue",))}
"""Rows label the second predictor only."""

Right = Callable[[Lesson], bool]


def teach(right: Right, n_sets: int = 8, most: int = 60, shuffled: int = 0) -> tuple[list[Arm], list[Lesson]]:
    settings = SearchSettings(labels="random")
    teaching = Teaching(FIELDS, list(FIELDS), ROWS, settings, 0, most)
    given: list[Lesson] = []
    rng = random.Random(shuffled)

    async def give(lesson: Lesson) -> Cell:
        given.append(lesson)
        for _ in range(rng.randrange(5)):
            await asyncio.sleep(0)
        inputs = dict(lesson.row.inputs)
        trace = (
            TraceStep("draft", inputs, {"notes": f"of {lesson.row.id}"}),
            TraceStep("queue", {**inputs, "notes": f"of {lesson.row.id}"}, {"queue": "billing"}),
        )
        key = CellKey(TEACHER, Split.TRAIN, lesson.row.id, lesson.attempt)
        return Cell(key, float(right(lesson)), trace=trace)

    async def hear(given: int, cells: Sequence[Cell]) -> None:
        return

    sets = asyncio.run(teaching.build(plan_sets(len(ROWS), n_sets, 4, 4, 0)[1:], give, hear))
    return sets, given


def shown(lesson: Lesson) -> set[str]:
    return {demo.example_id for demo in lesson.demos["queue"]}


def test_a_row_that_failed_is_tried_again_by_a_teacher_with_other_demos() -> None:
    hard = ROWS[7].id
    sets, given = teach(lambda lesson: lesson.row.id == hard and lesson.attempt == 1)
    tries = [lesson for lesson in given if lesson.row.id == hard]
    assert [lesson.attempt for lesson in tries] == list(range(len(tries)))
    assert len(tries) == 2 and len({repr(lesson.teacher) for lesson in tries}) == 2
    traced = {demo.example_id for one in sets for demo in one.demos if demo.augmented}
    assert traced == {hard}


def test_a_teacher_is_shown_what_its_set_has_and_never_the_row_itself() -> None:
    def right(lesson: Lesson) -> bool:
        return ROWS.index(lesson.row) % 5 == 0 or any(demo.augmented for demo in lesson.demos["draft"])

    sets, given = teach(right)
    assert all(lesson.row.id not in shown(lesson) for lesson in given)
    assert any(demo.augmented for lesson in given for demo in lesson.demos["draft"])
    of_draft = [one for one in sets if one.owner == "draft" and made_how(one) != "labels_only"]
    wanted = {plan.index: plan.n_bootstrapped for plan in plan_sets(len(ROWS), 8, 4, 4, 0)}
    assert {one.index: len(one.demos) for one in of_draft} == {one.index: wanted[one.index] for one in of_draft}


def test_sets_are_the_same_whoever_answers_first() -> None:
    def right(lesson: Lesson) -> bool:
        return sum(map(ord, lesson.row.id + "".join(sorted(shown(lesson))))) % 7 == 0

    first, lessons = teach(right)
    for timing in (1, 2):
        sets, given = teach(right, shuffled=timing)
        assert sets == first
        assert [(one.row.id, one.attempt) for one in given] == [(one.row.id, one.attempt) for one in lessons]


@pytest.mark.parametrize("most", [0, 5, 23])
def test_no_more_lessons_are_given_than_allowed(most: int) -> None:
    assert len(teach(lambda lesson: False, most=most)[1]) == most


def test_what_nothing_passes_is_given_up_after_three_times_over_the_rows() -> None:
    assert 3 * len(ROWS) <= len(teach(lambda lesson: False, most=400)[1]) < 4 * len(ROWS)


def test_where_every_trace_passes_no_row_is_run_twice() -> None:
    _, given = teach(lambda lesson: True)
    assert len({lesson.row.id for lesson in given}) == len(given)


def test_a_cap_bounds_the_share_of_the_teacher() -> None:
    assert most_lessons(60, 120, None) == 240
    assert most_lessons(60, 120, 660) == 135
    assert most_lessons(60, 120, 1900) == 240
    assert most_lessons(60, 120, 100) == 0


def test_equal_sets_and_empty_ones_are_no_arms() -> None:
    demo, other = Demo({"message": "a"}, False, "1"), Demo({"message": "b"}, True, "2")
    seed = demos_arm("p", 0, "zero_shot", ())
    made = [
        demos_arm("p", 1, "labels_only", ()),
        demos_arm("p", 2, "unshuffled", (demo, other)),
        demos_arm("p", 3, "shuffled", (demo, other)),
        demos_arm("p", 4, "shuffled", (other, demo)),
        demos_arm("q", 3, "shuffled", (demo, other)),
    ]
    judged = drop_equal_sets(made, [seed])
    assert [one.active for one in judged] == [False, True, False, True, True]
    assert "zero-shot" in judged[0].reason and "set 2" in judged[2].reason
