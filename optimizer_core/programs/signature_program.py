"""Programs without code: one predictor made of a signature that a person typed.

Nothing that was typed is executed: the signature is checked, then handed to DSPy as text.
"""

from typing import Any

import dspy

from mipro_studio.optimizer_core.config import NO_CODE
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.programs.signature_text import signature_fields

__all__ = ["OnePredictor", "signature_program"]

_KINDS = dict(zip(NO_CODE, (dspy.Predict, dspy.ChainOfThought), strict=True))


class OnePredictor(dspy.Module):  # type: ignore[misc]
    """A program of one predictor, which is named after the first output.

    `source_text` is what a person would have written; the proposer is shown it.
    """

    def __init__(self, kind: str, signature: str, instruction: str) -> None:
        super().__init__()
        _, outputs = signature_fields(signature)
        made = dspy.Signature(signature, instruction) if instruction else dspy.Signature(signature)
        self.signature = made  # what forward() takes, for whoever asks which columns are inputs
        name = "predict" if hasattr(self, outputs[0]) else outputs[0]
        predictor = _KINDS[kind]
        setattr(self, name, predictor(made))
        self._name = name
        given = f"dspy.Signature({signature!r}, {instruction!r})" if instruction else repr(signature)
        self.source_text = (
            "class Program(dspy.Module):\n"
            "    def __init__(self):\n"
            f"        self.{name} = dspy.{predictor.__name__}({given})\n\n"
            "    def forward(self, **inputs):\n"
            f"        return self.{name}(**inputs)\n"
        )

    def forward(self, **inputs: Any) -> Any:
        return getattr(self, self._name)(**inputs)


def signature_program(reference: str) -> OnePredictor:
    """The program of a reference that begins with one of `NO_CODE`.

    Raises:
        BadInput: what follows is not a signature.
    """
    kind = next(prefix for prefix in NO_CODE if reference.startswith(prefix))
    signature, _, instruction = reference.removeprefix(kind).partition("\n")
    signature_fields(signature)
    try:
        return OnePredictor(kind, signature.strip(), instruction.strip())
    except (ValueError, TypeError, SyntaxError) as error:
        raise BadInput(f"{signature.strip()!r} is not a signature: {error}.") from error
