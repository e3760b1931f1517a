"""Tells people who watch how many calls the run's endpoints are given."""

import asyncio

from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.evaluation.recorder import Recorder
from mipro_studio.optimizer_core.models.sharing.call_limits import CallLimits
from mipro_studio.optimizer_core.types import Event, EventKind

__all__ = ["watch"]

LOOK_S = 2.0


async def watch(limits: CallLimits, recorder: Recorder) -> None:
    """Write the limits whenever they have changed since the last look, until cancelled."""
    told: dict[str, object] = {}
    while True:
        await asyncio.sleep(LOOK_S)
        shown = limits.shown()
        if shown and shown != told:
            told = dict(shown)
            try:
                await recorder.write(Event(EventKind.LIMITS, shown))
            except StudioError:  # the run hears of it by its own records
                return
