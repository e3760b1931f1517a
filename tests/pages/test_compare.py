"""Compare: how candidates are called, and what a page of 1024 has room for."""

from pathlib import Path

import pytest

from mipro_studio.control import take_home
from mipro_studio.optimizer_core.types import Split
from mipro_studio.storage import Reader
from mipro_studio.ui.compare.compare_data import choices
from tests.pages.open import open_page, texts

pytestmark = pytest.mark.timeout(200)
PAGE = "pages/compare.py"
REAL = Path(__file__).resolve().parents[2] / "docs" / "runs" / "triage.mipro"
Filled = tuple[Path, dict[str, str]]


def test_the_winner_is_called_the_winner_and_its_score_stands_before_its_name(store: Filled) -> None:
    app = open_page(PAGE, run=store[1]["finished"])
    assert "the winner is better on 8, worse on 0 and the same on 12" in texts(app)
    chosen = app.selectbox(key="compare_b")
    assert chosen.options[chosen.index or 0].startswith("winner · 0.80, n = 20 · classify: ")


def test_what_leads_a_run_that_is_not_over_is_no_winner(store: Filled) -> None:
    assert "the leader is better on" in texts(open_page(PAGE, run=store[1]["stopped"]))


def test_more_than_two_are_numbered_alike_in_table_and_columns(store: Filled) -> None:
    path, ids = store
    with Reader(path) as reader:
        found = choices(reader, ids["finished"], Split.VAL)
    more = [name for name in found.labels if name not in (found.baseline, found.best)][:3]
    app = open_page(PAGE, run=ids["finished"], split="val", more=".".join(more))
    table = next(one.value for one in app.dataframe if "candidate" in one.value)
    assert [name.split(" ", 1)[0] for name in table["candidate"]] == ["1.", "2.", "3.", "4.", "5."]
    assert list(table["candidate"])[:2] == ["1. the program as it came", "2. the winner"]
    assert "cost" not in table, "nobody reports it"
    where = app.selectbox(key="compare_where").options
    assert "in the answers of 2. the winner" in where and len(where) == 3 + 5


def test_nothing_is_said_of_prices_that_nobody_reports(store: Filled) -> None:
    app = open_page(PAGE, run=store[1]["finished"], split="val")
    table = next(one.value for one in app.dataframe if "predictor" in one.value)
    assert list(table.columns) == ["predictor", "calls", "tokens", "model time"]


def test_traces_want_what_the_program_answers_and_no_number_of_the_row(store: Filled) -> None:
    run = take_home.open_replay(store[0], REAL)
    app = open_page("pages/traces.py", run=run)
    table = next(one.value for one in app.dataframe if "why" in one.value)
    assert set(table["wanted"].str.split(" · ").str.len()) == {2}
    assert not table["wanted"].str.contains("t242").any()
