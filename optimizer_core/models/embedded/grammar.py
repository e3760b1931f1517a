"""GBNF grammars (llama.cpp's format) that hold the embedded model to a signature's output types."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args, get_origin

__all__ = ["OutputShape", "choices", "output_shape"]

_INT_RULE: Final = '"-"? [0-9] [0-9]{0,11}'
_FLOAT_RULE: Final = '"-"? [0-9] [0-9]{0,11} ("." [0-9] [0-9]{0,5})?'
_NUMBER_TOKENS: Final = 24
# A line of free text ahead of further fields must end by itself, or those fields would never come.
_LINE_CHARS: Final = 240
_LINE_RULE: Final = f"[^\\n] [^\\n]{{0,{_LINE_CHARS - 1}}}"
_END_TOKENS: Final = 2


@dataclass(frozen=True)
class OutputShape:
    """How an answer is held in form.

    ``grammar`` is None when the answer is plain text. ``max_tokens`` is an upper bound on the tokens a
    complete answer can need, or None when the text is open-ended.
    """

    grammar: str | None
    max_tokens: int | None


def choices(annotation: Any) -> dict[str, Any] | None:
    """The answers a closed type allows, as text mapped to value; None for an open type."""
    if annotation is bool:
        return {"True": True, "False": False}
    if get_origin(annotation) is Literal:
        return {str(value): value for value in get_args(annotation)}
    if isinstance(annotation, enum.EnumMeta):
        members: list[enum.Enum] = list(annotation)
        return {str(member.value): member for member in members}
    return None


def output_shape(fields: Sequence[tuple[str, Any]]) -> OutputShape:
    """The shape for output fields given as (label, annotation).

    A single field is answered by its value alone; several by one ``Label: value`` line each. A single
    field of open type needs no grammar.
    """
    if len(fields) == 1:
        rule, tokens = _value_rule(fields[0][1], last=True)
        if rule is None:
            return OutputShape(None, None)
        return OutputShape(f"root ::= {rule}", _total([tokens]))
    parts, bounds = [], []
    for position, (label, annotation) in enumerate(fields):
        last = position == len(fields) - 1
        rule, tokens = _value_rule(annotation, last=last)
        lead = f"{label}: " if position == 0 else f"\n{label}: "
        parts.append(f"{_quoted(lead)} ({rule or _LINE_RULE})")
        bounds.append(None if tokens is None else tokens + len(lead))
    return OutputShape("root ::= " + " ".join(parts), _total(bounds))


def _value_rule(annotation: Any, *, last: bool) -> tuple[str | None, int | None]:
    """The rule for one value and a bound on its tokens; (None, None) for an open last value."""
    allowed = choices(annotation)
    if allowed is not None:
        # No token is shorter than a byte, so bytes bound tokens.
        longest = max((len(text.encode()) for text in allowed), default=1)
        return " | ".join(_quoted(text) for text in allowed), longest
    if annotation is int:
        return _INT_RULE, _NUMBER_TOKENS
    if annotation is float:
        return _FLOAT_RULE, _NUMBER_TOKENS
    return (None, None) if last else (_LINE_RULE, None)


def _total(bounds: Sequence[int | None]) -> int | None:
    known = [bound for bound in bounds if bound is not None]
    return sum(known) + _END_TOKENS if len(known) == len(bounds) else None


def _quoted(text: str) -> str:
    """A GBNF string literal."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t") + '"'
