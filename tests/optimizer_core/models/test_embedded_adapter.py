"""CompactAdapter without a model: what it writes, what it reads back, what it holds the model to."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, Literal

import dspy
import pytest
from dspy import lm15
from dspy.utils.exceptions import AdapterParseError

from mipro_studio.optimizer_core.models.embedded.adapter import CompactAdapter
from mipro_studio.optimizer_core.models.embedded.grammar import output_shape


class Topic(dspy.Signature):
    """Name the topic of the message."""

    message: str = dspy.InputField()
    topic: Literal["billing", "bug report"] = dspy.OutputField()


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Judgement(dspy.Signature):
    """Judge the review."""

    review_text: str = dspy.InputField()
    stars_given: int = dspy.InputField()
    reason: str = dspy.OutputField()
    is_fair: bool = dspy.OutputField()
    weight: float = dspy.OutputField()


class FakeEngine:
    """Answers from a function of the request and remembers the requests."""

    supports_grammar = True
    seed = 0

    def __init__(self, answer: Callable[[lm15.Request], str]) -> None:
        self.answer = answer
        self.requests: list[lm15.Request] = []

    def complete(self, request: lm15.Request) -> lm15.Response:
        self.requests.append(request)
        return lm15.Response(
            id=None,
            model=request.model,
            message=lm15.Message.assistant([lm15.TextPart(self.answer(request))]),
            finish_reason="stop",
            usage=lm15.Usage(input_tokens=1, output_tokens=1),
        )


def ask(signature: Any, text: str, demos: list[Any] | None = None, **inputs: Any) -> tuple[Any, FakeEngine]:
    engine = FakeEngine(lambda request: text)
    lm = dspy.LM("fake/model", engine=engine, cache=False, num_retries=0, temperature=0.0)
    predict = dspy.Predict(signature)
    predict.demos = demos or []
    with dspy.context(lm=lm, adapter=CompactAdapter()):
        return predict(**inputs), engine


def turns(request: lm15.Request) -> list[tuple[str, str]]:
    return [(message.role, message.text) for message in request.messages]


def test_prompt_is_the_instruction_the_demos_and_the_input_and_nothing_else() -> None:
    demos = [{"message": "Charged twice", "topic": "billing", "augmented": True}]
    prediction, engine = ask(Topic, "bug report", demos, message="It crashes")
    assert prediction.topic == "bug report"
    request = engine.requests[0]
    assert request.system == "Name the topic of the message."
    assert turns(request) == [("user", "Charged twice"), ("assistant", "billing"), ("user", "It crashes")]


def test_several_fields_are_labelled_lines() -> None:
    answer = "Reason: too short\nIs Fair: False\nWeight: -1.5"
    demos = [{"review_text": "fine", "stars_given": 3, "reason": "ok", "is_fair": True, "weight": 1.0}]
    prediction, engine = ask(Judgement, answer, demos, review_text="meh", stars_given=1)
    assert (prediction.reason, prediction.is_fair, prediction.weight) == ("too short", False, -1.5)
    assert turns(engine.requests[0]) == [
        ("user", "Review Text: fine\nStars Given: 3"),
        ("assistant", "Reason: ok\nIs Fair: True\nWeight: 1.0"),
        ("user", "Review Text: meh\nStars Given: 1"),
    ]


def test_a_demo_lacking_fields_keeps_what_it_has_and_one_without_outputs_is_left_out() -> None:
    demos = [
        {"review_text": "fine", "is_fair": True},
        {"review_text": "no label at all"},
        {"is_fair": True},
        dspy.Example(review_text="good", stars_given=5, reason=None, is_fair=False, weight=2.0),
    ]
    messages = CompactAdapter().format(Judgement, demos, {"review_text": "meh", "stars_given": 1})
    assert [m["content"] for m in messages[1:-1]] == [
        "Review Text: fine",
        "Is Fair: True",
        "Review Text: good\nStars Given: 5",
        "Is Fair: False\nWeight: 2.0",
    ]


def test_literal_answer_is_held_by_a_grammar_and_a_tight_token_bound() -> None:
    _, engine = ask(Topic, "billing", message="x")
    config = engine.requests[0].config
    assert config.extensions == {"grammar": 'root ::= "billing" | "bug report"'}
    assert config.max_tokens == len("bug report") + 2


def test_free_text_has_no_grammar_stops_at_a_blank_line_and_is_bounded() -> None:
    _, engine = ask("question -> answer", "Paris", question="Capital of France?")
    config = engine.requests[0].config
    assert config.extensions is None
    assert tuple(config.stop) == ("\n\n",)
    assert config.max_tokens == 200


def test_grammar_of_several_fields_writes_the_labels_itself() -> None:
    shape = output_shape([("Reason", str), ("Colour", Colour), ("Count", int)])
    assert shape.max_tokens is None
    assert shape.grammar is not None
    assert shape.grammar.startswith('root ::= "Reason: " ([^\\n]')
    assert '"\\nColour: " ("red" | "blue")' in shape.grammar
    assert '"\\nCount: " ("-"? [0-9]' in shape.grammar


def test_grammar_quotes_what_would_end_its_strings() -> None:
    shape = output_shape([("X", Literal['say "hi"\n', "back\\slash"])])
    assert shape.grammar == 'root ::= "say \\"hi\\"\\n" | "back\\\\slash"'


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (bool, "True", True),
        (bool, " false.", False),
        (Colour, "red", Colour.RED),
        (Literal[1, 2], "2", 2),
        (Literal["A", "B"], '"a"', "A"),
        (int, "-12", -12),
        (float, "0.5", 0.5),
        (list[str], '["a", "b"]', ["a", "b"]),
        (str, "  text ", "text"),
    ],
)
def test_answers_come_back_typed(annotation: Any, text: str, value: Any) -> None:
    signature = dspy.Signature({"q": (str, dspy.InputField()), "a": (annotation, dspy.OutputField())})
    assert CompactAdapter().parse(signature, text) == {"a": value}


@pytest.mark.parametrize(
    ("signature", "text", "reason"),
    [
        (Topic, "weather", "'weather' is not one of billing, bug report"),
        (Judgement, "Reason: fine", "no line for 'Is Fair'"),
        (Judgement, "Reason: fine\nIs Fair: True\nWeight: heavy", "Weight:"),
        (Topic, "", "empty"),
    ],
)
def test_an_answer_that_cannot_be_read_says_why(signature: Any, text: str, reason: str) -> None:
    inputs = {name: "x" if field.annotation is str else 1 for name, field in signature.input_fields.items()}
    with pytest.raises(AdapterParseError, match=reason):
        ask(signature, text, **inputs)


def test_literals_that_differ_only_in_case_are_told_apart() -> None:
    signature = dspy.Signature({"q": (str, dspy.InputField()), "a": (Literal["us", "US"], dspy.OutputField())})
    assert CompactAdapter().parse(signature, "US") == {"a": "US"}
    with pytest.raises(AdapterParseError):
        CompactAdapter().parse(signature, "Us")


def test_a_rollout_and_each_of_n_completions_get_their_own_seed() -> None:
    engine = FakeEngine(lambda request: "x")
    lm = dspy.LM("fake/model", engine=engine, cache=False, num_retries=0)
    predict = dspy.Predict("question -> answer")
    with dspy.context(lm=lm, adapter=CompactAdapter()):
        predict(question="q", config={"temperature": 1.0, "n": 2})
        predict(question="q", config={"temperature": 1.0, "rollout_id": 7})
        predict(question="q", config={"temperature": 1.0, "rollout_id": 7})
    seeds = [request.config.seed for request in engine.requests]
    assert len(set(seeds[:3])) == 3
    assert seeds[2] == seeds[3]


def test_an_lm_without_grammar_gets_the_same_messages_as_an_ordinary_call() -> None:
    lm = dspy.utils.DummyLM([{"topic": "billing"}])
    with dspy.context(lm=lm, adapter=CompactAdapter()), pytest.raises(AdapterParseError):
        dspy.Predict(Topic)(message="Charged twice")  # DummyLM answers in ChatAdapter's format
    assert [m["content"] for m in lm.history[-1]["messages"]] == [Topic.instructions, "Charged twice"]
