"""Who is logged in, for what people do together in a team's store."""

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

__all__ = ["logged_in_name"]


def logged_in_name() -> str:
    """Address or name of whoever is logged in through Streamlit's [auth]; empty without a login."""
    if get_script_run_ctx(suppress_warning=True) is None or not st.user.get("is_logged_in", False):
        return ""
    return str(st.user.get("email") or st.user.get("name") or "")
