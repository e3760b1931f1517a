"""A run shown as it stood at a moment, with a slider through its life."""

from typing import Any

import streamlit as st

from mipro_studio.optimizer_core.types import Usage
from mipro_studio.ui.arms.candidate_names import Names, names_of
from mipro_studio.ui.candidate.candidate_panel import open_panel
from mipro_studio.ui.charts.figures import score_range, trials_alt, trials_figure
from mipro_studio.ui.charts.gold import gold_of
from mipro_studio.ui.charts.live_chart import live_chart
from mipro_studio.ui.live.importance import importance_bars
from mipro_studio.ui.live.spending import spending_table
from mipro_studio.ui.page.frame import query, tell_url
from mipro_studio.ui.page.store import reading
from mipro_studio.ui.replay.replay_state import History, State
from mipro_studio.ui.result.evidence import Evidence, evidence_of, no_gain
from mipro_studio.ui.result.leaders import candidates_tried
from mipro_studio.ui.result.verdict import verdict
from mipro_studio.ui.text.events import told
from mipro_studio.ui.text.format import cost_of, count, duration, plural, tokens_of

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
    found, names = _known(history, state)
    verdict(found, names, state.outcome, texts=state.outcome is not None)
    _numbers(state)
    metric = config.get("metric")
    with st.container(border=True):
        clicked = live_chart(
            _figure(history, state, f"score ({metric})" if metric else "score", found, names),
            key="replay_chart",
            height=380,
            alt=trials_alt(state.trials, gold_of(found, state.trials)),
            revision=history.run.id,
        )
        if clicked:
            open_panel(history.run.id, clicked)
    if state.outcome is not None:
        with st.container(border=True):
            st.header("What the score depends on", anchor=False)
            importance_bars(history.run.id, state.outcome.importance, "replay_importance", over=True)
    with st.grid(2, min_column_width=400):
        with st.container(border=True, height="stretch"):
            st.header("Spent until then", anchor=False)
            spending_table(state.spent, {})
            st.caption("From the answers kept by then. The prompt model's calls count once proposing is over.")
        with st.container(border=True, height="stretch"):
            _happened(state, names)


def _happened(state: State, names: Names) -> None:
    st.header("What had happened", anchor=False)
    rows = [f"· {words}" for _, words in told(state.events[-50:], names.of)]
    if not rows:
        st.caption("Nothing yet.")
        return
    with st.container(height=230, border=False):
        st.text("\n".join(rows))


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


def _figure(history: History, state: State, metric: str, found: Evidence, names: Names) -> dict[str, Any]:
    """The chart at that moment on the axes of the whole run, so that it does not jump."""
    whole = [trial for trial, _, _ in history.trials]
    gold = gold_of(found, state.trials)
    figure = trials_figure(state.trials, "program_runs", metric, name=names.of, n_val=found.n_val, gold=gold)
    end = max((trial.program_runs for trial in whole), default=100)
    figure["layout"]["xaxis"] |= {"range": [0, end * 1.03]}
    if reach := score_range(whole):
        figure["layout"]["yaxis"]["range"] = reach
    return figure


def _known(history: History, state: State) -> tuple[Evidence, Names]:
    """What was known at that moment; all of it once the run is over."""
    with reading() as reader:
        assert reader is not None, "the page was opened with a store"
        until = None if state.outcome is not None else state.at
        found = evidence_of(reader, history.run.id, state.trials, state.outcome, until)
        return found, names_of(reader, history.run.id)


def _numbers(state: State) -> None:
    total = sum(state.spent.values(), Usage())
    done = len({trial.number for trial in state.trials if trial.done and trial.number > 0})
    with st.grid(2, min_column_width=430):
        with st.grid(2, min_column_width=180):
            _card("Trials", count(done), plural(candidates_tried(state.trials), "candidate"))
            _card("Program runs", count(state.program_runs), f"in {duration(state.elapsed_s)}")
        with st.grid(2, min_column_width=180):
            _card("LM calls", count(total.calls), f"{tokens_of(total)} tokens")
            _card(
                "Cost", cost_of(total).replace("$", "\\$"),
                "at prices that are known" if total.cost_usd is not None else "no price is known",
            )  # fmt: skip


def _card(title: str, value: str, caption: str) -> None:
    with st.container(border=True, height="stretch", gap="xsmall"):
        st.metric(title, value)
        st.caption(caption)


def ending(history: History) -> str:
    """How the run came out, for the line under the title."""
    outcome = history.outcome
    if outcome is None:
        return "It has no winner: the replay ends where the run stands."
    return "No candidate was shown to beat the baseline." if no_gain(outcome) else "From first to last."
