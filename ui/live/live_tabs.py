"""The lower part of the live page, one tab at a time: best candidate, trials, errors, log."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from mipro_studio.optimizer_core.parameters.demos import made_how
from mipro_studio.optimizer_core.parameters.registry import KINDS, OF_THE_PROGRAM, title
from mipro_studio.optimizer_core.types import DEMOS, Arm, ErrorClass, Trial, TrialKind
from mipro_studio.storage import LiveView, Reader
from mipro_studio.ui.arms.arm_words import lineage
from mipro_studio.ui.arms.candidate_names import Names
from mipro_studio.ui.arms.demo_rows import demo_row
from mipro_studio.ui.candidate.candidate_panel import open_panel
from mipro_studio.ui.text.events import told
from mipro_studio.ui.text.foreign_text import line, paragraph
from mipro_studio.ui.text.format import UNKNOWN, ago, clean, count, one_line, plural, score
from mipro_studio.ui.text.wrapped import wrapped

__all__ = ["candidate_tab", "errors_tab", "log_tab", "trial_labels", "trials_tab"]

LATEST = 50

WIDE: Any = {"message": st.column_config.Column(width="large")}
_OPENED = "live_trials_opened"

_KINDS = {TrialKind.BASELINE: "baseline", TrialKind.MINIBATCH: "minibatch", TrialKind.FULL: "full evaluation"}

_ERRORS: Mapping[str, str] = {
    ErrorClass.RATE_LIMIT: "rate limit",
    ErrorClass.SERVER: "server error",
    ErrorClass.CONNECTION: "no connection",
    ErrorClass.TIMEOUT: "timeout",
    ErrorClass.AUTH: "key refused",
    ErrorClass.MODEL: "model refused",
    ErrorClass.REFUSAL: "refused by a filter or the model",
    ErrorClass.REQUEST: "request not taken",
    ErrorClass.CONTEXT: "context window",
    ErrorClass.EMPTY: "empty reply",
    ErrorClass.MALFORMED: "no reply of a model",
    ErrorClass.PARSE: "reply not readable",
    ErrorClass.PROGRAM: "program raised",
    ErrorClass.METRIC: "metric raised",
    ErrorClass.CRASH: "process ended",
}


def candidate_tab(names: Names, candidate_id: str | None) -> None:
    """The arms of every predictor, and of the program; the seed's when no candidate leads."""
    parts = names.parts(candidate_id)
    if not parts:
        st.caption("Nothing has been written yet: demos are bootstrapped first, then instructions are proposed.")
        return
    if candidate_id is None:
        st.caption("No candidate leads. This is the program as it came.")
    for part in parts:
        with st.container(border=True, gap="small"):
            line(part.owner or OF_THE_PROGRAM, bold=True)
            for kind, arm in part.arms.items():
                _arm(kind, arm)


def _arm(kind: str, arm: Arm | None) -> None:
    if kind == DEMOS:
        _demos(arm)
    elif arm is None:
        st.caption(f"Its {title(kind)} is not recorded yet.")
    else:
        line(lineage(arm), muted=True)
        paragraph(KINDS[kind].describe(arm))


def _demos(found: Arm | None) -> None:
    if found is None or not found.demos:
        st.caption("No demos (zero-shot)")
        return
    kind = one_line(made_how(found)).replace("_", " ")
    st.caption(f"Demo set {found.index}: {plural(len(found.demos), 'demo')}, {kind}")
    alt = f"Demos of set {found.index} of {one_line(found.owner, 40)}"
    shown = [demo_row(demo) for demo in found.demos]
    st.dataframe(shown, hide_index=True, alt=alt, **wrapped(shown))


def trials_tab(view: LiveView, names: Names) -> None:
    """Every trial, the latest first; a row opens its candidate."""
    if not view.trials:
        st.caption("No trial has been asked for yet.")
        return
    latest = view.trials[::-1]
    labels = trial_labels(view.trials)
    event = st.dataframe(
        [_trial_row(trial, view, names, labels[trial.order]) for trial in latest],
        hide_index=True,
        key="live_trials",
        on_select="rerun",
        selection_mode="single-row",
        alt="All trials, the latest first",
        column_config={"candidate": st.column_config.TextColumn(width="large")},
    )
    chosen = event.selection.get("rows") or []
    opened = latest[chosen[0]].candidate if chosen and chosen[0] < len(latest) else None
    # A selection stays while the page polls: only a new one opens the panel.
    if opened != st.session_state.get(_OPENED) and opened is not None:
        open_panel(view.summary.id, opened)
    st.session_state[_OPENED] = opened
    st.caption("Choose a row to see its candidate.")


def trial_labels(trials: Sequence[Trial]) -> dict[int, str]:
    """By order: `12`, and `after 12` for a full evaluation that trial 12 led to."""
    seen: set[int] = set()
    labels = {}
    for trial in trials:
        again = trial.number in seen
        seen.add(trial.number)
        labels[trial.order] = (
            UNKNOWN if trial.kind is TrialKind.BASELINE else f"after {trial.number}" if again else str(trial.number)
        )
    return labels


def _trial_row(trial: Trial, view: LiveView, names: Names, label: str) -> dict[str, Any]:
    asked_at, done_at = view.times.get(trial.order, ("", None))
    return {
        "trial": label,
        "kind": _KINDS[trial.kind],
        "candidate": one_line(names.of(trial.candidate), 200),
        "score": score(trial.mean) if trial.done else "in flight",
        **({} if trial.objective is None else {"objective": score(trial.objective)}),
        "n": trial.n_ok,
        "errors": trial.n_error,
        "program runs": trial.program_runs,
        "when": ago(done_at or asked_at),
    }


def errors_tab(reader: Reader, run_id: str, by_class: Mapping[str, int], names: Names) -> None:
    """Program runs without a score, by class, with the latest messages."""
    if not by_class:
        st.caption("No program run has failed. One that fails has no score; it is never counted as 0.")
        return
    total = sum(by_class.values())
    words = ", ".join(f"{_ERRORS.get(name, name)} {count(n)}" for name, n in by_class.items())
    st.text(f"{plural(total, 'program run')} without a score: {words}.")
    st.caption("They enter no mean and the search does not see them. Those that pass with time are retried.")
    rows = [
        {
            "when": ago(error.at),
            "class": _ERRORS.get(error.error, error.error),
            "message": clean(error.message)[:2000],
            "candidate": one_line(names.of(error.key.candidate), 200),
            "example": one_line(error.key.example),
        }
        for error in reader.recent_errors(run_id, LATEST)
    ]
    st.dataframe(rows, hide_index=True, key="live_errors", alt="The latest errors", column_config=WIDE)


def log_tab(view: LiveView, names: Names) -> None:
    """What happened, the latest first."""
    rows = [{"when": ago(at), "what happened": words} for at, words in told(view.events, names.of)]
    if not rows:
        st.caption("Nothing has happened yet.")
        return
    config: Any = {"what happened": st.column_config.Column(width="large")}
    st.dataframe(rows, hide_index=True, key="live_log", alt="What happened, the latest first", column_config=config)
