"""Candidates put into programs: the demos and instructions that plain DSPy would show, character for character."""

import enum
from pathlib import Path
from typing import Any

import dspy
import pytest
from pydantic import BaseModel

from mipro_studio.optimizer_core.evaluation.journal import MemoryJournal
from mipro_studio.optimizer_core.evaluation.program_run import run_once
from mipro_studio.optimizer_core.metrics.scoring import Scorer
from mipro_studio.optimizer_core.models.role_model import RoleModel
from mipro_studio.optimizer_core.parameters.arms import Arms
from mipro_studio.optimizer_core.parameters.demos import own_demos
from mipro_studio.optimizer_core.programs.program import Program
from mipro_studio.optimizer_core.types import Demo, Example, Split
from mipro_studio.storage.codec import from_json, to_json
from tests.arms import built, demo_sets_of


class Level(enum.Enum):
    LOW = "low"
    HIGH = "high"


class Item(BaseModel):
    name: str
    count: int = 1


class Order(dspy.Signature):
    """Read the order."""

    text: str = dspy.InputField()
    picture: dspy.Image = dspy.InputField()
    items: list[Item] = dspy.OutputField()
    level: Level = dspy.OutputField()


class Reader(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.read = dspy.Predict(Order)

    def forward(self, text: str, picture: dspy.Image) -> dspy.Prediction:
        return self.read(text=text, picture=picture)


ADAPTERS = [dspy.ChatAdapter(), dspy.JSONAdapter(), dspy.XMLAdapter()]
INPUTS = {"text": "a", "picture": "https://a.b/c.png"}


def answered(module: dspy.Module, adapter: Any) -> list[Any]:
    """The trace of one run on a model that answers rightly."""
    reply = {"items": [{"name": "bolts", "count": 3}], "level": "high"}
    model = dspy.utils.DummyLM([reply], adapter=adapter)
    trace: list[Any] = []
    with dspy.context(lm=model, adapter=adapter, trace=trace):
        module(text="a", picture=dspy.Image("https://a.b/c.png"))
    return trace


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda adapter: type(adapter).__name__)
def test_bootstrapped_demos_are_shown_as_plain_dspy_shows_them(adapter: Any) -> None:
    seed = Reader()
    _, inputs, outputs = answered(seed, adapter)[0]
    plain = dspy.Predict(Order)
    plain.demos = [dspy.Example(augmented=True, **inputs, **outputs)]
    reply = {"items": [{"name": "bolts", "count": 3}], "level": "high"}
    role_model = RoleModel(dspy.utils.DummyLM([reply], adapter=adapter), adapter)
    cell = run_once(
        seed, Example("i", Split.TRAIN, 0, INPUTS, {}), role_model, Scorer(lambda *_: 1.0, "one"), "teacher"
    )
    stored = from_json(to_json([dict(cell.trace[0].inputs), dict(cell.trace[0].outputs)]))
    demo = Demo({**stored[0], **stored[1]}, True, "i")
    arms = Arms(Program(seed, None, "reader"))
    made = built(arms, {}, {"read": [demo]}).read
    given = {"text": "new", "picture": dspy.Image("https://a.b/d.png")}
    assert adapter.format(made.signature, made.demos, given) == adapter.format(plain.signature, plain.demos, given)
    assert made.demos[0]["items"] == [Item(name="bolts", count=3)]
    assert made.demos[0].level is Level.HIGH
    assert made.dump_state() == {**plain.dump_state(), "signature": made.dump_state()["signature"]}


def test_labelled_demos_show_the_labels_as_the_file_has_them() -> None:
    arms = Arms(Program(Reader(), None, "reader"))
    fields = {"text": "a", "picture": "https://a.b/c.png", "items": [{"name": "bolts"}], "level": "high", "base": 1}
    made = built(arms, {}, {"read": [Demo(fields, False, "i")]}).read
    assert made.demos[0].toDict()["items"] == [{"name": "bolts"}]
    assert made.demos[0].picture == dspy.Image("https://a.b/c.png")
    assert "base" not in made.demos[0]


def test_demos_that_a_program_brings_along_stay_the_objects_they_are() -> None:
    def weigh(name: str) -> str:
        return name

    seed = Reader()
    seed.read.demos = [
        dspy.Example(text="a", items=[Item(name="nuts")], level=Level.LOW, helper=weigh, base=3),
        {"text": "b", "items": [], "level": Level.HIGH},
    ]
    stored = own_demos(seed.read)
    journal = MemoryJournal()
    assert from_json(to_json([demo.fields for demo in stored]))[0]["items"] == [{"name": "nuts", "count": 1}]
    assert demo_sets_of(journal) == []
    arms = Arms(Program(seed, None, "reader"))
    made = built(arms, {"read": "Another instruction."}, {"read": stored}).read
    assert made.signature.instructions == "Another instruction."
    assert made.demos[0]["items"] == [Item(name="nuts")]
    assert made.demos[0].helper is weigh
    assert isinstance(made.demos[1], dict)
    assert made.demos[0] is not seed.read.demos[0]


def test_a_field_called_base_is_part_of_a_demo() -> None:
    seed = dspy.Predict("base, text -> answer")
    arms = Arms(Program(seed, None, "one"))
    made = built(arms, {}, {"self": [Demo({"base": "b", "text": "t", "answer": "a"}, True, "i")]})
    assert made.demos[0].toDict() == {"augmented": True, "base": "b", "text": "t", "answer": "a"}


def test_a_labelled_demo_finds_its_image_beside_the_data(tmp_path: Path) -> None:
    (tmp_path / "a.gif").write_bytes(b"GIF89a")
    arms = Arms(Program(Reader(), None, "reader"), folders=[tmp_path])
    made = built(arms, {}, {"read": [Demo({"text": "a", "picture": "a.gif", "level": "low"}, False, "i")]}).read
    assert made.demos[0].picture == dspy.Image.from_path(str(tmp_path / "a.gif"))
