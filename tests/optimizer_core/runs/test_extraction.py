"""Which full evaluation is the run's result."""

from types import SimpleNamespace
from typing import Any

from mipro_studio.optimizer_core.evaluation.score_table import ScoreTable
from mipro_studio.optimizer_core.runs.extraction import best_full_evaluation
from mipro_studio.optimizer_core.types import Candidate, Cell, Split, Trial, TrialKind
from tests.optimizer_core.builders import failed, make_examples, scored

VAL = make_examples(0, 20)
BASELINE, FIRST, SECOND = (Candidate(((arm, 0),)) for arm in range(3))


def row(candidate: Candidate, right: int, errors: int = 0, n: int = 20) -> list[Cell]:
    """The first `right` of `n` cells score 1, the last `errors` have no score."""
    names = [example.id for example in VAL[:n]]
    good = [scored(candidate.id, name, float(place < right)) for place, name in enumerate(names[: n - errors])]
    return good + [failed(candidate.id, name) for name in names[n - errors :]]


def best(*rows: list[Cell], taken_out: Candidate | None = None) -> tuple[Candidate, str]:
    table = ScoreTable(cell for one in rows for cell in one)
    context: Any = SimpleNamespace(
        examples={Split.VAL: VAL}, table=table, baseline=BASELINE, allows=lambda one: one != taken_out
    )
    names = dict.fromkeys(cell.key.candidate for one in rows for cell in one)
    kinds = [TrialKind.BASELINE, *[TrialKind.FULL] * len(names)]
    return best_full_evaluation(context, [Trial(n, n, kinds[n], name, ()) for n, name in enumerate(names)])


def test_the_highest_mean_wins_and_of_equals_the_first() -> None:
    assert best(row(BASELINE, 10), row(FIRST, 12), row(SECOND, 15))[0] == SECOND
    assert best(row(BASELINE, 10), row(FIRST, 15), row(SECOND, 15))[0] == FIRST
    assert best(row(BASELINE, 15), row(FIRST, 15))[0] == BASELINE


def test_an_evaluation_with_many_errors_or_gaps_is_no_full_one() -> None:
    assert best(row(BASELINE, 10), row(FIRST, 15, errors=2))[0] == FIRST
    assert best(row(BASELINE, 10), row(FIRST, 15, errors=3))[0] == BASELINE
    assert best(row(BASELINE, 10), row(FIRST, 15, n=19))[0] == BASELINE


def test_what_a_person_took_out_does_not_win() -> None:
    assert best(row(BASELINE, 10), row(FIRST, 12), row(SECOND, 15), taken_out=SECOND)[0] == FIRST


def test_the_reason_says_against_how_many_it_won() -> None:
    won = best(row(BASELINE, 1), row(FIRST, 2), row(SECOND, 3))[1]
    assert "Best of 3 full evaluations on 20 validation examples" in won
    assert "did not beat the baseline's 0.500" in best(row(BASELINE, 10), row(FIRST, 3))[1]
    candidate, reason = best(row(BASELINE, 1, n=15), row(FIRST, 3, n=19))
    assert candidate == BASELINE and reason.startswith("No candidate was evaluated on the whole validation set")
