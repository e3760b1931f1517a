"""Which predictor and which kind of change the score depends on, named as people name them."""

from collections.abc import Mapping, Sequence

import streamlit as st

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.parameters.registry import parameter_name
from mipro_studio.optimizer_core.types import Candidate, EventKind, Json, Status, Trial
from mipro_studio.storage import LiveView, Reader
from mipro_studio.ui.arms.slots import Slot, arms_by_slot, slots_of
from mipro_studio.ui.candidate.parameter_panel import open_parameter
from mipro_studio.ui.charts.importance_figures import importance_figure, shares_figure
from mipro_studio.ui.charts.live_chart import live_chart
from mipro_studio.ui.page.drafts import drafter
from mipro_studio.ui.result.what_mattered import named_rows, what_mattered
from mipro_studio.ui.text.format import clean, plural, share

__all__ = ["importance_bars", "importance_panel", "trial_params"]

_ROW_PX, _REST_PX = 40, 56
BY_NAME: Mapping[str, str] = {"fANOVA": "fanova", "PED-ANOVA": "ped_anova"}
EVERY = 10
"""While a run goes on, Optuna's are asked again after so many trials: fANOVA takes most of a second."""


def importance_panel(reader: Reader, view: LiveView) -> None:
    """What mattered in words and as bars in order; other ways to compute it are one click below."""
    importance: Sequence[Json] = view.importance
    written = [] if view.outcome is not None else reader.events_of(view.summary.id, EventKind.IMPORTANCE, 1)
    if written:
        importance = written[-1][2].data["rows"]
    over = view.outcome is not None or view.summary.status in (Status.COMPLETED, Status.FAILED, Status.STOPPED)
    if not importance_bars(view.summary.id, importance, "live_importance", over=over):
        return
    with st.expander("How this is computed, and other ways", icon=":material/functions:"):
        st.caption(
            "A fit of all parts together to the scores of single examples. A bar: how far the score moves with the "
            "choice, with a 90 % interval; x: an instruction and a demo set beyond what each does alone. The grey "
            "band: what chance alone would reach; a grey bar is not told from it. The two below are Optuna's."
        )
        chosen = st.segmented_control("Compute it by", list(BY_NAME), key="live_importance_by")
        if chosen in BY_NAME:
            _optunas(reader, view, chosen)


def importance_bars(run_id: str, importance: Sequence[Json], key: str, *, over: bool) -> bool:
    """The sentence and the bars, or why there are none (False); a click on a bar shows what there was to choose from.

    Args:
        over: Nothing more will come.
    """
    rows = named_rows(importance)
    if not rows:
        st.caption(
            "There are too few candidates to tell what mattered from noise."
            if over
            else "Shown when there are candidates enough: how far the score moves with each predictor's instruction "
            "and demos."
        )
        return False
    said = clean(what_mattered(rows, not over))
    st.text(said)
    height = _REST_PX + _ROW_PX * len(rows)
    clicked = live_chart(importance_figure(rows), key=key, height=height, alt=said, revision="importance")
    st.caption(
        f"From {plural(rows[0]['n_cells'], 'scored program run')} of the search. Click a bar to see the choices."
    )
    if clicked:
        open_parameter(run_id, clicked)
    return True


def trial_params(trials: Sequence[Trial], slots: Sequence[Slot]) -> tuple[list[dict[str, str]], list[float]]:
    """(arms by parameter, score) of every finished trial that has a score, as the run's Optuna study has them."""
    params, scores = [], []
    for trial in trials:
        if trial.done and trial.value is not None:
            arms = arms_by_slot(Candidate.parse(trial.candidate), slots)
            params.append({parameter_name(*slot): f"{slot[1][0]}{index}" for slot, index in arms.items()})
            scores.append(trial.value)
    return params, scores


def _optunas(reader: Reader, view: LiveView, name: str) -> None:
    """Shares as Optuna gives them, or why it gives none."""
    params, scores = trial_params(view.trials, slots_of(reader.arms(view.summary.id)))
    if view.outcome is None and len(scores) > EVERY:
        kept = len(scores) // EVERY * EVERY
        params, scores = params[:kept], scores[:kept]
    try:
        rows = drafter().importance(params, scores, BY_NAME[name], view.summary.seed)
    except BadInput as error:
        st.caption(f"{name} says nothing here. {error}")
        return
    live_chart(
        shares_figure(rows),
        key="live_importance_shares",
        height=_REST_PX + _ROW_PX * len(rows),
        alt=f"{name}; the largest share is {share(rows[0]['share'])}, of {rows[0]['parameter']}.",
        revision=name,
    )
    st.caption(
        f"{name} of Optuna over {plural(len(scores), 'trial')}, for comparison: it has no noise band, so its top bar is "  # noqa: E501
        "long even where nothing matters; and PED-ANOVA answers another question under TPE: what sets the best "
        "trials apart from the others, where a good arm is in nearly all of them."
    )
