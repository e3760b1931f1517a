"""What a person asks of a run's arms, and what became of it."""

from dataclasses import dataclass
from enum import StrEnum

from mipro_studio.optimizer_core.types.values import Json

__all__ = ["Change", "ChangeKind", "Settled"]


class ChangeKind(StrEnum):
    """What a person may ask of a run's arms. `Change` says what each payload holds."""

    WRITE = "write"
    EDIT = "edit"
    REJECT = "reject"
    RESTORE = "restore"
    ASK = "ask"
    DEMOS = "demos"
    ROWS = "rows"


@dataclass(frozen=True, slots=True)
class Change:
    """What a person asked of the arms; `id` numbers the requests of all runs in the order they were made.

    Every payload has `predictor` (the owner of the arms), and `reason` where the person gave one. Beside these:
    write {text}; edit {index, text, keep}: a new arm from another, which stays in the search if `keep`; both of
    `kind`, an instruction where none is named; reject and restore {kind, index}; ask {hint, count}: instructions by
    the prompt model; demos {index, keep, pin, given, replace}: a new demo set of the demos at the positions `keep`
    of set `index`, the traces `pin` ([{example, call}], `call` being the place among the predictor's calls) and the
    demos `given` ([{field: value}]) that were made elsewhere, instead of it if `replace`.
    rows {tuning, drop, answers}: the rows of a tuning without those at the places `drop` ([0, 3]), and with other
    answers at some places ({"5": "text"}); no predictor.
    """

    id: int
    kind: ChangeKind
    payload: Json


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a change: in force from the trial of `order` on with the arms of these indices, or `refused`."""

    change: int
    order: int
    arms: tuple[int, ...] = ()
    refused: str = ""
