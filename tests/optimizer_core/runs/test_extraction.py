"""Which full evaluation is the run's result."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from mipro_studio.optimizer_core.evaluation.objective import objective_of
from mipro_studio.optimizer_core.evaluation.score_table import ScoreTable
from mipro_studio.optimizer_core.runs.extraction import best_full_evaluation
from mipro_studio.optimizer_core.types import Candidate, Cell, Split, Trial, TrialKind, Usage
from tests.optimizer_core.builders import failed, make_examples, scored

VAL = make_examples(0, 20)
BASELINE, FIRST, SECOND = (Candidate.parse(f"i{arm}d0") for arm in range(3))


def row(candidate: Candidate, right: int, errors: int = 0, n: int = 20) -> list[Cell]:
    """The first `right` of `n` cells score 1, the last `errors` have no score."""
    names = [example.id for example in VAL[:n]]
    good = [scored(candidate.id, name, float(place < right)) for place, name in enumerate(names[: n - errors])]
    return good + [failed(candidate.id, name) for name in names[n - errors :]]


def best(*rows: list[Cell], taken_out: Candidate | None = None, objective: str = "score") -> tuple[Candidate, str]:
    table = ScoreTable(cell for one in rows for cell in one)
    context: Any = SimpleNamespace(
        examples={Split.VAL: VAL},
        table=table,
        baseline=BASELINE,
        allows=lambda one: one != taken_out,
        objective=objective_of(objective),
        tunings={},
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


def test_the_reason_says_on_what_it_won() -> None:
    won = best(row(BASELINE, 1), row(FIRST, 2), row(SECOND, 3))[1]
    assert "scored on all of 20 validation examples" in won
    assert "did not beat the baseline on all" in best(row(BASELINE, 10), row(FIRST, 3))[1]
    candidate, reason = best(row(BASELINE, 1, n=15), row(FIRST, 3, n=19))
    assert candidate == BASELINE and reason.startswith("No candidate was evaluated on the whole validation set")


def took(cells: list[Cell], input_tokens: int) -> list[Cell]:
    """The same cells, each of one call with a prompt so long."""
    return [replace(cell, usage=Usage(calls=1, input_tokens=input_tokens)) for cell in cells]


def test_a_price_can_make_a_lower_score_win() -> None:
    long, short = took(row(FIRST, 16), 400), took(row(SECOND, 15), 100)
    assert best(took(row(BASELINE, 5), 50), long, short)[0] == FIRST
    candidate, reason = best(took(row(BASELINE, 5), 50), long, short, objective="score - 0.001*prompt_tokens")
    assert candidate == SECOND and "objective score - 0.001*prompt_tokens" in reason


def test_a_candidate_that_breaks_a_limit_on_one_example_cannot_win() -> None:
    nearly = [*took(row(FIRST, 20)[:19], 250), *took(row(FIRST, 20)[19:], 301)]
    within = took(row(SECOND, 6), 300)
    candidate, reason = best(took(row(BASELINE, 5), 50), nearly, within, objective="score, prompt_tokens <= 300")
    assert candidate == SECOND
    assert "1 of 3 candidates broke a limit (prompt_tokens <= 300)" in reason


def test_an_example_on_which_nobody_keeps_a_limit_rules_nobody_out() -> None:
    rows = [[*took(row(one, right)[:19], 50), *took(row(one, right)[19:], 900)] for one, right in
            ((BASELINE, 5), (FIRST, 9))]  # fmt: skip
    candidate, reason = best(*rows, objective="score, prompt_tokens <= 300")
    assert candidate == FIRST and "On 1 validation example no candidate keeps the limits" in reason


def test_where_only_candidates_over_a_limit_were_evaluated_the_program_stays_and_the_reason_says_so() -> None:
    part = took(row(FIRST, 9, n=10), 50)
    candidate, reason = best(took(row(BASELINE, 5), 900), part, objective="score, prompt_tokens <= 300")
    assert candidate == BASELINE and "keeps the limits (prompt_tokens <= 300)" in reason
