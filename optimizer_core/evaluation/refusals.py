"""Which model refused, and where its key comes from: what a person needs to mend it."""

from collections.abc import Iterable

from mipro_studio.optimizer_core.config import JUDGE, OF_PROGRAM, ModelSpec, RunConfig
from mipro_studio.optimizer_core.roles import ROLE_TITLES
from mipro_studio.optimizer_core.types import TEACHER, Cell, ErrorClass, Role

__all__ = ["called", "key_source", "who_refused"]

REFUSING = (ErrorClass.AUTH, ErrorClass.MODEL)


def called(spec: ModelSpec) -> str:
    return "of the program" if spec.model == OF_PROGRAM else repr(spec.model)


def key_source(spec: ModelSpec) -> str:
    """Where the key of a model is read from; empty for a model that the program makes itself."""
    if spec.model == OF_PROGRAM:
        return ""
    if spec.api_key_env:
        return f"It is read from the environment variable {spec.api_key_env!r}."
    return "No environment variable is named that holds one (--api-key-env; in the form, beside the model)."


def who_refused(cells: Iterable[Cell], config: RunConfig) -> str:
    """A sentence about the model that refused last in `cells`; empty where none did."""
    refused = [cell for cell in cells if cell.error in REFUSING]
    if not refused:
        return ""
    cell = refused[-1]
    by_metric = cell.error_message.startswith("The metric")
    if by_metric and config.metric != JUDGE:
        return "A model that the metric asks refused."
    role = Role.JUDGE if by_metric else Role.TEACHER if cell.key.candidate == TEACHER else Role.TASK
    spec = config.model_for(role)
    key = f" The key: {key_source(spec)}" if cell.error is ErrorClass.AUTH and key_source(spec) else ""
    return f"It is the {ROLE_TITLES[role].lower()}, {called(spec)}.{key}"
