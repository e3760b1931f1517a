"""Models that are no role's: of one predictor, chosen by a person; and the program's own in a role."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import dspy

from mipro_studio.optimizer_core.config import Budget, ModelSpec
from mipro_studio.optimizer_core.models.attempts import Account, Asking, account_of
from mipro_studio.optimizer_core.models.calls import current_log
from mipro_studio.optimizer_core.models.engines import prices_usd_per_token
from mipro_studio.optimizer_core.models.lms import MeteredLM, build_lm
from mipro_studio.optimizer_core.models.meter import Meter
from mipro_studio.optimizer_core.types import Role

__all__ = ["GuestLM", "guest_lm", "metered"]


class GuestLM(MeteredLM):
    """A model for one predictor. Its calls count under the role whose program run they are made in, at its prices."""

    def _asking(self, kwargs: dict[str, Any]) -> Asking:
        asking = super()._asking(kwargs)
        log = current_log()
        owner = account_of(log) if log is not None else None
        if owner is None:
            return asking
        return replace(asking, account=replace(owner, prices=asking.account.prices))


def guest_lm(spec: ModelSpec, retries: int, seed: int, adapters: Sequence[str] = ()) -> GuestLM:
    """The model of `spec` for one predictor.

    Args:
        adapters: See `build_lm`.

    Raises:
        BadInput: see `build_lm`.
    """
    made = build_lm(spec, Role.TASK, Meter(Budget()), retries, seed, adapters)
    made.__class__ = GuestLM
    return made  # type: ignore[return-value]


def metered(lm: dspy.BaseLM, role: Role, meter: Meter, spec: ModelSpec) -> dspy.BaseLM:
    """A copy of the program's own model in a role: as its author made it, and counted.

    Args:
        lm: Stays as it is.
        spec: Says its prices, where it has any.
    """
    made = copy.copy(lm)
    made.account = Account(meter, role, prices_usd_per_token(spec))
    return made
