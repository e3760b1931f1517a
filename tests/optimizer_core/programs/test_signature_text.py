"""Signatures from a form: what is read, and what never reaches DSPy's type resolver."""

import pytest

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.programs.signature_text import (
    Field,
    plain_signature,
    read_signature,
    signature_fields,
)


@pytest.mark.parametrize(
    ("text", "inputs", "outputs"),
    [
        ("question -> answer", ("question",), ("answer",)),
        (
            "question, context: list[str] -> answer: Literal['a', 'b'], why",
            ("question", "context"),
            ("answer", "why"),
        ),
        ("a: int | None, b: Optional[dict[str, float]] -> c: bool", ("a", "b"), ("c",)),
        ("a: str = 'x -> y', b -> c: Literal['p', 'q'] = 'one, or the other'", ("a", "b"), ("c",)),
    ],
)
def test_fields_are_read(text: str, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> None:
    assert signature_fields(text) == (inputs, outputs)


@pytest.mark.parametrize(
    "text",
    [
        "question", "-> answer", "question ->", "a -> b -> c", "a, a -> b", "a -> a", "a b -> c", "", "*a -> b",
        "a=1 -> b", "a -> b): pass\nimport os\ndef g(x",
        "a: antigravity -> b", "a: os.PathLike -> b", "a: __import__('os') -> b", "a: list[os] -> b",
        "a: Literal[print(1)] -> b", "a = print(1) -> b", "a: str = f'{x}' -> b",
    ],
)  # fmt: skip
def test_anything_else_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(BadInput) as refused:
        signature_fields(text)
    assert refused.value.message.endswith(".")


def test_a_description_stands_behind_a_field_and_is_not_what_dspy_is_given() -> None:
    text = "message = 'a letter', n: int -> queue: Literal['a', 'b'] = \"the team's\""
    inputs, outputs = read_signature(text)
    assert inputs == (Field("message", "str", "a letter"), Field("n", "int"))
    assert outputs == (Field("queue", "Literal['a', 'b']", "the team's"),)
    assert plain_signature(text) == "message, n: int -> queue: Literal['a', 'b']"
