"""The optimizers by name."""

from collections.abc import Mapping

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.optimizers.base import Optimizer, View, Work
from mipro_studio.optimizer_core.optimizers.bootstrap_few_shot import BootstrapFewShot
from mipro_studio.optimizer_core.optimizers.bootstrap_rs import BayesianBootstrap, BootstrapRandomSearch
from mipro_studio.optimizer_core.optimizers.gepa import Gepa
from mipro_studio.optimizer_core.optimizers.lab import Lab
from mipro_studio.optimizer_core.optimizers.mipro import Mipro
from mipro_studio.optimizer_core.optimizers.mipro_pp import MiproPlus
from mipro_studio.optimizer_core.optimizers.opro.ca_opro import CoordinateAscentOpro
from mipro_studio.optimizer_core.optimizers.opro.module_opro import ModuleOpro, ModuleOproUngrounded, Opro
from mipro_studio.optimizer_core.optimizers.opro.program_opro import ProgramOpro
from mipro_studio.optimizer_core.optimizers.studio import Studio
from mipro_studio.optimizer_core.optimizers.together.better_together import BetterTogether, BootstrapFinetune
from mipro_studio.optimizer_core.optimizers.zero_shot_mipro import ZeroShotMipro
from mipro_studio.optimizer_core.optimizers.zero_shot_mipro_pp import ZeroShotMiproPlus

__all__ = ["OPTIMIZERS", "Optimizer", "View", "Work", "get_optimizer"]

OPTIMIZERS: Mapping[str, type[Optimizer]] = {
    optimizer.name: optimizer
    for optimizer in (
        Studio,
        Mipro,
        BootstrapFewShot,
        BootstrapRandomSearch,
        BayesianBootstrap,
        ZeroShotMipro,
        ZeroShotMiproPlus,
        MiproPlus,
        Opro,
        ModuleOpro,
        ModuleOproUngrounded,
        ProgramOpro,
        CoordinateAscentOpro,
        Gepa,
        BootstrapFinetune,
        BetterTogether,
    )
}


def get_optimizer(name: str) -> Optimizer:
    """A new optimizer.

    Raises:
        BadInput: there is none of that name.
    """
    if name == Lab.name:  # no search, so not in the list of those that a person chooses from
        return Lab()
    if name not in OPTIMIZERS:
        raise BadInput(f"There is no optimizer {name!r}.", f"Use one of: {', '.join(OPTIMIZERS)}.")
    return OPTIMIZERS[name]()
