"""A person's changes: which are allowed, and what arms come of them."""

from typing import Any

import pytest

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.parameters.demos import demos_arm, made_how
from mipro_studio.optimizer_core.parameters.edits import LONGEST, TAKEN_OUT, EditableArms, asked_for, changed_arms
from mipro_studio.optimizer_core.parameters.instruction import instruction_arm
from mipro_studio.optimizer_core.types import (
    TEACHER,
    Author,
    Cell,
    CellKey,
    Change,
    ChangeKind,
    Demo,
    Split,
    TraceStep,
)

DEMOS = tuple(Demo({"message": f"m{n}", "queue": "billing"}, n > 0, f"row{n}") for n in range(3))
STEPS = tuple(TraceStep("queue", {"message": f"call {n}"}, {"queue": "account"}) for n in range(2))
TRACE = Cell(CellKey(TEACHER, Split.TRAIN, "row9"), 0.5, trace=STEPS)


def editable(**changes: Any) -> EditableArms:
    texts = ("Find the queue.", "Name the queue.", "Say which queue.")
    told = [instruction_arm("queue", n, text, Author.MODEL, {"tip": "simple"}) for n, text in enumerate(texts)]
    instructions = dict(enumerate(told))
    sets = {0: demos_arm("queue", 0, "zero_shot", ()), 1: demos_arm("queue", 1, "shuffled", DEMOS)}
    written = {"queue": instructions, "tone": {0: instructions[0]}}
    by_kind = {"instruction": written, "demos": {"queue": sets, "tone": {}}}
    return EditableArms(**{"by_kind": by_kind, "optimizer": "mipro", **changes})


def after(what: ChangeKind, on: EditableArms | None = None, /, **payload: Any) -> list[Any]:
    change = Change(5, what, {"predictor": "queue", **payload})
    return list(changed_arms(change, on or editable(), lambda row: TRACE if row == "row9" else None))


def test_a_written_instruction_gets_the_next_index_and_its_author() -> None:
    (arm,) = after(ChangeKind.WRITE, text="  My own words.\0 ", reason="rules are missing")
    assert (arm.index, arm.text, arm.author, arm.active) == (3, "My own words.", Author.PERSON, True)
    assert arm.provenance == {"change": 5, "reason": "rules are missing"}


def test_an_edit_keeps_the_original_and_may_take_it_out() -> None:
    (made,) = after(ChangeKind.EDIT, index=1, text="Name one queue.", keep=True)
    assert (made.index, made.provenance["edited_from"]) == (3, 1)
    made, original = after(ChangeKind.EDIT, index=1, text="Name one queue.", keep=False)
    assert (original.index, original.active, original.reason) == (1, False, "replaced by instruction 3")
    assert (original.text, original.provenance) == ("Name the queue.", {"tip": "simple", TAKEN_OUT: 5})


def test_an_edit_of_the_seed_never_takes_the_baseline_out() -> None:
    (made,) = after(ChangeKind.EDIT, index=0, text="Find the one queue.", keep=False)
    assert made.index == 3


def test_a_rejected_arm_keeps_its_text_and_says_why_and_can_be_restored() -> None:
    (out,) = after(ChangeKind.REJECT, kind="instruction", index=2, reason="it leaks the label")
    assert (out.text, out.active, out.reason) == ("Say which queue.", False, "rejected: it leaks the label")
    rejected = editable()
    rejected.instructions["queue"][2] = out  # type: ignore[index]
    (back,) = after(ChangeKind.RESTORE, rejected, kind="instruction", index=2)
    assert back == editable().instructions["queue"][2]


def test_a_demo_set_is_made_from_another() -> None:
    (made,) = after(ChangeKind.DEMOS, index=1, keep=[2, 0], pin=[{"example": "row9", "call": 0}], replace=False)
    assert (made.index, made_how(made)) == (2, "person")
    assert [demo.example_id for demo in made.demos] == ["row9", "row0", "row2"]
    assert made.demos[0] == Demo({"message": "call 0", "queue": "account"}, True, "row9")
    assert made.provenance == {"change": 5, "edited_from": 1, "reason": "", "pinned": ["row9"]}
    _, original = after(ChangeKind.DEMOS, index=1, keep=[0], pin=[], replace=True)
    assert (original.active, original.reason) == (False, "replaced by demo set 2")


WRONG: list[tuple[ChangeKind, dict[str, Any], str]] = [
    (ChangeKind.WRITE, {"text": " \n"}, "is empty"),
    (ChangeKind.WRITE, {"text": "x" * (LONGEST + 1)}, "50,001 characters"),
    (ChangeKind.WRITE, {"text": "Name  the\nqueue."}, "Instruction 1 has this text already"),
    (ChangeKind.WRITE, {"text": None}, "nothing usable about 'text'"),
    (ChangeKind.WRITE, {"text": "New.", "predictor": "nobody"}, "There is no predictor 'nobody'"),
    (ChangeKind.EDIT, {"index": 1, "text": "Name the queue."}, "has this text already"),
    (ChangeKind.EDIT, {"index": 9, "text": "New."}, "has no instruction 9"),
    (ChangeKind.EDIT, {"index": True, "text": "New."}, "nothing usable about 'index'"),
    (ChangeKind.REJECT, {"kind": "instruction", "index": 0}, "the baseline that all is compared with"),
    (ChangeKind.REJECT, {"kind": "demos", "index": 0}, "the baseline that all is compared with"),
    (ChangeKind.REJECT, {"kind": "tip", "index": 1}, "no kind of arm"),
    (ChangeKind.RESTORE, {"kind": "instruction", "index": 1}, "not taken out by a person"),
    (ChangeKind.ASK, {"hint": "", "count": 99}, "Ask for 1 to 10"),
    (ChangeKind.DEMOS, {"index": 1, "keep": [3], "pin": []}, "are not places in it"),
    (ChangeKind.DEMOS, {"index": 1, "keep": [0, 1, 2], "pin": []}, "Demo set 1 has just these demos"),
    (ChangeKind.DEMOS, {"index": 1, "keep": [], "pin": []}, "Demo set 0 has just these demos"),
    (ChangeKind.DEMOS, {"index": 1, "keep": [], "pin": [{"example": "row9", "call": 2}]}, "has no such call"),
    (ChangeKind.DEMOS, {"index": 1, "keep": [], "pin": [{"example": "row1", "call": 0}]}, "has no such call"),
    (ChangeKind.DEMOS, {"index": 1, "keep": [], "pin": ["row9"]}, "names no trace"),
]


@pytest.mark.parametrize(("kind", "payload", "says"), WRONG, ids=lambda value: str(value)[:30])
def test_what_cannot_be_is_refused_in_a_sentence(kind: ChangeKind, payload: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        after(kind, **payload)


@pytest.mark.parametrize(
    ("limits", "payload", "says"),
    [
        ({"frozen": ("queue",)}, {}, "is frozen in this run"),
        ({"takes": ("demos",)}, {}, "mipro takes no instruction from outside"),
    ],
)
def test_a_run_takes_only_what_it_can_use(limits: dict[str, Any], payload: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        after(ChangeKind.WRITE, editable(**limits), text="New.")
    with pytest.raises(BadInput, match=says):
        asked_for({"predictor": "queue", "count": 1}, editable(**limits))


def test_an_optimizer_with_a_population_takes_nothing_out() -> None:
    with pytest.raises(BadInput, match="keeps a population of its own"):
        after(ChangeKind.REJECT, editable(drops=False), kind="instruction", index=1)
