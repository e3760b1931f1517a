"""A run shown as it stood at a moment, with a slider through its life."""

from typing import Any

import streamlit as st

from mipro_studio.optimizer_core.types import Usage
from mipro_studio.ui.charts.figures import score_range, trials_alt, trials_figure
from mipro_studio.ui.charts.live_chart import live_chart
from mipro_studio.ui.live.evidence import no_gain
from mipro_studio.ui.live.spending import burn_table
from mipro_studio.ui.live.verdict import verdict
from mipro_studio.ui.page.frame import query, tell_url
from mipro_studio.ui.replay.replay_state import History, State
from mipro_studio.ui.text.events import event_words
from mipro_studio.ui.text.format import clean, cost_of, count, delta, duration, one_line, plural, score, tokens_of

__all__ = ["PLAY", "SECONDS_A_STEP", "ending", "replay"]

SECONDS_A_STEP = 0.8
PLAY = "replay_play"
_KEY = "replay_at"
_STEPS_OFPLAY = 60


def replay(history: History, config: dict[str, Any], playing: bool) -> None:
    """Slider, chart, numbers and log as of the chosen moment; moves on by itself while it plays."""
    last = len(history.moments) - 1
    if playing:
        _move_on(last)
    index = _slider(history, last)
    state = history.state(index)
    _numbers(state)
    if state.outcome is not None:
        verdict(state.outcome)
    metric = config.get("metric")
    with st.container(border=True):
        live_chart(
            _figure(history, state, f"score ({metric})" if metric else "score"),
            key="replay_chart",
            height=380,
            alt=trials_alt(state.trials),
            revision=history.run.id,
        )
    with st.grid(2, min_column_width=400):
        with st.container(border=True, height="stretch"):
            st.subheader("Spent until then", anchor=False)
            burn_table(state.spent, {})
            st.caption("From the answers kept by then. The prompt model's calls count once proposing is over.")
        with st.container(border=True, height="stretch"):
            _happened(state)


def _happened(state: State) -> None:
    st.subheader("What had happened", anchor=False)
    rows = [
        {"event": one_line(event.kind).replace("_", " "), "details": event_words(event)}
        for _, _, event in reversed(state.events[-50:])
    ]
    if rows:
        st.dataframe(rows, hide_index=True, height=230, alt="Events until then, the latest first",
                     column_config={"details": st.column_config.TextColumn(width="large")})  # fmt: skip
    else:
        st.caption("Nothing yet.")


def _move_on(last: int) -> None:
    at = int(st.session_state.get(_KEY, 0))
    if at >= last:
        st.session_state[PLAY] = False
        st.rerun()
    st.session_state[_KEY] = min(last, at + max(1, last // _STEPS_OFPLAY))


def _slider(history: History, last: int) -> int:
    if _KEY not in st.session_state or not 0 <= st.session_state[_KEY] <= last:
        asked = query("at") or ""
        st.session_state[_KEY] = min(int(asked), last) if asked.isascii() and asked.isdigit() else last
    index = int(
        st.select_slider(
            "Moment", range(last + 1), key=_KEY, format_func=history.labels.__getitem__, label_visibility="collapsed"
        )
        if last
        else 0
    )
    tell_url(at=None if index == last else str(index))
    return index


def _figure(history: History, state: State, metric: str) -> dict[str, Any]:
    """The chart at that moment on the axes of the whole run, so that it does not jump."""
    whole = [trial for trial, _, _ in history.trials]
    figure = trials_figure(state.trials, "program_runs", metric)
    end = max((trial.program_runs for trial in whole), default=100)
    figure["layout"]["xaxis"] |= {"range": [0, end * 1.03]}
    if reach := score_range(whole):
        figure["layout"]["yaxis"]["range"] = reach
    return figure


def _numbers(state: State) -> None:
    total = sum(state.spent.values(), Usage())
    base, best = state.baseline, state.best
    leads = best is not None and (base is None or (best.value or 0.0) > (base.value or 0.0))
    shown = best if leads else base
    gain = (
        best.value - base.value
        if leads and best and base and best.value is not None and base.value is not None
        else None
    )
    done = sum(trial.done and trial.number > 0 for trial in state.trials)
    with st.grid(2, min_column_width=430):
        with st.grid(2, min_column_width=180):
            _card("Best so far", score(shown.value if shown else None),
                  f"n = {shown.n_ok}" if shown else "nothing is scored yet")  # fmt: skip
            _card("Gain over the baseline", delta(gain),
                  f"baseline {score(base.value)}, n = {base.n_ok}" if base else "no baseline yet")  # fmt: skip
        with st.grid(2, min_column_width=180):
            _card("Program runs", count(state.program_runs),
                  f"{plural(done, 'scored trial')} in {duration(state.elapsed_s)}")  # fmt: skip
            spent = f"{tokens_of(total)} tokens · cost {cost_of(total)}"
            _card("LM calls", count(total.calls), spent.replace("$", "\\$"))


def _card(title: str, value: str, caption: str) -> None:
    with st.container(border=True, height="stretch", gap="xsmall"):
        st.metric(title, value)
        st.caption(caption)


def ending(history: History) -> str:
    """How the run came out, for the line under the title."""
    outcome = history.outcome
    if outcome is None:
        return "It has no winner: the replay ends where the run stands."
    return "No candidate was shown to beat the baseline." if no_gain(outcome) else clean(outcome.reason)
