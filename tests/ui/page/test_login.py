"""Whose name stands beside what is done in the app."""

import pytest
from streamlit.testing.v1 import AppTest

from mipro_studio.ui.page import login


def _page() -> None:
    import streamlit as st

    from mipro_studio.ui.page.login import logged_in_name

    st.text(f"[{logged_in_name()}]")


@pytest.mark.parametrize(
    ("user", "name"),
    [
        ({"is_logged_in": True, "email": "anna@example.org", "name": "Anna"}, "anna@example.org"),
        ({"is_logged_in": True, "name": "Anna"}, "Anna"),
        ({"is_logged_in": False, "email": "anna@example.org"}, ""),
        ({}, ""),
    ],
)
def test_it_is_that_of_whoever_is_logged_in(
    monkeypatch: pytest.MonkeyPatch, user: dict[str, object], name: str
) -> None:
    monkeypatch.setattr("streamlit.user", user)
    app = AppTest.from_function(_page).run()
    assert [text.value for text in app.text] == [f"[{name}]"]


def test_outside_of_a_page_nobody_is() -> None:
    assert login.logged_in_name() == ""
