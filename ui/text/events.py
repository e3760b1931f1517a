"""Events of a run as sentences. Pure; the text may be anyone's and is shown as plain text."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mipro_studio.optimizer_core.types import Event, EventKind
from mipro_studio.storage import StoredEvent
from mipro_studio.ui.text.format import count, one_line, plural, score
from mipro_studio.ui.text.status import phase_words

__all__ = ["event_words", "told"]

_LONGEST = 400


def event_words(event: Event, name: Callable[[str], str] = str) -> str:
    """What happened, in one line; "" for what is no news to a person.

    Args:
        name: Of a candidate, by its id.
    """
    if event.kind in _NO_NEWS:
        return ""
    if event.kind == EventKind.PREFIXES:
        return one_line(_prefixes(event.data, name), _LONGEST)
    tell = _TELL.get(event.kind)
    words = tell(event.data) if tell is not None else ""
    return one_line(words or _plain(event.data), _LONGEST)


def told(events: Sequence[StoredEvent], name: Callable[[str], str] = str) -> list[tuple[str, str]]:
    """(time, what happened), the latest first; what is no news is left out, and so is what was just said."""
    said = [(at, words) for _, at, event in events if (words := event_words(event, name))]
    fresh = [one for one, before in zip(said, [("", ""), *said], strict=False) if one[1] != before[1]]
    return fresh[::-1]


_NO_NEWS = (EventKind.PROGRESS,)
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


def _prefixes(data: Mapping[str, Any], name: Callable[[str], str]) -> str:
    reached = [one for one in data.get("prefixes") or () if isinstance(one, Mapping)]
    return ", ".join(f"{one.get('strategy')}: {name(str(one.get('candidate')))}" for one in reached)


def _losses(data: Mapping[str, Any]) -> str:
    losses = data.get("losses") or ()
    last = f", loss {losses[-1]:.3f}" if losses and isinstance(losses[-1], (int, float)) else ""
    done = int(data.get("from") or 0) + len(losses)
    return f"tuning {data.get('number')}: step {count(done)} of {count(data.get('steps'))}{last}"


def _phase(data: Mapping[str, Any]) -> str:
    parts = [phase_words(str(data.get("phase", "")), int(data.get("total") or 0)), str(data.get("note") or "")]
    return ": ".join(part for part in parts if part)


def _status(data: Mapping[str, Any]) -> str:
    moved = _MOVES.get(str(data.get("to", "")), str(data.get("to", "")))
    return f"{moved}: {data['reason']}" if data.get("reason") else moved


def _traces(data: Mapping[str, Any]) -> str:
    tried, passed = plural(int(data.get("rows") or 0), "training row"), count(data.get("passed"))
    return f"{tried} tried, {passed} scored at least {score(data.get('threshold'))} and may become demos"


def _change(data: Mapping[str, Any]) -> str:
    if data.get("refused"):
        return f"{data.get('what')} for {data.get('predictor')} refused: {data['refused']}"
    arms = data.get("arms") or ()
    words = " and ".join(str(index) for index in arms)
    numbers = f" (number{'s' if len(arms) > 1 else ''} {words})" if arms else ""
    return f"{data.get('what')} for {data.get('predictor')}: taken up{numbers}"


_DEEDS: Mapping[str, str] = {
    "created": "created this run",
    "resumed": "let it go on",
    "approve": "approved the proposals",
    "stop": "asked it to stop",
    "pause": "asked it to pause",
    "note": "wrote a note",
    "note_removed": "took a note away",
}
_READ: Mapping[str, str] = {"note": "approved", "note_removed": "no longer approves"}


def _person(data: Mapping[str, Any]) -> str:
    did, about = str(data.get("did")), str(data.get("about") or "")
    if about.startswith("read/") and did in _READ:  # how the review queue keeps it
        return f"{data.get('name')} {_READ[did]} {about.removeprefix('read/').replace('/', ' ')}"
    return f"{data.get('name')} {_DEEDS.get(did, f'asked for {did}')}{f' ({about})' if about else ''}"


_TELL: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    EventKind.PHASE: _phase,
    EventKind.STATUS: _status,
    EventKind.TRACES: _traces,
    EventKind.CHANGE: _change,
    EventKind.WARNING: lambda data: str(data.get("text", "")),
    EventKind.NOTE: lambda data: str(data.get("text", "")),
    EventKind.ENDED: lambda data: str(data.get("reason") or "") or str(data.get("status", "")),
    EventKind.LOSSES: _losses,
    EventKind.PERSON: _person,
}


def _plain(data: Mapping[str, Any]) -> str:
    """Names and values, leaving out what is empty or nested."""
    return ", ".join(
        f"{name} {value}" for name, value in data.items() if isinstance(value, (str, int, float)) and value
    )
