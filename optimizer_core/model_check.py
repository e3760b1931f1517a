"""One short call to an endpoint: the only way to know that its model's name and its key are right."""
from dspy.utils.exceptions import LMError

from mipro_studio.optimizer_core.config import EMBEDDED, OF_PROGRAM, ModelSpec, RunConfig
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.models.listing import lists_model
from mipro_studio.optimizer_core.models.lms import classify
from mipro_studio.optimizer_core.program_run import Player
from mipro_studio.optimizer_core.types import ErrorClass

__all__ = ["ask_endpoints"]


def ask_endpoints(config: RunConfig, players: dict[str, Player]) -> list[str]:
    """One short call to every endpoint whose own list does not answer for it.

    A wrong key or name is bad input; an endpoint that is down is not, and gets a warning.
    """
    warnings = []
    for key, one in players.items():
        spec = ModelSpec.model_validate_json(key)
        if spec.model == EMBEDDED or (spec.model != OF_PROGRAM and lists_model(spec)):
            continue
        one.lm._retries = 0
        try:
            one.lm("Reply with OK.")
        except LMError as error:
            kind = classify(error)
            if kind is ErrorClass.AUTH:
                raise BadInput(f"The endpoint refuses the key for {one.lm.model!r}: {error}.") from error
            if kind is ErrorClass.MODEL:
                raise BadInput(f"The endpoint does not know the model {one.lm.model!r}: {error}.") from error
            warnings.append(
                f"The endpoint of {one.lm.model!r} did not answer just now: {error}. A run would pause until it does."
            )
        except (ValueError, TypeError, ImportError) as error:
            raise BadInput(f"The model {one.lm.model!r} cannot be used: {error}.") from error
    return warnings


