"""The list of runs on the home page."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import streamlit as st

from mipro_studio.optimizer_core.types import ChangeKind, Status
from mipro_studio.storage import Deed, RunSummary
from mipro_studio.ui.page.frame import LIVE
from mipro_studio.ui.text.foreign_text import line
from mipro_studio.ui.text.format import UNKNOWN, ago, duration, humane, one_line, score
from mipro_studio.ui.text.status import LOOKS

__all__ = ["runs_table"]


_ROW_PX, _ROWS = 38, 15
RAN = ("created", "resumed")
REVIEWED = ("approve", *(kind.value for kind in ChangeKind))
"""Deeds (`Store.sign`): the approval of proposals, and changes of arms."""
_STANDS = (Status.PAUSED, Status.FAILED, Status.LOST)
"""States that nobody may have wished for: what is under the table says why."""
_MOST_STANDING = 3


def _row(run: RunSummary, deeds: Sequence[Deed]) -> dict[str, Any]:
    look = LOOKS[run.status]
    return {
        "status": [f"{look.mark} {look.word}"],
        "run": one_line(run.name, 60) or run.id,
        "optimizer": one_line(run.optimizer, 20),
        "validation": _pair(run.baseline_val, run.best_val),
        "sealed test": _pair(run.baseline_test, run.best_test),
        "trials": f"{run.trials_done} of {run.trials_planned}" if run.trials_planned else str(run.trials_done),
        "program runs": run.cells_ok + run.cells_error,
        "started": ago(run.started_at or run.created_at),
        "took": duration(run.wall_s) if run.started_at else UNKNOWN,
        "ran": _names(deeds, RAN),
        "reviewed": _names(deeds, REVIEWED),
    }


def _pair(baseline: float | None, best: float | None) -> str:
    if baseline is None and best is None:
        return UNKNOWN
    return f"{score(baseline)} → {score(best)}"


def _names(deeds: Sequence[Deed], kinds: Collection[str]) -> str:
    """Who did something of `kinds`, each once, in the order of their first deeds."""
    return ", ".join(dict.fromkeys(one_line(deed.name, 40) for deed in deeds if deed.did in kinds))


def _columns() -> dict[str, Any]:
    looks = LOOKS.values()
    return {
        "status": st.column_config.MultiselectColumn(
            "Status",
            width=124,
            options=[f"{look.mark} {look.word}" for look in looks],
            color=[look.colour for look in looks],
        ),
        "run": st.column_config.TextColumn("Run", width=156),
        "ran": st.column_config.TextColumn("Ran by", width=120, help="Who created the run, and who resumed it"),
        "reviewed": st.column_config.TextColumn(
            "Reviewed by", width=120, help="Who approved, wrote, changed or rejected something of it"
        ),
        "optimizer": st.column_config.TextColumn("Optimizer", width=96),
        "validation": st.column_config.TextColumn("Validation", help="As it came → the winner, or what leads so far"),
        "sealed test": st.column_config.TextColumn("Sealed test", help="As it came → the winner, scored once"),
        "trials": st.column_config.TextColumn("Trials"),
        "program runs": st.column_config.NumberColumn("Program runs", format="localized"),
        "started": st.column_config.TextColumn("Started"),
        "took": st.column_config.TextColumn("Took"),
    }


def runs_table(runs: Sequence[RunSummary], deeds: Mapping[str, Sequence[Deed]]) -> None:
    """The runs, newest first. A click on any cell opens the run.

    Args:
        deeds: What people with names did, by run; in a store of one's own there is mostly nobody to name.
    """
    rows = [_row(run, deeds.get(run.id, ())) for run in runs]
    event = st.dataframe(
        rows,
        hide_index=True,
        key="home_runs",
        on_select="rerun",
        selection_mode="single-cell",
        row_height=_ROW_PX,
        height="content" if len(runs) <= _ROWS else _ROW_PX * _ROWS,
        # What a narrow page may cut stands last.
        column_order=(
            "status",
            "run",
            "validation",
            "sealed test",
            "started",
            "trials",
            "took",
            *(name for name in ("ran", "reviewed") if any(row[name] for row in rows)),
            "program runs",
            "optimizer",
        ),
        alt="Runs, the newest first",
        column_config=_columns(),
    )
    st.caption("Click a row to open the run.")
    _standing([run for run in runs if run.status in _STANDS])
    cells = event.selection.get("cells") or []
    if cells:
        st.switch_page(LIVE.path, query_params={"run": runs[cells[0][0]].id})


def _standing(runs: Sequence[RunSummary]) -> None:
    """Why the latest of those that stand still do so."""
    for run in runs[:_MOST_STANDING]:
        look = LOOKS[run.status]
        why = humane(one_line(run.reason, 240)) or "no reason was kept."
        line(f"{look.mark} {look.word} · {one_line(run.name, 60) or run.id}: {why}", muted=True)
