"""The roles that models play in a run, and what a stored config says of their models and keys.

Plain values, for pages and commands too: a config is taken as it is stored, whichever studio wrote it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from mipro_studio.optimizer_core.types import Role

__all__ = ["EMBEDDED", "JUDGE", "MODEL_PLACES", "OF_PROGRAM", "ROLE_TITLES", "key_variables", "model_of"]

EMBEDDED = "embedded"
"""The model string of the small model that the studio brings along."""

OF_PROGRAM = "program"
"""The model string of whatever model the program configures by itself."""

JUDGE = "judge"
"""The metric that asks a model, which has a role of its own."""

ROLE_TITLES: Mapping[Role, str] = {role: role.label for role in Role}
"""What people call a role, in the order they are listed."""

MODEL_PLACES: Mapping[Role, tuple[str, ...]] = {role: role.place for role in Role if role.place}
"""Where a role's own model stands in a config; the sealed test is scored with the task model's."""

_KEY = "api_key_env"


def model_of(config: Mapping[str, Any], role: Role) -> Mapping[str, Any] | None:
    """The settings of the role's own model; None where it shares another's."""
    found: Any = config
    for name in MODEL_PLACES[role]:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else None


def key_variables(config: Mapping[str, Any]) -> set[str]:
    """Names of the environment variables that hold the run's keys, wherever in the config they are named.

    Not only at the roles: a model of one predictor, or of whatever comes, has a key too.
    """
    return set(_named(config))


def _named(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            if name == _KEY and isinstance(item, str) and item:
                yield item
            else:
                yield from _named(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _named(item)
