"""The proposer: what its requests show is what the endpoint received, whatever the record says."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from mipro_studio.optimizer_core.config import TIPS
from mipro_studio.optimizer_core.parameters.duplicates import drop_duplicates
from mipro_studio.optimizer_core.parameters.instruction import instruction_arm
from mipro_studio.optimizer_core.types import Arm, Author, Json
from tests.arms import demo_sets_of, instructions_of, pairs
from tests.loopback import LoopbackEndpoint
from tests.loopback.promptformat import parse_prompt
from tests.optimizer_core.builders import MORE, Life, fresh_journal, live, make_config

ALWAYS = {"task_demos", "basic_instruction"}
SUMMARY = {"dataset_description"}
PROGRAM = {"program_code", "program_description", "module", "module_description"}
EVERYTHING = {**{"tips": ["creative"], "hint": "Mind the tone."}}


def proposals(endpoint: LoopbackEndpoint, **proposer: Any) -> tuple[Life, list[Mapping[str, str]], list[Json]]:
    """A run without trials: its life, the inputs of each request for an instruction, all prompt requests."""
    endpoint.control(keep_requests=True)
    life = live(make_config(endpoint, search={"trials": 0}, proposer=proposer))
    bodies = [entry["body"] for entry in endpoint.requests() if entry["model"] == "prompt"]
    asked = [parse_prompt(body["messages"]) for body in bodies]
    inputs = [prompt.inputs for prompt in asked if prompt and "proposed_instruction" in prompt.outputs]
    assert len(inputs) == 6  # three for each of two predictors
    return life, inputs, bodies


def made(life: Life) -> list[Arm]:
    return [arm for arm in instructions_of(life.journal) if arm.author is Author.MODEL]


def switches(arm: Arm) -> dict[str, tuple[bool, bool, str]]:
    return {row["switch"]: (row["requested"], row["used"], row["why"]) for row in arm.provenance["switches"]}


def test_a_request_shows_everything_that_is_switched_on(endpoint: LoopbackEndpoint) -> None:
    life, inputs, _ = proposals(endpoint, **EVERYTHING)
    assert all(set(shown) == ALWAYS | SUMMARY | PROGRAM | {"tip", "hint"} for shown in inputs)
    assert {shown["hint"] for shown in inputs} == {"Mind the tone."}
    assert {shown["module"] for shown in inputs} == {"Predict(message) -> queue", "Predict(message) -> tone"}
    assert all("class Desk(dspy.Module)" in shown["program_code"] for shown in inputs)
    assert {shown["basic_instruction"] for shown in inputs} == {"Find the queue.", "Find the tone."}
    for arm in made(life):
        asked = switches(arm)
        assert all(asked[name] == (True, True, "") for name in ("dataset_summary", "program_summary", "tips", "hint"))
        assert asked["demos"][1] is (len(arm.provenance["demos_shown"]) > 0)


@pytest.mark.parametrize(
    ("off", "gone"),
    [
        ({"dataset_summary": False}, SUMMARY),
        ({"program_summary": False}, PROGRAM),
        ({"tips": []}, {"tip"}),
        ({"tips": ["none"]}, {"tip"}),
        ({"hint": ""}, {"hint"}),
        ({"demos": False}, set()),
    ],
    ids=lambda value: str(sorted(value) if isinstance(value, set) else value),
)
def test_a_switch_takes_exactly_its_fields_out_of_the_request(
    endpoint: LoopbackEndpoint, off: dict[str, Any], gone: set[str]
) -> None:
    life, inputs, bodies = proposals(endpoint, **{**EVERYTHING, **off})
    assert all(set(shown) == (ALWAYS | SUMMARY | PROGRAM | {"tip", "hint"}) - gone for shown in inputs)
    text = str(bodies)
    assert ("prior_observations" in text) is ("dataset_summary" not in off)
    assert ("pseudo-code for a pipeline" in text) is ("program_summary" not in off)
    name = next(iter(off))
    if off != {"tips": ["none"]}:
        assert all(switches(arm)[name][:2] == (False, False) for arm in made(life))
    others = {"dataset_summary", "program_summary", "hint"} - {name}
    assert all(switches(arm)[other][:2] == (True, True) for arm in made(life) for other in others)


def test_demos_in_a_request_are_bootstrapped_ones_and_none_when_switched_off(endpoint: LoopbackEndpoint) -> None:
    life, inputs, _ = proposals(endpoint)
    demos = [demo for found in demo_sets_of(life.journal) for demo in found.demos]
    traced = {demo.fields["message"] for demo in demos if demo.augmented}
    assert traced
    for shown in inputs:
        messages = [
            line.removeprefix("message: ") for line in shown["task_demos"].splitlines() if "message: " in line
        ]
        assert 1 <= len(messages) <= 3
        assert set(messages) <= traced
    endpoint.reset()
    _, without, _ = proposals(endpoint, demos=False)
    assert {shown["task_demos"] for shown in without} == {"No task demos provided."}


def test_the_record_of_a_proposal_is_what_was_sent_and_came_back(endpoint: LoopbackEndpoint) -> None:
    life, _, bodies = proposals(endpoint, temperature=0.7)
    calls = {call.key: call for call in life.journal.prompt_calls()}
    sent = [body["messages"] for body in bodies]
    for arm in made(life):
        call = calls[arm.provenance["call"]]
        assert [dict(message) for message in call.request] in sent
        assert arm.text in call.reply
        assert arm.provenance["temperature"] == 0.7
        assert arm.provenance["tokens"]["input"] == call.usage.input_tokens > 0
    instructing = [body for body in bodies if "proposed_instruction" in str(body["messages"])]
    assert {body["temperature"] for body in instructing} == {0.7}


def test_rows_of_the_training_set_are_shown_in_batches(endpoint: LoopbackEndpoint) -> None:
    def batches(size: int) -> list[int]:
        _, _, bodies = proposals(endpoint, view_data_batch_size=size)
        asked = [parse_prompt(body["messages"]) for body in bodies]
        return sorted(
            len(prompt.inputs["examples"].splitlines())
            for prompt in asked
            if prompt and "observations" in prompt.outputs and "examples" in prompt.inputs
        )

    assert batches(8) == [4, 8, 8]
    endpoint.reset()
    one_by_one = batches(1)
    assert set(one_by_one) == {1}
    assert 6 <= len(one_by_one) <= 10  # ten batches at most, or until it has said COMPLETE five times


def test_the_validation_and_the_test_rows_are_never_shown(endpoint: LoopbackEndpoint) -> None:
    life, _, bodies = proposals(endpoint)
    text = str(bodies)
    hidden = [row for row in life.journal.examples() if row.split != "train"]
    assert not [row for row in hidden if row.inputs["message"] in text]


def test_tips_are_drawn_by_the_seed(endpoint: LoopbackEndpoint) -> None:
    def tips(seed: int) -> dict[tuple[str, int], str]:
        config = make_config(endpoint, seed=seed, search={"trials": 0, "candidates": 10})
        return {(arm.owner, arm.index): arm.provenance["tip"] for arm in made(live(config))}

    first = tips(0)
    assert first == tips(0)
    assert first != tips(1)
    assert len(set(first.values())) >= 3
    assert set(first.values()) <= set(TIPS)


def test_a_tip_in_a_request_is_the_tip_in_the_record(endpoint: LoopbackEndpoint) -> None:
    life, inputs, _ = proposals(endpoint)
    recorded = sorted(TIPS[arm.provenance["tip"]] for arm in made(life))
    assert sorted(shown.get("tip", "") for shown in inputs) == recorded


def test_a_description_that_fails_is_on_record_as_fallen_back(endpoint: LoopbackEndpoint) -> None:
    endpoint.control(responder="tests.optimizer_core.responders:mute_about_programs", keep_requests=True)
    life = live(make_config(endpoint, search={"trials": 0}, retries=0))
    asked = [parse_prompt(e["body"]["messages"]) for e in endpoint.requests() if e["model"] == "prompt"]
    instructing = [prompt.inputs for prompt in asked if prompt and "proposed_instruction" in prompt.outputs]
    assert instructing
    for shown in instructing:
        assert not PROGRAM & set(shown)
        assert "dataset_description" in shown
    for arm in made(life):
        requested, used, why = switches(arm)["program_summary"]
        assert (requested, used) == (True, False)
        assert why


def test_a_text_that_was_written_before_is_kept_inactive_with_the_reason(endpoint: LoopbackEndpoint) -> None:
    endpoint.control(responder="tests.optimizer_core.responders:mute_about_programs")
    life = live(make_config(endpoint, search={"trials": 4}, retries=0))
    for name in ("queue", "tone"):
        arms = [arm for arm in made(life) if arm.owner == name]
        assert {arm.text for arm in arms} == {"some proposed_instruction"}
        assert [(arm.active, arm.reason) for arm in arms] == [
            (True, ""),
            (False, "same text as instruction 1"),
            (False, "same text as instruction 1"),
        ]
    assert all(choice[0] in (0, 1) for trial in life.trials for choice in _choices(trial.candidate))


def _choices(candidate: str) -> list[tuple[int, int]]:
    from mipro_studio.optimizer_core.types import Candidate

    return list(pairs(Candidate.parse(candidate)))


def test_duplicates_are_told_by_their_words_within_a_predictor_and_a_failed_one_is_none() -> None:
    def arm(predictor: str, index: int, text: str, active: bool = True) -> Arm:
        author = Author.SEED if index == 0 else Author.MODEL
        return replace(instruction_arm(predictor, index, text, author), active=active)

    judged = drop_duplicates(
        [
            arm("a", 2, "Be  brief.\n"),
            arm("a", 0, "Answer."),
            arm("a", 1, "Be brief."),
            arm("a", 3, " Answer. "),
            arm("b", 1, "Be brief."),
            arm("a", 4, "", active=False),
            arm("a", 5, "", active=False),
        ]
    )
    assert [(one.owner, one.index, one.active, one.reason) for one in judged] == [
        ("a", 0, True, ""),
        ("a", 1, True, ""),
        ("a", 2, False, "same text as instruction 1"),
        ("a", 3, False, "same text as the seed"),
        ("a", 4, False, ""),
        ("a", 5, False, ""),
        ("b", 1, True, ""),
    ]


def test_a_resumed_run_repeats_no_call_of_the_prompt_model(endpoint: LoopbackEndpoint) -> None:
    first = live(make_config(endpoint, search={"trials": 0}))
    texts = {(arm.owner, arm.index): arm.text for arm in instructions_of(first.journal)}
    endpoint.reset()
    journal = fresh_journal()
    journal.commit(list(first.journal.prompt_calls()))
    again = live(make_config(endpoint, search={"trials": 0}), journal)
    assert "prompt" not in endpoint.stats()["roles"]
    assert {(arm.owner, arm.index): arm.text for arm in instructions_of(again.journal)} == texts


def test_frozen_predictors_get_no_proposals(endpoint: LoopbackEndpoint) -> None:
    endpoint.control(keep_requests=True)
    life = live(make_config(endpoint, search={"trials": 3, "freeze": ["tone"]}))
    assert {arm.owner for arm in made(life)} == {"queue"}
    assert {_choices(trial.candidate)[1] for trial in life.trials} == {(0, 0)}


def test_a_program_without_source_is_said_to_have_none() -> None:
    from mipro_studio.optimizer_core.config import ProposerSettings
    from mipro_studio.optimizer_core.programs.program import Program, load_program
    from mipro_studio.optimizer_core.proposers.proposer import Proposer
    from tests.optimizer_core.builders import NOBODY, ROOT, make_examples

    module = load_program(f"{MORE}:QueueOnly", ROOT).module
    program = Program(type("Ghost", (type(module),), {"__module__": "nowhere"})(), None, "ghost")
    settings = ProposerSettings(dataset_summary=False)
    proposer = Proposer(settings, NOBODY, None, None, {}, 0)  # type: ignore[arg-type]
    context = asyncio.run(proposer.shared_context(program, make_examples(4, 1)[:4]))
    assert context.program_code is None
    assert "source code" in context.fell_back["program_summary"]
