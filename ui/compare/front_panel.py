"""Quality against what a program run takes: the front of a run's evaluated candidates, each to be taken home."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from mipro_studio.optimizer_core.analysis.front import FrontPoint, front, front_points
from mipro_studio.optimizer_core.evaluation.objective import objective_of
from mipro_studio.optimizer_core.objective_spec import QUANTITIES, SCORE
from mipro_studio.optimizer_core.types import Split
from mipro_studio.storage import Reader, RunSummary
from mipro_studio.ui.arms.candidate_names import Names, names_of
from mipro_studio.ui.candidate.candidate_panel import open_panel
from mipro_studio.ui.charts.front_chart import front_alt, front_figure
from mipro_studio.ui.charts.live_chart import live_chart
from mipro_studio.ui.compare.compare_data import means_of
from mipro_studio.ui.compare.compare_pickers import Picked
from mipro_studio.ui.page.frame import EXPORT
from mipro_studio.ui.page.store import kept_of_run
from mipro_studio.ui.result.evidence import paired
from mipro_studio.ui.text.foreign_text import paragraph
from mipro_studio.ui.text.format import count, delta, delta_range, duration, one_line, score, usd

__all__ = ["front_panel", "objective_line"]

_COLUMNS: Mapping[str, tuple[str, Callable[[Any], str]]] = {"usd": ("cost", usd), "seconds": ("seconds", duration)}
"""Title and words of the quantities that are no plain numbers."""


def objective_line(reader: Reader, picked: Picked) -> None:
    """Both candidates by what the run maximized, where that is not the score."""
    text = reader.config(picked.first[0]).get("objective") or SCORE
    if text == SCORE or picked.first[1] is None or picked.second[1] is None:
        return
    objective = objective_of(text)
    before, after = (
        {cell.key.example: objective(cell) for cell in reader.whole_cells(run, str(candidate), picked.split)}
        for run, candidate in (picked.first, picked.second)
    )
    pairs = tuple(
        (one, other)
        for name in sorted(before.keys() & after.keys())
        if (one := before[name]) is not None and (other := after[name]) is not None
    )
    if not pairs:
        return
    found = paired(pairs)
    first, second = (sum(side) / len(pairs) for side in zip(*pairs, strict=True))
    paragraph(
        f"By the objective {text}, {picked.words[1]} is at {score(second)} and {picked.words[0]} at {score(first)}: "
        f"{delta(found['difference'])} ({delta_range(found['low'], found['high'])}), better on {found['won']}, "
        f"worse on {found['lost']} of {found['n']}."
    )


def front_panel(reader: Reader, run_id: str) -> None:
    """Chart and table of the candidates with every validation example; nothing while there is only one."""
    text = reader.config(run_id).get("objective") or SCORE
    run = reader.run(run_id)
    points = kept_of_run(reader, run, f"front {text}", lambda: _points(reader, run, text))
    offered = [name for name in QUANTITIES if len({point.takes[name] for point in points} - {None}) > 1]
    if len(points) < 2 or not offered:
        return
    st.header("Quality against what it takes", anchor=False)
    quantity = st.segmented_control(
        "Against", offered, default=offered[-1], key="front_quantity", format_func=QUANTITIES.__getitem__,
        required=True, label_visibility="collapsed",
    )  # fmt: skip
    quantity = quantity if quantity in offered else offered[-1]
    shown = [point for point in points if point.takes[quantity] is not None]
    best = front(shown, quantity)
    on_front, names = [point.candidate for point in best], names_of(reader, run_id)
    clicked = live_chart(
        front_figure(shown, on_front, quantity, QUANTITIES[quantity], names.of), key="front_chart", height=300,
        alt=front_alt(shown, on_front, QUANTITIES[quantity]), revision=f"{run_id} {quantity}",
    )  # fmt: skip
    if clicked:
        open_panel(run_id, clicked)
    _take_home(run_id, best, text, names)


def _points(reader: Reader, run: RunSummary, objective: str) -> Sequence[FrontPoint]:
    """None where the means say already that fewer than two candidates were asked every example."""
    asked = [mean.n_ok + mean.n_error for mean in means_of(reader, run, Split.VAL)]
    if sum(n >= run.n_val for n in asked) < 2:
        return []
    return front_points(reader.cells_of_full(run.id, Split.VAL), objective_of(objective))


def _take_home(run_id: str, best: Sequence[FrontPoint], objective: str, names: Names) -> None:
    """The front as a table; the chosen row leads to its export."""
    event = st.dataframe(
        [_row(point, objective, names) for point in best], hide_index=True, key=f"front_rows_{len(best)}",
        on_select="rerun", selection_mode="single-row", alt="The front, the cheapest first",
    )  # fmt: skip
    chosen = [best[place] for place in event.selection.get("rows") or [] if place < len(best)]
    if not chosen:
        st.caption("Means over the validation set, whose rows the search chose by. Choose a row to take it home.")
        return
    st.page_link(
        EXPORT.path, label="Take this one home", icon=EXPORT.icon,
        query_params={"run": run_id, "a": chosen[0].candidate},
    )  # fmt: skip


def _row(point: FrontPoint, objective: str, names: Names) -> dict[str, Any]:
    columns = {name: _COLUMNS.get(name, (name.replace("_", " "), count)) for name in QUANTITIES}
    return {
        "candidate": one_line(names.of(point.candidate), 200),
        "score": score(point.score),
        **({} if objective == SCORE else {"objective": score(point.objective)}),
        "n": point.n,
        **{title: words(point.takes[name]) for name, (title, words) in columns.items()},
        **({} if point.keeps_limits else {"limits": "breaks one"}),
    }
