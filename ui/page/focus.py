"""Put the cursor into a field that has just appeared, so that hands stay on the keyboard."""

import re

import streamlit as st

__all__ = ["focus_on"]

_FOCUS = st.components.v2.component(
    "mipro_focus",
    js="""
export default function ({ data }) {
  if (!data || window.__miproFocused === data.stamp) return;
  window.__miproFocused = data.stamp;
  const find = (left) => {
    const field = document.querySelector(`.${data.name} :is(textarea, input)`);
    if (field) { field.focus(); field.select(); } else if (left) setTimeout(find, 50, left - 1);
  };
  find(60);
}
""",
)


def focus_on(key: str, stamp: str) -> None:
    """Once for every new `stamp`: the cursor goes into the field with this key, its text selected."""
    name = f"st-key-{re.sub(r'[^a-zA-Z0-9_-]', '-', key)}"
    _FOCUS(key="focus", data={"name": name, "stamp": stamp}, height=1)
