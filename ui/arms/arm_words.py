"""Arms in words: who wrote an instruction, what a demo set is called, what stands in the way. Pure functions."""

from collections.abc import Iterable, Mapping
from typing import Any

from mipro_studio.optimizer_core.parameters.demos import made_how
from mipro_studio.optimizer_core.parameters.registry import title
from mipro_studio.optimizer_core.types import INSTRUCTION, SEED_ARM, Arm, Author, Candidate, ChangeKind, Outcome
from mipro_studio.storage import AskedChange
from mipro_studio.ui.text.format import clean, one_line, plural

__all__ = ["author_words", "change_words", "lineage", "set_names", "standing", "waiting_for", "winning_arm"]

_AUTHORS = {Author.SEED: "the program", Author.MODEL: "prompt model", Author.PERSON: "a person"}
_SETS = {
    "seed": "As it came",
    "zero_shot": "Zero-shot",
    "labels_only": "Labels only",
    "unshuffled": "Unshuffled",
    "shuffled": "Shuffled",
    "composed": "Composed",
    "person": "By a person",
}


_WAITS = {ChangeKind.REJECT: "rejection", ChangeKind.RESTORE: "return", ChangeKind.EDIT: "edit"}


def author_words(arm: Arm) -> str:
    edited = arm.provenance.get("edited_from")
    return f"a person, from {edited}" if edited is not None else _AUTHORS[arm.author]


def lineage(arm: Arm) -> str:
    """Where an arm comes from, in one line of our own words."""
    if arm.author is Author.SEED:
        return "As it came with the program."
    facts = arm.provenance
    if arm.author is Author.PERSON:
        base = facts.get("edited_from")
        return "Written by a person." if base is None else f"Edited by a person, from {title(arm.kind)} {base}."
    said = ["Written by the prompt model"]
    if isinstance(facts.get("parent"), int):
        said.append(f"from {title(arm.kind)} {facts['parent']}")
    tip = facts.get("tip")
    if isinstance(tip, str) and tip not in ("", "none"):
        said.append(f"with the tip “{one_line(tip, 30).replace('_', ' ')}”")
    n_demos = len(facts.get("demos_shown") or ())
    if n_demos:
        said.append(f"having seen {plural(n_demos, 'demo')}")
    return f"{', '.join(said)}."


def set_names(sets: Iterable[Arm]) -> dict[int, str]:
    """Demo sets as DSPy builds them, by index; kinds of which there are many are numbered."""
    names: dict[int, str] = {}
    counts: dict[str, int] = {}
    for demo_set in sorted(sets, key=lambda one: one.index):
        kind = made_how(demo_set)
        counts[kind] = counts.get(kind, 0) + 1
        name = _SETS.get(kind, one_line(kind, 30).replace("_", " ").capitalize())
        numbered = kind in ("shuffled", "person") or counts[kind] > 1
        names[demo_set.index] = f"{name} #{counts[kind]}" if numbered else name
    return names


def winning_arm(outcome: Outcome | None, place: int, kind: str) -> int | None:
    """The arm of `kind` of the predictor at `place` that the winner has."""
    return Candidate.parse(outcome.winner).arm(place, kind) if outcome and outcome.winner else None


def standing(arm: Arm, asked: Iterable[AskedChange] = (), *, won: bool = False, tried: int | None = None) -> str:
    """Whether the search uses it, and why not.

    Args:
        won: The winner has it.
        tried: Candidates with it that have a score; None where nobody counted.
    """
    waits = waiting_for(arm, asked)
    if waits:
        return f"{waits} waits"
    if won:
        return "★ in the winner"
    if arm.index == SEED_ARM:
        return "baseline"
    if arm.active:
        return "searched" if tried is None or tried else "not tried yet"
    return one_line(arm.reason, 60) or "not searched"


def waiting_for(arm: Arm, asked: Iterable[AskedChange]) -> str:
    """`rejection`, `return` or `edit` when one waits for this arm, else nothing; an edit that keeps it does not."""
    for one in asked:
        payload = one.change.payload
        about = (payload.get("kind", INSTRUCTION), payload.get("predictor"), payload.get("index"))
        waits = _WAITS.get(one.change.kind, "")
        keeps = one.change.kind is ChangeKind.EDIT and payload.get("keep", False)
        if waits and not keeps and one.settled is None and about == (arm.kind, arm.owner, arm.index):
            return waits
    return ""


def change_words(asked: AskedChange) -> tuple[str, str]:
    """What was asked, and its text if it has one."""
    payload: Mapping[str, Any] = asked.change.payload
    kind = title(str(payload.get("kind") or INSTRUCTION))
    index = payload.get("index")
    match asked.change.kind:
        case ChangeKind.WRITE:
            said = f"New {kind}"
        case ChangeKind.EDIT:
            said = f"Edit of {kind} {index}"
        case ChangeKind.REJECT:
            said = f"Reject {kind} {index}"
        case ChangeKind.RESTORE:
            said = f"Take {kind} {index} back"
        case ChangeKind.ASK:
            said = f"Ask for {plural(int(payload.get('count') or 1), 'instruction')}"
        case ChangeKind.DEMOS:
            n = len(payload.get("keep") or ()) + len(payload.get("pin") or ())
            said = f"New demo set from set {index}, {plural(n, 'demo')}"
        case ChangeKind.ROWS:
            n = len(payload.get("drop") or ()) + len(payload.get("answers") or ())
            said = f"Change of {plural(n, 'row')} of weights {payload.get('tuning')}"
    text = payload.get("text") or payload.get("hint") or payload.get("reason") or ""
    return f"{said} · {one_line(payload.get('predictor', ''), 40)}", clean(text)
