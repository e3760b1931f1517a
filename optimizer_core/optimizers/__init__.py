"""The optimizers by name."""

from collections.abc import Mapping

from optimizer_core.errors import BadInput
from optimizer_core.optimizers.base import Optimizer, View
from optimizer_core.optimizers.mipro import Mipro

__all__ = ["OPTIMIZERS", "Optimizer", "View", "get_optimizer"]

OPTIMIZERS: Mapping[str, type[Optimizer]] = {optimizer.name: optimizer for optimizer in (Mipro,)}


def get_optimizer(name: str) -> Optimizer:
    """A new optimizer.

    Raises:
        BadInput: there is none of that name.
    """
    if name not in OPTIMIZERS:
        raise BadInput(f"There is no optimizer {name!r}.", f"Use one of: {', '.join(OPTIMIZERS)}.")
    return OPTIMIZERS[name]()
