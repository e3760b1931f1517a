"""Counts, order and pairs of two candidates' examples."""

from mipro_studio.optimizer_core.analysis.comparison import Change, change_counts, compare, scored_pairs
from mipro_studio.optimizer_core.types import ErrorClass, ExampleScore


def side(score: float | None) -> ExampleScore:
    return ExampleScore(score, ErrorClass.TIMEOUT if score is None else None, 100.0, None, 0.5)


BEFORE = {"a": side(0.0), "b": side(1.0), "c": side(0.5), "d": side(None), "e": side(0.2)}
AFTER = {"a": side(0.3), "b": side(0.2), "c": side(0.5), "d": side(1.0), "f": side(1.0)}


def test_the_largest_change_comes_first_and_what_was_not_scored_last() -> None:
    rows = compare(BEFORE, AFTER, order="fedcba")
    assert [row.example for row in rows] == ["b", "a", "c", "f", "e", "d"]
    assert [row.change for row in rows] == [
        Change.REGRESSED,
        Change.IMPROVED,
        Change.SAME,
        *[Change.NOT_EVALUATED] * 3,
    ]


def test_every_kind_is_counted_and_an_error_is_no_change() -> None:
    assert change_counts(compare(BEFORE, AFTER)) == {
        Change.IMPROVED: 1,
        Change.REGRESSED: 1,
        Change.SAME: 1,
        Change.NOT_EVALUATED: 3,
    }
    assert change_counts([]) == dict.fromkeys(Change, 0)


def test_pairs_hold_only_what_both_were_scored_on_in_a_fixed_order() -> None:
    pairs = ((0.0, 0.3), (1.0, 0.2), (0.5, 0.5))
    assert scored_pairs(compare(BEFORE, AFTER)) == scored_pairs(compare(BEFORE, AFTER, order="fedcba")) == pairs
