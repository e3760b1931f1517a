"""A run in a meeting: one slide at a time, by keys, at an address."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.open import open_page, texts

pytestmark = pytest.mark.timeout(400)
PAGE = "pages/present.py"
Filled = tuple[Path, dict[str, str]]


def press(app: AppTest, key: str) -> AppTest:
    app.button(key=f"present_{key}").click().run()
    assert not app.exception, [error.value for error in app.exception]
    return app


def test_it_opens_at_the_result_and_arrows_go_through_all_slides(store: Filled) -> None:
    app = open_page(PAGE, run=store[1]["finished"])
    assert "that the search never saw" in texts(app) and "1 of 5" in texts(app)
    assert app.button(key="present_back").disabled
    keys = {button.key: button.proto.shortcut.lower() for button in app.button}
    assert (keys["present_back"], keys["present_next"], keys["present_leave"]) == ("left", "right", "escape")
    seen = [texts(app)]
    for _ in range(4):
        seen.append(texts(press(app, "next")))
    assert len(set(seen)) == 5 and app.button(key="present_next").disabled
    assert app.query_params["slide"] == "5"
    press(app, "back")
    assert "4 of 5" in texts(app)


def test_an_address_names_a_slide_and_one_that_is_not_there_is_the_last(store: Filled) -> None:
    assert "What mattered" in texts(open_page(PAGE, run=store[1]["finished"], slide="3"))
    assert "5 of 5" in texts(open_page(PAGE, run=store[1]["finished"], slide="99"))
    assert "1 of 5" in texts(open_page(PAGE, run=store[1]["finished"], slide="x"))


def test_escape_leads_back_to_the_run(store: Filled) -> None:
    app = press(open_page(PAGE, run=store[1]["finished"]), "leave")
    assert "triage, embedded model" in texts(app) and app.query_params["run"] == store[1]["finished"]


@pytest.mark.parametrize("kind", ["running", "failed", "hostile", "review"])
def test_a_run_that_has_no_result_says_so_large(store: Filled, kind: str) -> None:
    app = open_page(PAGE, run=store[1][kind])
    for _ in range(4):
        press(app, "next")
    assert "<script" not in texts(app)
