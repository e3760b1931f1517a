"""What every kind of arm keeps to. A new kind needs a program here that has it, and no further test."""

import json
from pathlib import Path
from typing import Any

import dspy
import pytest

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.exports.export import beyond_saved, save_program
from mipro_studio.optimizer_core.parameters.arm_contents import ArmContents
from mipro_studio.optimizer_core.parameters.arm_features import NO_CLASSES
from mipro_studio.optimizer_core.parameters.arms import Arms
from mipro_studio.optimizer_core.parameters.edits import EditableArms, changed_arms
from mipro_studio.optimizer_core.parameters.kinds import difference
from mipro_studio.optimizer_core.parameters.registry import KINDS
from mipro_studio.optimizer_core.parameters.space import SearchSpace
from mipro_studio.optimizer_core.programs.program import Program
from mipro_studio.optimizer_core.types import (
    ALWAYS_WRITTEN,
    PROGRAM,
    SEED_ARM,
    WHOLE,
    Arm,
    Author,
    Candidate,
    Change,
    ChangeKind,
    Demo,
)
from tests.optimizer_core.scripted import chat, scripted
from tests.programs import tooled

PROGRAMS = {"agent": tooled.Desk, "tools as inputs": tooled.ByInput, "second agent": tooled.second_react}
ANSWERS = {
    "next_thought": "t",
    "next_tool_name": "finish",
    "next_tool_args": "{}",
    "reasoning": "r",
    "queue": "billing",
    "tone": "calm",
    "tool_calls": '{"tool_calls": [{"name": "submit", "args": {"queue": "billing"}}]}',
}
DEMO = {"message": "m0", "trajectory": "", **ANSWERS, "next_tool_args": {}, "tool_calls": {"tool_calls": []}}


def loaded(name: str) -> Program:
    return Program(PROGRAMS[name](), None, name)


def asked(module: dspy.Module) -> list[str]:
    """The messages of one run of the program, in plain DSPy."""
    seen: list[str] = []

    def reply(request: Any) -> str:
        system = request.system if isinstance(request.system, str) else str(request.system)
        texts = [part.text for message in request.messages for part in message.parts]
        seen.append(json.dumps([system, *texts]))
        wanted = texts[-1].rpartition("Respond with")[2]
        return chat(**{name: value for name, value in ANSWERS.items() if f"[[ ## {name} ## ]]" in wanted})

    with dspy.context(lm=scripted(reply), adapter=dspy.ChatAdapter()):
        module(message="m1")
    return seen


def other(seed: Arm, index: int = 1) -> Arm:
    """An arm that says something else: written by a person where that can be, else as its kind is made."""
    kind = KINDS[seed.kind]
    if not kind.why_not_edited(seed):
        lines = kind.describe(seed).splitlines()
        last = max(place for place, line in enumerate(lines) if line and not line.startswith("#"))
        lines[last] += " In other words."
        return Arm(seed.owner, seed.kind, index, kind.edited("\n".join(lines), seed), Author.PERSON)
    made = {"demos": {"made": "shuffled", "demos": [[DEMO, True, "row"]]}, "weights": {"tuned": "a.gguf"}}
    content = made[seed.kind]
    return Arm(seed.owner, seed.kind, index, content, Author.MODEL)


# Weights are no part of a program: only a run that tunes any has them.
WEIGHTS = Arm(PROGRAM, "weights", SEED_ARM, {"tuned": None}, Author.SEED)
IN_PROGRAMS = [(name, seed) for name in PROGRAMS for kind in KINDS.values() for seed in kind.seeds(loaded(name))]
SEEDS = [*IN_PROGRAMS, ("agent", WEIGHTS)]
NAMES = [f"{name}, {one.owner}, {one.kind}" for name, one in SEEDS]
MESSAGES = pytest.mark.parametrize(("name", "seed"), IN_PROGRAMS, ids=NAMES[:-1])
CASES = pytest.mark.parametrize(("name", "seed"), SEEDS, ids=NAMES)


def test_no_two_kinds_begin_alike_and_every_one_is_in_some_program_here() -> None:
    assert len({name[0] for name in KINDS}) == len(KINDS)
    assert {name[0] for name in list(KINDS)[:2]} == set(ALWAYS_WRITTEN)
    assert {seed.kind for _, seed in SEEDS} == set(KINDS)
    assert all(kind.name == name and kind.title for name, kind in KINDS.items())


@CASES
def test_an_arm_is_json_and_its_kind_reads_it_back(name: str, seed: Arm) -> None:
    for arm in (seed, other(seed)):
        again = json.loads(json.dumps(arm.content))
        assert again == arm.content
        describe = KINDS[arm.kind].describe
        assert describe(Arm(arm.owner, arm.kind, 0, again, arm.author)) == describe(arm)
    contents = ArmContents.of([seed, other(seed)])
    assert ArmContents.parse(contents.text) == contents


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_seed_changes_nothing_of_the_messages(name: str) -> None:
    program = loaded(name)
    seeds = [seed for kind in KINDS.values() for seed in kind.seeds(program)]
    assert asked(Arms(program).build(seeds)) == asked(PROGRAMS[name]())


@MESSAGES
def test_another_arm_changes_the_messages_and_not_the_seed(name: str, seed: Arm) -> None:
    program = loaded(name)
    before = asked(program.module)
    made = Arms(program).build([other(seed)])
    assert asked(made) != before
    assert asked(program.module) == before
    assert asked(Arms(program).build([seed])) == before


@CASES
def test_the_difference_of_two_arms_is_told_and_there_is_none_between_equals(name: str, seed: Arm) -> None:
    describe = KINDS[seed.kind].describe
    assert difference(describe(seed), describe(seed)) == []
    assert any(line.startswith("+") for line in difference(describe(seed), describe(other(seed))))


@CASES
def test_what_a_person_may_write_round_trips_and_the_rest_is_refused_in_a_sentence(name: str, seed: Arm) -> None:
    kind = KINDS[seed.kind]
    editable = EditableArms({seed.kind: {seed.owner: {SEED_ARM: seed}}}, "mipro", takes=tuple(KINDS))

    def write(text: str) -> list[Arm]:
        payload = {"predictor": seed.owner, "kind": seed.kind, "text": text}
        return list(changed_arms(Change(3, ChangeKind.WRITE, payload), editable, lambda row: None))

    if why := kind.why_not_edited(seed):
        with pytest.raises(BadInput) as refused:
            write("Some text.")
        assert why in str(refused.value)
        return
    assert kind.edited(kind.describe(seed), seed) == seed.content
    with pytest.raises(BadInput, match="has this text already"):
        write(kind.describe(seed))
    with pytest.raises(BadInput):
        write(" \n")
    (made,) = write(kind.describe(other(seed)))
    assert (made.kind, made.owner, made.index, made.author) == (seed.kind, seed.owner, 1, Author.PERSON)
    assert made.content == other(seed).content


@CASES
def test_an_arm_can_be_taken_out_and_back(name: str, seed: Arm) -> None:
    table = {SEED_ARM: seed, 1: other(seed)}
    payload = {"predictor": seed.owner, "kind": seed.kind, "index": 1}
    editable = EditableArms({seed.kind: {seed.owner: table}}, "mipro", takes=tuple(KINDS))
    (out,) = changed_arms(Change(3, ChangeKind.REJECT, payload), editable, lambda row: None)
    assert not out.active and out.content == table[1].content
    editable = EditableArms({seed.kind: {seed.owner: {**table, 1: out}}}, "mipro", takes=tuple(KINDS))
    (back,) = changed_arms(Change(4, ChangeKind.RESTORE, payload), editable, lambda row: None)
    assert back == table[1]


@CASES
def test_what_is_saved_and_the_lines_of_the_snippet_ask_what_the_candidate_asked(
    name: str, seed: Arm, tmp_path: Path
) -> None:
    program = loaded(name)
    arms = [*(one for kind in KINDS.values() for one in kind.seeds(program)), WEIGHTS]
    names = [info.name for info in program.predictors]
    place = WHOLE if seed.owner == PROGRAM else names.index(seed.owner)
    candidate = Candidate.of(len(names), {(place, seed.kind): 1})
    made = Arms(program)
    for arm in (*arms, other(seed)):
        made.add(arm)
    module = made.module(candidate)
    save_program(module, tmp_path / "program.json")
    beyond = beyond_saved(program, [*arms, other(seed)], candidate)
    by_script, by_hand = PROGRAMS[name](), PROGRAMS[name]()
    for one in (by_script, by_hand):
        one.load(tmp_path / "program.json")
    exec("\n".join(beyond.lines), {"program": by_script})
    beyond.put_into(by_hand)
    assert asked(by_script) == asked(by_hand) == asked(module)
    nothing = beyond_saved(program, arms, Candidate.baseline(len(names)))
    assert nothing.lines == ()


@CASES
def test_features_have_a_row_for_every_arm(name: str, seed: Arm) -> None:
    arms = [seed, other(seed), other(seed, 2)]
    for feature in KINDS[seed.kind].features(arms, ["queue"], NO_CLASSES):
        assert feature.arms == (0, 1, 2) and feature.basis.shape[0] == 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_candidate_s_id_tells_its_arms_and_reads_back(kind: str) -> None:
    for place in (0, 1, *([] if kind[0] in ALWAYS_WRITTEN else [WHOLE])):
        candidate = Candidate.of(2, {(place, kind): 12, (0, "instruction"): 3})
        assert Candidate.parse(candidate.id) == candidate
        assert candidate.arm(place, kind) == (12 if (place, kind) != (0, "instruction") else 3)
        assert candidate.having({(place, kind): SEED_ARM}).arm(place, kind) == SEED_ARM
    space = SearchSpace(["a", "b"], {kind: {"a": [0, 1], PROGRAM: [0, 1, 2]}})
    assert space.size == 6
    assert {space.values(space.candidate({f"a: {kind}": 1}))[one.name] for one in space.parameters} == {0, 1}


NONE = ("", "i0", "d0i0", "i0d0-", "i00d0", "i0d0t0", "i0d0-i0", "x", "i0d0-w0", "w1", "teacher", "I0d0")


@pytest.mark.parametrize("text", NONE)
def test_any_other_text_is_no_candidate(text: str) -> None:
    with pytest.raises(ValueError, match="is no candidate"):
        Candidate.parse(text)


def test_ids_of_instructions_and_demos_are_what_they_always_were() -> None:
    candidate = Candidate.of(2, {(0, "instruction"): 1, (1, "instruction"): 2, (1, "demos"): 3})
    assert candidate.id == "i1d0-i2d3"
    assert candidate.having({(1, "tools"): 2, (WHOLE, "weights"): 1}).id == "i1d0-i2d3t2-w1"


def test_demos_of_an_arm_are_records() -> None:
    seed = next(seed for _, seed in SEEDS if seed.kind == "demos")
    assert other(seed).demos == (Demo(DEMO, True, "row"),)
