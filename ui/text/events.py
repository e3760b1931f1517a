"""Events of a run as sentences. Pure; the text may be anyone's and is shown as plain text."""

from collections.abc import Callable, Mapping
from typing import Any

from mipro_studio.optimizer_core.types import Event
from mipro_studio.ui.text.format import count, one_line, plural, score
from mipro_studio.ui.text.status import phase_words

__all__ = ["event_words"]

_LONGEST = 400


def event_words(event: Event, name: Callable[[str], str] = str) -> str:
    """What happened, in one line; "" for what is no news to a person.

    Args:
        name: Of a candidate, by its id.
    """
    if event.kind in _NO_NEWS:
        return ""
    if event.kind == "best":
        return one_line(_best(event.data, name), _LONGEST)
    tell = _TELL.get(event.kind)
    words = tell(event.data) if tell is not None else ""
    return one_line(words or _plain(event.data), _LONGEST)


_NO_NEWS = ("progress",)
_MOVES: Mapping[str, str] = {
    "queued": "Waits for a worker",
    "running": "At work",
    "awaiting_review": "Waits for you to read the instructions",
    "paused": "Paused",
    "stopped": "Stopped",
    "completed": "Finished",
    "failed": "Failed",
    "lost": "Lost its worker",
}


def _best(data: Mapping[str, Any], name: Callable[[str], str]) -> str:
    of = name(str(data.get("candidate")))
    return f"Best full evaluation so far: {of} with {score(data.get('mean'))} on {data.get('n')} examples"


def _phase(data: Mapping[str, Any]) -> str:
    parts = [phase_words(str(data.get("phase", "")), int(data.get("total") or 0)), str(data.get("note") or "")]
    return ": ".join(part for part in parts if part)


def _status(data: Mapping[str, Any]) -> str:
    moved = _MOVES.get(str(data.get("to", "")), str(data.get("to", "")))
    return f"{moved}: {data['reason']}" if data.get("reason") else moved


def _proposed(data: Mapping[str, Any]) -> str:
    written = plural(int(data.get("instructions") or 0), "instruction was", "instructions were")
    rejected = int(data.get("rejected") or 0)
    return f"{written} written" + (f", {rejected} of them set aside" if rejected else "")


def _traces(data: Mapping[str, Any]) -> str:
    tried, passed = count(data.get("rows")), count(data.get("passed"))
    return (
        f"{tried} training rows tried, {passed} scored at least {score(data.get('threshold'))} and may become demos"
    )


def _change(data: Mapping[str, Any]) -> str:
    if data.get("refused"):
        return f"{data.get('what')} for {data.get('predictor')} refused: {data['refused']}"
    arms = data.get("arms") or ()
    words = " and ".join(str(index) for index in arms)
    numbers = f" (number{'s' if len(arms) > 1 else ''} {words})" if arms else ""
    return f"{data.get('what')} for {data.get('predictor')}: taken up{numbers}"


_TELL: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "phase": _phase,
    "status": _status,
    "traces": _traces,
    "change": _change,
    "warning": lambda data: str(data.get("text", "")),
    "note": lambda data: str(data.get("text", "")),
    "ended": lambda data: str(data.get("reason") or "") or str(data.get("status", "")),
    "proposed": _proposed,
}


def _plain(data: Mapping[str, Any]) -> str:
    """Names and values, leaving out what is empty or nested."""
    return ", ".join(
        f"{name} {value}" for name, value in data.items() if isinstance(value, (str, int, float)) and value
    )
