"""When a run stands still for its errors: whatever their class, by their share, and not for one bad candidate."""

from collections.abc import Iterable

import pytest

from mipro_studio.optimizer_core.errors import RunFailed, StudioError, TooManyErrors
from mipro_studio.optimizer_core.evaluation.failures import FIRST, LATE, REFUSALS, FailureWatch, in_words
from mipro_studio.optimizer_core.types import TEACHER, Cell, CellKey, ErrorClass, Example, Split
from tests.optimizer_core.builders import failed, scored

ROWS = [Example(f"e{number}", Split.VAL, number, {"text": f"item {number}"}, {}) for number in range(400)]


def end_of(cells: Iterable[Cell], known: Iterable[Cell] = ()) -> tuple[int, StudioError | None]:
    """How many of `cells` were looked at until the run was given up, and why."""
    watch = FailureWatch(known)
    for count, cell in enumerate(cells, start=1):
        reason = watch.why_stop(cell, ROWS[int(cell.key.example[1:])])
        if reason is not None:
            return count, reason
    return 0, None


def failing(candidate: str, numbers: Iterable[int], kind: ErrorClass = ErrorClass.PARSE) -> list[Cell]:
    return [failed(candidate, f"e{number}", kind) for number in numbers]


def fine(candidate: str, numbers: Iterable[int]) -> list[Cell]:
    return [scored(candidate, f"e{number}", 1.0) for number in numbers]


@pytest.mark.parametrize("kind", [kind for kind in ErrorClass if kind not in (ErrorClass.AUTH, ErrorClass.MODEL)])
def test_a_run_in_which_nothing_was_ever_scored_stands_still_whatever_the_class(kind: ErrorClass) -> None:
    count, reason = end_of(failing("i0d0", range(100), kind))
    assert count == FIRST
    assert isinstance(reason, TooManyErrors)
    assert "resume --despite-errors" in str(reason)
    assert f"8 of the last 8 program runs failed, all of them alike ({kind})" in str(reason)


def test_the_reason_names_the_commonest_error_and_one_of_its_rows() -> None:
    mixed = failing("i0d0", range(3), ErrorClass.PROGRAM) + failing("i0d0", range(3, 20), ErrorClass.PARSE)
    _, reason = end_of(mixed)
    assert "8 of the last 8 program runs failed, 5 of them alike (parse). One of them, val row 8" in str(reason)
    assert "(text = 'item 7'): it failed. Mend it, then resume" in str(reason)


def test_a_few_rows_that_work_do_not_save_a_run_in_which_nearly_all_fail() -> None:
    cells = [cell for n in range(0, 100, 10) for cell in fine("i0d0", [n]) + failing("i0d0", range(n + 1, n + 10))]
    count, reason = end_of(cells)
    assert isinstance(reason, TooManyErrors)
    assert 0 < count <= 2 * LATE


def test_every_third_row_in_error_ends_nothing() -> None:
    cells = [cell for n in range(0, 300, 3) for cell in fine("i0d0", [n, n + 1]) + failing("i0d0", [n + 2])]
    assert end_of(cells) == (0, None)


def test_errors_that_begin_late_stop_the_run() -> None:
    count, reason = end_of(fine("i0d0", range(50)) + failing("i0d0", range(50, 100)))
    assert isinstance(reason, TooManyErrors)
    assert 50 < count <= 50 + LATE


def test_errors_that_begin_with_a_later_life_stop_it() -> None:
    count, _ = end_of(failing("i0d0", range(50, 100)), known=fine("i0d0", range(50)))
    assert count == LATE


def test_one_candidate_that_fails_on_every_row_ends_nothing() -> None:
    before = fine("i0d0", range(24)) + fine("i1d0", range(6))
    assert end_of(before + failing("i2d0", range(200)) + fine("i1d0", range(6, 12))) == (0, None)


def test_bad_candidates_beside_good_ones_end_nothing() -> None:
    cells = fine("i0d0", range(24))
    for n in range(1, 40):
        cells += (fine if n % 4 == 0 else failing)(f"i{n}d0", range(6))
    assert end_of(cells) == (0, None)


def test_many_new_candidates_that_all_fail_stop_the_run() -> None:
    cells = fine("i0d0", range(24))
    for n in range(1, 40):
        cells += failing(f"i{n}d0", range(6))
    count, reason = end_of(cells)
    assert isinstance(reason, TooManyErrors)
    assert 24 < count <= 24 + 60


def test_a_teacher_that_worked_once_and_then_fails_stops_the_run() -> None:
    def taught(number: int, kind: ErrorClass | None) -> Cell:
        return Cell(CellKey(TEACHER, Split.TRAIN, f"e{number}"), None if kind else 1.0, kind, "no" if kind else "")

    cells = [taught(0, None)] + [taught(number, ErrorClass.PROGRAM) for number in range(1, 40)]
    count, _ = end_of(cells)
    assert LATE <= count <= LATE + 1


def test_a_wrong_key_ends_the_run_at_the_first_row() -> None:
    assert end_of(failing("i0d0", range(5), ErrorClass.AUTH))[0] == 1


@pytest.mark.parametrize("kind", [ErrorClass.AUTH, ErrorClass.MODEL])
@pytest.mark.parametrize("earlier", [False, True], ids=["in this life", "in an earlier one"])
def test_a_row_that_is_refused_among_others_that_are_not_is_its_own_failure(kind: ErrorClass, earlier: bool) -> None:
    calm = [cell for n in range(1, 200, 8) for cell in fine("i0d0", range(n, n + 7)) + failing("i0d0", [n + 7], kind)]
    before = fine("i0d0", [0])
    assert end_of(calm, known=before) == (0, None) if earlier else end_of(before + calm) == (0, None)


@pytest.mark.parametrize("kind", [ErrorClass.AUTH, ErrorClass.MODEL])
def test_a_key_that_is_withdrawn_while_the_run_works_ends_it_at_once(kind: ErrorClass) -> None:
    count, reason = end_of(fine("i0d0", range(50)) + failing("i0d0", range(50, 100), kind))
    assert count == 50 + REFUSALS and isinstance(reason, RunFailed)
    assert end_of(failing("i0d0", range(50, 100), kind), known=fine("i0d0", range(50)))[0] == REFUSALS


@pytest.mark.parametrize("kind", [kind for kind in ErrorClass if kind not in (ErrorClass.AUTH, ErrorClass.MODEL)])
def test_a_person_who_wants_it_to_go_on_all_the_same_is_obeyed(kind: ErrorClass) -> None:
    watch = FailureWatch((), despite_errors=True)
    cells = failing("i0d0", range(200), kind)
    assert {watch.why_stop(cell, row) for cell, row in zip(cells, ROWS, strict=False)} == {None}


def test_no_person_can_go_on_without_a_key() -> None:
    watch = FailureWatch((), despite_errors=True)
    assert isinstance(watch.why_stop(failing("i0d0", [0], ErrorClass.AUTH)[0], ROWS[0]), RunFailed)


def test_no_failure_is_no_words() -> None:
    assert in_words(fine("i0d0", range(4))) == ""
    assert in_words([*fine("i0d0", range(4)), *failing("i0d0", [5])]) == ("1 of 5 program runs failed (parse)")
