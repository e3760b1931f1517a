"""Instructions as a kind of arm: the text of a predictor's signature, without what an agent writes around it."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.programs.instruction_frame import Frame
from mipro_studio.optimizer_core.types import INSTRUCTION, SEED_ARM, Arm, Author, Json

if TYPE_CHECKING:
    from mipro_studio.optimizer_core.parameters.arm_features import Feature, RowClasses
    from mipro_studio.optimizer_core.programs.program import Program

__all__ = ["LONGEST", "InstructionKind", "checked_text", "instruction_arm"]

LONGEST = 50_000
"""Characters of a text; what is longer fits into few context windows beside a request."""


def instruction_arm(owner: str, index: int, text: str, author: Author, provenance: Json | None = None) -> Arm:
    """Instruction `index` of the predictor `owner`."""
    return Arm(owner, INSTRUCTION, index, {"text": text}, author, provenance or {})


def checked_text(text: str) -> str:
    """`text` as an arm of words.

    Raises:
        BadInput: it is empty or too long.
    """
    stripped = text.replace("\0", "").strip()
    if not stripped:
        raise BadInput("The instruction is empty.", "Write what the predictor should do.")
    if len(stripped) > LONGEST:
        raise BadInput(f"The instruction has {len(stripped):,} characters.", f"At most {LONGEST:,} are taken.")
    return stripped


@lru_cache(maxsize=256)
def _signature_with(signature: Any, instructions: str) -> Any:
    """`signature` with other instructions: a new class, which takes half a millisecond; candidates share it."""
    return signature.with_instructions(instructions)


class InstructionKind:
    """The content is {"text"}; the seed's provenance holds the frame that stays around it (`programs.agents`)."""

    name = INSTRUCTION
    title = "instruction"

    def seeds(self, program: "Program") -> Sequence[Arm]:
        return [
            instruction_arm(info.name, SEED_ARM, info.instruction, Author.SEED, info.frame.facts)
            for info in program.predictors
        ]

    def apply(self, module: Any, contents: Mapping[str, Json], program: "Program", folders: Sequence[Path]) -> None:
        frames = {info.name: info.frame for info in program.predictors}
        for name, predictor in module.named_predictors():
            if name in contents:
                whole = frames[name].around(str(contents[name]["text"]))
                if whole != predictor.signature.instructions:
                    predictor.signature = _signature_with(predictor.signature, whole)

    def describe(self, arm: Arm) -> str:
        return arm.text

    def why_not_edited(self, seed: Arm) -> str:
        return ""

    def edited(self, text: str, seed: Arm) -> Json:
        text = checked_text(text)
        if why := Frame.of(seed.text, seed.provenance).why_not(text):
            raise BadInput(why, "Name it, or start from the program's own instruction.")
        return {"text": text}

    def loading(self, arm: Arm, seed: Arm) -> Sequence[str]:
        return []

    def features(self, arms: Sequence[Arm], outputs: Sequence[str], classes: "RowClasses") -> "Sequence[Feature]":
        from mipro_studio.optimizer_core.parameters.arm_features import instruction_features

        return instruction_features(arms)
