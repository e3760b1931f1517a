"""The parts of the new-run form about the search. Widgets have the keys of `run_form`; values are in the session.

A setting that is left empty is filled in by the optimizer and the preset; the form shows with what.
"""

from collections.abc import Callable, Mapping
from itertools import cycle
from typing import Any

import streamlit as st

from mipro_studio.optimizer_core.catalogue import LABELS, OPTIMIZERS, PRESETS, SCHEDULES, SURROGATES
from mipro_studio.optimizer_core.config import TIPS
from mipro_studio.ui.new_run.form_words import KEPT, choice
from mipro_studio.ui.new_run.pace import pace_s, time_words
from mipro_studio.ui.new_run.run_form import BY_PRESET, FIELDS
from mipro_studio.ui.page.drafts import CHECKED, effective, latest, predictors
from mipro_studio.ui.text.format import between, count, dollars, plural

__all__ = ["budget", "optimizer", "preset_sentence", "proposer", "search"]

_STRATEGY_HELP = (
    "Steps in order, p for prompts and w for weights, as in p -> w -> p. Several by comma are compared in one run, "
    "which does once what they begin with; all: the eight of the paper."
)


def optimizer() -> None:
    """Which system, with how much to spend, and whether it stops for a look."""
    st.header("Optimizer and budget", anchor=False)
    st.selectbox(
        "Optimizer", list(OPTIMIZERS), key="nr_optimizer", format_func=lambda name: OPTIMIZERS[name].title,
        on_change=_clear, **KEPT,
    )  # fmt: skip
    st.caption(OPTIMIZERS[st.session_state["nr_optimizer"]].summary)
    if st.session_state["nr_optimizer"] == "better_together":
        st.text_input("Strategy", key="nr_strategy", help=_STRATEGY_HELP, **KEPT)
    chosen = choice("Preset", list(PRESETS), "nr_preset", on_change=_clear)
    st.caption(PRESETS[chosen])
    _presets(chosen)
    by_hand = [key for key in BY_PRESET if st.session_state.get(key) is not None]
    if by_hand:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"{plural(len(by_hand), 'setting')} below set by hand, over the preset.", width="content")
            st.button("Leave them to the preset", key="nr_clear", type="tertiary", on_click=_clear)
    st.checkbox("Stop after proposing so that I can review", key="nr_review", **KEPT)


def _clear() -> None:
    for key in BY_PRESET:
        st.session_state[key] = None


def _presets(chosen: str) -> None:
    """What each preset would mean for this program and these rows, before anything is spent."""
    draft = latest()
    if draft is None:
        st.caption("What each preset means in trials and program runs is shown once the program is known.")
        return
    rows = [
        {
            "preset": f"{row['preset']} ●" if row["preset"] == chosen else row["preset"],
            "trials": count(row["trials"]),
            "candidates": count(row["candidates"]),
            "program runs": between(row["program_runs"]),
            "prompt calls": between(row["prompt_calls"]),
        }
        for row in draft["presets"]
    ]
    st.table(rows, border="horizontal", hide_index=True, alt="What each preset means for this program and data")
    seconds = pace_s(st.session_state.get(CHECKED))
    st.caption(preset_sentence(draft["plan"], chosen, seconds, int(st.session_state.get("nr_threads") or 1)))


def preset_sentence(plan: Mapping[str, Any], chosen: str, seconds: float | None, threads: int) -> str:
    """What the chosen preset takes for this program, in trials, program runs, time and money.

    Args:
        seconds: Of one program run; None where nothing was measured.
    """
    total = (plan.get("program_runs") or {}).get("total")
    parts = [plural(int(plan.get("trials") or 0), "trial"), f"{between(total)} program runs before the sealed test"]
    if time := time_words(total, seconds, threads):
        parts.append(f"about {time} at the check's pace")
    parts.append(f"{dollars(plan['usd'])}" if plan.get("usd") is not None else "a cost that no price is known for")
    return f"{chosen.capitalize()} takes {', '.join(parts[:-1])} and {parts[-1]}.".replace("$", "\\$")


def proposer() -> None:
    """The meta-proposer's switches, each with what it does."""
    switches = {
        "nr_summary": ("Dataset summary", "Shows the prompt model a summary it wrote from batches of training rows."),
        "nr_program_summary": ("Program summary", "Shows it the program's source and what each module does."),
        "nr_demos": ("Bootstrapped demos", "Shows it three demos of the set that the instruction will stand with."),
        "nr_history": (
            "History",
            "Shows it earlier instructions with their scores; only optimizers in rounds use it.",
        ),
    }
    for key, (title, does) in switches.items():
        st.toggle(title, key=key, **KEPT)
        st.caption(does)
    st.pills(
        "Tips, one drawn for each proposal", list(TIPS), selection_mode="multi", key="nr_tips",
        format_func=lambda tip: tip.replace("_", " "),
        help="\n".join(f"- {name.replace('_', ' ')}: {text or 'no tip'}" for name, text in TIPS.items()), **KEPT,
    )  # fmt: skip
    left, right = st.columns(2)
    left.number_input(
        "Temperature of the prompt model", 0.0, 2.0, value=None, step=0.1, key="nr_temperature",
        placeholder=_left_open("proposer", "temperature"), **KEPT,
    )  # fmt: skip
    right.number_input("Rows in one batch of the dataset summary", 1, None, key="nr_batch", **KEPT)
    st.text_area("Hint in your own words", key="nr_hint", height=80, help="Shown with every request.", **KEPT)


def _left_open(part: str, name: str) -> str:
    value = effective(part, name)
    if value is None:
        return "as many as candidates" if name == "instructions" else "by the preset"
    return f"{value}, by the preset"


_LABELS_HELP = (
    "Spread: the demos of a set differ in their answers; and where rows label all that the program puts out, every "
    "other set is of labels alone, which costs no program run."
)


def search() -> None:
    """What is searched and how; a field that is left empty shows what it comes to."""
    a, b = st.columns(2)
    for place, title, name, choices in (
        (a, "Surrogate", "surrogate", SURROGATES), (b, "Schedule", "schedule", SCHEDULES),
        (st, "Labelled demos", "labels", LABELS),
    ):  # fmt: skip
        place.selectbox(
            title, list(choices), index=None, key=f"nr_{name}", format_func=choices.__getitem__,
            placeholder=_left_open("search", name), help=_LABELS_HELP if name == "labels" else None, **KEPT,
        )  # fmt: skip
    number = _numbers(st.columns(3), "search")
    number("Candidates a predictor", "nr_candidates", 1, "Instructions and demo sets; the seed is one of them.")
    number("Instructions a predictor", "nr_instructions", 1, "If not as many as candidates; the seed is one of them.")
    number("Least score of a demo", "nr_threshold", None, "Only traces with at least this score become demos.")
    number("Bootstrapped demos at most", "nr_bootstrapped", 0, "In one set; answers by the teacher.")
    number("Demos at most", "nr_labeled", 0, "In one set, labelled ones included.")
    number("Trials at once", "nr_lag", 1, "More keep more threads busy, but each knows fewer of the latest results.")
    number("Trials", "nr_trials", 0, "Suggestions of the surrogate; the plan says what they cost.")
    number("Minibatch, examples", "nr_minibatch", 1, "Validation examples a trial asks for. Racing has its own.")
    number("Full evaluation every … trials", "nr_full_every", 1, "Of the best mean that has none yet. Not in racing.")
    number("Racing: first trial, examples", "nr_step", 1, "A candidate's first cells; then as many again as it has.")
    number("Racing: finalists", "nr_finalists", 1, "Candidates beside the baseline that are evaluated in full.")
    if st.session_state["nr_optimizer"] == "ca_opro":
        number("Coordinate ascent: breadth", "nr_breadth", 1, "Instructions tried for one predictor in its turn.")
        number("Coordinate ascent: depth", "nr_depth", 1, "Turns that every predictor has.")
    options = list(dict.fromkeys([*predictors(), *(st.session_state.get("nr_freeze") or ())]))
    st.multiselect(
        "Predictors left as they are", options, key="nr_freeze", placeholder="none", accept_new_options=True,
        help="Frozen: they keep their instruction and demos.", **KEPT,
    )  # fmt: skip


def budget() -> None:
    st.caption("A cap ends the search cleanly with the best so far. The sealed test is apart.")
    columns = st.columns(5, vertical_alignment="bottom")
    names = {
        "nr_max_runs": ("Program runs", 1),
        "nr_max_calls": ("LM calls", 1),
        "nr_max_tokens": ("Tokens", 1),
        "nr_max_usd": ("Dollars", 0.0),
        "nr_max_minutes": ("Minutes", 0.0),
    }
    for column, (key, (title, least)) in zip(columns, names.items(), strict=True):
        column.number_input(title, least, None, value=None, key=key, placeholder="no cap", **KEPT)
    number = _numbers(st.columns(4, vertical_alignment="bottom"))
    number("Threads", "nr_threads", 1, "Program runs under way at once. Fewer if the endpoint limits you.")
    number("Retries", "nr_retries", 0, "Further attempts of a call that failed for a reason that passes.")
    number("Retries of the whole run", "nr_retry_budget", 1, "The run pauses after so many; it can be resumed.")
    number(
        "Pause after … failed calls", "nr_pause_after", 1, "In a row, for a reason that passes; it can be resumed."
    )
    number("Seed", "nr_seed", 0, "The same seed and settings give the same run; 0 is a seed.")


def _numbers(columns: list[Any], part: str = "") -> Callable[[str, str, int | None, str], None]:
    """Number fields from left to right, row by row; those of `part` may stay empty. Least None: any number."""
    places = cycle(columns)

    def number(label: str, key: str, least: int | None, does: str) -> None:
        more: Mapping[str, Any] = {"value": None, "placeholder": _left_open(part, FIELDS[key][-1])} if part else {}
        next(places).number_input(
            label, least, None, step=1 if least is not None else 0.1, key=key, help=does, **more, **KEPT
        )

    return number
