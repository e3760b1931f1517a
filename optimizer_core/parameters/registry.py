"""The kinds of arms, in the order in which spaces list them and programs take them."""

from collections.abc import Mapping

from mipro_studio.optimizer_core.parameters.demos import DemosKind
from mipro_studio.optimizer_core.parameters.instruction import InstructionKind
from mipro_studio.optimizer_core.parameters.kinds import ParameterKind
from mipro_studio.optimizer_core.parameters.tools import ToolsKind
from mipro_studio.optimizer_core.parameters.weights import WeightsKind
from mipro_studio.optimizer_core.types import PROGRAM

__all__ = ["KINDS", "OF_THE_PROGRAM", "parameter_name", "title"]

_ALL: tuple[ParameterKind, ...] = (InstructionKind(), DemosKind(), ToolsKind(), WeightsKind())

KINDS: Mapping[str, ParameterKind] = {kind.name: kind for kind in _ALL}
"""By name."""


def title(kind: str) -> str:
    """An arm of `kind` for people; kinds of a newer studio by their name."""
    return KINDS[kind].title if kind in KINDS else kind


OF_THE_PROGRAM = "whole program"


def parameter_name(owner: str, kind: str) -> str:
    """What people call the arms of `kind` of `owner`: "queue: instruction"."""
    return f"{owner if owner != PROGRAM else OF_THE_PROGRAM}: {kind}"
