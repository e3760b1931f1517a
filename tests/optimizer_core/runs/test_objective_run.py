"""Whole runs that maximize something else than the score."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from mipro_studio.optimizer_core.evaluation.objective import measured
from mipro_studio.optimizer_core.types import Split
from tests.loopback import LoopbackEndpoint
from tests.optimizer_core.builders import Life, live, make_config

SEARCHES = ("racing", "minibatch", "full")


def prompt_tokens(life: Life) -> Mapping[str, float]:
    """Longest prompt of every candidate on the validation set."""
    found: dict[str, float] = {}
    for cell in life.journal.cells():
        if cell.key.split is Split.VAL and cell.score is not None:
            found[cell.key.candidate] = max(
                found.get(cell.key.candidate, 0.0), measured(cell, "prompt_tokens") or 0.0
            )
    return found


@pytest.mark.parametrize("schedule", SEARCHES)
def test_an_objective_that_equals_the_score_decides_bit_for_bit_the_same(
    endpoint: LoopbackEndpoint, schedule: str
) -> None:
    search = {"schedule": schedule, "trials": 8}
    plain = live(make_config(endpoint, search=search))
    same = live(make_config(endpoint, search=search, objective="score, tokens <= 1000000000"))
    assert {trial.objective for trial in plain.trials} == {None}
    assert [trial.objective for trial in same.trials] == [trial.mean for trial in plain.trials]
    assert [replace(trial, objective=None) for trial in same.trials] == plain.trials
    for name in ("scores", "winner", "arms", "prompts"):
        assert same.decisions[name] == plain.decisions[name], name
    ours, theirs = same.journal.outcome(), plain.journal.outcome()
    assert ours is not None and theirs is not None and theirs.objective is None and ours.objective is not None
    assert (ours.importance, ours.corrected, ours.best_test) == (
        theirs.importance,
        theirs.corrected,
        theirs.best_test,
    )
    assert ours.objective["best_val"] == theirs.best_val and ours.objective["paired_test"] == theirs.paired_test


@pytest.mark.parametrize("schedule", SEARCHES)
def test_a_limit_on_prompts_is_kept_by_the_winner_on_every_row(endpoint: LoopbackEndpoint, schedule: str) -> None:
    search = {"schedule": schedule, "trials": 12}
    plain = live(make_config(endpoint, search=search))
    lengths = prompt_tokens(plain)
    most = (lengths[plain.winner or ""] + min(lengths.values())) / 2
    assert plain.winner != plain.context.baseline.id and min(lengths.values()) < most
    short = live(make_config(endpoint, search=search, objective=f"score, prompt_tokens <= {most:.0f}"))
    assert short.winner != plain.winner and prompt_tokens(short)[short.winner or ""] <= most
    outcome = short.journal.outcome()
    assert outcome is not None and outcome.objective is not None
    assert outcome.objective["text"] == f"score, prompt_tokens <= {most:.0f}"
    assert outcome.objective["over_val"] == 0
    assert "broke a limit" in outcome.reason or "keeps the limits" in outcome.reason


def test_a_price_is_what_the_search_is_told_and_both_numbers_are_on_record(endpoint: LoopbackEndpoint) -> None:
    priced = live(make_config(endpoint, objective="score - 0.002*prompt_tokens"))
    for trial in priced.trials:
        row = priced.context.table.row(trial.candidate, Split.VAL)
        took = [measured(row[name], "prompt_tokens") or 0.0 for name in trial.examples]
        scores = [row[name].score or 0.0 for name in trial.examples]
        assert trial.mean == pytest.approx(sum(scores) / len(scores))
        assert trial.objective == pytest.approx(trial.mean - 0.002 * sum(took) / len(took))
        assert trial.value == trial.objective
    outcome = priced.journal.outcome()
    assert outcome is not None and outcome.objective is not None and outcome.best_val is not None
    full = {trial.candidate: trial.value for trial in priced.trials if len(trial.examples) == 24}
    assert full[priced.winner or ""] == max(value for value in full.values() if value is not None)
    assert outcome.objective["best_val"]["mean"] < outcome.best_val["mean"]
    assert outcome.objective["corrected"] is not None
