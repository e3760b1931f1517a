"""Events of a run as sentences. Pure; the text may be anyone's and is shown as plain text."""

from collections.abc import Callable, Mapping
from typing import Any

from mipro_studio.optimizer_core.types import Event
from mipro_studio.ui.text.format import count, one_line, score
from mipro_studio.ui.text.status import phase_words

__all__ = ["event_words"]

_LONGEST = 400


def event_words(event: Event) -> str:
    """What happened, in one line."""
    tell = _TELL.get(event.kind)
    words = tell(event.data) if tell is not None else ""
    return one_line(words or _plain(event.data), _LONGEST)


def _phase(data: Mapping[str, Any]) -> str:
    parts = [phase_words(str(data.get("phase", "")), int(data.get("total") or 0)), str(data.get("note") or "")]
    return ": ".join(part for part in parts if part)


def _status(data: Mapping[str, Any]) -> str:
    moved = f"{data.get('from', '')} → {data.get('to', '')}".replace("_", " ")
    return f"{moved}: {data['reason']}" if data.get("reason") else moved


def _traces(data: Mapping[str, Any]) -> str:
    tried, passed = count(data.get("rows")), count(data.get("passed"))
    return (
        f"{tried} training rows tried, {passed} scored at least {score(data.get('threshold'))} and may become demos"
    )


def _change(data: Mapping[str, Any]) -> str:
    if data.get("refused"):
        return f"{data.get('what')} for {data.get('predictor')} refused: {data['refused']}"
    arms = ", ".join(str(index) for index in data.get("arms") or ())
    return f"{data.get('what')} for {data.get('predictor')}: arms {arms} hold from trial order {data.get('order')} on"


_TELL: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "phase": _phase,
    "status": _status,
    "traces": _traces,
    "change": _change,
    "warning": lambda data: str(data.get("text", "")),
    "note": lambda data: str(data.get("text", "")),
    "ended": lambda data: f"{data.get('status', '')}: {data.get('reason', '')}",
    "best": lambda data: f"{data.get('candidate')} at {score(data.get('mean'))}, n = {data.get('n')}",
}


def _plain(data: Mapping[str, Any]) -> str:
    """Names and values, leaving out what is empty or nested."""
    return ", ".join(
        f"{name} {value}" for name, value in data.items() if isinstance(value, (str, int, float)) and value
    )
