"""Arms that the studio's optimizer makes during the search."""

from collections.abc import Iterator
from typing import Any

import pytest

from mipro_studio.optimizer_core.config import SearchSettings
from mipro_studio.optimizer_core.optimizers.growth import IN_SEARCH, MADE_AT
from mipro_studio.optimizer_core.optimizers.registry import OPTIMIZERS
from mipro_studio.optimizer_core.parameters.demos import made_how
from mipro_studio.optimizer_core.types import DEMOS, INSTRUCTION, TEACHER, Author, Candidate, ChangeKind, EventKind
from tests.arms import demo_sets_of
from tests.loopback import LoopbackEndpoint
from tests.optimizer_core.crashing import Perishable, Scenario, Stage, to_the_end
from tests.optimizer_core.optimizers.small import run

RACE: dict[str, Any] = {"schedule": "racing", "surrogate": "item_response", "trials": 34}


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage() as stage:
        yield stage


def played(stage: Stage, scenario: Scenario, optimizer: str = "studio") -> Perishable:
    journal = Perishable(scenario.wishes)
    to_the_end(stage.config(optimizer, scenario), journal, scenario, 0)
    return journal


@pytest.fixture(scope="module")
def whole(stage: Stage) -> Perishable:
    return played(stage, Scenario("arms made", {"seed": 3, "search": {**RACE, "trials": 46}}))


@pytest.mark.parametrize("most", [4, 8])
def test_every_third_demo_set_may_have_more_demos_than_the_others(endpoint: LoopbackEndpoint, most: int) -> None:
    search = {"candidates": 7, "trials": 0, "max_labeled": most, "threshold": 0.5}
    life = run(endpoint, "studio", search=search, budget={"max_program_runs": None})
    sizes = {arm.index: len(arm.demos) for arm in demo_sets_of(life.journal) if arm.owner == "queue" and arm.active}
    assert set(sizes) >= {1, 2, 3, 6}
    assert {size for index, size in sizes.items() if index % 3} == {4}
    assert {size for index, size in sizes.items() if index and not index % 3} == {most}


def test_by_default_it_is_eight_and_for_the_optimizers_of_the_seeds_four() -> None:
    named = {name: SearchSettings(**one.defaults.get("search", {})).max_labeled for name, one in OPTIMIZERS.items()}
    assert named.pop("studio") == 8 and set(named.values()) == {4}


def test_arms_are_made_with_their_parents_hypothesis_and_evidence(whole: Perishable) -> None:
    written = [arm for arm in whole.arms() if MADE_AT in arm.provenance and arm.kind == INSTRUCTION]
    composed = [arm for arm in whole.arms() if arm.kind == DEMOS and made_how(arm) == "composed"]
    assert {arm.owner for arm in written} == {"queue", "tone"} and composed
    for arm in written:
        assert arm.author is Author.MODEL and arm.provenance["parents"] and arm.provenance["hypothesis"]
        assert arm.provenance["evidence"]["rows"] and arm.provenance["cost"]["calls"] == 1
    for one in composed:
        assert one.provenance["evidence"]["cells"] > 0 and 0 <= one.provenance["evidence"]["chance"] <= 1


def test_arms_made_are_tried(whole: Perishable) -> None:
    made = {(arm.owner, arm.index) for arm in whole.arms() if MADE_AT in arm.provenance and arm.kind == INSTRUCTION}
    tried = {
        (name, Candidate.parse(trial.candidate).arm(place, INSTRUCTION))
        for trial in whole.trials()
        for place, name in enumerate(("queue", "tone"))
    }
    assert made & tried


def test_the_leader_teaches_training_rows_only_and_not_those_it_shows(whole: Perishable) -> None:
    lessons = [cell for cell in whole.cells() if cell.key.rollout >= IN_SEARCH]
    assert lessons and {cell.key.candidate for cell in lessons} == {TEACHER}
    assert {cell.key.split.value for cell in lessons} == {"train"}


def test_what_became_of_the_rows_is_said_again_after_lessons(whole: Perishable) -> None:
    said = [event.data for event in whole.events if event.kind is EventKind.TRACES]
    lessons = {cell.key.example for cell in whole.cells() if cell.key.rollout >= IN_SEARCH}
    assert len(said) > 1 and said[-1]["rows"] >= said[0]["rows"]
    assert lessons <= {fate["example"] for fate in said[-1]["traces"]}


def test_none_are_made_where_none_are_wanted_or_another_system_runs(stage: Stage) -> None:
    without = played(stage, Scenario("", {"search": {**RACE, "made": 0}}))
    mipro = played(stage, Scenario("", {"search": RACE}), "mipro")
    for journal in (without, mipro):
        assert not [arm for arm in journal.arms() if MADE_AT in arm.provenance]


def test_a_cap_holds_for_them(stage: Stage) -> None:
    journal = played(stage, Scenario("", {"search": {**RACE, "trials": 100}, "budget": {"max_program_runs": 130}}))
    assert sum(cell.key.split.value != "test" for cell in journal.cells()) <= 130
    assert journal.outcome() is not None


def test_a_person_can_reject_one(stage: Stage) -> None:
    payload = {"predictor": "queue", "kind": "instruction", "index": 4}
    scenario = Scenario("", {"search": RACE}, ((26, ChangeKind.REJECT, payload),))
    journal = played(stage, scenario)
    (arm,) = [arm for arm in journal.arms() if (arm.owner, arm.kind, arm.index) == ("queue", INSTRUCTION, 4)]
    assert MADE_AT in arm.provenance and not arm.active and arm.reason.startswith("rejected")
    late = [trial for trial in journal.trials() if trial.order > 30]
    assert late and all(Candidate.parse(trial.candidate).arm(0, INSTRUCTION) != 4 for trial in late)


def test_whether_there_is_anything_to_gain_is_said_once_and_may_end_the_run(stage: Stage, whole: Perishable) -> None:
    said = [event for event in whole.events if "to gain" in str(event.data.get("text", ""))]
    assert len(said) == 1 and "probability" in said[0].data["text"]
    ended = played(stage, Scenario("", {"search": {**RACE, "least_headroom": 1.0}}))
    suggested = [trial.number for trial in ended.trials()]
    assert max(suggested) == 4 and ended.outcome() is not None
