"""Signatures as text, `question, context: list[str] -> answer: Literal["yes", "no"]`, read without DSPy.

DSPy resolves a type it does not know by importing a module of that name, so a signature from a form is checked
here first: only the types below pass.
"""

import ast

from mipro_studio.optimizer_core.errors import BadInput

__all__ = ["TYPES", "signature_fields"]

TYPES = ("str", "int", "float", "bool", "list", "dict", "Literal", "Optional", "None")

_EXAMPLE = "Write it like: question, context -> answer."


def signature_fields(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(input names, output names) of the signature.

    Raises:
        BadInput: it is not a signature, a name stands twice, or a type is not one of `TYPES`.
    """
    sides = text.split("->")
    if len(sides) != 2:
        raise BadInput(f"{text.strip()!r} is not a signature: it needs exactly one ->.", _EXAMPLE)
    inputs, outputs = (_names(side, text) for side in sides)
    if not inputs or not outputs:
        raise BadInput(f"{text.strip()!r} needs a field on each side of the arrow.", _EXAMPLE)
    names = (*inputs, *outputs)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise BadInput(f"The field {twice!r} stands twice in the signature.", "Give every field a name of its own.")
    return inputs, outputs


def _names(side: str, text: str) -> tuple[str, ...]:
    try:
        parsed = ast.parse(f"def f({side.strip()}): pass").body
    except (SyntaxError, ValueError) as error:
        raise BadInput(f"{text.strip()!r} is not a signature.", _EXAMPLE) from error
    found = parsed[0] if len(parsed) == 1 else None
    if not isinstance(found, ast.FunctionDef) or found.args.vararg or found.args.kwarg or found.args.defaults:
        raise BadInput(f"{text.strip()!r} is not a signature.", _EXAMPLE)
    given = found.args
    if given.posonlyargs or given.kwonlyargs:
        raise BadInput(f"{text.strip()!r} is not a signature.", _EXAMPLE)
    for argument in given.args:
        if argument.annotation is not None:
            _check(argument.annotation)
    return tuple(argument.arg for argument in given.args)


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
