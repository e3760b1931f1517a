"""The part of the new-run form about rows: where they come from, which column is which field, how they are split."""

from pathlib import Path
from typing import Any

import streamlit as st

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.programs.signature_text import signature_fields
from mipro_studio.optimizer_core.sources import ENDINGS, is_python_source
from mipro_studio.ui.new_run.data_report import short_first
from mipro_studio.ui.new_run.form_words import KEPT, choice
from mipro_studio.ui.new_run.run_form import OWN_ROWS
from mipro_studio.ui.page.access import code_refusal
from mipro_studio.ui.page.drafts import drafter, known_fields
from mipro_studio.ui.page.notices import notice, problem
from mipro_studio.ui.page.uploads import MAX_MB, keep
from mipro_studio.ui.text.format import one_line, plural

__all__ = ["data"]

_FILES = {"One file": "nr_data_data", "Upload": "nr_data_upload", "A file a split": "nr_data_train"}
_NOT_THERE = "(no column)"
_CHOSEN = "nr_chosen"
"""Session key of the latest choice of columns: what it is about, and the texts that were written for it."""
_PROGRAM = ("nr_program_kind", "nr_program", "nr_program_upload", "nr_attribute")
_KINDS = (
    f"{', '.join(ENDINGS)}, each also as .gz. Or `path.py:name`: a list of dspy.Example or dicts, or a function that "
    "returns one."
)


_HINTS = (
    ("Stratify by", "nr_stratify", "the label", "A column whose values keep their shares in all splits; or `none`."),
    ("Group by", "nr_group", "nothing", "A column; rows with the same value in it stay in one split."),
    ("Delimiter", "nr_delimiter", "found out", "Of CSV files: one character, or comma, semicolon, tab, pipe."),
    ("Encoding", "nr_encoding", "found out", "Of text files, such as utf-8, utf-16, cp1252, shift_jis."),
)
"""Text fields: label, key, what an empty one means, help."""


def data() -> None:
    st.header("Data", anchor=False)
    kinds = [*_FILES] if st.session_state.get("nr_program_kind") == "No code" else [OWN_ROWS, *_FILES]
    if st.session_state.get("nr_data_kind") not in kinds:  # a program without code brings no rows
        st.session_state["nr_data_kind"] = kinds[0]
    kind = choice("Where rows come from", kinds, "nr_data_kind", label_visibility="collapsed")
    if kind == "Upload":
        _upload()
    elif kind != OWN_ROWS and (why := code_refusal()):
        notice("Not from here", why, icon=":material/lock:", colour="orange")
        return
    elif kind == "One file":
        st.text_input("Path of the file", key="nr_data_data", placeholder="data.csv", help=_KINDS, **KEPT)
    elif kind == "A file a split":
        columns = st.columns(3)
        for column, part in zip(columns, ("train", "val", "test"), strict=True):
            column.text_input(f"{part} file", key=f"nr_data_{part}", placeholder=f"{part}.csv", **KEPT)
    elif st.session_state.get("nr_program_kind") != "Sample":
        st.caption("Only samples bring rows. Name a file, or upload one.")
    path = str(st.session_state.get(_FILES[kind]) or "").strip() if kind in _FILES else ""
    if is_python_source(path):
        st.caption("Check to see the rows: they are Python code, which runs only then.")
    elif path:
        _columns(path)
    with st.expander("Split, and columns by hand"):
        _by_hand()


def _by_hand() -> None:
    st.text_input(
        "Input columns", key="nr_inputs", placeholder="those the program's inputs are named after",
        help="Comma-separated.", **KEPT,
    )  # fmt: skip
    st.text_input(
        "Label columns", key="nr_label_columns", placeholder="those that the program puts out at its end",
        help="Comma-separated. Built-in metrics score these, and a row without any of them is left out. All other "
        "columns are kept for metrics and demos.", **KEPT,
    )  # fmt: skip
    st.checkbox(
        "Empty is an answer", key="nr_empty",
        help="A row whose label is empty or null is kept, with the empty text as its answer.", **KEPT,
    )  # fmt: skip
    st.text_area(
        "Columns with another name than the program's field", key="nr_columns", height=80,
        placeholder="text = message", help="One a line: column = field.", **KEPT,
    )  # fmt: skip
    parts = st.columns(4, vertical_alignment="bottom")
    for i, name in enumerate(("Train share", "Val share", "Test share")):
        parts[i].number_input(name, 0.0, 1.0, step=0.05, key=f"nr_split_{i}", **KEPT)
    parts[3].number_input("Rows at most", 1, None, value=None, key="nr_limit", placeholder="all", **KEPT)
    for place, (name, key, found, words) in zip(st.columns(4, vertical_alignment="bottom"), _HINTS, strict=True):
        place.text_input(name, key=key, placeholder=found, help=words, **KEPT)
    st.caption("The test split is sealed: scored once, for the baseline and the winner, after the search.")


def _upload() -> None:
    file = st.file_uploader("File", type=[*ENDINGS, "gz"], key="nr_upload", help=f"At most {MAX_MB} MB.")
    if file is not None:
        try:
            st.session_state["nr_data_upload"] = str(keep(file.name, file.getvalue()))
        except BadInput as error:
            problem(error, "The file was not kept")
    if st.session_state.get("nr_data_upload"):
        st.caption("The file is kept beside the store, so that the run can be resumed.")


def _columns(path: str) -> None:
    """The first rows, and which column each field of the program is read from."""
    try:
        with st.spinner("Reading the first rows…"):
            said = [str(st.session_state.get(key) or "").strip() or None for key in ("nr_delimiter", "nr_encoding")]
            found = drafter().rows(str(Path(path).expanduser().absolute()), *said)
    except BadInput as error:
        problem(error, "The file cannot be read")
        return
    for note in found.get("notes", ()):
        notice("As it was read", note, icon=":material/info:", colour="blue")
    rows = short_first([{name: one_line(value, 120) for name, value in row.items()} for row in found["rows"]])
    st.caption(f"{plural(found['n'], 'row')}; the first {len(rows)}:")
    st.dataframe(rows, hide_index=True, alt="The first rows of the file", key="nr_rows")
    _forget(path)
    inputs, outputs = _fields()
    if not inputs:
        st.caption("Check the program to choose which column is which field.")
        return
    renamed = _renamed()
    places = st.columns(min(4, len(inputs) + len(outputs)))
    for i, field in enumerate((*inputs, *outputs)):
        is_input = i < len(inputs)
        options = [_NOT_THERE, *found["columns"]]
        column = next((name for name, to in renamed.items() if to == field), field)
        key = f"nr_map_{field}"
        if st.session_state.get(key) not in options:
            st.session_state[key] = column if column in options else _NOT_THERE
        places[i % len(places)].selectbox(
            f"{field} ({'input' if is_input else 'label'})", options, key=key,
            on_change=_map, args=(tuple(inputs), tuple(outputs), path),
        )  # fmt: skip


def _fields() -> tuple[list[str], list[str]]:
    if st.session_state.get("nr_program_kind") == "No code":
        try:
            inputs, outputs = signature_fields(str(st.session_state.get("nr_signature") or ""))
        except BadInput:
            return [], []
        return list(inputs), list(outputs)
    return known_fields()


def _renamed() -> dict[str, str]:
    """column -> field, as it is written by hand."""
    pairs = (line.partition("=") for line in str(st.session_state.get("nr_columns") or "").splitlines())
    return {column.strip(): field.strip() for column, _, field in pairs if field.strip()}


def _about(path: str) -> tuple[Any, ...]:
    return path, *(st.session_state.get(key) for key in _PROGRAM)


def _forget(path: str) -> None:
    """Drop choices of columns that were made for another file or program, unless somebody wrote over them since."""
    held = st.session_state
    about, *written = held.get(_CHOSEN, (None,))
    if about is not None and about != _about(path):
        del held[_CHOSEN]
        if written == [held.get("nr_columns"), held.get("nr_inputs")]:
            held["nr_columns"] = held["nr_inputs"] = ""
            for key in [key for key in held if str(key).startswith("nr_map_")]:
                del held[key]


def _map(inputs: tuple[str, ...], outputs: tuple[str, ...], path: str) -> None:
    """Write the choices where they can also be written by hand."""
    chosen: dict[str, Any] = {field: st.session_state.get(f"nr_map_{field}") for field in (*inputs, *outputs)}
    pairs = [(column, field) for field, column in chosen.items() if column not in (None, _NOT_THERE, field)]
    st.session_state["nr_columns"] = "\n".join(f"{column} = {field}" for column, field in pairs)
    st.session_state["nr_inputs"] = ", ".join(name for name in inputs if chosen[name] not in (None, _NOT_THERE))
    st.session_state[_CHOSEN] = (_about(path), st.session_state["nr_columns"], st.session_state["nr_inputs"])
