"""Which columns a program is given: what its call and signature name, not what a predictor inside happens to take."""

from typing import Any

import dspy
import pytest

from mipro_studio.optimizer_core.data.input_columns import check_inputs, input_columns, optional_inputs
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.programs.program import Program


def weigh(item: str) -> str:
    """Weigh an item."""
    return "heavy"


def reward(args: dict[str, Any], prediction: Any) -> float:
    return 1.0


class Inner(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.answer = dspy.Predict("context, question -> answer")


class Anything(Inner):
    def forward(self, **given: Any) -> Any:
        return self.answer(context="c", question=given["question"])


class NamedAndMore(Inner):
    def forward(self, question: str, **more: Any) -> Any:
        return self.answer(context="c", question=question)


class Defaults(Inner):
    def forward(self, question: str, k: int = 3) -> Any:
        return self.answer(context="c", question=question)


class OnlyAwaited(Inner):
    async def aforward(self, question: str) -> Any:
        return await self.answer.acall(context="c", question=question)


class Wrapped(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.module = dspy.ReAct("question -> answer", tools=[weigh])

    def forward(self, **given: Any) -> Any:
        return self.module(**given)


def program(module: dspy.Module) -> Program:
    return Program(module, None, "p")


@pytest.mark.parametrize(
    "module",
    [
        dspy.Predict("question -> answer"),
        dspy.ChainOfThought("question -> answer"),
        dspy.ReAct("question -> answer", tools=[weigh]),
        dspy.CodeAct("question -> answer", tools=[weigh]),
        dspy.ProgramOfThought("question -> answer"),
        dspy.BestOfN(dspy.ChainOfThought("question -> answer"), 2, reward, 1.0),
        dspy.Refine(dspy.ChainOfThought("question -> answer"), 2, reward, 1.0),
        Anything(),
        NamedAndMore(),
        Defaults(),
        OnlyAwaited(),
        Wrapped(),
    ],
    ids=lambda module: type(module).__name__,
)
def test_a_question_is_all_it_is_given(module: dspy.Module) -> None:
    made = program(module)
    columns = ("question", "answer")
    inputs = [name for name in input_columns(made, columns) if name in columns or name not in optional_inputs(made)]
    assert inputs == ["question"]
    check_inputs(inputs, made)


def test_chains_to_compare_are_an_input_beside_the_signatures_own() -> None:
    made = program(dspy.MultiChainComparison("question -> answer"))
    assert input_columns(made, ("question", "completions", "answer")) == ("completions", "question")


def test_a_forward_that_takes_anything_is_given_what_no_predictor_puts_out() -> None:
    made = program(Anything())
    assert input_columns(made, ("question", "page", "answer")) == ("question", "page")
    # Then there would be no label: only what a predictor takes in.
    assert input_columns(made, ("question", "page", "gold")) == ("question",)


def test_a_parameter_with_a_default_needs_no_column_and_takes_one() -> None:
    made = program(Defaults())
    assert "k" in optional_inputs(made)
    check_inputs(["question"], made)
    check_inputs(["question", "k"], made)


def test_what_a_program_does_not_take_or_lacks_is_said() -> None:
    with pytest.raises(BadInput, match=r"does not take 'page': its inputs are question, k"):
        check_inputs(["question", "page"], program(Defaults()))
    with pytest.raises(BadInput, match="wants 'question' as well"):
        check_inputs(["k"], program(Defaults()))
    with pytest.raises(BadInput, match="wants 'question' as well"):
        check_inputs(["page"], program(dspy.ReAct("question -> answer", tools=[weigh])))


def test_a_module_that_cannot_be_called_is_said() -> None:
    with pytest.raises(BadInput, match=r"no forward\(\) and no aforward\(\)"):
        input_columns(program(Inner()), ("question",))
