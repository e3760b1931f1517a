"""What the parts of the new-run form share."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

__all__ = ["KEPT", "choice"]

# The form survives a look at another page.
KEPT: Mapping[str, Any] = {"persist_state": "session"}


def choice(label: str, options: list[str], key: str, **more: Any) -> str:
    """One of a few, always one."""
    chosen = st.segmented_control(label, options, key=key, required=True, **KEPT, **more)
    return str(chosen)
