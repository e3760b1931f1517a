"""What a run has not because of what its optimizer is: said as such, and not as something that is still to come."""

from mipro_studio.optimizer_core.catalogue import OPTIMIZERS
from mipro_studio.optimizer_core.parameters.registry import title
from mipro_studio.optimizer_core.types import DEMOS, INSTRUCTION

__all__ = ["lacking", "no_more", "tunes_weights"]

_MAKES = {DEMOS: "builds no demo sets for its candidates", INSTRUCTION: "writes no instructions"}
_STAYS = {DEMOS: "the demos that the program came with stay", INSTRUCTION: "the program's own stay"}


def lacking(optimizer: str, kind: str) -> str:
    """One sentence where the candidates of `optimizer` do not differ in `kind`; "" where they do, or it is not known.

    Args:
        kind: `INSTRUCTION` or `DEMOS`.
    """
    listed = OPTIMIZERS.get(optimizer)
    if listed is None or listed.switches or kind in listed.searches:
        return ""
    searched = " and ".join(title(one) if one == "weights" else f"{title(one)}s" for one in listed.searches)
    return f"{listed.title} {_MAKES[kind]}: it searches {searched}, and {_STAYS[kind]}."


def tunes_weights(optimizer: str) -> bool:
    """Whether what a person reviews are rows that weights are about to be tuned on."""
    listed = OPTIMIZERS.get(optimizer)
    return listed is not None and "weights" in listed.searches


def no_more(optimizer: str) -> str:
    """Why a completed run is not helped by more trials; "" where it may be."""
    listed = OPTIMIZERS.get(optimizer)
    return listed.bounded if listed is not None else ""
