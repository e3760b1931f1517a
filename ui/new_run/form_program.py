"""The part of the new-run form about the program and its metric."""

from typing import Any

import streamlit as st

from mipro_studio.optimizer_core.catalogue import METRICS
from mipro_studio.optimizer_core.config import NO_CODE
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.types import Role
from mipro_studio.ui.home.samples import all_samples, sample_values
from mipro_studio.ui.new_run.field_rows import field_rows
from mipro_studio.ui.new_run.form_models import model
from mipro_studio.ui.new_run.form_words import KEPT, choice
from mipro_studio.ui.new_run.model_fields import ENDPOINT, OWN, SAME
from mipro_studio.ui.new_run.run_form import KINDS, OWN_ROWS, to_state
from mipro_studio.ui.page.access import code_refusal
from mipro_studio.ui.page.notices import notice, problem
from mipro_studio.ui.page.uploads import keep_program

__all__ = ["metric", "program"]

_MODULES = dict(zip(NO_CODE, ("Predict: answer at once", "ChainOfThought: reason first"), strict=True))


def program() -> None:
    """Where the program comes from."""
    st.header("Program", anchor=False)
    kind = choice(
        "Where it comes from", list(KINDS), "nr_program_kind", label_visibility="collapsed", on_change=_leave_sample
    )
    if kind == "Sample":
        _sample()
    elif kind == "No code":
        _signature()
    elif why := code_refusal():
        notice("Not from here", why, icon=":material/lock:", colour="orange")
    elif kind == "Upload":
        _upload()
    else:
        st.text_input(
            "Path or dotted path",
            key="nr_program",
            placeholder="path/to/program.py:attribute or package.module:attribute",
            help="A dspy.Module, or a function that makes one. A path counts from the folder that the studio was "
            "started in. It is loaded in a process of its own, never here.",
            **KEPT,
        )
    st.text_input("Name of the run", key="nr_name", placeholder="made from the program's name", **KEPT)


def _leave_sample() -> None:
    """What a sample sets for itself (split, stratum, switches) leaves with it and comes back with it."""
    held, plain = st.session_state, to_state({})
    back = held["nr_program_kind"] == "Sample"
    for key, value in to_state(sample_values(held.get("nr_sample") or "")).items():
        if value == plain[key] or key in ("nr_program_kind", "nr_sample"):
            continue
        if back or held.get(key) == value:
            held[key] = value if back else plain[key]
    if held["nr_program_kind"] == "No code" and held.get("nr_metric_kind") == "My own" and not held.get("nr_metric"):
        held["nr_metric_kind"] = "Built in"  # it brings none
    if back or held.get("nr_data_kind") == OWN_ROWS:
        held["nr_data_kind"] = OWN_ROWS if back else "One file"


def _sample() -> None:
    samples = {sample.name: sample for sample in all_samples()}
    st.selectbox(
        "Sample",
        list(samples),
        key="nr_sample",
        format_func=lambda name: samples[name].title if name in samples else name,
        placeholder="Choose a sample",
        on_change=_take_sample,
        **KEPT,
    )
    chosen = samples.get(st.session_state.get("nr_sample") or "")
    if chosen is not None:
        relation = f" Against the paper: {chosen.paper}" if chosen.paper else ""
        st.caption(f"{chosen.description}{relation} Licence: {chosen.licence}.")


def _take_sample() -> None:
    """Another sample brings its own settings along; models and name stay as they are."""
    kept = ("nr_name", *(f"nr_{role}_" for role in Role))
    for key, value in to_state(sample_values(st.session_state["nr_sample"])).items():
        if not key.startswith(kept):
            st.session_state[key] = value


def _signature() -> None:
    field_rows()
    st.radio("Module", list(_MODULES), key="nr_module", format_func=_MODULES.__getitem__, horizontal=True, **KEPT)
    st.text_area(
        "Instruction to begin with",
        key="nr_instruction",
        height=80,
        placeholder="made from the field names",
        help="Rules that cannot be seen in examples belong here: optimizers do not discover them.",
        **KEPT,
    )


def _upload() -> None:
    file = st.file_uploader("Python file", type=["py"], key="nr_program_file", help="One file with a dspy.Module.")
    if file is not None:
        try:
            st.session_state["nr_program_upload"] = str(keep_program(file.name, file.getvalue()))
        except BadInput as error:
            problem(error, "The file was not kept")
    if st.session_state.get("nr_program_upload"):
        st.caption("The file is kept beside the store and is loaded in a process of its own.")
    st.text_input(
        "Attribute", key="nr_attribute", placeholder="program", help="Which of the file's objects; empty: `program`.",
        **KEPT,
    )  # fmt: skip


def metric() -> None:
    """What a score is."""
    st.header("Metric", anchor=False)
    kinds = ["My own", "Built in", "A judge"]
    titles = {"My own": "The program's, or a function"}
    kind = choice(
        "What a score is", kinds, "nr_metric_kind", label_visibility="collapsed",
        format_func=lambda name: titles.get(name, name),
    )  # fmt: skip
    if kind == "Built in":
        named = st.selectbox("Metric", list(METRICS), key="nr_metric_name", **KEPT)
        does = METRICS[named]
        st.caption(f"{does[:1].upper()}{does[1:]}. The mean over the labels that the program has an output for.")
    elif kind == "A judge":
        _judge()
    else:
        st.text_input(
            "Metric", key="nr_metric", placeholder="the one beside the program",
            help="path.py:function. Higher is better; it may return any number, not only 0 to 1.", **KEPT,
        )  # fmt: skip


def _judge() -> None:
    st.text_area(
        "Criteria, one a line", key="nr_criteria", height=100,
        placeholder="The answer names one queue.\nThe answer asks for nothing that the message already says.",
        help="Each is judged yes or no in a call of its own; the score is the share of yes.", **KEPT,
    )  # fmt: skip
    st.caption(
        "A judge is a model and can be fooled: look at what wins. Each criterion costs one call a program run."
    )
    options: list[Any] = [SAME, OWN, ENDPOINT]
    model(Role.JUDGE, Role.JUDGE.label, Role.JUDGE.does, options, same="Same as the prompt model")
