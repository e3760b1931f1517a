"""How rows reach programs: names, types, defaults, and the call itself."""

import datetime
from typing import Any

import dspy
import pytest
from pydantic import BaseModel

from mipro_studio.optimizer_core.programs.program_inputs import as_dspy, call, inputs_of
from mipro_studio.optimizer_core.types import Example, Split


class Person(BaseModel):
    name: str
    born: datetime.date


class Greet(dspy.Signature):
    """Greet them."""

    person: Person = dspy.InputField()
    history: dspy.History | None = dspy.InputField()
    answer: str = dspy.OutputField()


def row(labels: dict[str, Any] | None = None, **inputs: Any) -> Example:
    return Example("id", Split.VAL, 0, inputs, labels or {})


class Echo(dspy.Module):
    """Its answer is what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.greet = dspy.Predict(Greet)

    def forward(self, person, day: datetime.date, tone: str = "calm", **more: Any):  # type: ignore[no-untyped-def]
        return dspy.Prediction(person=person, day=day, tone=tone, more=more)


def run(module: dspy.Module, example: Example) -> Any:
    return call(module, as_dspy(example, inputs_of(module).types), list(example.inputs))


def test_types_come_from_forward_then_from_the_signatures_of_the_program() -> None:
    found = inputs_of(Echo())
    assert dict(found.types) == {
        "person": Person,
        "day": datetime.date,
        "tone": str,
        "history": dspy.History | None,
    }
    assert found.required == {"person", "day"}
    assert found.open


def test_a_row_becomes_what_the_signature_says_and_labels_stay() -> None:
    made = as_dspy(
        row({"answer": {"born": "x"}}, person={"name": "Ada", "born": "1815-12-10"}), inputs_of(Echo()).types
    )
    assert made.person == Person(name="Ada", born=datetime.date(1815, 12, 10))
    assert made.answer == {"born": "x"}
    assert made.inputs().keys() == ["person"]


def test_absent_inputs_take_their_default_and_null_is_passed_on() -> None:
    assert run(Echo(), row(person=None, day="2024-05-01")).tone == "calm"
    answer = run(Echo(), row(person=None, day=None, tone=None))
    assert (answer.person, answer.day, answer.tone) == (None, None, None)


@pytest.mark.parametrize(
    "name", ["base", "input_keys", "dspy_uuid", "augmented", "keys", "_store", "instance", "self"]
)
def test_a_column_of_any_name_reaches_the_program_and_the_metric(name: str) -> None:
    class Any_(dspy.Module):
        def __init__(this) -> None:
            super().__init__()
            this.step = dspy.Predict("text -> answer")

    if name == "self":

        def forward(this, self: str) -> dspy.Prediction:  # type: ignore[no-untyped-def]
            return dspy.Prediction(got=self)
    else:
        space: dict[str, Any] = {"dspy": dspy}
        exec(f"def forward(this, {name}):\n    return dspy.Prediction(got={name})", space)
        forward = space["forward"]
    Any_.forward = forward
    example = (
        row({"label": 1}, **{name: "here"}) if name != "self" else Example("i", Split.VAL, 0, {"self": "here"}, {})
    )
    assert run(Any_(), example).got == "here"
    labelled = as_dspy(Example("i", Split.VAL, 0, {"text": "t"}, {name: "label"}))
    assert labelled[name] == "label"
    assert labelled.inputs().toDict() == {"text": "t"}


def test_a_bare_agent_has_the_inputs_of_its_signature() -> None:
    def weigh(name: str) -> str:
        return name

    for made in (
        dspy.ReAct("order: dict, text -> answer", tools=[weigh]),
        dspy.Predict("order: dict, text -> answer"),
        dspy.ChainOfThought("order: dict, text -> answer"),
        dspy.BestOfN(dspy.Predict("order: dict, text -> answer"), N=2, reward_fn=lambda *_: 1.0, threshold=1.0),
    ):
        found = inputs_of(made)
        assert dict(found.types) == {"order": dict, "text": str}
        assert found.required == {"order", "text"}


class Awaited(dspy.Module):
    async def aforward(self, text: str, n: int = 1) -> dspy.Prediction:
        return dspy.Prediction(answer=text * n)


class AsyncForward(dspy.Module):
    async def forward(self, text: str) -> dspy.Prediction:
        return dspy.Prediction(answer=text)


class Called(dspy.Module):
    def __call__(self, text: str) -> dspy.Prediction:
        return dspy.Prediction(answer=text)


def test_programs_that_are_awaited_or_called_otherwise_are_run() -> None:
    assert run(Awaited(), row(text="a", n="2")).answer == "aa"
    assert run(AsyncForward(), row(text="a")).answer == "a"
    assert run(Called(), row(text="a")).answer == "a"
    assert dict(inputs_of(Awaited()).types) == {"text": str, "n": int}
    assert dict(inputs_of(Called()).types) == {"text": str}


def test_asking_for_inputs_logs_no_warning_of_dspy(caplog: pytest.LogCaptureFixture) -> None:
    inputs_of(Echo())
    assert caplog.text == ""
