"""What a person changes about the rows of a tuning before they are trained on: some dropped, some answered anew."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.types import Json, Tuning, TuningState

__all__ = ["changed_rows"]


def changed_rows(payload: Json, tunings: Mapping[int, Tuning]) -> Tuning:
    """The tuning with its rows as a person wants them.

    Args:
        payload: As `Change` says of the kind rows; places count from 0 in the rows as they stand.

    Raises:
        BadInput: there is no such tuning or row, it is sent already, or no row would be left.
    """
    tuning = tunings.get(_number(payload, "tuning"))
    if tuning is None:
        raise BadInput("There are no rows of such a tuning.", "They are there once their traces are bootstrapped.")
    if tuning.state is not TuningState.ROWS:
        raise BadInput(f"Weights {tuning.number} are past the point where their rows can be changed.")
    dropped = {_place(place, tuning) for place in payload.get("drop") or ()}
    answers = {_place(place, tuning): str(text).strip() for place, text in (payload.get("answers") or {}).items()}
    if not dropped and not answers:
        raise BadInput("Nothing is asked of the rows.", "Drop some, or give some another answer.")
    if any(not text for text in answers.values()):
        raise BadInput("A row's answer is empty.", "Drop the row instead.")
    rows = tuple(
        {**row, "answer": answers.get(place, row["answer"])}
        for place, row in enumerate(tuning.rows)
        if place not in dropped
    )
    if not rows:
        raise BadInput("That leaves no row to train on.", "Stop the run instead.")
    told = {"dropped": len(dropped), "answered_anew": len(answers.keys() - dropped)}
    before: Mapping[str, Any] = tuning.facts.get("by_a_person") or {}
    both = {name: int(before.get(name, 0)) + n for name, n in told.items()}
    return replace(tuning, rows=rows, facts={**tuning.facts, "by_a_person": both})


def _number(payload: Json, name: str) -> int:
    value = payload.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadInput(f"{name} = {value!r} is no number.")
    return value


def _place(place: Any, tuning: Tuning) -> int:
    try:
        found = int(place)
    except (TypeError, ValueError):
        found = -1
    if not 0 <= found < len(tuning.rows):
        raise BadInput(f"There is no row {place!r}.", f"Rows count from 0 to {len(tuning.rows) - 1}.")
    return found
