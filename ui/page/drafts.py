"""The plan of the form as it stands, worked out in a process beside the server, and what it knows of the program."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from mipro_studio.control.helper_client import Drafter
from mipro_studio.optimizer_core.errors import BadInput, StudioError

if TYPE_CHECKING:
    from mipro_studio.optimizer_core.config import RunConfig

__all__ = ["CHECKED", "Draft", "about", "drafter", "effective", "known_fields", "latest", "predictors", "work_out"]

Draft = Mapping[str, Any]
_KEY, _ABOUT = "nr_draft", "nr_about"
CHECKED = "nr_checked"
"""Session key of the latest check: the config it was about, and its answer."""
_FACTS_OF = ("program", "data", "seed")


def _close(one: Drafter) -> None:
    one.close()


@st.cache_resource(on_release=_close)  # type: ignore[untyped-decorator]
def drafter() -> Drafter:
    """The one drafter of this server; its process starts with the first question and ends with us."""
    return Drafter()


def work_out(config: "RunConfig", checked: "tuple[RunConfig, Any] | None") -> Draft | BadInput | None:
    """The plan of `config`; None for a program of one's own that was not checked with these rows yet."""
    values = config.model_dump(mode="json", exclude_unset=True)
    try:
        answer: Draft | None = drafter().plan(values, _facts(values, checked))
    except BadInput as error:
        return error
    if answer is not None:
        st.session_state[_KEY] = (st.session_state.get(_ABOUT), answer)
    elif _of_program() is None:
        st.session_state.pop(_KEY, None)  # what is known is about another program
    return answer


def _facts(values: Mapping[str, Any], checked: "tuple[RunConfig, Any] | None") -> Any:
    if checked is None or isinstance(checked[1], StudioError):
        return None
    before = checked[0].model_dump(mode="json", exclude_unset=True)
    same = all(before.get(name) == values.get(name) for name in _FACTS_OF)
    return checked[1].get("facts") if same else None


def about(program: str | None, rows: str | None) -> None:
    """Say what the form is about now, None where it does not say: a plan of anything else is not quoted."""
    st.session_state[_ABOUT] = (program, rows)


def latest() -> Draft | None:
    """The plan that was worked out last, if it is of the program and the rows that the form names."""
    now, (of, answer) = st.session_state.get(_ABOUT), st.session_state.get(_KEY, (None, None))
    found: Draft | None = answer if of is not None and of == now and None not in of else None
    return found


def _of_program() -> Draft | None:
    """The plan that was worked out last, if it is of the form's program: that program's fields are known by it."""
    now, (of, answer) = st.session_state.get(_ABOUT), st.session_state.get(_KEY, (None, None))
    found: Draft | None = answer if of and now and of[0] is not None and of[0] == now[0] else None
    return found


def effective(part: str, name: str) -> Any:
    """What an empty setting comes to, as far as it is known."""
    draft = latest()
    return draft["settings"][part].get(name) if draft else None


def predictors() -> list[str]:
    """Names of the program's predictors, as far as they are known."""
    draft = _of_program()
    return [info["name"] for info in draft["facts"]["predictors"]] if draft else []


def _of_a_failed_check() -> Mapping[str, Sequence[str]]:
    """The fields of a program that loaded while its check found something else."""
    checked = st.session_state.get(CHECKED)
    return checked[1].fields if checked is not None and isinstance(checked[1], BadInput) else {}


def known_fields() -> tuple[list[str], list[str]]:
    """(inputs, outputs) of the program as a whole, as far as they are known."""
    draft = _of_program()
    fields = draft["facts"].get("fields", {}) if draft else _of_a_failed_check()
    return list(fields.get("inputs", ())), list(fields.get("outputs", ()))
