"""What a kind of arm is: how its seed is read off a program, and what can be done with an arm of it.

A kind is one module that implements `ParameterKind`, named in `registry`. Pages describe and edit arms, so a kind
imports model libraries only inside the functions that need a program.
"""

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mipro_studio.optimizer_core.types import Arm, Json

if TYPE_CHECKING:
    from mipro_studio.optimizer_core.parameters.arm_features import Feature, RowClasses
    from mipro_studio.optimizer_core.programs.program import Program

__all__ = ["ParameterKind", "difference"]


class ParameterKind(Protocol):
    """One kind of arm.

    Attributes:
        name: In arms, spaces and requests; its first letter stands for it in the ids of candidates, so no two kinds
            begin alike.
        title: An arm of it for people, in lower case: "demo set".
    """

    name: str
    title: str

    def seeds(self, program: "Program") -> Sequence[Arm]:
        """Arm 0 of every owner that has such a parameter: what the program came with. None = nothing to search."""

    def apply(self, module: Any, contents: Mapping[str, Json], program: "Program", folders: Sequence[Path]) -> None:
        """Put the contents of arms, by owner, into `module`, a copy of the program that no other candidate has.

        Kinds are applied in the order of the registry. A seed arm changes nothing of what the module asks.

        Args:
            folders: Where relative paths of images and other files are looked up.
        """

    def describe(self, arm: Arm) -> str:
        """The arm as text: for people, for the difference of two arms, and where `edited` starts from."""

    def why_not_edited(self, seed: Arm) -> str:
        """Why a person cannot write such an arm as text; empty if they can.

        Args:
            seed: The owner's arm 0.
        """

    def edited(self, text: str, seed: Arm) -> Json:
        """The content of an arm that a person wrote as `text`, in the form of `describe`.

        Raises:
            BadInput: the program could not work with it.
        """

    def loading(self, arm: Arm, seed: Arm) -> Sequence[str]:
        """Lines of Python that put the arm into `program`, a plain DSPy program whose saved state is loaded.

        Empty where DSPy's saved state holds it.
        """

    def features(self, arms: Sequence[Arm], outputs: Sequence[str], classes: "RowClasses") -> "Sequence[Feature]":
        """What a surrogate may learn the effects of an owner's `arms` from (`arm_features`); may be nothing.

        Args:
            outputs: The owner's outputs; nothing for the program as a whole.
            classes: What the rows of data are labelled with.
        """


def difference(before: str, after: str) -> list[str]:
    """What `describe` says of two arms, as the lines of a unified difference without its head."""
    return list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=1))[2:]
