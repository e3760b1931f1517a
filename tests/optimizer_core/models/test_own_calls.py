"""A person's model class that answers calls by itself is counted and capped like every other."""

from typing import Any

import dspy
import pytest

from mipro_studio.optimizer_core.config import Budget
from mipro_studio.optimizer_core.errors import BudgetReached
from mipro_studio.optimizer_core.evaluation.program_run import run_once
from mipro_studio.optimizer_core.metrics.scoring import Scorer
from mipro_studio.optimizer_core.models.meter import Meter
from mipro_studio.optimizer_core.models.role_model import RoleModel
from mipro_studio.optimizer_core.types import Example, Role, Split
from tests.optimizer_core.scripted import chat, scripted

ROW = Example("i", Split.VAL, 0, {"text": "t"}, {})


class Own(dspy.BaseLM):
    """Answers past `dspy.BaseLM`."""

    def __call__(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> list[str]:
        return [chat(answer="own")]

    async def acall(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> list[str]:
        return [chat(answer="own")]


class Passing(dspy.LM):
    """Does something first, and lets DSPy answer."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return super().__call__(*args, **kwargs)


class Program(dspy.Module):
    def __init__(self, lm: Any, awaited: bool = False) -> None:
        super().__init__()
        self.step = dspy.Predict("text -> answer")
        self.lm = lm
        if awaited:
            self.forward = self.aforward  # type: ignore[method-assign]

    def forward(self, text: str) -> Any:
        with dspy.context(lm=self.lm):
            return self.step(text=text)

    async def aforward(self, text: str) -> Any:
        with dspy.context(lm=self.lm):
            return await self.step.acall(text=text)


def run(module: dspy.Module, meter: Meter) -> Any:
    role_model = RoleModel(scripted(lambda request: chat(answer="role"), meter), dspy.ChatAdapter())
    return run_once(module, ROW, role_model, Scorer(lambda *_: 1.0, "one"), "c")


@pytest.mark.parametrize("awaited", [False, True])
def test_a_call_that_passes_dspy_by_is_counted_with_estimated_tokens(awaited: bool) -> None:
    meter = Meter(Budget())
    cell = run(Program(Own("mine"), awaited), meter)
    assert cell.prediction == {"answer": "own"}
    assert meter.total(Role.TASK).calls == cell.usage.calls == 1
    assert cell.usage.estimated_tokens == cell.usage.input_tokens + cell.usage.output_tokens > 0


def test_a_call_that_goes_on_to_dspy_is_counted_once() -> None:
    meter = Meter(Budget())
    engine = scripted(lambda request: chat(answer="on")).engine
    cell = run(Program(Passing("openai/x", engine=engine, cache=False)), meter)
    assert (cell.usage.calls, cell.usage.input_tokens, cell.usage.estimated_tokens) == (1, 10, 0)


def test_a_cap_binds_such_a_model() -> None:
    meter = Meter(Budget(max_lm_calls=1))
    run(Program(Own("mine")), meter)
    with pytest.raises(BudgetReached):
        run(Program(Own("mine")), meter)


def test_outside_of_a_program_run_nothing_is_changed() -> None:
    assert Own("mine")("hello") == [chat(answer="own")]
