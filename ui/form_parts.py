"""The parts of the new-run form about the search. Every widget has a key of `ui.run_form`; values are in the session.

A setting that is left empty is filled in by the optimizer and the preset; the form shows with what.
"""

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from optimizer_core.catalogue import OPTIMIZERS, PRESETS, SCHEDULES, SURROGATES
from optimizer_core.config import TIPS
from ui.drafts import effective, latest, predictors
from ui.form_words import KEPT, choice
from ui.format import between, count
from ui.run_form import BY_PRESET

__all__ = ["budget", "optimizer", "proposer", "search"]


def optimizer() -> None:
    """Which system, with how much to spend, and whether it stops for a look."""
    st.subheader("Optimizer and budget", anchor=False)
    st.selectbox(
        "Optimizer", list(OPTIMIZERS), key="nr_optimizer", format_func=lambda name: OPTIMIZERS[name].title,
        on_change=_clear, **KEPT,
    )  # fmt: skip
    st.caption(OPTIMIZERS[st.session_state["nr_optimizer"]].summary)
    chosen = choice("Preset", list(PRESETS), "nr_preset", on_change=_clear)
    st.caption(PRESETS[chosen])
    _presets(chosen)
    by_hand = [key for key in BY_PRESET if st.session_state.get(key) is not None]
    if by_hand:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"{len(by_hand)} settings below are set by hand and go over the preset.", width="content")
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
            "preset": f"● {row['preset']}" if row["preset"] == chosen else row["preset"],
            "trials": count(row["trials"]),
            "candidates": count(row["candidates"]),
            "minibatch": count(row["minibatch_size"]),
            "full evaluations": count(row["full_evaluations"]),
            "program runs": between(row["program_runs"]),
            "prompt calls": between(row["prompt_calls"]),
        }
        for row in draft["presets"]
    ]
    st.table(rows, border="horizontal", hide_index=True, alt="What each preset means for this program and data")


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
    return "by the preset" if value is None else f"{value}, by the preset"


def search() -> None:
    a, b = st.columns(2)
    for place, title, name, choices in (
        (a, "Surrogate", "surrogate", SURROGATES), (b, "Schedule", "schedule", SCHEDULES),
    ):  # fmt: skip
        place.selectbox(
            title, list(choices), index=None, key=f"nr_{name}", format_func=choices.__getitem__,
            placeholder=_left_open("search", name), **KEPT,
        )  # fmt: skip
    number = _numbers(st.columns(3), "search")
    number("Candidates a predictor", "nr_candidates", 1, "Instructions and demo sets; the seed is one of them.")
    number("Trials", "nr_trials", 0, "Suggestions of the surrogate; the plan says what they cost.")
    number("Minibatch, examples", "nr_minibatch", 1, "Validation examples a trial asks for.")
    number("Full evaluation every … trials", "nr_full_every", 1, "Of the best mean that has none yet.")
    number("Bootstrapped demos at most", "nr_bootstrapped", 0, "In one set; answers by the teacher.")
    number("Demos at most", "nr_labeled", 0, "In one set, labelled ones included.")
    left, right = st.columns(2)
    left.number_input(
        "Least score of a demo", value=None, key="nr_threshold", step=0.1,
        placeholder=_left_open("search", "threshold"), help="Only traces with at least this score become demos.",
        **KEPT,
    )  # fmt: skip
    options = list(dict.fromkeys([*predictors(), *(st.session_state.get("nr_freeze") or ())]))
    right.multiselect(
        "Predictors left as they are", options, key="nr_freeze", placeholder="none", accept_new_options=True,
        help="Frozen: they keep their instruction and demos.", **KEPT,
    )  # fmt: skip


_PLACES = {
    "nr_candidates": "candidates",
    "nr_trials": "trials",
    "nr_minibatch": "minibatch_size",
    "nr_full_every": "full_eval_every",
    "nr_bootstrapped": "max_bootstrapped",
    "nr_labeled": "max_labeled",
}


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
    number = _numbers(st.columns(3))
    number("Threads", "nr_threads", 1, "Program runs under way at once. Fewer if the endpoint limits you.")
    number("Retries", "nr_retries", 0, "Further attempts of a call that failed for a reason that passes.")
    number("Seed", "nr_seed", 0, "The same seed and settings give the same run; 0 is a seed.")


def _numbers(columns: list[Any], part: str = "") -> Callable[[str, str, int, str], None]:
    places = iter(columns * 4)

    def number(label: str, key: str, least: int, does: str) -> None:
        more: Mapping[str, Any] = {"value": None, "placeholder": _left_open(part, _PLACES[key])} if part else {}
        next(places).number_input(label, least, None, step=1, key=key, help=does, **more, **KEPT)

    return number
