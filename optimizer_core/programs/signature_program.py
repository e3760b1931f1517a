"""Programs without code: one predictor made of a signature that a person typed.

Nothing that was typed is executed: the signature is checked, then handed to DSPy as text.
"""

from collections.abc import Sequence
from typing import Any

import dspy

from mipro_studio.optimizer_core.config import NO_CODE
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.programs.signature_text import Field, plain_signature, read_signature

__all__ = ["OnePredictor", "signature_program"]

_KINDS = dict(zip(NO_CODE, (dspy.Predict, dspy.ChainOfThought), strict=True))


class OnePredictor(dspy.Module):  # type: ignore[misc]
    """A program of one predictor, which is named after the first output.

    `source_text` is what a person would have written; the proposer is shown it.
    """

    def __init__(self, kind: str, signature: str, instruction: str) -> None:
        super().__init__()
        inputs, outputs = read_signature(signature)
        described = [field for field in (*inputs, *outputs) if field.description]
        plain = plain_signature(signature) if described else signature
        made = dspy.Signature(plain, instruction) if instruction else dspy.Signature(plain)
        for field in described:
            made = made.with_updated_fields(field.name, desc=field.description)
        self.signature = made  # what forward() takes, for whoever asks which columns are inputs
        name = "predict" if hasattr(self, outputs[0].name) else outputs[0].name
        predictor = _KINDS[kind]
        setattr(self, name, predictor(made))
        self._name = name
        self.source_text = (
            "class Program(dspy.Module):\n"
            "    def __init__(self):\n"
            f"        self.{name} = dspy.{predictor.__name__}({_as_code(plain, instruction, described)})\n\n"
            "    def forward(self, **inputs):\n"
            f"        return self.{name}(**inputs)\n"
        )

    def forward(self, **inputs: Any) -> Any:
        return getattr(self, self._name)(**inputs)


def _as_code(plain: str, instruction: str, described: Sequence[Field]) -> str:
    """The signature as a person would write it."""
    if not instruction and not described:
        return repr(plain)
    made = f"dspy.Signature({plain!r}, {instruction!r})" if instruction else f"dspy.Signature({plain!r})"
    return made + "".join(f".with_updated_fields({one.name!r}, desc={one.description!r})" for one in described)


def signature_program(reference: str) -> OnePredictor:
    """The program of a reference that begins with one of `NO_CODE`.

    Raises:
        BadInput: what follows is not a signature.
    """
    kind = next(prefix for prefix in NO_CODE if reference.startswith(prefix))
    signature, _, instruction = reference.removeprefix(kind).partition("\n")
    read_signature(signature)
    try:
        return OnePredictor(kind, signature.strip(), instruction.strip())
    except (ValueError, TypeError, SyntaxError) as error:
        raise BadInput(f"{signature.strip()!r} is not a signature: {error}.") from error
