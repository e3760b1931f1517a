"""The winner: the best full evaluation, as far as rows can be answered at all."""

from types import SimpleNamespace
from typing import Any

from mipro_studio.optimizer_core.evaluation.objective import THE_SCORE
from mipro_studio.optimizer_core.evaluation.score_table import ScoreTable
from mipro_studio.optimizer_core.runs.extraction import best_full_evaluation
from mipro_studio.optimizer_core.types import Candidate, Cell, ErrorClass, Split, Trial, TrialKind
from tests.optimizer_core.builders import failed, make_examples, scored

N = 20
BASE, OTHER, THIRD = "i0d0", "i1d0", "i2d0"


def row(candidate: str, scores: dict[int, float], errors: set[int]) -> list[Cell]:
    """`N` cells: `scores` where they say something, 0 elsewhere, an error on `errors`."""
    return [
        failed(candidate, str(n), ErrorClass.REFUSAL)
        if n in errors
        else scored(candidate, str(n), scores.get(n, 0.0))
        for n in range(N)
    ]


def best(*cells: list[Cell]) -> tuple[str, str]:
    table = ScoreTable(cell for part in cells for cell in part)
    context: Any = SimpleNamespace(
        table=table,
        examples={Split.VAL: make_examples(0, N)},
        baseline=Candidate.baseline(1),
        allows=lambda one: True,
        objective=THE_SCORE,
    )
    names = [part[0].key.candidate for part in cells]
    kinds = [TrialKind.BASELINE if name == BASE else TrialKind.FULL for name in names]
    trials = [Trial(n, n, kind, name, ()) for n, (kind, name) in enumerate(zip(kinds, names, strict=True))]
    winner, reason = best_full_evaluation(context, trials)
    return winner.id, reason


ONES = dict.fromkeys(range(N), 1.0)
HALVES = dict.fromkeys(range(N), 0.5)


def test_the_best_mean_wins() -> None:
    assert best(row(BASE, {}, set()), row(OTHER, ONES, set()), row(THIRD, HALVES, set()))[0] == OTHER


def test_rows_that_no_candidate_can_answer_keep_none_from_winning() -> None:
    dead = set(range(8))
    winner, reason = best(row(BASE, {}, dead), row(OTHER, HALVES, dead))
    assert winner == OTHER
    assert "on all of 12 validation examples" in reason
    assert (
        "On 8 more of them no candidate has a score: 8 of 8 program runs failed, all of them alike (refusal)"
        in reason
    )


def test_a_candidate_that_fails_where_another_does_not_is_no_winner() -> None:
    winner, _ = best(row(BASE, {}, {0}), row(OTHER, ONES, {0, 5, 6, 7, 8}), row(THIRD, HALVES, {0, 1}))
    assert winner == THIRD


def test_a_baseline_that_fails_where_another_does_not_is_beaten_by_it() -> None:
    winner, _ = best(row(BASE, ONES, set(range(15))), row(OTHER, HALVES, set()))
    assert winner == OTHER


def test_where_nothing_has_a_score_the_baselines_errors_are_said() -> None:
    winner, reason = best(row(BASE, {}, set(range(N))))
    assert winner == BASE
    assert "The baseline: 20 of 20 program runs failed" in reason
