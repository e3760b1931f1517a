"""The panel behind a bar or a belief: one choice of the search, with all that there was to choose from."""

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from mipro_studio.storage import Reader
from mipro_studio.ui.candidate.parameter_panel import clicked_parameter
from mipro_studio.ui.charts.importance_figures import importance_figure
from mipro_studio.ui.charts.pattern_charts import beliefs_figure
from mipro_studio.ui.result.what_mattered import named_rows
from tests.pages.open import texts

Filled = tuple[Path, dict[str, str]]


def shown(path: Path, run: str, mark: str) -> AppTest:
    def script(path: str, run: str, mark: str) -> None:
        from pathlib import Path

        from mipro_studio.storage import Reader
        from mipro_studio.ui.candidate.parameter_panel import parameter_panel

        with Reader(Path(path)) as reader:
            parameter_panel(reader, run, mark)

    app = AppTest.from_function(script, default_timeout=60, args=(str(path), run, mark)).run()
    assert not app.exception, [error.value for error in app.exception]
    return app


def test_a_bar_opens_every_choice_the_best_first(store: Filled) -> None:
    app = shown(store[0], store[1]["finished"], '["classify", "instruction"]')
    table = app.dataframe[0].value
    means = [float(mean) for mean in table["mean"] if mean[0].isdigit()]
    assert means == sorted(means, reverse=True) and len(means) > 1
    assert "★ in the winner" in set(table["standing"])
    assert "The instructions of classify" in texts(app)


def test_a_belief_opens_its_own_arm_and_an_interaction_both_kinds(store: Filled) -> None:
    app = shown(store[0], store[1]["finished"], '["answer", "demos", 1]')
    assert app.selectbox(key="parameter_demos").value == 1
    both = shown(store[0], store[1]["finished"], '["answer", "instruction x demos"]')
    assert {box.key for box in both.selectbox} == {"parameter_instruction", "parameter_demos"}


def test_foreign_texts_in_it_are_only_text(store: Filled) -> None:
    app = shown(store[0], store[1]["hostile"], '["answer", "instruction"]')
    assert all("<script" not in element.proto.body for element in app.get("html"))


def test_every_bar_and_dot_says_what_it_is_of(store: Filled) -> None:
    with Reader(store[0]) as reader:
        outcome = reader.outcome(store[1]["finished"])
    assert outcome is not None
    rows = named_rows(outcome.importance)
    marks = importance_figure(rows)["data"][0]["customdata"]
    assert [clicked_parameter(mark)[0] for mark in reversed(marks)] == [row["predictor"] for row in rows]
    belief = {"predictor": "answer", "kind": "demos", "arm": 2, "mean": 0.5, "low": 0.4, "high": 0.6}
    figure = beliefs_figure([{**belief, "n_candidates": 1, "n_cells": 9}], {})
    assert [json.loads(mark) for mark in figure["data"][0]["customdata"]] == [["answer", "demos", 2]]


@pytest.mark.parametrize("row", [{"name": "old", "said": "0.10", "spread": 0.1}])
def test_a_bar_of_an_older_studio_opens_nothing(row: dict[str, object]) -> None:
    assert importance_figure([row])["data"][0]["customdata"] == [""]
