"""What the proposer is shown of a program is what DSPy's proposer is shown."""

import itertools
import sqlite3
from typing import Any

import dspy
import pytest
from dspy.propose.utils import get_dspy_source_code

from mipro_studio.optimizer_core.programs.program import load_program
from mipro_studio.optimizer_core.programs.program_code import program_code
from tests.optimizer_core.builders import DESK, ROOT
from tests.programs import desk, more


class Nested(dspy.Module):
    """Predictors of its own, in a list, and of an inner module."""

    def __init__(self) -> None:
        super().__init__()
        self.rewrite = dspy.ChainOfThought("question -> better_question")
        self.steps = [dspy.Predict(desk.Queue), dspy.ChainOfThought(desk.Tone)]
        self.desk = desk.Desk()

    def forward(self, question: str) -> Any:
        return self.rewrite(question=question)


class Odd(dspy.Module):
    """Holds what cannot be walked, or must not be."""

    def __init__(self) -> None:
        super().__init__()
        self.step = dspy.Predict(desk.Queue)
        self.numbers = itertools.count()
        self.rows = iter([1, 2, 3])
        self.store = sqlite3.connect(":memory:")
        self.me = self

    def forward(self, message: str) -> Any:
        return self.step(message=message)


@pytest.mark.parametrize("module", [desk.Desk(), more.QueueOnly(), Nested(), dspy.ChainOfThought("a -> b")])
def test_it_is_dspys(module: dspy.Module, capsys: pytest.CaptureFixture[str]) -> None:
    ours = program_code(module, None)
    assert capsys.readouterr().out == ""  # DSPy's prints the signatures
    assert ours == get_dspy_source_code(module)


def test_a_program_is_shown_with_its_signatures() -> None:
    code = load_program(DESK, ROOT).code
    assert code is not None
    for part in ("class Queue(dspy.Signature)", "class Tone(dspy.Signature)", "class Desk(dspy.Module)", "Literal["):
        assert part in code


def test_nothing_but_predictors_and_modules_is_walked() -> None:
    module = Odd()
    code = program_code(module, None)
    assert code is not None and "class Odd" in code and "class Queue(dspy.Signature)" in code
    assert next(module.numbers) == 0 and next(module.rows) == 1


def test_a_bare_predictor_has_its_signature() -> None:
    code = program_code(dspy.Predict("question -> answer"), None)
    assert code is not None and "question -> answer" in code


def test_a_program_without_code_of_its_own_is_the_source_it_came_with() -> None:
    program = load_program("predict:question -> answer\nBe brief.", ROOT)
    assert program.code == program.source and "Be brief." in (program.code or "")
