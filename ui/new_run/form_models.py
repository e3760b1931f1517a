"""The part of the new-run form about models, with endpoints that are saved, tested and used again."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from mipro_studio.control import helper_client
from mipro_studio.optimizer_core.config import ModelSpec
from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.secrets import refuse_secrets
from mipro_studio.optimizer_core.types import ErrorClass, Role
from mipro_studio.storage import Endpoint, default_store, endpoints, forget_endpoint, save_endpoint
from mipro_studio.ui.new_run.form_words import KEPT, choice
from mipro_studio.ui.new_run.model_fields import (
    ENDPOINT,
    MODEL_FIELDS,
    OWN,
    PROGRAMS,
    ROLES,
    SAME,
    model_spec,
    model_state,
)
from mipro_studio.ui.page.access import code_refusal
from mipro_studio.ui.page.drafts import predictors
from mipro_studio.ui.page.notices import notice, problem
from mipro_studio.ui.text.format import clean, duration, one_line

__all__ = ["ERROR_WORDS", "model", "models"]

ERROR_WORDS: Mapping[str, str] = {
    ErrorClass.RATE_LIMIT: "Rate limit",
    ErrorClass.SERVER: "Server error",
    ErrorClass.CONNECTION: "No connection",
    ErrorClass.TIMEOUT: "No answer in time",
    ErrorClass.AUTH: "Key refused or not set",
    ErrorClass.MODEL: "Model not known there",
    ErrorClass.REFUSAL: "Refused by a filter",
    ErrorClass.REQUEST: "Request not taken",
    ErrorClass.CONTEXT: "Context window",
    ErrorClass.EMPTY: "Empty reply",
    ErrorClass.MALFORMED: "No reply of a model",
}
_ADAPTERS: Mapping[str, str] = {
    "auto": "As the program configures it",
    "chat": "Chat",
    "json": "JSON",
    "xml": "XML",
    "two_step": "Two step: replies are read by the model once more",
    "baml": "BAML",
}
_TESTED = "nr_tested"


def models() -> None:
    st.header("Models", anchor=False)
    bare = st.session_state.get("nr_program_kind") == "No code"  # configures no model
    for role in ROLES:
        options = [SAME, OWN, ENDPOINT]
        if role is Role.TASK:
            options = [OWN, ENDPOINT] if bare else [OWN, ENDPOINT, PROGRAMS]
            if st.session_state.get(f"nr_{role}_kind") not in options:
                st.session_state[f"nr_{role}_kind"] = OWN
        model(role, role.label, role.does, options)
    _of_the_program()


def _of_the_program() -> None:
    """What the program sets by itself and a person may choose otherwise."""
    with st.expander("Adapter, and models of single predictors"):
        st.selectbox(
            "Adapter", list(_ADAPTERS), key="nr_adapter", format_func=_ADAPTERS.__getitem__,
            help="How prompts are written and replies are read.", **KEPT,
        )  # fmt: skip
        known = predictors() or ["PREDICTOR"]
        st.text_area(
            "Models of single predictors", key="nr_models", placeholder=f"{known[0]}=openai/NAME,temperature=0.2",
            help="One line each: PREDICTOR=MODEL[@API_BASE][,temperature=0.2][,max_tokens=500][,api_key_env=NAME]. A "
            "predictor that is not named keeps the model that the program sets for it, else it has the task model.",
            **KEPT,
        )  # fmt: skip
        st.caption(f"Predictors: {', '.join(one_line(name, 60) for name in predictors()) or 'not looked at yet'}.")


def model(role: Role, title: str, does: str, options: list[str], same: str = SAME) -> None:
    """The model of one role; `same` is what `SAME` is called here."""
    names = {SAME: same}
    kind = choice(title, options, f"nr_{role}_kind", help=does, format_func=lambda name: names.get(name, name))
    if kind != ENDPOINT:
        return
    if why := code_refusal():
        notice("Not from here", why, icon=":material/lock:", colour="orange")
        return
    with st.container(border=True):
        _saved(role)
        _fields(f"nr_{role}_")
        _try_and_keep(role)


def _saved(role: Role) -> None:
    try:
        known = {endpoint.name: endpoint for endpoint in endpoints(default_store())}
    except StudioError as error:
        problem(error, "The saved endpoints cannot be shown")
        return
    if known:
        st.selectbox(
            "Saved endpoint", list(known), index=None, key=f"nr_{role}_saved", placeholder="choose one, or fill in",
            on_change=_take, args=(role, known),
        )  # fmt: skip


def _take(role: Role, known: Mapping[str, Endpoint]) -> None:
    chosen = known.get(st.session_state.get(f"nr_{role}_saved") or "")
    if chosen is not None:  # all of it: what the endpoint leaves open is not the last one's
        st.session_state.update(model_state(role, {**ModelSpec().model_dump(), **chosen.spec}))


def _fields(key: str) -> None:
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
    price: Mapping[str, Any] = {**unset, "placeholder": "unknown"}
    c.number_input("USD per million in", 0.0, None, key=key + "input_usd_per_mtok", **price)
    d.number_input("USD per million out", 0.0, None, key=key + "output_usd_per_mtok", **price)


def _try_and_keep(role: Role) -> None:
    """Test the endpoint, keep it under a name, forget one that was kept."""
    key = f"nr_{role}_"
    with st.container(horizontal=True, vertical_alignment="center"):
        pressed = st.button("Test", key=key + "test", icon=":material/network_check:", help="One short call.")
        with st.popover("Save", icon=":material/bookmark_add:", key=key + "save"):
            st.text_input("Name", key=key + "save_name", placeholder="our gateway")
            st.button("Save endpoint", key=key + "save_go", type="primary", on_click=_save, args=(role,))
        if st.session_state.get(key + "saved"):
            st.button("Forget", key=key + "forget", type="tertiary", on_click=_forget, args=(role,))
    if pressed:
        _test(role)
    tested = st.session_state.get(_TESTED, {}).get(role)
    if tested is not None and tested[0] == _now(role):
        _tell(tested[1])


def _now(role: Role) -> list[Any]:
    return [st.session_state.get(f"nr_{role}_{part}") for part in MODEL_FIELDS]


def _test(role: Role) -> None:
    try:
        spec = model_spec(st.session_state, role)
    except StudioError as error:
        answer: dict[str, Any] = {"error": "", "message": str(error)}
    else:
        with st.spinner("Asking the endpoint…"):
            answer = helper_client.ping(spec or {})
    st.session_state[_TESTED] = {**st.session_state.get(_TESTED, {}), role: (_now(role), answer)}


def _tell(answer: Mapping[str, Any]) -> None:
    if "latency_s" in answer:
        st.badge(f"Answered in {duration(answer['latency_s'])}", icon=":material/check_circle:", color="green")
        st.text(f"It said: {one_line(answer['reply'], 120)}")
        return
    st.badge(ERROR_WORDS.get(answer["error"], "It does not work"), icon=":material/error:", color="red")
    st.text(clean(answer["message"])[:600])


def _save(role: Role) -> None:
    key = f"nr_{role}_"
    name = str(st.session_state.get(key + "save_name") or "").strip()
    try:
        spec = model_spec(st.session_state, role) or {}
        refuse_secrets(spec)
        given = {part: value for part, value in spec.items() if value is not None}
        save_endpoint(default_store(), Endpoint(name or spec["model"], **given))
        st.session_state[key + "saved"] = name or spec["model"]
    except StudioError as error:
        st.session_state[_TESTED] = {
            **st.session_state.get(_TESTED, {}), role: (_now(role), {"error": "", "message": str(error)}),
        }  # fmt: skip


def _forget(role: Role) -> None:
    name = st.session_state.get(f"nr_{role}_saved")
    if name:
        forget_endpoint(default_store(), name)
        st.session_state[f"nr_{role}_saved"] = None
