"""The check of what is taken home compares what a predictor answered, whatever the program did around it."""

from dataclasses import replace
from typing import Any

import dspy
import pytest

from mipro_studio.optimizer_core.evaluation.program_run import run_once
from mipro_studio.optimizer_core.exports.verification import Check, verify
from mipro_studio.optimizer_core.metrics.scoring import Scorer
from tests.optimizer_core.builders import make_examples
from tests.optimizer_core.scripted import chat, scripted_model


class Around(dspy.Module):
    """Goes on with the list that it gave to a call, or adds to what the call answered."""

    def __init__(self, forward: Any) -> None:
        super().__init__()
        self.look = dspy.Predict("message, found: list[str] -> note")
        self.then = forward

    def forward(self, message: str) -> Any:
        return self.then(self, message)


def gathers(program: Any, message: str) -> Any:
    found: list[str] = []
    for _ in range(2):
        found.append(program.look(message=message, found=found).note)
    return dspy.Prediction(found=found)


def adds(program: Any, message: str) -> Any:
    answer = program.look(message=message, found=[])
    answer.length = len(answer.note)
    return answer


@pytest.mark.parametrize(("forward", "calls"), [(gathers, 4), (adds, 2)])
def test_plain_messages_agree_whatever_the_program_does_around_a_call(forward: Any, calls: int) -> None:
    program = Around(forward)
    examples = make_examples(2, 0)
    model = scripted_model(
        lambda request: chat(note=f"{str(request.messages[-1]).count('note of')} seen, a note of it")
    )
    scorer = Scorer(lambda example, prediction, trace=None: 1.0, "metric")
    cells = {(cell := run_once(program, row, model, scorer, "i0d0")).key: cell for row in examples}
    found = verify(Check(program, model, scorer, cells, "i0d0"), examples)
    (plain,) = found["plain"]
    assert (plain["asked"], plain["agreed"]) == (calls, calls), plain["differ"]
    assert found["program"]["agreed"] == 2
    wrong = replace(model, lm=scripted_model(lambda request: chat(note="other")).lm)
    assert verify(Check(program, wrong, scorer, cells, "i0d0"), examples)["program"]["agreed"] == 0
