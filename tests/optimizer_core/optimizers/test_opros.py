"""Optimizers that write instructions in rounds from a history of scores: OPRO and its module and program levels."""

import pytest

from mipro_studio.optimizer_core.types import INSTRUCTION, Candidate, TrialKind
from tests.arms import pairs
from tests.loopback import LoopbackEndpoint
from tests.loopback.promptformat import DspyPrompt
from tests.optimizer_core.builders import Life, live
from tests.optimizer_core.optimizers.small import (
    asked,
    choices,
    climb,
    history_of,
    journal,
    run,
    scripted,
    settings,
    steps,
    suggested,
    texts,
)

SHOWN = 5
OWN = {"task_demos", "previous_instructions", "basic_instruction"}
GROUNDING = {"dataset_description", "program_code", "program_description", "module", "module_description"}
MODULE_LEVEL = ["module_opro", "module_opro_ungrounded"]


def expected_history(life: Life, predictor: str, trials: int) -> list[tuple[str, float]]:
    """By hand: instructions of the baseline and the first `trials` trials with the mean score of their programs."""
    place = life.context.arms.names.index(predictor)
    written = texts(life, predictor)
    means = {trial.candidate: trial.mean for trial in life.trials[: trials + 1]}  # full evaluations: the last is all
    scores: dict[str, list[float]] = {}
    for candidate, mean in means.items():
        assert mean is not None
        scores.setdefault(written[Candidate.parse(candidate).arm(place, INSTRUCTION)], []).append(mean)
    averaged = [(text, sum(all_of) / len(all_of)) for text, all_of in scores.items()]
    return sorted(averaged, key=lambda pair: pair[1])[-SHOWN:]


def of_predictor(prompts: list[DspyPrompt], predictor: str) -> list[DspyPrompt]:
    return [prompt for prompt in prompts if prompt.inputs["basic_instruction"] == f"Find the {predictor}."]


def test_opro_shows_its_best_instructions_worst_first_with_their_scores_and_exemplars(
    endpoint: LoopbackEndpoint,
) -> None:
    endpoint.control(keep_requests=True)
    life = run(endpoint, "opro", search={"trials": 8})

    requests = asked(endpoint)
    assert len(requests) == 8  # one candidate a step
    for number, (prompt, body) in enumerate(requests):
        assert set(prompt.inputs) == OWN
        shown = history_of(prompt)
        expected = expected_history(life, "queue", number)
        assert [text for text, _ in shown] == [text for text, _ in expected]
        assert [score for _, score in shown] == pytest.approx([score for _, score in expected], rel=1e-5)
        assert "message: message" in prompt.inputs["task_demos"]
        assert body["temperature"] == 0.7
    assert len(history_of(requests[-1][0])) == SHOWN
    assert [place for _, place in choices(suggested(life))] == [(0, 0)] * 8
    assert {trial.kind for trial in suggested(life)} == {TrialKind.FULL}
    mean, winner = max((trial.mean or 0.0, trial.candidate) for trial in life.trials)
    assert {trial.mean for trial in life.trials if trial.candidate == life.winner} == {mean}, winner


@pytest.mark.parametrize("optimizer", MODULE_LEVEL)
def test_module_level_gives_every_instruction_the_score_of_its_program(
    endpoint: LoopbackEndpoint, optimizer: str
) -> None:
    endpoint.control(keep_requests=True)
    life = run(endpoint, optimizer, search={"trials": 4})

    prompts = [prompt for prompt, _ in asked(endpoint)]
    queue, tone = of_predictor(prompts, "queue"), of_predictor(prompts, "tone")
    assert len(queue) == len(tone) == 4
    for number, (one, other) in enumerate(zip(queue, tone, strict=True)):
        for predictor, prompt in (("queue", one), ("tone", other)):
            expected = expected_history(life, predictor, number)
            assert [text for text, _ in history_of(prompt)] == [text for text, _ in expected]
        assert [score for _, score in history_of(one)] == [score for _, score in history_of(other)]
    # All modules change together, each round.
    assert choices(suggested(life)) == [((number, 0), (number, 0)) for number in range(1, 5)]


def test_grounding_is_what_the_ungrounded_one_lacks(endpoint: LoopbackEndpoint) -> None:
    endpoint.control(keep_requests=True)
    run(endpoint, "module_opro", search={"trials": 2}, proposer={"tips": ["creative"]})
    grounded = asked(endpoint)
    endpoint.reset()
    run(endpoint, "module_opro_ungrounded", search={"trials": 2}, proposer={"tips": ["creative"]})
    bare = asked(endpoint)
    whole = sum(entry["model"] == "prompt" for entry in endpoint.requests())

    assert {frozenset(prompt.inputs) for prompt, _ in grounded} == {frozenset(OWN | GROUNDING | {"tip"})}
    assert {frozenset(prompt.inputs) for prompt, _ in bare} == {frozenset(OWN)}
    assert whole == len(bare)  # no summary was paid for to be thrown away
    assert any("message: message" in prompt.inputs["task_demos"] for prompt, _ in bare)


def test_program_level_asks_once_for_all_instructions_and_shows_whole_programs(endpoint: LoopbackEndpoint) -> None:
    endpoint.control(keep_requests=True)
    life = run(endpoint, "program_opro", search={"trials": 7})

    requests = [prompt for prompt, _ in asked(endpoint)]
    assert len(requests) == 7
    queue, tone = texts(life, "queue"), texts(life, "tone")
    for number, prompt in enumerate(requests):
        assert set(prompt.outputs) == {"proposed_instruction_1", "proposed_instruction_2"}
        assert set(prompt.inputs) >= OWN | GROUNDING
        assert "queue: " in prompt.inputs["module_description"] and "tone: " in prompt.inputs["module_description"]
        means = {trial.candidate: trial.mean or 0.0 for trial in life.trials[: number + 1]}
        ranked = sorted(means.items(), key=lambda pair: pair[1])[-SHOWN:]
        expected = []
        for candidate, _ in ranked:
            (of_queue, _), (of_tone, _) = pairs(Candidate.parse(candidate))
            expected.append(f"queue: {queue[of_queue]}\ntone: {tone[of_tone]}")
        assert [text for text, _ in history_of(prompt)] == expected
    assert choices(suggested(life)) == [((number, 0), (number, 0)) for number in range(1, 8)]


@pytest.mark.parametrize("optimizer", ["opro", *MODULE_LEVEL, "program_opro"])
def test_a_proposer_that_reads_its_history_climbs(optimizer: str) -> None:
    with scripted(climb) as endpoint:
        life = live(settings(endpoint, optimizer, search={"trials": 4}), journal())

    written = texts(life, "queue")
    assert [written[index] for index in range(1, 5)] == steps(4)
    if optimizer != "opro":
        assert texts(life, "tone")[4] == steps(4)[-1]
    means = [trial.mean or 0.0 for trial in life.trials]
    assert means == sorted(means) and means[-1] > means[0]


def test_coordinate_ascent_moves_one_predictor_at_a_time_from_the_best_so_far(endpoint: LoopbackEndpoint) -> None:
    endpoint.control(keep_requests=True)
    life = run(endpoint, "ca_opro", search={"trials": 50, "breadth": 3, "depth": 2})

    trials = suggested(life)
    assert len(trials) == 12  # D * m * N
    for place, trial in enumerate(trials):
        moved = (place // 3) % 2
        before = {earlier.candidate: earlier.mean or 0.0 for earlier in life.trials[: place + 1]}
        best = pairs(Candidate.parse(max(before, key=lambda candidate: before[candidate])))
        (here,) = choices([trial])
        assert here[1 - moved] == best[1 - moved], f"trial {place + 1} moved more than one predictor"
        assert here[moved][0] > 3 * (place // 6), f"trial {place + 1} is not one of its stage's instructions"
    prompts = [prompt for prompt, _ in asked(endpoint)]
    turns = [prompt.inputs["basic_instruction"] for prompt in prompts]
    assert (
        turns == ["Find the queue."] * 3 + ["Find the tone."] * 3 + ["Find the queue."] * 3 + ["Find the tone."] * 3
    )
    last = history_of(prompts[-1])
    assert [score for _, score in last] == sorted(score for _, score in last)
    assert {text for text, _ in last} <= set(texts(life, "tone").values()) and len(last) == 4


def test_coordinate_ascent_shows_its_pick_last_with_the_score_of_the_best_program(endpoint: LoopbackEndpoint) -> None:
    endpoint.control(keep_requests=True)
    life = run(endpoint, "ca_opro", search={"trials": 50, "breadth": 3, "depth": 3})

    prompts = [prompt for prompt, _ in asked(endpoint)]
    for stage in range(1, 6):
        best = max(life.trials[: 1 + 3 * stage], key=lambda trial: trial.mean or 0.0)
        shown = history_of(prompts[3 * stage])
        predictor = ("queue", "tone")[stage % 2]
        pick = texts(life, predictor)[Candidate.parse(best.candidate).arm(stage % 2, INSTRUCTION)]
        assert shown[-1][1] == pytest.approx(best.mean or 0.0, abs=0.006)
        assert pick in [text for text, score in shown if score == shown[-1][1]]


def test_coordinate_ascent_writes_the_next_stage_from_what_the_stages_before_showed() -> None:
    with scripted(climb) as endpoint:
        life = live(settings(endpoint, "ca_opro", search={"trials": 8}), journal())

    assert [texts(life, "queue")[index] for index in (1, 3)] == steps(2)
    assert [texts(life, "tone")[index] for index in (1, 3)] == steps(2)
    winner = pairs(Candidate.parse(life.winner or ""))
    assert [texts(life, name)[arm] for name, (arm, _) in zip(("queue", "tone"), winner, strict=True)] != [
        "Find the queue.",
        "Find the tone.",
    ]
