"""MIPRO, 0-Shot MIPRO, and the MIPRO++ pair that searches the proposer's switches."""

from itertools import pairwise
from typing import Any

import pytest

from mipro_studio.optimizer_core.config import TIPS
from mipro_studio.optimizer_core.optimizers.switches import switch_rows
from mipro_studio.optimizer_core.proposers.switch_variables import NUMBER, SEED, SHOWN
from mipro_studio.optimizer_core.types import Arm, Candidate, TrialKind
from tests.arms import demo_sets_of, pairs
from tests.loopback import LoopbackEndpoint
from tests.loopback.promptformat import DspyPrompt, parse_prompt, render_reply
from tests.optimizer_core.builders import live
from tests.optimizer_core.optimizers.small import (
    asked,
    choices,
    is_proposal,
    journal,
    run,
    scripted,
    settings,
    suggested,
)

PLUS = ["zero_shot_mipro_pp", "mipro_pp"]
WIDE = {"trials": 8, "lag": 4, "candidates": 4}


def demos_in_task_requests(endpoint: LoopbackEndpoint) -> set[int]:
    bodies = [entry["body"] for entry in endpoint.requests() if entry["model"] == "task"]
    parsed = [parse_prompt(body["messages"]) for body in bodies]
    return {prompt.demo_count for prompt in parsed if prompt}


@pytest.mark.parametrize(("optimizer", "kinds"), [("mipro", (True, True)), ("zero_shot_mipro", (True, False))])
def test_all_candidates_are_chosen_from_what_was_written_before_the_search(
    endpoint: LoopbackEndpoint, optimizer: str, kinds: tuple[bool, bool]
) -> None:
    endpoint.control(keep_requests=True)
    life = run(endpoint, optimizer, search={"trials": 10, "candidates": 4, "instructions": 3})

    requests = asked(endpoint)
    assert len(requests) == 2 * 2  # two new instructions for each of two predictors, whatever the trials
    assert any("message: message" in prompt.inputs["task_demos"] for prompt, _ in requests)
    places = [place for candidate in choices(suggested(life)) for place in candidate]
    assert (len({one for one, _ in places}) > 1, len({demos for _, demos in places}) > 1) == kinds
    assert max(one for one, _ in places) <= 2
    assert any(queue != tone for queue, tone in choices(suggested(life)))
    numbers = [trial.number for trial in life.trials if trial.kind is TrialKind.MINIBATCH]
    assert len(numbers) >= 8 and all(b > a for a, b in pairwise(numbers))


@pytest.mark.parametrize("optimizer", ["zero_shot_mipro", "zero_shot_mipro_pp"])
def test_zero_shot_puts_no_demo_into_any_program(endpoint: LoopbackEndpoint, optimizer: str) -> None:
    endpoint.control(keep_requests=True)
    life = run(endpoint, optimizer)

    assert demos_in_task_requests(endpoint) == {0}
    assert all(demos == 0 for candidate in choices(life.trials) for _, demos in candidate)
    sets = [arm for arm in demo_sets_of(life.journal) if arm.index]
    assert sets and all(demo.augmented for arm in sets for demo in arm.demos)  # they ground the proposer


def test_a_full_evaluation_goes_to_the_best_mean_of_the_last_trials(endpoint: LoopbackEndpoint) -> None:
    life = run(endpoint, "zero_shot_mipro", search={"trials": 4, "full_eval_every": 2, "lag": 1})

    asked_for = {trial.order: trial for trial in life.trials}
    first_full = next(trial for trial in life.trials if trial.kind is TrialKind.FULL)
    before = [asked_for[order] for order in range(1, first_full.order)]
    assert [trial.kind for trial in before] == [TrialKind.MINIBATCH] * 2
    best = max(trial.mean or 0.0 for trial in before)
    assert first_full.candidate in {trial.candidate for trial in before if trial.mean == best}


@pytest.mark.parametrize(("lag", "every"), [(6, 3), (6, 5), (3, 4)])
def test_every_full_evaluation_goes_to_the_best_open_mean_also_with_trials_under_way(
    endpoint: LoopbackEndpoint, lag: int, every: int
) -> None:
    life = run(endpoint, "zero_shot_mipro", search={"trials": 12, "full_eval_every": every, "lag": lag})

    trials = life.trials
    means: dict[str, list[float]] = {}
    done: set[str] = {trials[0].candidate}
    fulls = []
    for trial in trials[1:]:
        if trial.kind is TrialKind.MINIBATCH:
            assert trial.mean is not None
            means.setdefault(trial.candidate, []).append(trial.mean)
            continue
        open_ = {name: sum(found) / len(found) for name, found in means.items() if name not in done}
        assert open_[trial.candidate] == pytest.approx(max(open_.values()))
        done.add(trial.candidate)
        fulls.append(trial.number)
    assert fulls == [*range(every, 12, every), 12][: len(fulls)] and len(fulls) >= 2


def test_the_teacher_of_a_zero_shot_run_has_no_labelled_demos(endpoint: LoopbackEndpoint) -> None:
    counts = {}
    for optimizer in ("zero_shot_mipro", "mipro"):
        endpoint.reset()
        endpoint.control(keep_requests=True)
        run(endpoint, optimizer)
        bodies = [entry["body"] for entry in endpoint.requests() if entry["model"] == "teacher"]
        counts[optimizer] = {parse_prompt(body["messages"]).demo_count for body in bodies}  # type: ignore[union-attr]
    assert counts["zero_shot_mipro"] == {0}  # as in DSPy
    assert max(counts["mipro"]) == 2


def test_a_temperature_that_a_person_said_is_kept_to(endpoint: LoopbackEndpoint) -> None:
    endpoint.control(keep_requests=True)
    life = run(endpoint, "zero_shot_mipro_pp", search=WIDE, proposer={"temperature": 0.35})

    assert {body["temperature"] for _, body in asked(endpoint)} == {0.35}
    assert all("temperature" not in row.values for row in switch_rows(life.context.arms))
    outcome = life.journal.outcome()
    assert outcome is not None and all("temperature" not in row["parameter"] for row in outcome.importance)


@pytest.mark.parametrize("optimizer", PLUS)
def test_every_trial_writes_fresh_instructions_by_the_switches_it_chose(
    endpoint: LoopbackEndpoint, optimizer: str
) -> None:
    endpoint.control(keep_requests=True)
    life = run(endpoint, optimizer, search=WIDE)

    rows = switch_rows(life.context.arms)
    assert [row.number for row in rows] == list(range(1, 9))
    assert [row.candidate for row in rows] == [trial.candidate for trial in suggested(life)]
    assert [instruction for ((instruction, _), _) in choices(suggested(life))] == list(range(1, 9))
    requests = asked(endpoint)
    assert len(requests) == 2 * 8
    by_demos = {
        (info.name, index): [demo for demo in arm.demos if demo.augmented][:3]
        for info in life.context.free
        for index, arm in life.context.arms.demo_sets[info.name].items()
    }
    written = {
        arm.text: arm
        for name in ("queue", "tone")
        for arm in life.context.arms.instructions[name].values()
        if arm.index
    }
    for prompt, body in requests:
        (arm,) = [arm for arm in written.values() if _is_of(arm, prompt, body, rows)]
        values = arm.provenance["values"]
        assert ("dataset_description" in prompt.inputs) is values["dataset_summary"]
        assert ("program_description" in prompt.inputs) is values["program_summary"]
        assert prompt.inputs.get("tip", "") == TIPS[values["tip"]]
        chosen = values.get(f"{arm.owner}: {SHOWN}")
        if chosen is not None:
            shown = [f"message: {demo.fields['message']}" for demo in by_demos[arm.owner, chosen]]
            assert all(line in prompt.inputs["task_demos"] for line in shown)
            assert prompt.inputs["task_demos"].count("message: ") == len(shown)
    searched = [row.values for row in rows]
    assert all(len({str(values[name]) for values in searched}) > 1 for name in ("dataset_summary", "tip"))
    assert len({values["temperature"] for values in searched}) == 8


def _is_of(arm: Arm, prompt: DspyPrompt, body: dict[str, Any], rows: list[Any]) -> bool:
    """The request that wrote the arm is told by its predictor and its temperature, which no two trials share."""
    same = prompt.inputs["basic_instruction"] == f"Find the {arm.owner}."
    return same and abs(body["temperature"] - arm.provenance["values"]["temperature"]) < 1e-9


def test_what_a_person_switched_off_is_no_variable(endpoint: LoopbackEndpoint) -> None:
    off = {"dataset_summary": False, "tips": ["simple"], "demos": False}
    life = run(endpoint, "zero_shot_mipro_pp", search=WIDE, proposer=off)

    assert {frozenset(row.values) for row in switch_rows(life.context.arms)} == {
        frozenset({"program_summary", "temperature"})
    }


def test_the_whole_of_mipro_pp_also_searches_the_bootstrap(endpoint: LoopbackEndpoint) -> None:
    life = run(endpoint, "mipro_pp", search={**WIDE, "max_bootstrapped": 3, "trials": 12})

    rows = switch_rows(life.context.arms)
    assert {row.values[NUMBER] for row in rows} >= {0, 3} and len({row.values[SEED] for row in rows}) > 1
    sets = life.context.arms.demo_sets
    for row in rows:
        for name, (_, index) in zip(("queue", "tone"), pairs(Candidate.parse(row.candidate)), strict=True):
            demos, largest = sets[name][index].demos, sets[name][row.values[SEED]].demos
            assert len(demos) == row.values[NUMBER]
            traced = [demo for demo in demos if demo.augmented]
            assert traced == [demo for demo in largest if demo.augmented][: len(traced)]
    traces = [event for event in life.journal.events if event.kind == "traces"]
    assert len(traces) == 1  # said once, not with every set that a trial builds


def persuade(prompt: DspyPrompt | None, messages: list[dict[str, Any]]) -> str | None:
    """A proposer that writes well when it is told to have a persona, and badly otherwise."""
    fields = [name for name in prompt.outputs if is_proposal(name)] if prompt else []
    if prompt is None or not fields:
        return None
    level = 0.95 if "persona" in prompt.inputs.get("tip", "") else 0.2
    shown = len(prompt.inputs["task_demos"]) + 1000 * len(prompt.inputs)  # texts differ as the requests do
    return render_reply(prompt, dict.fromkeys(fields, f"Look. q={level} (seen {shown})"))


@pytest.mark.parametrize("optimizer", PLUS)
def test_the_switch_that_matters_is_found_and_its_importance_is_reported(optimizer: str) -> None:
    with scripted(persuade) as endpoint:
        search = {"trials": 24, "candidates": 4, "minibatch_size": 8, "full_eval_every": 24, "lag": 1}
        life = live(settings(endpoint, optimizer, search=search, proposer={"tips": ["none", "persona"]}), journal())

    outcome = life.journal.outcome()
    assert outcome is not None
    names = {row["parameter"] for row in outcome.importance}
    assert names >= {
        "proposer: tip",
        "proposer: temperature",
        "proposer: dataset summary",
        "proposer: program summary",
    }
    if optimizer == "mipro_pp":
        assert names >= {"bootstrap: number of demos", "bootstrap: seed"}
    top = outcome.importance[0]
    assert (top["parameter"], top["real"]) == ("proposer: tip", True)
    means = {arm["label"]: arm["mean"] for arm in top["arms"]}
    assert means["persona"] > means["none"] + 0.3
    # What is learned is used: after the ten random trials TPE asks for the persona nearly always.
    late = [row.values["tip"] for row in switch_rows(life.context.arms)][12:]
    assert late.count("persona") >= 0.75 * len(late)
