from mipro_studio.optimizer_core.evaluation.score_table import ScoreTable
from mipro_studio.optimizer_core.types import Cell, CellKey, ErrorClass, Split
from tests.optimizer_core.builders import failed, scored


def test_an_error_is_a_third_state_and_never_a_0() -> None:
    table = ScoreTable([scored("a", "1", 1.0), scored("a", "2", 0.5), failed("a", "3")])
    mean = table.mean("a", Split.VAL)
    assert (mean.mean, mean.n, mean.n_error, mean.complete) == (0.75, 2, 1, False)
    only_errors = ScoreTable([failed("a", "1")]).mean("a", Split.VAL)
    assert (only_errors.mean, only_errors.n, only_errors.n_error) == (None, 0, 1)


def test_an_error_is_replaced_by_a_later_score_and_never_the_reverse() -> None:
    table = ScoreTable([failed("a", "1", ErrorClass.SERVER)])
    table.put(failed("a", "1", ErrorClass.TIMEOUT))
    assert next(iter(table.cells())).error is ErrorClass.TIMEOUT
    table.put(scored("a", "1", 0.5))
    table.put(failed("a", "1"))
    table.put(scored("a", "1", 1.0))
    assert table.mean("a", Split.VAL).mean == 0.5
    assert len(table) == 1


def test_a_mean_over_named_examples_leaves_out_the_others_and_those_not_there() -> None:
    table = ScoreTable([scored("a", "1", 1.0), scored("a", "2", 0.0), failed("a", "3")])
    asked = table.mean("a", Split.VAL, ["1", "3", "9"])
    assert (asked.mean, asked.n, asked.n_error) == (1.0, 1, 1)
    assert table.mean("a", Split.VAL, []).mean is None


def test_splits_candidates_and_rollouts_are_kept_apart() -> None:
    table = ScoreTable([scored("a", "1", 1.0), scored("a", "1", 0.0, Split.TEST), scored("b", "1", 0.25)])
    table.put(Cell(CellKey("a", Split.VAL, "1", rollout=1), 0.0))
    assert table.mean("a", Split.VAL).mean == 1.0
    assert table.mean("a", Split.TEST).mean == 0.0
    assert table.candidates(Split.VAL) == ["a", "b"]
    assert table.candidates(Split.TRAIN) == []
    assert len(table) == 4


def test_pairs_are_the_examples_that_both_have_a_score_on() -> None:
    first = [scored("a", "2", 0.0), scored("a", "1", 1.0), failed("a", "3"), scored("a", "4", 1.0)]
    second = [scored("b", "1", 0.5), scored("b", "2", 1.0), scored("b", "3", 1.0), failed("b", "4")]
    assert ScoreTable(first + second).paired("a", "b", Split.VAL) == [("1", 1.0, 0.5), ("2", 0.0, 1.0)]
