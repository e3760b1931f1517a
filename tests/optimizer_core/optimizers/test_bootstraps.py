"""Optimizers that search demo sets only: BootstrapFewShot, bootstrap random search, Bayesian Bootstrap."""

from collections.abc import Sequence
from typing import Any

import pytest

from mipro_studio.optimizer_core.optimizers import mipro
from mipro_studio.optimizer_core.parameters.demos import made_how
from mipro_studio.optimizer_core.parameters.space import SearchSpace
from mipro_studio.optimizer_core.search.surrogates import Observation
from mipro_studio.optimizer_core.types import TEACHER, Candidate, Role, Split, TrialKind
from tests.arms import demo_sets_of
from tests.loopback import LoopbackEndpoint
from tests.optimizer_core.builders import Life
from tests.optimizer_core.optimizers.small import choices, run, suggested

NOTHING_PASSES = {"threshold": 2.0, "max_labeled": 0}


def passing(life: Life, threshold: float) -> list[str]:
    """Training rows whose trace passes, in the rows' order."""
    row = life.context.table.row(TEACHER, Split.TRAIN)
    scores = {
        example.id: row[example.id].score for example in life.context.examples[Split.TRAIN] if example.id in row
    }
    return [name for name, score in scores.items() if score is not None and score >= threshold]


def kinds(life: Life, predictor: str = "queue") -> dict[int, str]:
    return {arm.index: made_how(arm) for arm in demo_sets_of(life.journal) if arm.owner == predictor}


@pytest.mark.parametrize("threshold", [0.5, 1.0])
def test_few_shot_takes_the_first_rows_that_pass_and_searches_nothing(
    endpoint: LoopbackEndpoint, threshold: float
) -> None:
    life = run(endpoint, "bootstrap_few_shot", search={"threshold": threshold, "max_labeled": 4})

    (trial,) = suggested(life)
    assert (trial.kind, len(trial.examples)) == (TrialKind.FULL, 16)
    assert choices([trial]) == [((0, 1), (0, 1))]
    assert kinds(life) == {0: "zero_shot", 1: "unshuffled"}
    first = passing(life, threshold)[:2]
    assert len(first) == 2
    for predictor in ("queue", "tone"):
        demos = life.context.arms.demo_sets[predictor][1].demos
        assert [demo.example_id for demo in demos if demo.augmented] == first
        assert len(demos) == 4  # filled up with labelled rows
    assert life.context.meter.total(Role.PROMPT).calls == 0


@pytest.mark.parametrize("optimizer", ["bootstrap_few_shot", "bootstrap_rs"])
def test_a_set_without_demos_is_the_baseline_and_is_not_paid_for_again(
    endpoint: LoopbackEndpoint, optimizer: str
) -> None:
    life = run(endpoint, optimizer, search=NOTHING_PASSES)

    assert suggested(life) == []
    assert life.winner == Candidate.baseline(2).id
    warnings = [event.data["text"] for event in life.journal.events if event.kind == "warning"]
    assert any("No trace reached the threshold 2" in text for text in warnings)


def test_random_search_evaluates_each_set_once_in_full_in_dspys_order(endpoint: LoopbackEndpoint) -> None:
    life = run(endpoint, "bootstrap_rs", search={"candidates": 6, "schedule": "minibatch", "trials": 30})

    assert kinds(life) == {0: "zero_shot", 1: "labels_only", 2: "unshuffled", **dict.fromkeys((3, 4, 5), "shuffled")}
    trials = suggested(life)
    assert choices(trials) == [((0, index), (0, index)) for index in range(1, 6)]
    assert {(trial.kind, len(trial.examples)) for trial in trials} == {(TrialKind.FULL, 16)}
    means = {trial.candidate: trial.mean for trial in life.trials}
    assert len(means) == len(life.trials) == 6
    best = max(mean for mean in means.values() if mean is not None)
    assert life.winner is not None and means[life.winner] == best
    assert life.context.meter.total(Role.PROMPT).calls == 0


def test_random_search_bootstraps_no_more_demos_than_asked_for(endpoint: LoopbackEndpoint) -> None:
    life = run(endpoint, "bootstrap_rs", search={"candidates": 8, "max_bootstrapped": 3, "max_labeled": 5})

    sizes = {}
    for arm in demo_sets_of(life.journal):
        if arm.owner == "queue" and arm.index:
            sizes[arm.index] = (sum(demo.augmented for demo in arm.demos), len(arm.demos))
    assert sizes[1] == (0, 5) and sizes[2] == (3, 5)
    assert all(1 <= augmented <= 3 and size == 5 for index, (augmented, size) in sizes.items() if index > 2)
    assert len({augmented for index, (augmented, _) in sizes.items() if index > 2}) > 1


def test_bayesian_bootstrap_chooses_a_set_for_each_predictor_and_learns_from_the_scores(
    endpoint: LoopbackEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[list[tuple[str, str, int]], int]] = []
    original = mipro.make_surrogate

    class Watching:
        def __init__(self, settings: Any) -> None:
            self._surrogate = original(settings)

        def suggest(self, space: SearchSpace, observed: Sequence[Observation], *rest: Any) -> Candidate | None:
            parameters = [(one.owner, one.kind, len(one.arms)) for one in space.parameters]
            asked.append((parameters, len(observed)))
            return self._surrogate.suggest(space, observed, *rest)

    monkeypatch.setattr(mipro, "make_surrogate", Watching)
    life = run(endpoint, "bayesian_bootstrap", search={"trials": 6, "lag": 1})

    assert [parameters for parameters, _ in asked] == [[("queue", "demos", 4), ("tone", "demos", 4)]] * 6
    assert [known for _, known in asked] == sorted(known for _, known in asked)
    assert asked[-1][1] >= 6  # the baseline and five trials
    places = choices(suggested(life))
    assert all(queue[0] == tone[0] == 0 for queue, tone in places)
    assert any(queue[1] != tone[1] for queue, tone in places)
    assert {trial.kind for trial in life.trials} == {TrialKind.BASELINE, TrialKind.MINIBATCH, TrialKind.FULL}
    assert life.context.meter.total(Role.PROMPT).calls == 0
