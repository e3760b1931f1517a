"""Everything that a run writes."""

from mipro_studio.optimizer_core.types.arms import Arm
from mipro_studio.optimizer_core.types.cells import Cell, Example
from mipro_studio.optimizer_core.types.changes import Settled
from mipro_studio.optimizer_core.types.events import Event
from mipro_studio.optimizer_core.types.outcome import Outcome
from mipro_studio.optimizer_core.types.prompt_calls import PromptCall
from mipro_studio.optimizer_core.types.spending import Spent
from mipro_studio.optimizer_core.types.trials import Trial
from mipro_studio.optimizer_core.types.tuning import Tuning

__all__ = ["Record"]

Record = Example | Arm | Cell | Trial | PromptCall | Spent | Event | Settled | Outcome | Tuning
"""What a run writes. Storage keeps each kind in its own table, keyed so that writing twice changes nothing."""
