"""A person's changes of the arms: which are allowed, and what arms come of them.

Pure functions of the arms as they stand, so the page that takes a request and the worker that carries it out say the
same. Imports no model library: pages and the command line look at requests too.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.parameters.demos import BY_A_PERSON, demos_arm
from mipro_studio.optimizer_core.parameters.instruction import LONGEST
from mipro_studio.optimizer_core.parameters.registry import KINDS, title
from mipro_studio.optimizer_core.types import (
    DEMOS,
    INSTRUCTION,
    SEED_ARM,
    Arm,
    Author,
    Cell,
    Change,
    ChangeKind,
    Demo,
    Json,
)

__all__ = [
    "CHANGE",
    "LONGEST",
    "MOST_ASKED",
    "TAKEN_OUT",
    "EditableArms",
    "asked_for",
    "changed_arms",
    "next_index",
]

MOST_ASKED = 10
"""Instructions in one request for more."""

CHANGE = "change"
"""Key in an arm's provenance: the change that made it. Each such arm gets one trial of its own."""

TAKEN_OUT = "taken_out"
"""Key in an arm's provenance: the change that took it out of the search, and that can be taken back."""

T = TypeVar("T")


@dataclass(frozen=True)
class EditableArms:
    """The arms as they stand, and what may be changed of them.

    Attributes:
        by_kind: kind -> owner -> index -> arm.
        takes: Kinds of arms the optimizer can take from a person.
        drops: It can do without an arm from now on.
    """

    by_kind: Mapping[str, Mapping[str, Mapping[int, Arm]]]
    optimizer: str
    frozen: Collection[str] = ()
    takes: Collection[str] = (INSTRUCTION, DEMOS)
    drops: bool = True

    @property
    def instructions(self) -> Mapping[str, Mapping[int, Arm]]:
        return self.by_kind.get(INSTRUCTION, {})

    @property
    def demo_sets(self) -> Mapping[str, Mapping[int, Arm]]:
        return self.by_kind.get(DEMOS, {})

    def arms(self, kind: str, owner: str) -> Mapping[int, Arm]:
        """By index; empty where the owner has no such parameter."""
        return self.by_kind.get(kind, {}).get(owner, {})


def next_index(arms: Mapping[int, object]) -> int:
    return max(arms, default=SEED_ARM) + 1


def changed_arms(change: Change, editable: EditableArms, trace_of: Callable[[str], Cell | None]) -> list[Arm]:
    """The arms that are new or different after `change`; none for a request for more, which takes a model.

    Args:
        trace_of: The teacher's run on a training row, by the row's id; None when it never ran.

    Raises:
        BadInput: the change is not possible; one sentence says why.
    """
    payload = change.payload
    predictor = _free(payload, editable)
    match change.kind:
        case ChangeKind.WRITE:
            return [_written(change, predictor, editable, {})]
        case ChangeKind.EDIT:
            return _edited(change, predictor, editable)
        case ChangeKind.REJECT:
            return [_rejected(change, predictor, editable)]
        case ChangeKind.RESTORE:
            return [_restored(payload, predictor, editable)]
        case ChangeKind.DEMOS:
            _must_take("demos", editable)
            return _demos(change, predictor, editable, trace_of)
        case ChangeKind.ASK:
            asked_for(payload, editable)
            return []
        case ChangeKind.ROWS:
            raise BadInput("Training rows are no arms.", "Change them with the command `rows`.")


def asked_for(payload: Json, editable: EditableArms) -> tuple[str, str, int]:
    """(predictor, hint, number of instructions) of a request for more.

    Raises:
        BadInput: it cannot be asked.
    """
    predictor = _free(payload, editable)
    _must_take(INSTRUCTION, editable)
    count = _value(payload, "count", int)
    if not 1 <= count <= MOST_ASKED:
        raise BadInput(f"{count} instructions cannot be asked for at once.", f"Ask for 1 to {MOST_ASKED}.")
    return predictor, str(payload.get("hint", ""))[:LONGEST], count


def _written(change: Change, owner: str, editable: EditableArms, facts: Json) -> Arm:
    kind = _kind(change.payload, INSTRUCTION)
    _must_take(kind, editable)
    arms = editable.arms(kind, owner)
    if SEED_ARM not in arms:
        raise BadInput(f"{owner} has no {title(kind)}, so there is none to write.")
    if why := KINDS[kind].why_not_edited(arms[SEED_ARM]):
        raise BadInput(why)
    content = KINDS[kind].edited(_value(change.payload, "text", str), arms[SEED_ARM])
    provenance = {CHANGE: change.id, "reason": _reason(change.payload), **facts}
    made = Arm(owner, kind, next_index(arms), content, Author.PERSON, provenance)
    _must_be_new(made, arms)
    return made


def _must_be_new(new: Arm, arms: Mapping[int, Arm]) -> None:
    said = KINDS[new.kind].describe(new).split()
    for arm in arms.values():
        if arm.active and KINDS[arm.kind].describe(arm).split() == said:
            raise BadInput(f"{_title(arm.kind, arm.index)} has this text already.", "Change a word, or leave it.")


def _edited(change: Change, owner: str, editable: EditableArms) -> list[Arm]:
    kind = _kind(change.payload, INSTRUCTION)
    base = editable.arms(kind, owner)[_index(change.payload, kind, owner, editable)]
    made = _written(change, owner, editable, {"edited_from": base.index})
    keep = bool(change.payload.get("keep", True)) or base.index == SEED_ARM or not base.active
    return [made] if keep else [made, _out(base, change, f"replaced by {title(kind)} {made.index}", editable)]


def _rejected(change: Change, predictor: str, editable: EditableArms) -> Arm:
    kind = _kind(change.payload)
    _must_take(kind, editable)
    arm = editable.arms(kind, predictor)[_index(change.payload, kind, predictor, editable)]
    if not arm.active:
        raise BadInput(f"{_title(kind, arm.index)} is out of the search already: {arm.reason or 'inactive'}.")
    reason = _reason(change.payload)
    return _out(arm, change, f"rejected: {reason}" if reason else "rejected by a person", editable)


def _out(arm: Arm, change: Change, reason: str, editable: EditableArms) -> Arm:
    """`arm` out of the search. Its cells stay; no new candidate uses it and none that has it can win."""
    if arm.index == SEED_ARM:
        raise BadInput(
            f"{_title(arm.kind, SEED_ARM)} is what the program came with: the baseline that all is compared with.",
            "It cannot be rejected; freeze the others in a new run to keep a predictor as it is.",
        )
    if not editable.drops:
        raise BadInput(f"{editable.optimizer} keeps a population of its own and cannot drop one while it runs.")
    return replace(arm, active=False, reason=reason, provenance={**arm.provenance, TAKEN_OUT: change.id})


def _restored(payload: Json, predictor: str, editable: EditableArms) -> Arm:
    kind = _kind(payload)
    arm = editable.arms(kind, predictor)[_index(payload, kind, predictor, editable)]
    if arm.active or TAKEN_OUT not in arm.provenance:
        raise BadInput(f"{_title(kind, arm.index)} was not taken out by a person, so there is nothing to take back.")
    if not KINDS[kind].why_not_edited(editable.arms(kind, predictor)[SEED_ARM]):  # what is written, is written once
        _must_be_new(arm, editable.arms(kind, predictor))
    facts = {name: value for name, value in arm.provenance.items() if name != TAKEN_OUT}
    return replace(arm, active=True, reason="", provenance=facts)


def _demos(
    change: Change, predictor: str, editable: EditableArms, trace_of: Callable[[str], Cell | None]
) -> list[Arm]:
    payload, sets = change.payload, editable.demo_sets[predictor]
    base = sets[_index(payload, DEMOS, predictor, editable)]
    keep = _value(payload, "keep", list)
    if not all(type(place) is int and 0 <= place < len(base.demos) for place in keep):
        raise BadInput(f"Demo set {base.index} has {len(base.demos)} demos; {keep} are not places in it.")
    pinned = [_pinned(pin, predictor, trace_of) for pin in _value(payload, "pin", list)]
    rows = {demo.example_id for demo in pinned}
    kept = [base.demos[place] for place in sorted(set(keep)) if base.demos[place].example_id not in rows]
    given = [_given(demo) for demo in payload.get("given", ())]
    demos = (*pinned, *given, *kept)  # a program shows its demos in order, traced ones first
    for other in sets.values():
        if other.active and other.demos == demos:
            raise BadInput(f"Demo set {other.index} has just these demos already.", "Pin or drop something else.")
    facts = {CHANGE: change.id, "edited_from": base.index, "reason": _reason(payload), "pinned": sorted(rows)}
    made = demos_arm(predictor, next_index(sets), BY_A_PERSON, demos, facts)
    if not payload.get("replace") or base.index == SEED_ARM or not base.active:
        return [made]
    return [made, _out(base, change, f"replaced by demo set {made.index}", editable)]


def _given(demo: Any) -> Demo:
    """A demo that was made elsewhere, as {field: JSON value}; `augmented` says that its answers are a teacher's."""
    if not isinstance(demo, Mapping) or not all(isinstance(name, str) for name in demo):
        raise BadInput(f"{demo!r} is no demo.", "A demo is an object of fields.")
    fields = {name: value for name, value in demo.items() if name != "augmented"}
    return Demo(fields, augmented=bool(demo.get("augmented")), example_id="")


def _pinned(pin: Any, predictor: str, trace_of: Callable[[str], Cell | None]) -> Demo:
    if not isinstance(pin, Mapping):
        raise BadInput(f"{pin!r} names no trace.")
    row, call = _value(pin, "example", str), pin.get("call", -1)
    cell = trace_of(row)
    steps = [step for step in cell.trace if step.predictor == predictor] if cell is not None else []
    if type(call) is not int or not -len(steps) <= call < len(steps):
        raise BadInput(f"The teacher's run on row {row!r} has no such call of {predictor}.", "Pick another trace.")
    return Demo({**steps[call].inputs, **steps[call].outputs}, augmented=True, example_id=row)


def _free(payload: Json, editable: EditableArms) -> str:
    owner = _value(payload, "predictor", str)
    if not any(owner in of_kind and of_kind[owner] for of_kind in editable.by_kind.values()):
        raise BadInput(f"There is no predictor {owner!r}.", f"There are: {', '.join(editable.instructions)}.")
    if owner in editable.frozen:
        raise BadInput(f"The predictor {owner!r} is frozen in this run.", "Start a run that leaves it free.")
    return owner


def _must_take(kind: str, editable: EditableArms) -> None:
    if kind not in editable.takes:
        raise BadInput(
            f"{editable.optimizer} takes no {title(kind)} from outside: it does not search them in this run."
        )


def _kind(payload: Json, default: str = "") -> str:
    kind = _value({"kind": default, **payload} if default else payload, "kind", str)
    if kind not in KINDS:
        raise BadInput(f"{kind!r} is no kind of arm.", f"There are: {', '.join(KINDS)}.")
    return kind


def _index(payload: Json, kind: str, predictor: str, editable: EditableArms) -> int:
    index = _value(payload, "index", int)
    if index not in editable.arms(kind, predictor):
        raise BadInput(f"{predictor} has no {title(kind)} {index}.")
    return index


def _value(payload: Json, name: str, kind: type[T]) -> T:
    found = payload.get(name)
    if not isinstance(found, kind) or (kind is int and isinstance(found, bool)):
        raise BadInput(f"The change says nothing usable about {name!r}: {str(found)[:80]!r}.")
    return found


def _reason(payload: Json) -> str:
    return str(payload.get("reason", "")).strip()[:2000]


def _title(kind: str, index: int) -> str:
    return f"{title(kind).capitalize()} {index}"
