"""The upper part of the live page: what the run is doing, what can be asked of it, four numbers."""

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from mipro_studio.optimizer_core.types import LEGAL_MOVES, Outcome, Status
from mipro_studio.storage import LiveView, RunSummary
from mipro_studio.ui.live.rows_gate import train
from mipro_studio.ui.page import actions
from mipro_studio.ui.page.frame import INSTRUCTIONS, LAB, NEW_RUN
from mipro_studio.ui.page.notices import notice, problem
from mipro_studio.ui.result.leaders import candidates_tried
from mipro_studio.ui.text.by_nature import no_more, tunes_weights
from mipro_studio.ui.text.format import (
    ago,
    between,
    clean,
    cost_of,
    count,
    duration,
    elapsed_s,
    humane,
    of,
    plural,
    tokens_of,
)
from mipro_studio.ui.text.status import LOOKS, can_resume, may_pause, may_stop, phase_line

__all__ = ["buttons", "cards", "reason", "rows_wait", "status_line"]

# A worker takes seconds to start, a dozen on a busy machine; after this it probably never did.
WORKER_LATE_S = 40.0
_HALTS: Mapping[str, tuple[str, str, Callable[[RunSummary, set[str]], bool], str]] = {
    "pause": ("Pause", "Pausing…", may_pause, "Finishes what is under way, then stands still."),
    "stop": ("Stop", "Stopping…", may_stop,
             "Ends the search; the likely winner is scored in full, then the sealed test. Resume goes on."),
}  # fmt: skip
"""Command -> label, label while it is obeyed, whether the state allows it, what it does."""


def status_line(run: RunSummary) -> None:
    """Badge, phase with its count, and times."""
    look = LOOKS[run.status]
    with st.container(horizontal=True, vertical_alignment="center", gap="small", width="content"):
        st.badge(look.word, icon=look.icon, color=look.colour)
        doing = phase_line(run)
        if doing:
            note = clean(run.phase_note) if run.status is Status.RUNNING else ""
            st.text(f"{doing} · {note}" if note else doing)
        times = f"{duration(run.wall_s)} at work · started {ago(run.started_at)}" if run.started_at else ""
        st.caption(times or f"created {ago(run.created_at)}", width="content")


def buttons(run: RunSummary, obeying: set[str], given_up: bool = False) -> None:
    """Pause, go on, stop, as far as its state allows; one that it obeys already stays, and says so.

    Args:
        obeying: `stop` and `pause`, as far as the run was asked for them.
        given_up: It stands still because (nearly) every program run failed.
    """
    if run.origin:
        st.badge("Replay file, only shown", icon=":material/inventory_2:", color="violet")
        return
    with st.container(horizontal=True, gap="small", width="content"):
        if run.status is Status.RUNNING:
            _halt(run, "pause", obeying)
        _go_on(run, given_up)
        again = st.button(
            "Rerun", key="live_rerun", icon=":material/replay:", help="Opens the form with this run's settings."
        )
        if again and run.optimizer == "lab":
            st.switch_page(LAB.path)
        if again:
            st.switch_page(NEW_RUN.path, query_params={"from": run.id})
        if Status.STOPPED in LEGAL_MOVES[run.status]:
            _halt(run, "stop", obeying)


def _halt(run: RunSummary, what: str, obeying: set[str]) -> None:
    word, under_way, allowed, does = _HALTS[what]
    st.button(
        under_way if what in obeying else word, key=f"live_{what}", icon=f":material/{what}:",
        disabled=not allowed(run, obeying), help=does, on_click=actions.ask, args=(what, run.id),
    )  # fmt: skip


def _go_on(run: RunSummary, given_up: bool) -> None:
    late = run.status is Status.QUEUED and (elapsed_s(run.updated_at) or 0.0) > WORKER_LATE_S
    if late:
        label, what, does = "Start its worker", "spawn", "No worker has taken it yet."
    elif run.status is Status.AWAITING_REVIEW:
        label, what, does = "Start the search", "approve", "Searches over the instructions as they stand."
        if rows_wait(run):
            label, does = "Start the training", "Tunes weights on the rows as they stand."
    else:
        label, what, does = "Resume", "resume", "Goes on from the score table; nothing is paid twice."
    if late or can_resume(run):
        asked: tuple[Callable[..., None], tuple[str, ...]] = (actions.ask, (what, run.id))
        if rows_wait(run):
            asked = (train, (run.id,))
        st.button(
            label, key="live_resume", icon=":material/play_arrow:", help=does, on_click=asked[0], args=asked[1],
            type="primary" if run.status is not Status.AWAITING_REVIEW or rows_wait(run) else "secondary",
        )  # fmt: skip
    if given_up:
        st.button(
            "Go on all the same", key="live_despite_errors", icon=":material/fast_forward:",
            help="Keeps the errors as they are and searches on what can be scored, however little that is.",
            on_click=actions.ask, args=("resume_despite_errors", run.id),
        )  # fmt: skip
    if run.status is Status.COMPLETED and run.optimizer != "lab" and not no_more(run.optimizer):
        with st.popover("More trials", icon=":material/add:", key="live_more"):
            least = (run.trials_planned or run.trials_done) + 1
            st.number_input("Trials in all", least, None, least + 9, key="live_more_trials")
            st.button(
                "Go on", key="live_more_go", type="primary", on_click=actions.more_trials,
                args=(run.id, "live_more_trials"),
            )  # fmt: skip


def rows_wait(run: RunSummary) -> bool:
    """Whether it waits for a person to read the rows that weights are about to be tuned on."""
    return run.status is Status.AWAITING_REVIEW and tunes_weights(run.optimizer)


def reason(run: RunSummary, outcome: Outcome | None, given_up: bool = False) -> None:
    """Why a run does not go on, and what to do; nothing for one that does. `given_up` as of `buttons`."""
    refusal = actions.take_refusal()
    if refusal is not None:
        problem(refusal)
    hints = {
        Status.PAUSED: "Every answer so far is kept. Resume when the cause is gone, or stop with the best so far.",
        Status.STOPPED: "The best so far stands. Resume to go on.",
        Status.FAILED: "Mend the cause and resume: every scored example is kept. A retry alone would not help.",
        Status.LOST: "Its worker died or the machine slept. Resume goes on from the last answer that was kept.",
        Status.AWAITING_REVIEW: "The search has not begun and spends nothing while it waits.",
    }
    if run.status is Status.RUNNING and run.reason:
        notice("Waiting", clean(run.reason), icon=":material/hourglass_top:", colour="orange")
    hint = hints.get(run.status)
    rows = rows_wait(run)
    if rows:
        hint = "The rows are below. Leave some out or answer them anew, then start the training."
    if given_up:
        hint = ("Resume asks again what failed, once the cause is gone. “Go on all the same” keeps the errors and "
                "searches on what can be scored.")  # fmt: skip
    cut_short = run.trials_done < (run.trials_planned or 0) and (outcome is None or run.reason != outcome.reason)
    if run.status is Status.COMPLETED and run.reason and cut_short:
        more = "" if no_more(run.optimizer) else ", or ask for more trials"
        hint = f"It ended before its last trial. Raise the limit in a new run{more}."
    look = LOOKS[run.status]
    if hint is not None:
        notice(look.word, humane(run.reason), icon=look.icon, colour=look.colour, hint=hint, details=run.error)
    gate = run.status is Status.AWAITING_REVIEW and not rows
    if gate and st.button("Read the instructions", key="live_read", icon=INSTRUCTIONS.icon, type="primary"):
        st.switch_page(INSTRUCTIONS.path, query_params={"run": run.id})


def _card(title: str, value: str, beside: str, caption: str) -> None:
    with st.container(border=True, height="stretch", gap="xsmall"):
        st.metric(title, value, beside, delta_color="off", delta_arrow="off")
        st.caption(caption)


def cards(view: LiveView, plan: Mapping[str, Any]) -> None:
    """What the run has done and spent, each beside what was planned."""
    run = view.summary
    runs, spent = plan.get("program_runs") or {}, view.total_spent
    # Two and two, so that a narrow page shows 2 x 2 and never three and one.
    with st.grid(2, min_column_width=430):
        with st.grid(2, min_column_width=180):
            _card(
                "Trials",
                of(run.trials_done, run.trials_planned),
                plural(candidates_tried(view.trials), "candidate"),
                "A trial asks for scores of one candidate.",
            )
            _card(
                "Program runs",
                count(run.cells_ok + run.cells_error),
                f"planned {between(_with_test(runs))}" if runs else "no plan",
                f"{plural(run.cells_error, 'error')} · {plural(view.test_cells, 'run')} on the sealed test",
            )
        with st.grid(2, min_column_width=180):
            _card(
                "LM calls",
                count(spent.calls),
                f"{tokens_of(spent)} tokens",
                f"Cost {cost_of(spent)}".replace("$", "\\$"),
            )
            started = f"Started {ago(run.started_at)}." if run.started_at else "Not started."
            _card("Time at work", duration(run.wall_s), "pauses not counted", started)


def _with_test(runs: Mapping[str, Any]) -> list[float] | None:
    """The planned program runs of search and sealed test together, as the card counts both."""
    total = runs.get("total")
    return None if total is None else [bound + (runs.get("test") or 0) for bound in total]
