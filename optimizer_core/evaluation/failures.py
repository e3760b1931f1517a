"""When a run stands still for its errors: (nearly) everything fails, and every further call would be paid in vain."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mipro_studio.optimizer_core.errors import RunFailed, StudioError, TooManyErrors
from mipro_studio.optimizer_core.types import Cell, CellKey, ErrorClass, Example

__all__ = ["MEND", "TRY_AGAIN", "FailureWatch", "in_words", "with_example"]

FIRST = 8
"""Failures after which a run in which nothing was ever scored is given up: it stands still, with the reason."""

LATE = 12
"""Program runs looked back upon, of candidates that had a score before: what worked and fails now is broken."""

CANDIDATES, SPREAD = 6, 40
"""Candidates, and program runs, looked back upon where some may simply be bad candidates."""

SHARE, SPREAD_SHARE = 0.85, 0.95
"""Share of failures that counts as nearly all: of what worked before, and of what may be bad candidates."""

REFUSALS = 3
"""Calls in a row that say that no call can succeed, after which that is believed although some did: a firewall or an
address in a row is refused in the same words as a key."""

ALL_THE_SAME = "Or go on all the same (resume --despite-errors)."
MEND = "Mend it, then resume: what has a score is kept, what failed is tried again."
TRY_AGAIN = f"{MEND} {ALL_THE_SAME}"
LONGEST = 240
INPUTS_LENGTH = 160


@dataclass
class FailureWatch:
    """Looks at every finished program run of a life; `why_stop` says when it must not go on.

    A candidate that fails everywhere is a bad candidate as long as others are scored, and stops nothing.

    Args:
        known: Cells of earlier lives.
        despite_errors: A person wants it to go on: only what says that no call can succeed stops it.
    """

    known: Iterable[Cell] = ()
    despite_errors: bool = False
    _scored: set[str] = field(default_factory=set, init=False)
    _latest: deque[tuple[Cell, Example]] = field(default_factory=lambda: deque(maxlen=LONGEST), init=False)

    def __post_init__(self) -> None:
        self._scored.update(cell.key.candidate for cell in self.known if cell.error is None)

    def why_stop(self, cell: Cell, example: Example) -> StudioError | None:
        """Take up a finished cell; the reason not to go on, if this cell is one failure too many.

        Returns:
            RunFailed where no call can succeed, else TooManyErrors.
        """
        self._latest.append((cell, example))
        if cell.error is None:
            self._scored.add(cell.key.candidate)
            return None
        if self._refused():
            return RunFailed(f"The model refused: {cell.error_message}", "Mend the key or model, then resume.")
        stretch = [] if self.despite_errors else self._hopeless()
        return _reason(stretch, {seen.key: row for seen, row in self._latest}) if stretch else None

    def _refused(self) -> bool:
        """Whether the latest cell says that no call can succeed, and nothing speaks against that."""
        latest = [cell.error in (ErrorClass.AUTH, ErrorClass.MODEL) for cell, _ in self._latest]
        return latest[-1] and (not self._scored or (len(latest) >= REFUSALS and all(latest[-REFUSALS:])))

    def _hopeless(self) -> list[Cell]:
        """The latest cells, as far back as (nearly) all of them failed; empty while there is hope."""
        latest = [cell for cell, _ in reversed(self._latest)]
        if not self._scored:
            return latest if len(latest) >= FIRST else []
        stretch = _failing([cell for cell in latest if cell.key.candidate in self._scored], LATE, SHARE)
        if not stretch:
            wide = _failing(latest, SPREAD, SPREAD_SHARE)
            stretch = wide if len({cell.key.candidate for cell in wide}) >= CANDIDATES else []
        return stretch


def _failing(latest: Sequence[Cell], least: int, share: float) -> list[Cell]:
    """The longest beginning of `latest`, of `least` cells or more, in which that share of them failed."""
    failed = longest = 0
    for count, cell in enumerate(latest, start=1):
        failed += cell.error is not None
        if count >= least and failed >= share * count:
            longest = count
    return list(latest[:longest])


def in_words(cells: Sequence[Cell], last: str = "") -> str:
    """`20 of 24 program runs failed, 18 of them alike (parse)`; empty where none did."""
    kind, alike = _commonest(cells)
    if not alike:
        return ""
    failed = sum(cell.error is not None for cell in cells)
    same = f", {'all' if len(alike) == failed else len(alike)} of them alike" if failed > 1 else ""
    return f"{failed} of {last}{len(cells)} program runs failed{same} ({kind})"


def with_example(cells: Sequence[Cell]) -> str:
    """`in_words`, and the message of one of the commonest kind."""
    _, alike = _commonest(cells)
    return f"{in_words(cells)}: {alike[0].error_message}" if alike else ""


def _commonest(cells: Iterable[Cell]) -> tuple[ErrorClass | None, list[Cell]]:
    failed = [cell for cell in cells if cell.error is not None]
    if not failed:
        return None, []
    kind = Counter(cell.error for cell in failed).most_common(1)[0][0]
    return kind, [cell for cell in failed if cell.error is kind]


def _reason(stretch: Sequence[Cell], rows: Mapping[CellKey, Example]) -> StudioError:
    kind, alike = _commonest(stretch)
    first = alike[0]
    row = rows[first.key]
    given = ", ".join(f"{name} = {value!r}" for name, value in row.inputs.items())
    given = given if len(given) <= INPUTS_LENGTH else given[: INPUTS_LENGTH - 1] + "…"
    message = (
        f"{in_words(stretch, 'the last ')}. One of them, {row.split.value} row {row.position + 1} ({given}): "
        f"{first.error_message.rstrip('.')}."
    )
    passes = kind is not None and kind.transient
    return TooManyErrors(
        message, f"Resume the run when the endpoint is well again. {ALL_THE_SAME}" if passes else TRY_AGAIN
    )
