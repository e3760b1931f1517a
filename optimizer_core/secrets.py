"""Keys stay out of the store, the logs and the messages: whatever holds one is written with it blacked out."""

import dataclasses
import json
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

__all__ = ["HIDDEN", "Scrubber"]

HIDDEN = "[key hidden]"
SHORTEST = 8
_NAMES = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD)$", re.IGNORECASE)

T = TypeVar("T")


class Scrubber:
    """Replaces known secrets in text and in records.

    Args:
        names: Environment variables that are known to hold a key; those whose name says so are added.
        environment: Where to look them up.
    """

    def __init__(self, names: Iterable[str] = (), environment: Mapping[str, str] | None = None) -> None:
        known = os.environ if environment is None else environment
        found = {*names, *(name for name in known if _NAMES.search(name))}
        values = {known[name] for name in found if len(known.get(name, "")) >= SHORTEST}
        values |= {json.dumps(value)[1:-1] for value in values}  # as it stands in JSON that is printed
        # Longest first, so that a key which contains another is hidden whole.
        self._secrets = sorted(values, key=len, reverse=True)

    def text(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return self._tail(text)

    def _tail(self, text: str) -> str:
        """Messages are cut to a length, and the cut may go through a key: its beginning is hidden as well."""
        for secret in self._secrets:
            if secret[:SHORTEST] not in text[1 - len(secret) :]:
                continue
            for length in range(len(secret) - 1, SHORTEST - 1, -1):
                if text.endswith(secret[:length]):
                    return text[:-length] + HIDDEN
        return text

    def record(self, record: T) -> T:
        """The same record, or a copy in which every string is scrubbed when one of them holds a secret."""
        if not self._secrets:
            return record
        clean: T = self._value(record)
        return record if clean == record else clean

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            # Enum members are strings too, and must stay what they are.
            return self.text(value) if type(value) is str else value
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = {field.name: self._value(getattr(value, field.name)) for field in dataclasses.fields(value)}
            return dataclasses.replace(value, **fields)
        if isinstance(value, Mapping):
            return {self._value(key): self._value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self._value(item) for item in value)
        return value
