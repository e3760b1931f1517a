"""Numbers, times and words as the studio shows them. Pure functions, no Streamlit."""

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from mipro_studio.optimizer_core.plurals import noun
from mipro_studio.optimizer_core.programs.shown_values import text_of
from mipro_studio.optimizer_core.types import Usage

__all__ = [
    "UNKNOWN",
    "ago",
    "alike",
    "between",
    "clean",
    "clip",
    "cost_of",
    "count",
    "delta",
    "delta_range",
    "dollars",
    "duration",
    "elapsed_s",
    "estimated",
    "humane",
    "interval",
    "laid_out",
    "of",
    "one_line",
    "parse_time",
    "plural",
    "roughly",
    "score",
    "share",
    "tokens_of",
    "usd",
    "words",
]

UNKNOWN = "\N{EN DASH}"


def score(value: float | None) -> str:
    """A score as the metric gave it, to what the eye can use: 0.83, -1.2, 340. Never a percentage."""
    if value is None or not math.isfinite(value):
        return UNKNOWN if value is None else str(value)
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if size >= 100:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 0.01 or value == 0 else f"{value:.2g}"


def alike(values: Sequence[float]) -> list[str]:
    """Numbers that stand under each other, to the same decimals: two figures of the largest, two places at least."""
    largest = max(map(abs, values), default=0.0)
    if not math.isfinite(largest) or largest >= 100 or largest == 0:
        return [score(value) for value in values]
    places = max(2, 1 - math.floor(math.log10(largest)))
    return [f"{value:.{places}f}" for value in values]


def delta(value: float | None) -> str:
    """A difference of scores with its sign."""
    if value is None:
        return UNKNOWN
    return ("+" if value > 0 else "\N{MINUS SIGN}" if value < 0 else "±") + score(abs(value))


def delta_range(low: float | None, high: float | None, joint: str = "to") -> str:
    """Two differences with their signs, to the same decimals: `-0.02 to +0.58`."""
    if low is None or high is None:
        return UNKNOWN
    signs = [delta(value)[0] for value in (low, high)]
    ends = [sign + number for sign, number in zip(signs, alike([abs(low), abs(high)]), strict=True)]
    return f"{ends[0]} {joint} {ends[1]}"


def count(value: float | None) -> str:
    """A whole number with thousands separated; from 100,000 on in thousands or millions."""
    if value is None:
        return UNKNOWN
    if value >= 10_000_000:
        return f"{value / 1e6:.1f} M"
    if value >= 100_000:
        return f"{value / 1e3:.0f} k"
    return f"{value:,.0f}"


def dollars(bounds: object) -> str:
    """`$0.40 to $0.90` of a plan."""
    if not isinstance(bounds, (list, tuple)):
        return "not known"
    low, high = bounds
    return usd(low) if low == high else f"{usd(low)} to {usd(high)}"


def plural(value: int, word: str, words: str = "") -> str:
    """`1 call`, `2 calls`; `words` for a plural that is not `word` + s."""
    return f"{count(value)} {noun(value, word, words)}"


def of(used: float | None, planned: float | None) -> str:
    """`12 of 30`, or `12` when nothing is planned."""
    return count(used) if planned is None else f"{count(used)} of {count(planned)}"


def between(bounds: object, unit: str = "") -> str:
    """A plan's [lowest, highest] in words; one number when they agree."""
    if bounds is None:
        return "not known"
    low, high = bounds if isinstance(bounds, (list, tuple)) else (bounds, bounds)
    words = count(low) if low == high else f"{count(low)} to {count(high)}"
    return f"{words} {unit}".rstrip()


def usd(value: float | None, *, missing: str = "not reported") -> str:
    """Dollars; None is not free."""
    if value is None:
        return missing
    if value == 0:
        return "$0"
    return f"${value:.4f}" if value < 0.01 else f"${value:,.2f}"


def tokens_of(usage: Usage) -> str:
    """All tokens of a usage; ≈ where the endpoint reported none and they were counted by a tokenizer here."""
    return estimated(usage, count(usage.input_tokens + usage.output_tokens))


def cost_of(usage: Usage) -> str:
    """Dollars of a usage, likewise."""
    return estimated(usage, usd(usage.cost_usd)) if usage.cost_usd else usd(usage.cost_usd)


def estimated(usage: Usage, words: str) -> str:
    return f"≈ {words}" if usage.estimated_tokens else words


def share(value: float | None) -> str:
    """A share of a whole (importance, not a score) as 0.43."""
    return UNKNOWN if value is None else f"{value:.2f}"


def interval(estimate: Mapping[str, Any] | None) -> str:
    """`0.74 to 0.90 (95 %), n = 40`; the parts that are there."""
    if not estimate:
        return ""
    parts = []
    low, high = estimate.get("low"), estimate.get("high")
    if low is not None and high is not None:
        level = estimate.get("level")
        parts.append(f"{score(low)} to {score(high)}" + (f" ({level * 100:.0f} %)" if level else ""))
    if estimate.get("n") is not None:
        parts.append(f"n = {count(estimate['n'])}")
    if estimate.get("n_error"):
        parts.append(plural(int(estimate["n_error"]), "error"))
    return ", ".join(parts)


def parse_time(text: str | None) -> datetime | None:
    """A stored UTC time; None for none or for something else."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def elapsed_s(start: str | None, end: str | None = None, now: datetime | None = None) -> float | None:
    """Seconds from `start` to `end`, or to now."""
    first, last = parse_time(start), parse_time(end) or now or datetime.now(UTC)
    return None if first is None else max(0.0, (last - first).total_seconds())


def duration(seconds: float | None) -> str:
    """`0.4 s`, `52 s`, `1 m 24 s`, `2 h 05 m`, `3 d 4 h`."""
    if seconds is None:
        return UNKNOWN
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02d} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} m"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def roughly(seconds: float) -> str:
    """Of what is to come: `45 s`, `12 min`, `2 h 05 m`."""
    if seconds < 50:
        return f"{max(5, round(seconds / 5) * 5)} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else duration(seconds)


_ISO = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def humane(text: str, now: datetime | None = None) -> str:
    """`text` with its stored times in a reader's terms: `since 3 min ago` for `since 2026-11-21T12:22:41+00:00`."""
    return _ISO.sub(lambda found: ago(found[0], now).replace("just now", "a moment ago"), text)


def ago(text: str | None, now: datetime | None = None) -> str:
    """`just now`, `3 min ago`, `2 h ago`, `yesterday`, `5 days ago`, then the date."""
    moment, now = parse_time(text), now or datetime.now(UTC)
    if moment is None:
        return UNKNOWN
    seconds = (now - moment).total_seconds()
    if seconds < 45:
        return "just now"
    if seconds < 3600:
        return f"{max(1, round(seconds / 60))} min ago"
    if seconds < 86_400:
        return f"{round(seconds / 3600)} h ago"
    days = int(seconds // 86_400)
    if days < 14:
        return "yesterday" if days == 1 else f"{days} days ago"
    return moment.strftime("%-d %b %Y")


_SYMBOLS = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"} | {0x7F: 0x2421}
_BIDI = dict.fromkeys((0x202A, 0x202B, 0x202C, 0x202D, 0x202E, 0x2066, 0x2067, 0x2068, 0x2069))


def words(value: object) -> str:
    """A stored value as text: records and lists as JSON, without the notes about types."""
    if type(value) is str:
        return value
    return text_of(value) if isinstance(value, Mapping | list | tuple) else str(value)


_ONE_LINE = 60


def laid_out(value: object) -> str:
    """As `words`, a record or list of more than a line with a value a line, so that it wraps nowhere else."""
    one = words(value)
    if len(one) <= _ONE_LINE or not isinstance(value, Mapping | list | tuple):
        return one
    return text_of(value, indent=2)


def clean(text: object) -> str:
    """`text` as something a browser can be sent: control characters visible, half emoji and bidi overrides gone.

    A lone surrogate cannot be encoded and would end the script; an override character would reverse what follows.
    """
    whole = words(text).replace("\r\n", "\n").translate(_SYMBOLS).translate(_BIDI)
    return whole.encode("utf-8", "replace").decode("utf-8")


def clip(text: object, limit: int = 20_000) -> str:
    """`text`, cut after `limit` characters with the number of those left out."""
    whole = words(text)
    left = len(whole) - limit
    return whole if left <= 0 else f"{whole[:limit]}\n… ({count(left)} more characters)"


def one_line(text: object, limit: int = 80) -> str:
    """`text` in one line of at most `limit` characters, cut with an ellipsis."""
    # A field of a megabyte is not looked through for the sake of one line.
    whole = " ".join(clean(words(text)[: 20 * limit]).split())
    if len(whole) <= limit:
        return whole
    cut = whole[: limit - 1]
    while cut and unicodedata.combining(cut[-1]):
        cut = cut[:-1]
    return cut.rstrip() + "…"
