"""Keys by their looks, whoever wrote them and wherever: what providers' keys begin with, and what is named a key."""

import re
from functools import cache

__all__ = ["HIDDEN", "begins_like_one", "without_named", "without_shaped", "wordy_end"]

HIDDEN = "[key hidden]"

# Those of the large providers, and what a header carries.
_BEGINNINGS = (
    "sk-", "sk_live_", "gsk_", "xai-", "hf_", "r8_", "pplx-", "ghp_", "gho_", "github_pat_", "glpat-", "AIza", "AKIA",
    "xoxa-", "xoxb-", "xoxp-",
)  # fmt: skip
_SHAPES = re.compile(
    rf"(?<![A-Za-z0-9])(?:{'|'.join(_BEGINNINGS)})(?=[A-Za-z_-]{{0,64}}[0-9])[A-Za-z0-9_-]{{16,}}|"
    r"(?<=Bearer )(?=[A-Za-z._~+/=-]{0,64}[0-9])[A-Za-z0-9._~+/=-]{16,}"
)
_SHAPES_BEGIN = (*_BEGINNINGS, "Bearer ")

# `api_key='...'`, `"x-api-key": "..."`, `?access_token=...`: in what an error or a log says, and not in data, where
# it may be what is asked about. In an address shorter names mean a key as well.
_TWO_WORDS = (
    "api key", "access key", "secret key", "secret access key", "private key", "access token", "auth token",
    "session token", "refresh token", "private token", "client secret", "api secret",
)  # fmt: skip
_NAMES = (
    *(words.replace(" ", between) for words in _TWO_WORDS for between in ("_", "-", "")),
    *("password", "passwd", "passphrase", "authorization"),
)
_IN_ADDRESSES = ("key", "token", "secret", "sig", "signature", "auth")
_BEFORE = r"[\"']?\s{0,2}[:=]\s{0,2}[\"']?(?:(?:Bearer|Basic|Token)\s)?"
_VALUE = r"[A-Za-z0-9._~+/=%-]"
_NAMED = (
    rf"((?<![a-z0-9])(?:x-)?(?:{'|'.join(_NAMES)}){_BEFORE}|[?&](?:{'|'.join(_IN_ADDRESSES)})=)"
    rf"(?=[a-z._~+/=%-]{{0,64}}[0-9]){_VALUE}{{12,}}"
)


def _cuts(words: tuple[str, ...]) -> str:
    return "|".join(sorted({re.escape(word[:n]) for word in words for n in range(1, len(word) + 1)}, key=len)[::-1])


@cache
def _open() -> tuple[re.Pattern[str], ...]:
    """One that is cut by the end of a piece: from its beginning on, as far as that can be told."""
    return (
        re.compile(
            rf"(?<![A-Za-z0-9])(?:(?:{'|'.join(_BEGINNINGS)})[A-Za-z0-9_-]*|Bearer [A-Za-z0-9._~+/=-]*|"
            rf"{_cuts((*_BEGINNINGS, 'Bearer'))})\Z"
        ),
        re.compile(
            rf"(?<![a-z0-9])(?:x-)?(?:(?:{'|'.join(_NAMES)})(?:[\"']?\s{{0,2}}|{_BEFORE}(?:{_VALUE}*|[a-z]{{0,6}}))|"
            rf"{_cuts(_NAMES)}|x-?)\Z",
            re.IGNORECASE,
        ),
        re.compile(rf"[?&](?:(?:{'|'.join(_IN_ADDRESSES)})={_VALUE}*|{_cuts(_IN_ADDRESSES)})?\Z", re.IGNORECASE),
    )


def without_shaped(text: str) -> str:
    """`text` without what has the shape of a provider's key."""
    return _SHAPES.sub(HIDDEN, text)


def without_named(text: str) -> str:
    """`text` without what stands behind a name that means a key."""
    return re.sub(_NAMED, rf"\1{HIDDEN}", text, flags=re.IGNORECASE)


def begins_like_one(text: str) -> bool:
    """Whether `without_shaped` may change `text`; False only where it does not."""
    return any(shape in text for shape in _SHAPES_BEGIN)


def wordy_end(text: str) -> int:
    """How many characters at the end of `text` may be the beginning of a key by its looks, its name included."""
    last = "\n".join(text.rsplit("\n", 2)[-2:])  # no key goes over a line's end, and most lines are short
    return max(len(found[0]) if (found := shape.search(last)) else 0 for shape in _open())
