"""A program's predictors as chat messages, for people who call their model without DSPy.

What the adapter would send is written down once, with `{{field}}` where an input goes. Placeholders stand in the
last message only: everything before it (instruction, field descriptions, demos) is the same for every input.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import dspy
from dspy.adapters.types.base_type import Type
from dspy.adapters.utils import format_field_value

from mipro_studio.optimizer_core.programs.values import decode
from mipro_studio.optimizer_core.types import Json

__all__ = ["FORMAT", "document", "fill", "plain_messages"]

FORMAT = "mipro-studio plain messages, version 1"
HOW = (
    "Send the messages of a predictor to the model in their order, after replacing every {{field}} in the last one "
    "with the input's text (lists and objects as JSON). The reply holds the outputs in the form that the demos and "
    "the system message show."
)
_MORE_THAN_TEXT = (dspy.Image, dspy.Audio, dspy.File)
_PLACEHOLDER = re.compile(r"\{\{([A-Za-z_]\w*)\}\}")

Messages = Sequence[Mapping[str, Any]]


def plain_messages(module: dspy.Module, adapter: Any) -> list[dict[str, Any]]:
    """The messages of every predictor, in the program's order.

    Returns:
        {name, inputs, outputs, messages, why}: `messages` is a list of {role, content} with texts only; it is
        empty and `why` says so for a predictor whose prompt cannot be written without its input (images, say).
    """
    return [_predictor(name, predictor, adapter) for name, predictor in module.named_predictors()]


def _predictor(name: str, predictor: Any, adapter: Any) -> dict[str, Any]:
    signature = predictor.signature
    made = {"name": name, "inputs": list(signature.input_fields), "outputs": list(signature.output_fields)}
    for field, info in signature.input_fields.items():
        if info.annotation is dspy.History:
            why = f"The input {field!r} is a conversation, whose messages differ from input to input."
            return {**made, "messages": [], "why": why}
        for kind in Type.extract_custom_type_from_annotation(info.annotation):
            if issubclass(kind, _MORE_THAN_TEXT):
                why = f"The input {field!r} is a dspy.{kind.__name__}, which is more than text."
                return {**made, "messages": [], "why": why}
    marks = {field: f"{{{{{field}}}}}" for field in signature.input_fields}
    try:
        messages = adapter.format(signature, list(predictor.demos), marks)
    except Exception as error:  # noqa: BLE001 - adapters fail in any way on types that are not text
        return {
            **made,
            "messages": [],
            "why": f"It cannot be written as plain text: {type(error).__name__}: {error}.",
        }
    if not all(isinstance(message.get("content"), str) for message in messages):
        return {**made, "messages": [], "why": "Its messages hold more than text."}
    kept = [{"role": message["role"], "content": message["content"]} for message in messages]
    missing = [field for field, mark in marks.items() if not kept or mark not in kept[-1]["content"]]
    if missing:
        return {**made, "messages": [], "why": f"The input {missing[0]!r} does not stand in its last message."}
    return {**made, "messages": kept, "why": ""}


def fill(messages: Messages, signature: Any, inputs: Json) -> list[dict[str, Any]]:
    """`messages` with the inputs put in, as the adapter would write them.

    Raises:
        KeyError: an input is missing.
    """
    declared = signature.input_fields
    values = {name: decode(inputs[name], declared[name].annotation) for name in inputs if name in declared}
    texts = {name: str(format_field_value(declared[name], value)) for name, value in values.items()}
    # In one pass, so that an input which itself holds a placeholder stays as it is.
    last = _PLACEHOLDER.sub(lambda found: texts.get(found[1], found[0]), messages[-1]["content"])
    return [*map(dict, messages[:-1]), {**messages[-1], "content": last}]


def document(module: dspy.Module, adapter: Any, *, name: str, candidate: str, model: str) -> str:
    """All predictors' messages as one JSON file."""
    body = {
        "format": FORMAT,
        "program": name,
        "candidate": candidate,
        "model": model,
        "how": HOW,
        "predictors": plain_messages(module, adapter),
    }
    return json.dumps(body, indent=2, ensure_ascii=False)
