"""A program without code as a form: a row a field, with name, kind, choices and description.

Rows and signature text are two sides of one thing: the rows write `nr_signature`, and are filled from it when it was
changed elsewhere (an earlier run's settings, a pasted signature).
"""

import ast
import re
from typing import Any

import streamlit as st

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.programs.signature_text import Field, read_signature, write_signature
from mipro_studio.ui.new_run.form_words import KEPT
from mipro_studio.ui.page.notices import problem

__all__ = ["KINDS", "field_of", "field_rows", "parts_of"]

CHOICE, OTHER = "One of these", "Other"
KINDS = {
    "Text": "str", CHOICE: "", "Yes or no": "bool", "Whole number": "int", "Number": "float",
    "List of texts": "list[str]", "Record": "dict", OTHER: "",
}  # fmt: skip
"""What a field may be, in words, and its type; of a choice and of other types a text field says the rest."""

_SIGNATURE, _WRITTEN, _PASTED = "nr_signature", "nr_fields_wrote", "nr_fields_pasted"
_SIDES = {"in": "Input", "out": "Output"}
_PLACEHOLDERS = {"in": "message", "out": "queue"}


def field_rows() -> None:
    """The rows of both sides, what they come to as a signature, and a place to paste one."""
    held = st.session_state
    if held.get(_SIGNATURE, "") != held.get(_WRITTEN) or "nr_fields_in" not in held:
        _fill(str(held.get(_SIGNATURE) or ""))
    for side, title in _SIDES.items():
        st.caption("What goes in" if side == "in" else "What comes out")
        for number, row in enumerate(held[f"nr_fields_{side}"]):
            _row(side, row, f"{title} {number + 1}", first=not number)
        st.button(f"Add an {title.lower()}", key=f"nr_fields_add_{side}", icon=":material/add:", type="tertiary",
                  on_click=_add, args=(side,))  # fmt: skip
    held[_SIGNATURE] = held[_WRITTEN] = _text()
    with st.expander("As a signature"):
        if held[_SIGNATURE]:
            st.code(held[_SIGNATURE], language=None, wrap_lines=True)
        st.text_input(
            "Paste one", key=_PASTED, placeholder="question, context: list[str] -> answer", on_change=_paste
        )
        if (refused := held.pop("nr_fields_refused", None)) is not None:
            problem(refused, "That is no signature")


def parts_of(field: Field) -> tuple[str, str]:
    """(kind, what its text field says) of a field, in the form's words."""
    choices = _choices(field.annotation)
    if choices is not None:
        return CHOICE, ", ".join(choices)
    kind = next((kind for kind, annotation in KINDS.items() if annotation == field.annotation), OTHER)
    return kind, field.annotation if kind == OTHER else ""


def field_of(name: str, kind: str, more: str, about: str) -> Field | None:
    """The field that a row stands for; None while it has no name. Blanks in a name become underscores."""
    named = re.sub(r"\W+", "_", name.strip()).strip("_")
    if not named:
        return None
    annotation = KINDS.get(kind, "str")
    if kind == CHOICE:
        choices = list(dict.fromkeys(part.strip() for part in re.split(r"[,\n]", more) if part.strip()))
        annotation = f"Literal[{', '.join(map(repr, choices))}]" if choices else "str"
    if kind == OTHER:
        annotation = more.strip() or "str"
    return Field(named, annotation, " ".join(about.split()))


def _choices(annotation: str) -> list[str] | None:
    """The texts of a `Literal` of texts that can be listed with commas; None for any other type."""
    node = ast.parse(annotation, mode="eval").body
    if not (isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Literal"):
        return None
    options = ast.literal_eval(node.slice)
    options = options if isinstance(options, tuple) else (options,)
    plain = all(isinstance(one, str) and one.strip() == one and not re.search(r"[,\n]", one) for one in options)
    return list(options) if plain else None


def _key(side: str, row: int, part: str) -> str:
    return f"nr_field_{side}_{row}_{part}"


def _row(side: str, row: int, label: str, *, first: bool) -> None:
    with st.grid(3, min_column_width=150, gap="small", vertical_alignment="bottom"):
        st.text_input(label, key=_key(side, row, "name"), placeholder=_PLACEHOLDERS[side], **KEPT)
        chosen = st.selectbox("Kind", list(KINDS), key=_key(side, row, "kind"), **KEPT)
        st.text_input("Description", key=_key(side, row, "about"), placeholder="for the model", **KEPT)
    if chosen == CHOICE:
        st.text_input(
            f"{label}: choices", key=_key(side, row, "more"), placeholder="billing, delivery, sales",
            help="Separated by commas. The model answers with one of them.", **KEPT,
        )  # fmt: skip
    elif chosen == OTHER:
        st.text_input(
            f"{label}: type", key=_key(side, row, "more"), placeholder="Optional[list[int]]",
            help="Made of str, int, float, bool, list, dict, Literal, Optional.", **KEPT,
        )  # fmt: skip
    if not first:  # there is at least one
        st.button(
            f"Remove {label.lower()}", key=_key(side, row, "out"), icon=":material/close:", type="tertiary",
            on_click=_remove, args=(side, row),
        )  # fmt: skip


def _text() -> str:
    """The signature of the rows; "" while a side has no field with a name."""
    sides = [_fields(side) for side in _SIDES]
    return write_signature(*sides) if all(sides) else ""


def _fields(side: str) -> list[Field]:
    held: Any = st.session_state
    found = []
    for row in held[f"nr_fields_{side}"]:
        parts = (str(held.get(_key(side, row, part)) or "") for part in ("name", "kind", "more", "about"))
        found.append(field_of(*parts))
    return [field for field in found if field is not None]


def _fill(text: str) -> None:
    """Rows from a signature; one of each side that is empty where there is none."""
    try:
        sides = read_signature(text)
    except BadInput:
        sides = ((), ())
    for side, fields in zip(_SIDES, sides, strict=True):
        st.session_state[f"nr_fields_{side}"] = list(range(max(1, len(fields))))
        for row in range(max(1, len(fields))):
            field = fields[row] if row < len(fields) else Field("")
            kind, more = parts_of(field)
            given = {"name": field.name, "kind": kind, "more": more, "about": field.description}
            st.session_state.update({_key(side, row, part): value for part, value in given.items()})


def _add(side: str) -> None:
    rows = st.session_state[f"nr_fields_{side}"]
    st.session_state[f"nr_fields_{side}"] = [*rows, max(rows, default=-1) + 1]


def _remove(side: str, row: int) -> None:
    st.session_state[f"nr_fields_{side}"] = [one for one in st.session_state[f"nr_fields_{side}"] if one != row]


def _paste() -> None:
    text = str(st.session_state[_PASTED]).strip()
    try:
        read_signature(text)
    except BadInput as error:
        st.session_state["nr_fields_refused"] = error
        return
    _fill(text)
    st.session_state[_PASTED] = ""
