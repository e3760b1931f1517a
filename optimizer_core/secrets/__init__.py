"""What may not go out: keys and passwords in what is written and shown.

One place for all of it. Whatever holds a secret is written with it blacked out: records, messages, reports, replays,
and by `ScrubbedBytes` all that a worker, its libraries and its children write to its log.
"""

import base64
import codecs
import dataclasses
import functools
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.roles import key_variables
from mipro_studio.optimizer_core.secrets.shapes import (
    HIDDEN,
    begins_like_one,
    without_named,
    without_shaped,
    wordy_end,
)
from mipro_studio.optimizer_core.types import Event

__all__ = [
    "HIDDEN",
    "ScrubbedBytes",
    "Scrubber",
    "keys_among",
    "learn",
    "learn_variable",
    "names_secret",
    "refuse_secrets",
    "tell_learned",
    "without_userinfo",
]

SHORTEST_GUESS = 8
"""A shorter value is not blacked out for its variable's name alone: it may be any word."""
SHORTEST = 6
"""Nor one that a run's settings name as a key: blacking out `none` or `dummy` would spoil every text."""
LONGEST_HELD = 4096

_NAMES = re.compile(
    r"(KEY|TOKEN|SECRET|PASSWORD)$|(^|_)(APIKEY|KEYS?|TOKENS?|SECRETS?|PASSWORDS?|PASSWD|PASSPHRASE|PAT|CREDENTIALS?)(_|\d|$)",
    re.IGNORECASE,
)
_HEADERS = frozenset(("authorization", "x_api_key", "x-api-key", "api-key", "ocp-apim-subscription-key"))
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# User and password before a host: all that stands between the scheme and the last `@` of the authority.
_USERINFO = re.compile(r"(?<=://)[^\s/?#\"'<>\\]+(?=@)")
_OPEN_USERINFO = re.compile(r"(:|:/|://[^\s/?#\"'<>\\]*)\Z")

T = TypeVar("T")

_learned: dict[str, None] = {}
_listeners: list[Callable[[str], None]] = []


def learn(*values: str) -> None:
    """Keys that stand in a person's code: every `Scrubber` of this process hides them from now on."""
    for value in values:
        if len(value) >= SHORTEST_GUESS and value not in _learned:
            _learned[value] = None
            for listener in _listeners:
                listener(value)


def learn_variable(name: str, value: str) -> None:
    """A variable that the program's own code sets: what it reads from a file of keys, say."""
    learn(*_guessed({name: value}))


def names_secret(name: str, value: str) -> bool:
    """Whether a variable holds a key, by its name or by an address in it."""
    return any(_guessed({name: value}))


def tell_learned(listener: Callable[[str], None]) -> None:
    """Call `listener` with every key that was and will be learned."""
    _listeners.append(listener)
    for value in [*_learned]:
        listener(value)


def keys_among(given: Mapping[str, Any]) -> list[str]:
    """Values of a model's settings that are keys by their names, in headers too."""
    found = []
    for name, value in given.items():
        if isinstance(value, Mapping):
            found += keys_among(value)
        elif isinstance(value, str) and (_NAMES.search(name.replace("-", "_")) or name.lower() in _HEADERS):
            found += [value, value.removeprefix("Bearer ")]
    return found


class Scrubber:
    """Replaces known secrets in text and in records, and user and password in every address.

    Known are also keys that were learned (`learn`) and what has the shape of a provider's key.

    Args:
        names: Environment variables that are known to hold a key; those whose name says so are added, and the
            passwords in addresses that the environment holds.
        environment: Where to look them up.
    """

    def __init__(self, names: Iterable[str] = (), environment: Mapping[str, str] | None = None) -> None:
        known = os.environ if environment is None else environment
        self._secrets: list[str] = []
        self._n_learned = 0
        self.hide(*(known[name] for name in names if name in known))
        self.hide(*_guessed(known))

    def hide(self, *values: str) -> None:
        """Black these out as well, in all the ways they may be written."""
        told = {form for value in values for form in _forms(value)}
        # Longest first, so that a key which contains another is hidden whole.
        self._secrets = sorted({*self._secrets, *told}, key=len, reverse=True)

    def text(self, text: str) -> str:
        """What is said to a person (an error, a log), in which whatever is named a key is none of the data."""
        return self._known(without_named(text))

    def _known(self, text: str) -> str:
        self._hear()
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return self._tail(without_shaped(without_userinfo(text)))

    def _hear(self) -> None:
        if len(_learned) != self._n_learned:
            self._n_learned = len(_learned)
            self.hide(*_learned)

    def _tail(self, text: str) -> str:
        """Messages are cut to a length, and the cut may go through a key: its beginning is hidden as well."""
        for secret in self._secrets:
            if secret[:SHORTEST_GUESS] not in text[1 - len(secret) :]:
                continue
            for length in range(len(secret) - 1, SHORTEST_GUESS - 1, -1):
                if text.endswith(secret[:length]):
                    return text[:-length] + HIDDEN
        return text

    def held(self, text: str) -> int:
        """How many characters at the end of `text` may be the beginning of a secret that goes on."""
        self._hear()
        longest = max(
            (
                length
                for secret in self._secrets
                for length in range(1, min(len(secret), len(text) + 1))
                if text.endswith(secret[:length])
            ),
            default=0,
        )
        address = _OPEN_USERINFO.search(text[-LONGEST_HELD:])
        return max(longest, len(address[0]) if address else 0, wordy_end(text[-LONGEST_HELD:]))

    def record(self, record: T) -> T:
        """The same record, or a copy in which every string is scrubbed when one of them holds a secret."""
        texts: list[str] = []
        _collect(record, texts)
        whole = "\n".join(texts)
        if not self._may_hold(whole) and not (_says(record) and without_named(whole) != whole):
            return record
        clean: T = self._value(record)
        return record if clean == record else clean

    def _may_hold(self, text: str) -> bool:
        """Whether any of the texts joined in `text` may have to be changed; False only where none has. Nearly every
        record has none, and each is looked at while calls wait to be made."""
        self._hear()
        begun = any(secret[:SHORTEST_GUESS] in text for secret in self._secrets)
        return begun or ("://" in text and "@" in text) or begins_like_one(text)

    def _value(self, value: Any, said: bool = False) -> Any:
        """`said`: it is none of the data, but said about it."""
        if isinstance(value, str):
            # Enum members are strings too, and must stay what they are.
            return (self.text(value) if said else self._known(value)) if type(value) is str else value
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            of_event = said or isinstance(value, Event)
            fields = {
                name: self._value(getattr(value, name), of_event or name in _SAID)
                for name in _field_names(type(value))
            }
            return dataclasses.replace(value, **fields)
        if isinstance(value, Mapping):
            return {self._value(key, said): self._value(item, said) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self._value(item, said) for item in value)
        return value


_SAID = frozenset(("error_message", "frames"))
"""Fields of a cell that are said about it."""


def _says(record: Any) -> bool:
    return isinstance(record, Event) or any(getattr(record, name, None) for name in _SAID)


def _collect(value: Any, texts: list[str]) -> None:
    """Append every string that `Scrubber.record` would scrub."""
    if type(value) is str:
        texts.append(value)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            _collect(key, texts)
            _collect(item, texts)
    elif isinstance(value, list | tuple):
        for item in value:
            _collect(item, texts)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for name in _field_names(type(value)):
            _collect(getattr(value, name), texts)


@functools.cache
def _field_names(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


def without_userinfo(text: str) -> str:
    """`text` with user and password blacked out in every address, as in `https://user:password@host/`."""
    return _USERINFO.sub(HIDDEN, text) if "://" in text and "@" in text else text


def _guessed(known: Mapping[str, str]) -> Iterator[str]:
    """Values that no settings name: of variables called like keys, and the passwords in addresses."""
    for name, value in known.items():
        if _NAMES.search(name) and len(value) >= SHORTEST_GUESS:
            yield value
        for userinfo in _USERINFO.findall(value):
            yield userinfo
            yield unquote(userinfo.partition(":")[2])
            yield base64.b64encode(unquote(userinfo).encode()).decode()  # as it goes into a header


def _forms(value: str) -> Iterator[str]:
    """A secret as it stands, and as JSON, Python and addresses write it."""
    for form in (value, value.strip()):
        if len(form) >= SHORTEST:
            yield from (form, json.dumps(form)[1:-1], repr(form)[1:-1], quote(form, safe=""))


class ScrubbedBytes:
    """A stream of bytes without secrets, also where one of them is cut by the end of a piece.

    Nothing is held back but what may be the beginning of a secret.
    """

    def __init__(self, scrubber: Scrubber) -> None:
        self._scrubber = scrubber
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._held = ""

    def feed(self, piece: bytes) -> bytes:
        """What may be written once `piece` has come."""
        text = self._held + self._decoder.decode(piece)
        safe = len(text) - min(self._scrubber.held(text), LONGEST_HELD)
        self._held = text[safe:]
        return self._clean(text[:safe])

    def end(self) -> bytes:
        """What was held back, when nothing comes any more."""
        text, self._held = self._held + self._decoder.decode(b"", True), ""
        return self._clean(text)

    def _clean(self, text: str) -> bytes:
        return self._scrubber.text(text).encode("utf-8", "surrogateescape")


def refuse_secrets(config: Mapping[str, Any]) -> None:
    """Refuse a request that names a secret where the name of its variable belongs: it would be stored.

    Raises:
        BadInput: which does not repeat the secret.
    """
    for name in key_variables(config):
        if not _VARIABLE.fullmatch(name):
            raise BadInput(
                "What is given for a model's key is not the name of an environment variable.",
                "Put the key into the environment and name the variable; a key itself would be stored.",
            )
    for address in _addresses(config):
        if _holds_secret(address):
            raise BadInput(
                "A model's base URL holds a user name, password or key, which would be stored.",
                "Take it out of the address, put the key into the environment and name its variable.",
            )


def _addresses(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            if name == "api_base" and isinstance(item, str):
                yield item
            else:
                yield from _addresses(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _addresses(item)


def _holds_secret(address: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:
        return "@" in address
    asked = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    return "@" in parts.netloc or any(_NAMES.search(name.replace("-", "_")) for name in asked)
