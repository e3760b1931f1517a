"""Which of several runs on a row stands for it."""

from mipro_studio.optimizer_core.evaluation.attempts import best_attempts
from mipro_studio.optimizer_core.types import TEACHER, Cell, CellKey, ErrorClass, Split


def cell(row: str, rollout: int, score: float | None) -> Cell:
    return Cell(CellKey(TEACHER, Split.TRAIN, row, rollout), score, ErrorClass.PARSE if score is None else None)


def test_the_best_attempt_stands_for_a_row_and_the_first_of_equals() -> None:
    runs = [cell("a", 1, 0.5), cell("b", 0, None), cell("a", 0, 0.5), cell("a", 2, 0.2), cell("b", 1, 0.0)]
    assert [(one.key.example, one.key.rollout) for one in best_attempts(runs)] == [("a", 0), ("b", 1)]


def test_a_row_that_only_failed_keeps_its_first_failure() -> None:
    assert [one.key.rollout for one in best_attempts([cell("a", 1, None), cell("a", 0, None)])] == [0]
