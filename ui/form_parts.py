"""The sections of the new-run form. Every widget has a key of `ui.run_form` and takes its value from the session."""

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from optimizer_core.config import TIPS
from optimizer_core.errors import BadInput
from optimizer_core.types import Role
from ui.notices import problem
from ui.run_form import ENDPOINT, OWN, SAME, to_state
from ui.samples import all_samples, sample_values
from ui.uploads import ENDINGS, MAX_MB, keep

__all__ = ["budget", "data", "models", "program", "proposer", "search"]

# The form survives a look at another page.
KEPT: Mapping[str, Any] = {"persist_state": "session"}
METRICS = ("exact_match", "normalized_exact_match", "token_f1", "numeric")


def _choice(label: str, options: list[str], key: str, **more: Any) -> str:
    chosen = st.segmented_control(label, options, key=key, required=True, **KEPT, **more)
    return str(chosen)


def program() -> None:
    st.subheader("Program", anchor=False)
    samples = {sample.name: sample for sample in all_samples()}
    kind = _choice("Where it comes from", ["Sample", "My own"], "nr_program_kind", label_visibility="collapsed")
    if kind == "Sample":
        st.selectbox(
            "Sample",
            list(samples),
            key="nr_sample",
            format_func=lambda name: samples[name].title if name in samples else name,
            placeholder="Choose a sample",
            on_change=_take_sample,
            **KEPT,
        )
        chosen = samples.get(st.session_state.get("nr_sample", ""))
        if chosen is not None:
            relation = f" Against the paper: {chosen.paper}" if chosen.paper else ""
            st.caption(f"{chosen.description}{relation} Licence: {chosen.licence}.")
    else:
        st.text_input(
            "Path or dotted path",
            key="nr_program",
            placeholder="path/to/program.py:attribute or package.module:attribute",
            help="A dspy.Module, or a function that makes one. It is loaded in a process of its own, never here.",
            **KEPT,
        )
    left, right = st.columns(2)
    left.text_input(
        "Metric", key="nr_metric", placeholder="the program's own",
        help=f"path.py:function, or one of {', '.join(METRICS)}. Empty: the one beside the program. Higher is "
        "better; it may return any number, not only 0 to 1.",
        **KEPT,
    )  # fmt: skip
    right.text_input("Name of the run", key="nr_name", placeholder="made from the program's name", **KEPT)


def _take_sample() -> None:
    """Another sample brings its own settings along; models and name stay as they are."""
    kept = ("nr_name", *(f"nr_{role}_" for role in Role))
    for key, value in to_state(sample_values(st.session_state["nr_sample"])).items():
        if not key.startswith(kept):
            st.session_state[key] = value


def data() -> None:
    st.subheader("Data", anchor=False)
    kinds = ["The program's own", "One file", "Upload", "A file a split"]
    kind = _choice("Where rows come from", kinds, "nr_data_kind", label_visibility="collapsed")
    endings = ", ".join(ENDINGS)
    if kind == "One file":
        st.text_input("Path of the file", key="nr_data_data", placeholder="data.csv", help=f"{endings}.", **KEPT)
    elif kind == "Upload":
        _upload()
    elif kind == "A file a split":
        columns = st.columns(3)
        for column, part in zip(columns, ("train", "val", "test"), strict=True):
            column.text_input(f"{part} file", key=f"nr_data_{part}", placeholder=f"{part}.csv", **KEPT)
    with st.expander("Columns and split"):
        st.text_input(
            "Input columns", key="nr_inputs", placeholder="those the program's inputs are named after",
            help="Comma-separated. Every other column is a label.", **KEPT,
        )  # fmt: skip
        st.text_area(
            "Columns with another name than the program's field", key="nr_columns", height=80,
            placeholder="text = message", help="One a line: column = field.", **KEPT,
        )  # fmt: skip
        parts = st.columns(5, vertical_alignment="bottom")
        for i, name in enumerate(("Train share", "Val share", "Test share")):
            parts[i].number_input(name, 0.0, 1.0, step=0.05, key=f"nr_split_{i}", **KEPT)
        parts[3].text_input(
            "Stratify by", key="nr_stratify", placeholder="the label", help="Its values keep their shares.", **KEPT
        )
        parts[4].number_input("Rows at most", 1, None, value=None, key="nr_limit", placeholder="all", **KEPT)
        st.caption("The test split is sealed: scored once, for the baseline and the winner, after the search.")


def _upload() -> None:
    file = st.file_uploader("File", type=list(ENDINGS), key="nr_upload", help=f"At most {MAX_MB} MB.")
    if file is not None:
        try:
            st.session_state["nr_data_upload"] = str(keep(file.name, file.getvalue()))
        except BadInput as error:
            problem(error, "The file was not kept")
    if st.session_state.get("nr_data_upload"):
        st.caption("The file is kept beside the store, so that the run can be resumed.")


def models() -> None:
    st.subheader("Models", anchor=False)
    _model(Role.TASK, "Task model", "Runs the program on every example.", [OWN, ENDPOINT])
    _model(Role.PROMPT, "Prompt model", "Writes instructions. A stronger one helps.", [SAME, OWN, ENDPOINT])
    _model(Role.TEACHER, "Teacher", "Bootstraps the demos.", [SAME, OWN, ENDPOINT])


def _model(role: Role, title: str, does: str, options: list[str]) -> None:
    kind = _choice(title, options, f"nr_{role}_kind", help=does)
    if kind != ENDPOINT:
        return
    key = f"nr_{role}_"
    with st.container(border=True):
        one, two = st.columns(2)
        one.text_input("Model", key=key + "model", placeholder="openai/NAME", help="As DSPy names it.", **KEPT)
        two.text_input("Base URL", key=key + "api_base", placeholder="the provider's own", **KEPT)
        one.text_input(
            "Environment variable with the key", key=key + "api_key_env", placeholder="OPENAI_API_KEY",
            help="Its NAME. The key is read by the worker and stored nowhere.", **KEPT,
        )  # fmt: skip
        two.number_input("Timeout of one attempt, s", 1.0, None, step=10.0, key=key + "timeout_s", **KEPT)
        a, b, c, d = st.columns(4, vertical_alignment="bottom")
        unset: Mapping[str, Any] = {"value": None, "placeholder": "default", **KEPT}
        a.number_input("Temperature", 0.0, 2.0, step=0.1, key=key + "temperature", **unset)
        b.number_input("Longest reply, tokens", 1, None, key=key + "max_tokens", **unset)
        price: Mapping[str, Any] = {**unset, "placeholder": "not known"}
        c.number_input("USD per million in", 0.0, None, key=key + "input_usd_per_mtok", **price)
        d.number_input("USD per million out", 0.0, None, key=key + "output_usd_per_mtok", **price)


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
    left.number_input("Temperature of the prompt model", 0.0, 2.0, step=0.1, key="nr_temperature", **KEPT)
    right.number_input("Rows in one batch of the dataset summary", 1, None, key="nr_batch", **KEPT)
    st.text_area("Hint in your own words", key="nr_hint", height=80, help="Shown with every request.", **KEPT)


def search() -> None:
    number = _numbers(st.columns(3))
    number("Candidates a predictor", "nr_candidates", 1, "Instructions and demo sets; the seed is one of them.")
    number("Trials", "nr_trials", 0, "Suggestions of the surrogate, each scored on one minibatch.")
    number("Minibatch, examples", "nr_minibatch", 1, "Validation examples a trial asks for.")
    number("Full evaluation every … trials", "nr_full_every", 1, "Of the best mean that has none yet.")
    number("Bootstrapped demos at most", "nr_bootstrapped", 0, "In one set; answers by the teacher.")
    number("Demos at most", "nr_labeled", 0, "In one set, labelled ones included.")
    left, right = st.columns(2)
    left.number_input(
        "Least score of a demo", key="nr_threshold", step=0.1,
        help="Only traces with at least this score become demos.", **KEPT,
    )  # fmt: skip
    right.text_input(
        "Predictors left as they are", key="nr_freeze", placeholder="none", help="Comma-separated names.", **KEPT
    )


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
    st.toggle("Stop before the search, so that I can read and edit the instructions", key="nr_review", **KEPT)


def _numbers(columns: list[Any]) -> Callable[[str, str, int, str], None]:
    places = iter(columns * 4)

    def number(label: str, key: str, least: int, does: str) -> None:
        next(places).number_input(label, least, None, step=1, key=key, help=does, **KEPT)

    return number
