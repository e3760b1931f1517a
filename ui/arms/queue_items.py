"""What waits to be read at a review: every instruction with what a person decided about it. No Streamlit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mipro_studio.optimizer_core.types import Arm, Author, ChangeKind
from mipro_studio.storage import AskedChange, Note

__all__ = ["APPROVED", "DECISIONS", "Filter", "Item", "items_of", "next_unread", "read_about", "shown"]

APPROVED = "approved"
DECISIONS: Mapping[str, str] = {
    "unread": "not read yet", APPROVED: "approved", "rejected": "rejected", "edited": "edited",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Item:
    """An instruction to decide about; `decision` is a key of `DECISIONS`, `waits` the change that carries it out."""

    arm: Arm
    decision: str
    waits: int | None = None

    @property
    def key(self) -> tuple[str, int]:
        return self.arm.owner, self.arm.index


@dataclass(frozen=True, slots=True)
class Filter:
    """Which items are shown; empty parts let all pass."""

    predictor: str = ""
    author: str = ""
    tip: str = ""
    flagged: bool = False
    unread: bool = False


def read_about(person: str, predictor: str, index: int) -> str:
    """The name under which it is kept that `person` read and approved an instruction."""
    return f"read/{person}/{predictor}/{index}"


def items_of(arms: Sequence[Arm], asked: Sequence[AskedChange], notes: Mapping[str, Note], person: str) -> list[Item]:
    """What `person` is to decide about: all but what came with the program and what is left out as no arm.

    What is edited or rejected is so for everybody; what was approved is each one's own.
    """
    rejected, edited = _asked(asked, ChangeKind.REJECT), _asked(asked, ChangeKind.EDIT)
    taken_back = _asked(asked, ChangeKind.RESTORE)
    found = []
    for arm in arms:
        key = (arm.owner, arm.index)
        note = notes.get(read_about(person, *key))
        if key in rejected and (key not in taken_back or taken_back[key] < rejected[key]):
            found.append(Item(arm, "rejected", rejected[key]))
        elif key in edited:
            found.append(Item(arm, "edited", edited[key]))
        elif not arm.active:
            if (
                "taken_out" in arm.provenance
            ):  # what the studio left out by itself, an equal text say, is not to be read
                found.append(Item(arm, "rejected"))
        elif (note is not None and note.body == APPROVED) or arm.author is Author.PERSON:
            found.append(Item(arm, APPROVED))
        else:
            found.append(Item(arm, "unread"))
    return [item for item in found if item.arm.author is not Author.SEED]


def _asked(asked: Sequence[AskedChange], kind: ChangeKind) -> dict[tuple[str, int], int]:
    """(predictor, index) -> number of the latest change of that kind about an instruction, refused ones left out."""
    found = {}
    for one in asked:
        payload = one.change.payload
        about = payload.get("kind", "instruction") == "instruction" and isinstance(payload.get("index"), int)
        if one.change.kind is kind and about and not (one.settled is not None and one.settled.refused):
            found[str(payload["predictor"]), int(payload["index"])] = one.change.id
    return found


def shown(items: Sequence[Item], wanted: Filter, flagged: Mapping[tuple[str, int], object]) -> list[Item]:
    """The items that a filter lets pass."""
    return [
        item
        for item in items
        if (not wanted.predictor or item.arm.owner == wanted.predictor)
        and (not wanted.author or item.arm.author.value == wanted.author)
        and (not wanted.tip or str(item.arm.provenance.get("tip") or "none") == wanted.tip)
        and (not wanted.flagged or flagged.get(item.key))
        and (not wanted.unread or item.decision == "unread")
    ]


def next_unread(items: Sequence[Item], after: tuple[str, int] | None) -> tuple[str, int] | None:
    """The first unread item behind `after`, else the first of all; None when everything is read."""
    keys = [item.key for item in items]
    start = keys.index(after) + 1 if after in keys else 0
    ordered = [*items[start:], *items[:start]]
    return next((item.key for item in ordered if item.decision == "unread"), None)
