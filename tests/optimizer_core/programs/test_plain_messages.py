"""Messages of predictors for people without DSPy: which can be written, and what they hold."""

import dspy
import pytest

from mipro_studio.optimizer_core.programs.plain_messages import fill, plain_messages

PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///ywAAAAAAQABAAACAUwAOw=="


@pytest.mark.parametrize(
    ("given", "kind"),
    [("dspy.Image", "Image"), ("list[dspy.Image]", "Image"), ("dspy.Audio", "Audio"), ("dspy.File", "File")],
)
def test_an_input_that_is_no_text_is_said(given: str, kind: str) -> None:
    (made,) = plain_messages(dspy.Predict(f"text, given: {given} -> answer"), dspy.ChatAdapter())
    assert made["messages"] == []
    assert made["why"] == f"The input 'given' is a dspy.{kind}, which is more than text."


def test_a_conversation_is_no_text_either() -> None:
    (made,) = plain_messages(dspy.Predict("text, history: dspy.History -> answer"), dspy.ChatAdapter())
    assert (made["messages"], made["why"].split(",")[0]) == ([], "The input 'history' is a conversation")


@pytest.mark.parametrize(
    ("declared", "value"),
    [("str", "a {{text}} b"), ("list[str]", ["a", "b\nc"]), ("dict[str, int]", {"a": 1}), ("dspy.Code", "x = 1")],
)
def test_filled_in_they_are_what_the_adapter_sends(declared: str, value: object) -> None:
    predictor = dspy.Predict(f"text, given: {declared} -> answer")
    (made,) = plain_messages(predictor, adapter := dspy.ChatAdapter())
    typed = dspy.Code(code=value) if declared == "dspy.Code" else value
    sent = adapter.format(predictor.signature, [], {"text": "t", "given": typed})
    assert fill(made["messages"], predictor.signature, {"text": "t", "given": value}) == sent
