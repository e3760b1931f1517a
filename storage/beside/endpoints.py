"""Model endpoints that a person has saved, in a small JSON file beside the store. Keys are never in it."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.files import write_private

__all__ = ["Endpoint", "endpoints", "endpoints_path", "forget_endpoint", "save_endpoint"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """All that `config.ModelSpec` says of a model, under a name; None stands for the default there.

    `api_key_env` is the NAME of the environment variable that holds the key; empty when none is needed.
    """

    name: str
    model: str
    api_base: str = ""
    api_key_env: str = ""
    timeout_s: float | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    input_usd_per_mtok: float | None = None
    output_usd_per_mtok: float | None = None

    def __post_init__(self) -> None:
        """
        Raises:
            TypeError: a value that is no text or number where one belongs.
        """
        texts = (self.name, self.model, self.api_base, self.api_key_env)
        numbers = (
            self.timeout_s, self.temperature, self.max_tokens, self.input_usd_per_mtok, self.output_usd_per_mtok,
        )  # fmt: skip
        wrong: list[object] = [text for text in texts if not isinstance(text, str)]
        wrong += [one for one in numbers if one is not None and not isinstance(one, int | float)]
        if wrong:
            raise TypeError(f"{wrong[0]!r} is not what an endpoint has there")

    @property
    def spec(self) -> dict[str, Any]:
        """What it says of the model, by `ModelSpec`'s names."""
        values = asdict(self)
        return {name: value for name, value in values.items() if name != "name" and value not in (None, "")}


def endpoints_path(store: Path) -> Path:
    return store.absolute().parent / "endpoints.json"


def endpoints(store: Path) -> list[Endpoint]:
    """The saved endpoints, by name.

    Raises:
        StudioError: the file is there and is not what it should be.
    """
    path = endpoints_path(store)
    if not path.exists():
        return []
    try:
        found = [Endpoint(**row) for row in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError) as error:
        raise StudioError(
            f"The saved endpoints in {path.name!r} cannot be read: {error}.", "Mend or remove it."
        ) from error
    return sorted(found, key=lambda endpoint: endpoint.name.lower())


def save_endpoint(store: Path, endpoint: Endpoint) -> None:
    """Add the endpoint, or replace the one of its name."""
    others = [other for other in endpoints(store) if other.name != endpoint.name]
    _write(store, [*others, endpoint])


def forget_endpoint(store: Path, name: str) -> None:
    _write(store, [endpoint for endpoint in endpoints(store) if endpoint.name != name])


def _write(store: Path, kept: Sequence[Endpoint]) -> None:
    path = endpoints_path(store)
    try:
        write_private(path, json.dumps([asdict(endpoint) for endpoint in kept], indent=1).encode())
    except OSError as error:
        raise StudioError(f"The endpoints could not be saved: {error}.") from error
