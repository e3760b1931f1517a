"""A run that starts from what an earlier one learned."""

import json
from collections.abc import Iterator

import pytest

from mipro_studio.optimizer_core.analysis.learned import WON, learned
from mipro_studio.optimizer_core.parameters.arm_features import WORTH
from mipro_studio.optimizer_core.types import DEMOS, INSTRUCTION, TEACHER, Arm, Candidate, Json, Split
from tests.optimizer_core.crashing import Perishable, Scenario, Stage, to_the_end

OUTPUTS = {"queue": ("queue",), "tone": ("tone",)}


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage() as stage:
        yield stage


def played(stage: Stage, scenario: Scenario) -> Perishable:
    journal = Perishable(scenario.wishes)
    to_the_end(stage.config("studio", scenario), journal, scenario, 0)
    return journal


def told_by(journal: Perishable) -> Json:
    arms: dict[str, dict[str, dict[int, Arm]]] = {}
    for arm in journal.arms():
        arms.setdefault(arm.kind, {}).setdefault(arm.owner, {})[arm.index] = arm
    scores: dict[str, dict[str, float]] = {}
    for cell in journal.cells():
        if cell.key.split is Split.VAL and cell.score is not None:
            scores.setdefault(cell.key.candidate, {})[cell.key.example] = cell.score
    outcome = journal.outcome()
    assert outcome is not None and outcome.winner is not None
    return learned(OUTPUTS, arms, scores, outcome.winner)


def test_it_takes_the_arms_tries_the_winner_first_and_asks_nobody_for_new_ones(stage: Stage) -> None:
    told = told_by(played(stage, Scenario("", {"search": {"trials": 12, "made": 0}})))
    journal = played(stage, Scenario("", {"carried": json.dumps(told), "search": {"trials": 8, "made": 0}}))
    mine = [arm for arm in journal.arms() if arm.index]
    texts = {(arm.owner, arm.text) for arm in mine if arm.kind == INSTRUCTION}
    known = {(row["owner"], row["content"]["text"]) for row in told["arms"] if row["kind"] == INSTRUCTION}
    assert texts and texts <= known and all(WORTH in arm.provenance for arm in mine)
    assert any(arm.kind == DEMOS for arm in mine)
    assert not list(journal.prompt_calls())
    assert not [cell for cell in journal.cells() if cell.key.candidate == TEACHER]
    first = Candidate.parse(next(trial for trial in journal.trials() if trial.number == 1).candidate)
    for arm in mine:
        if arm.provenance[WON] and arm.active:
            assert first.arm(list(OUTPUTS).index(arm.owner), arm.kind) == arm.index
    assert journal.outcome() is not None


def test_what_was_learned_can_be_carried_on_once_more(stage: Stage) -> None:
    told = told_by(played(stage, Scenario("", {"search": {"trials": 8, "made": 0}})))
    journal = played(stage, Scenario("", {"carried": json.dumps(told), "search": {"trials": 6, "made": 0}}))
    again = told_by(journal)
    assert {json.dumps(row["content"]) for row in again["arms"]} <= {
        json.dumps(row["content"]) for row in told["arms"]
    }
