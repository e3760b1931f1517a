"""Signatures as text, `question, context: list[str] -> answer: Literal["yes", "no"] = "one word"`, read without DSPy.

What stands behind `=` describes a field; DSPy's own text form has no place for it. DSPy resolves a type that it does
not know by importing a module of that name, so a signature from a form is checked here: only the types below pass.
"""

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass

from mipro_studio.optimizer_core.errors import BadInput

__all__ = ["TYPES", "Field", "plain_signature", "read_signature", "signature_fields", "write_signature"]

TYPES = ("str", "int", "float", "bool", "list", "dict", "Literal", "Optional", "None")

_EXAMPLE = "Write it like: question, context -> answer."


@dataclass(frozen=True, slots=True)
class Field:
    """`annotation` is one of `TYPES` or made of them; `description` is what the model is told of the field."""

    name: str
    annotation: str = "str"
    description: str = ""


Fields = tuple[Field, ...]


def read_signature(text: str) -> tuple[Fields, Fields]:
    """(inputs, outputs) of the signature.

    Raises:
        BadInput: it is not a signature, a name stands twice, or a type is not one of `TYPES`.
    """
    inputs, outputs = _sides(text)
    if not inputs or not outputs:
        raise BadInput(f"{text.strip()!r} needs a field on each side of the arrow.", _EXAMPLE)
    names = [field.name for field in (*inputs, *outputs)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise BadInput(f"The field {twice!r} stands twice in the signature.", "Give every field a name of its own.")
    return inputs, outputs


def signature_fields(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(input names, output names) of the signature.

    Raises:
        BadInput: as `read_signature`.
    """
    inputs, outputs = read_signature(text)
    return tuple(field.name for field in inputs), tuple(field.name for field in outputs)


def write_signature(inputs: Iterable[Field], outputs: Iterable[Field]) -> str:
    """The text that `read_signature` reads back."""
    return " -> ".join(", ".join(map(_written, side)) for side in (inputs, outputs))


def plain_signature(text: str) -> str:
    """The signature as DSPy reads it, without descriptions.

    Raises:
        BadInput: as `read_signature`.
    """
    sides = read_signature(text)
    return write_signature(*([Field(field.name, field.annotation) for field in side] for side in sides))


def _written(field: Field) -> str:
    typed = field.name if field.annotation == "str" and not field.description else f"{field.name}: {field.annotation}"
    return f"{typed} = {field.description!r}" if field.description else typed


def _sides(text: str) -> tuple[Fields, Fields]:
    """Both sides of the arrow; one inside a description or a choice parts nothing that can be read."""
    arrows = [found.start() for found in re.finditer("->", text)]
    if not arrows:
        raise BadInput(f"{text.strip()!r} is not a signature: it needs exactly one ->.", _EXAMPLE)
    for at in arrows:
        sides = [_parsed(part) for part in (text[:at], text[at + 2 :])]
        if None not in sides:
            inputs, outputs = (_fields(side, text) for side in sides if side is not None)
            return inputs, outputs
    raise BadInput(f"{text.strip()!r} is not a signature.", _EXAMPLE)


def _parsed(side: str) -> ast.arguments | None:
    """The fields as arguments of a function; None where that is no Python, or more than them."""
    if not side.strip():
        return ast.parse("def f(): pass").body[0].args  # type: ignore[attr-defined, no-any-return]
    try:
        # Behind a star a field without a description may follow one that has one.
        found = ast.parse(f"def f(*, {side.strip()}): pass").body
    except (SyntaxError, ValueError):
        return None
    return found[0].args if len(found) == 1 and isinstance(found[0], ast.FunctionDef) else None


def _fields(given: ast.arguments, text: str) -> Fields:
    if given.args or given.posonlyargs or given.vararg or given.kwarg:
        raise BadInput(f"{text.strip()!r} is not a signature.", _EXAMPLE)
    return tuple(_field(*pair, text) for pair in zip(given.kwonlyargs, given.kw_defaults, strict=True))


def _field(argument: ast.arg, described: ast.expr | None, text: str) -> Field:
    if described is not None and not (isinstance(described, ast.Constant) and isinstance(described.value, str)):
        raise BadInput(f"{text.strip()!r} is not a signature: what stands behind = describes a field.", _EXAMPLE)
    if argument.annotation is not None:
        _check(argument.annotation)
    annotation = "str" if argument.annotation is None else ast.unparse(argument.annotation)
    return Field(argument.arg, annotation, "" if described is None else str(described.value))  # type: ignore[attr-defined]


def _check(node: ast.expr) -> None:
    match node:
        case ast.Name(id=name) if name in TYPES:
            return
        case ast.Constant(value=None):
            return
        case ast.Subscript(value=ast.Name(id="Literal"), slice=choices):
            options = choices.elts if isinstance(choices, ast.Tuple) else [choices]
            if all(isinstance(option, ast.Constant) for option in options):
                return
        case ast.Subscript(value=value, slice=inner):
            _check(value)
            for part in inner.elts if isinstance(inner, ast.Tuple) else [inner]:
                _check(part)
            return
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            _check(left)
            _check(right)
            return
    raise BadInput(f"{ast.unparse(node)!r} is not a type that a signature may have here.", f"Use {', '.join(TYPES)}.")
