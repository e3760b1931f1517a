"""How far a run is, in one number that only grows, and how long it will take from what was measured. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mipro_studio.optimizer_core.types import EventKind, Phase, Role, Status
from mipro_studio.storage import LiveView
from mipro_studio.ui.text.format import elapsed_s, roughly

__all__ = ["WorkDone", "work_done"]

_SETUP, _PROPOSAL = 0.03, 4.0
"""Share of the bar that setting up has; a proposal counts as so many program runs, which are shorter."""
_ENOUGH = 12
"""Program runs before a rate is worth telling."""
_BEGUN = 0.05
"""Share of the work before it says anything of the rest."""


@dataclass(frozen=True, slots=True)
class WorkDone:
    """`share` of the whole, from 0 to 1; `left_s` is None where nothing was measured yet."""

    share: float
    left_s: float | None

    @property
    def words(self) -> str:
        left = "" if self.left_s is None else f" · about {roughly(self.left_s)} left"
        return f"{self.share * 100:.0f} % of the work{left}"


def work_done(view: LiveView, plan: Mapping[str, Any], n_train_cells: int, n_proposed: int) -> WorkDone:
    """From counts that only grow: program runs of the teacher, of the search, of the sealed test, and proposals.

    Args:
        n_train_cells: Program runs of the teacher so far.
        n_proposed: Instructions written so far.
    """
    run = view.summary
    if run.status is Status.COMPLETED:
        return WorkDone(1.0, None)
    runs = plan.get("program_runs") or {}
    searching = run.trials_done > 0 or run.phase in (Phase.SEARCH, Phase.TEST, Phase.DONE)
    cells = run.cells_ok + run.cells_error
    val = max(0, cells - view.test_cells - n_train_cells)
    proposals = _middle((plan.get("lm_calls") or {}).get(Role.PROMPT.value))
    parts = (
        _part(n_train_cells, _middle(runs.get("bootstrap")), searching),
        _part(n_proposed * _PROPOSAL, proposals * _PROPOSAL, searching),
        _search(view, val, runs),
        _part(view.test_cells, float(runs.get("test") or 0), False),
    )
    whole = sum(total for _, total in parts)
    done = sum(done for done, _ in parts)
    if not whole:
        return WorkDone(0.0, None)
    share = _SETUP + (1 - _SETUP) * done / whole
    if not cells and run.phase in ("", Phase.SETUP) and run.phase_total:
        share = _SETUP * min(1.0, run.phase_done / run.phase_total)
    elif not cells and run.phase in ("", Phase.SETUP):
        share = 0.0
    worked = (run.wall_s or 0.0) - _setup_s(view)
    told = run.status is Status.RUNNING and cells >= _ENOUGH and worked > 0 and done / whole >= _BEGUN
    return WorkDone(min(share, 0.99), (whole - done) / done * worked if told else None)


def _part(done: float, planned: float, over: bool) -> tuple[float, float]:
    """(done, whole) of a part; what is over counts as it was planned or as it came, whichever is more."""
    whole = max(done, planned)
    return (whole if over else done), whole


def _search(view: LiveView, val: int, runs: Mapping[str, Any]) -> tuple[float, float]:
    """By trials, each weighing what trials have taken so far; by the plan until there are some."""
    planned = sum(_middle(runs.get(name)) for name in ("baseline", "minibatch", "full"))
    run = view.summary
    if not run.trials_planned or not planned:
        return float(val), max(float(val), planned)
    share = min(1.0, run.trials_done / run.trials_planned)
    base = _middle(runs.get("baseline"))
    started = min(float(val), base) / planned
    return planned * max(share, min(started, 0.99)), planned


def _middle(bounds: object) -> float:
    low, high = bounds if isinstance(bounds, (list, tuple)) else (bounds, bounds)
    return (float(low or 0) + float(high or 0)) / 2


def _setup_s(view: LiveView) -> float:
    """Seconds until the first phase that works on the program began, as far as the kept events tell."""
    begun = [
        at for _, at, event in view.events if event.kind == EventKind.PHASE and event.data.get("phase") != Phase.SETUP
    ]
    return (elapsed_s(view.summary.started_at, begun[0]) or 0.0) if begun else 0.0
