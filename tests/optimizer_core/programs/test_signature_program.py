"""Programs without code: what is built, what the proposer is told about it, and that nothing typed is run."""

import sys
from pathlib import Path
from typing import Any

import dspy
import pytest

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.programs.program import load_program

HERE = Path(__file__).parent


def test_a_signature_becomes_a_program_of_one_predictor() -> None:
    program = load_program("predict:message -> queue: Literal['billing', 'sales']\nName the queue.\nBe quick.", HERE)
    (info,) = program.predictors
    assert (info.name, info.kind, info.inputs, info.outputs) == ("queue", "Predict", ("message",), ("queue",))
    assert info.instruction == "Name the queue.\nBe quick."
    assert program.metric is None


def test_a_chain_of_thought_reasons_first() -> None:
    (info,) = load_program("chain_of_thought:question -> answer", HERE).predictors
    assert info.outputs == ("reasoning", "answer")


def test_the_proposer_is_shown_what_a_person_would_have_written() -> None:
    source = load_program("chain_of_thought:question -> answer\nBe brief.", HERE).source
    assert source is not None
    assert "dspy.ChainOfThought(dspy.Signature('question -> answer', 'Be brief.'))" in source
    compile(source, "shown", "exec")


def test_a_field_named_like_a_method_does_not_hide_it() -> None:
    program = load_program("predict:text -> load", HERE)
    assert program.predictors[0].name == "predict"
    assert callable(program.module.load)


def test_a_type_that_is_a_module_is_not_imported() -> None:
    with pytest.raises(BadInput, match="not a type"):
        load_program("predict:a: antigravity -> b", HERE)
    assert "antigravity" not in sys.modules


def test_a_description_reaches_the_model_and_the_code_that_is_taken_home() -> None:
    reference = "predict:message = 'a letter to us' -> queue: Literal['a', 'b'] = \"the team's\"\nName it."
    program = load_program(reference, HERE)
    (info,) = program.predictors
    assert (info.inputs, info.outputs, info.instruction) == (("message",), ("queue",), "Name it.")
    made = program.module.queue.signature
    assert made.input_fields["message"].json_schema_extra["desc"] == "a letter to us"
    namespace: dict[str, Any] = {"dspy": dspy}
    exec(str(program.source), namespace)
    again = namespace["Program"]().queue.signature
    assert again.output_fields["queue"].json_schema_extra["desc"] == "the team's"
    assert again.instructions == made.instructions and again.output_fields["queue"].annotation is not str
