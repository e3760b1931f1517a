"""The form: what it asks for, what keeps it from starting, what it hands over."""

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from optimizer_core.config import RunConfig
from optimizer_core.errors import BadInput
from tests.pages.open import open_page, texts
from tests.ui.factory import HOSTILE, MARKER

pytestmark = pytest.mark.timeout(120)
PAGE = "pages/new_run.py"
Filled = tuple[Path, dict[str, str]]

FACTS = {
    "predictors": [
        {"name": "classify", "kind": "Predict", "inputs": ["message"], "outputs": ["queue"]}
        | {"instruction": "Name it."}
    ],
    "sizes": {"train": 40, "val": 40, "test": 20},
    "row_chars": 80.0,
    "instruction_chars": 40.0,
}  # fmt: skip
ANSWER: dict[str, Any] = {
    "name": "mine",
    "program": {
        "name": f"{MARKER} {HOSTILE}",
        "doc": "",
        "predictors": [
            {"name": "classify", "kind": "Predict", "inputs": ["message"], "outputs": ["queue"]}
            | {"instructions": "Name it."}
        ],
    },
    "metric": {"name": "exact_match", "doc": "1 or 0."},
    "data": {
        "n_rows": 100,
        "columns": ["message", "queue"],
        "splits": {"train": 40, "val": 40, "test": 20},
        "preview": [{"message": HOSTILE, "queue": "billing"}],
    },
    "facts": FACTS,
    "plan": {
        "trials": 30,
        "program_runs": {"bootstrap": [10, 90], "minibatch": 750, "full": 240, "total": [1040, 1120], "test": 40},
        "lm_calls": {"task": [1040, 1120], "prompt": [10, 12], "teacher": [10, 90], "test": 40},
        "tokens": None,
        "usd": [0.4, 0.9],
        "notes": ["Fewer than 50 validation rows: intervals are wide."],
    },
    "warnings": [f"{MARKER} {HOSTILE}"],
}  # fmt: skip


@pytest.fixture
def inspected(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Stands in for the inspection; holds the configs it was asked about."""
    asked: list[dict[str, Any]] = []

    def inspect(config: dict[str, Any]) -> dict[str, Any]:
        asked.append(config)
        return {**ANSWER, "config": config}

    monkeypatch.setattr("launcher.inspect", inspect)
    return asked


def _own_program(app: AppTest) -> AppTest:
    app.segmented_control(key="nr_program_kind").set_value("My own").run()
    return app.text_input(key="nr_program").input("mine.py").run()


def test_an_empty_form_cannot_start_and_says_why(empty: Path) -> None:
    app = open_page(PAGE)
    app.segmented_control(key="nr_program_kind").set_value("My own").run()
    assert app.button(key="nr_start").disabled
    assert app.button(key="nr_check").disabled
    assert "No program is named." in texts(app)


def test_check_shows_predictors_splits_warnings_and_plan(empty: Path, inspected: list[dict[str, Any]]) -> None:
    app = _own_program(open_page(PAGE))
    assert app.button(key="nr_start").disabled
    app.button(key="nr_check").click().run()
    assert not app.exception
    said = texts(app)
    for expected in ("classify", "100 rows: train 40, val 40, test 20", "exact_match", "The plan"):
        assert expected in said
    assert not app.button(key="nr_start").disabled
    RunConfig.model_validate(inspected[0])


def test_a_change_after_the_check_asks_for_another(empty: Path, inspected: list[dict[str, Any]]) -> None:
    app = _own_program(open_page(PAGE))
    app.button(key="nr_check").click().run()
    app.number_input(key="nr_trials").set_value(12).run()
    assert app.button(key="nr_start").disabled
    assert "have changed since the check" in app.button(key="nr_start").help


def test_a_problem_found_by_the_check_is_shown(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(config: dict[str, Any]) -> dict[str, Any]:
        raise BadInput("There is no file 'mine.py'.")

    monkeypatch.setattr("launcher.inspect", refuse)
    app = _own_program(open_page(PAGE))
    app.button(key="nr_check").click().run()
    assert "There is no file 'mine.py'." in texts(app)
    assert app.button(key="nr_start").disabled


def test_start_hands_over_the_config_and_opens_the_run(
    store: Filled, inspected: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[dict[str, Any]] = []

    def start(path: Path, config: dict[str, Any]) -> str:
        started.append(config)
        return store[1]["queued"]

    monkeypatch.setattr("launcher.start", start)
    app = _own_program(open_page(PAGE))
    app.number_input(key="nr_max_runs").set_value(500).run()
    app.button(key="nr_check").click().run()
    app.button(key="nr_start").click().run()
    assert not app.exception
    assert started[0]["program"] == "mine.py"
    assert started[0]["budget"]["max_program_runs"] == 500
    assert "Waiting for its worker to start" in texts(app)


def test_an_endpoint_says_what_leaves_and_refuses_a_key(empty: Path) -> None:
    app = _own_program(open_page(PAGE))
    assert "Nothing leaves this machine" in texts(app)
    app.segmented_control(key="nr_task_kind").set_value("Endpoint").run()
    app.text_input(key="nr_task_model").input("openai/some-model").run()
    said = texts(app)
    assert "This leaves your machine" in said
    assert "every training, validation and test row" in said
    app.text_input(key="nr_task_api_key_env").input("sk-not-a-name-123").run()
    assert "not the name of an environment variable" in texts(app)
    assert "sk-not-a-name-123" not in texts(app)


def test_the_settings_of_an_earlier_run_fill_the_form(store: Filled) -> None:
    app = open_page(PAGE, **{"from": store[1]["failed"]})
    assert app.number_input(key="nr_seed").value == 2
    assert app.number_input(key="nr_minibatch").value == 25


def test_an_unknown_run_to_start_from_is_named(store: Filled) -> None:
    assert "There is no run 'nobody'" in texts(open_page(PAGE, **{"from": "nobody"}))


def test_every_switch_of_the_proposer_reaches_the_config(empty: Path, inspected: list[dict[str, Any]]) -> None:
    app = _own_program(open_page(PAGE))
    for key in ("nr_summary", "nr_program_summary", "nr_demos", "nr_history"):
        app.toggle(key=key).set_value(key == "nr_history").run()
    app.button(key="nr_check").click().run()
    proposer = RunConfig.model_validate(inspected[0]).proposer.model_dump()
    assert [proposer[name] for name in ("dataset_summary", "program_summary", "demos", "history")] == [
        False, False, False, True,
    ]  # fmt: skip
