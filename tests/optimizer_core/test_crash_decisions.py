"""A run that is cut off anywhere and resumed decides what the uninterrupted one does.

A few commits of every optimizer and scenario are tried here; `python -m tests.optimizer_core.crashing` tries all.
"""

from collections.abc import Callable, Iterator, Sequence

import pytest

from mipro_studio.optimizer_core.optimizers import registry
from mipro_studio.optimizer_core.optimizers.base import Optimizer
from mipro_studio.optimizer_core.seeds import generator
from tests.optimizer_core.crashing import OPTIMIZERS, SCENARIOS, TUNING, Scenario, Stage, play

pytestmark = pytest.mark.timeout(310)
IN_ALL = ("studio", "mipro", "gepa")
"""Are tried in every scenario: the default, the loop that most others inherit, and the one with a library inside."""


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage() as stage:
        yield stage


def some(optimizer: str, scenario: Scenario) -> Callable[[int], Sequence[int]]:
    """One commit, another for every optimizer and scenario; two where there is nothing else to go wrong."""

    def points(commits: int) -> Sequence[int]:
        rng = generator(0, "cuts", optimizer, scenario.name)
        return [
            rng.randrange(commits),
            *([rng.randrange(commits * 3 // 4, commits)] if scenario.name == "plain" else []),
        ]

    return points


def tried() -> list[tuple[str, Scenario]]:
    """What could tell an optimizer's runs apart, by turns: `plain` and a third of the other scenarios.

    Each scenario is so tried with several loops; the command tries all of all.

    How weights are tuned depends on no schedule, only some have arms made beside their trials, and for those that
    decide one trial at a time anyway a lag of 1 is no other run.
    """

    def matters(optimizer: str, scenario: Scenario) -> bool:
        kind = registry.OPTIMIZERS[optimizer]
        if optimizer in TUNING:
            return scenario.name in ("plain", "review gate", "edits", "cap")
        if scenario.name.startswith("arms made"):
            return kind.prepare is not Optimizer.prepare
        lag = {**kind.defaults.get("search", {}), **kind.fixed.get("search", {})}.get("lag")
        return scenario.name != "lag 1" or lag != 1

    def in_turn(optimizer: str, scenario: Scenario) -> bool:
        place = OPTIMIZERS.index(optimizer) + SCENARIOS.index(scenario)
        return optimizer in IN_ALL or scenario.name == "plain" or place % 3 == 0

    return [(one, how) for one in OPTIMIZERS for how in SCENARIOS if matters(one, how) and in_turn(one, how)]


@pytest.mark.parametrize(
    ("optimizer", "scenario"), tried(), ids=lambda value: value if isinstance(value, str) else value.name
)
def test_a_killed_run_comes_to_the_same_trials_cells_winner_and_test(
    stage: Stage, optimizer: str, scenario: Scenario
) -> None:
    for played in play(stage, optimizer, scenario, some(optimizer, scenario)):
        assert not played.different, played


@pytest.mark.parametrize("optimizer", ["studio", "mipro", "module_opro", "gepa"])
def test_a_journal_that_fails_pauses_the_run_and_resumed_it_comes_to_the_same_end(
    stage: Stage, optimizer: str
) -> None:
    edits = next(scenario for scenario in SCENARIOS if scenario.name == "edits")
    for played in play(stage, optimizer, edits, lambda commits: range(1, commits, commits // 3), "journal"):
        assert not played.different, played


@pytest.mark.parametrize("optimizer", ["studio", "mipro_pp", "gepa"])
def test_a_watch_that_is_set_forward_and_back_changes_no_decision(stage: Stage, optimizer: str) -> None:
    racing = next(scenario for scenario in SCENARIOS if scenario.name == "racing")
    for played in play(stage, optimizer, racing, lambda commits: range(3, commits, commits // 3), "clock"):
        assert not played.different, played
