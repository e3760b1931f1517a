"""The form: what it asks for, what keeps it from starting, what it hands over."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from mipro_studio.control import launcher
from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.types import Status
from mipro_studio.storage import Endpoint, Reader, endpoints, save_endpoint
from mipro_studio.ui.new_run.data_report import short_first
from mipro_studio.ui.new_run.form_parts import preset_sentence
from mipro_studio.ui.new_run.run_form import OWN_ROWS
from tests.inside import helpers_inside, work_on
from tests.loopback.inprocess import InProcessEndpoint
from tests.pages.open import open_page, texts
from tests.ui.factory import HOSTILE, MARKER

pytestmark = pytest.mark.timeout(400)
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
    "fields": {"inputs": ["message"], "outputs": ["queue"]},
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
        "report": {
            "sentences": [f"exact_match scores 'queue'. {HOSTILE}"],
            "columns": [
                {"column": HOSTILE, "role": "input", "why": "", "missing": 0, "distinct": 100, "longest": 80},
                {"column": "queue", "role": "label", "why": "", "missing": 7, "distinct": 2, "longest": 9},
                {"column": "id", "role": "other", "why": "no output of the program"}
                | {"missing": 0, "distinct": 100, "longest": 3},
            ],
            "classes": {"queue": {HOSTILE: {"train": 20, "val": 20, "test": 10}}},
        },
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

    monkeypatch.setattr("mipro_studio.control.new_runs.inspect", inspect)
    return asked


def _own_program(app: AppTest) -> AppTest:
    """`mine.py`; its rows are left to the stand-in for the inspection."""
    app.segmented_control(key="nr_program_kind").set_value("My own").run()
    app.segmented_control(key="nr_data_kind").set_value(OWN_ROWS).run()
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
    assert "exact_match scores" in said
    columns = next(table.value for table in app.table if "Column" in table.value)
    assert list(columns["Is"]) == ["input", "label", "other: no output of the program"]
    assert list(columns["Missing"]) == ["0", "7", "0"]
    assert not app.button(key="nr_start").disabled
    RunConfig.model_validate(inspected[0])


def test_short_columns_stand_before_long_ones_so_that_labels_are_seen() -> None:
    rows = [{"message": "a long text", "queue": "billing"}, {"queue": "x", "tone": ""}]
    assert [list(row) for row in short_first(rows)] == [["tone", "queue", "message"]] * 2
    assert short_first(rows)[1] == {"tone": "", "queue": "x", "message": ""} and short_first([]) == []


def test_a_change_after_the_check_asks_for_another(empty: Path, inspected: list[dict[str, Any]]) -> None:
    app = _own_program(open_page(PAGE))
    app.button(key="nr_check").click().run()
    app.number_input(key="nr_trials").set_value(12).run()
    assert app.button(key="nr_start").disabled
    assert "have changed since the check" in app.button(key="nr_start").help


def test_a_problem_found_by_the_check_is_shown(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(config: dict[str, Any]) -> dict[str, Any]:
        raise BadInput("There is no file 'mine.py'.")

    monkeypatch.setattr("mipro_studio.control.new_runs.inspect", refuse)
    app = _own_program(open_page(PAGE))
    app.button(key="nr_check").click().run()
    assert "There is no file 'mine.py'." in texts(app)
    assert app.button(key="nr_start").disabled


def test_a_cap_that_cannot_be_held_needs_a_yes_and_another_one_another(
    empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unheld = ["The cap of 5 dollars cannot be held."]
    monkeypatch.setattr("mipro_studio.control.new_runs.inspect", lambda config: {**ANSWER, "consent": list(unheld)})
    app = _own_program(open_page(PAGE))
    for cap in ("The cap of 5 dollars cannot be held.", "The cap of 9 tokens can only be held roughly."):
        unheld[:] = [cap]
        app.button(key="nr_check").click().run()
        assert cap in texts(app)
        assert app.button(key="nr_start").disabled and "A cap cannot be held" in app.button(key="nr_start").help
        next(box for box in app.checkbox if box.label == "Start without that cap").check().run()
        assert not app.button(key="nr_start").disabled


CELL = {
    "key": {"candidate": "i0d0", "split": "train", "example": "e1", "rollout": 0},
    "score": 0.5,
    "error": None,
    "error_message": "",
    "usage": {"calls": 2, "retries": 0, "input_tokens": 90, "output_tokens": 10, "cost_usd": None, "lm_s": 0.1},
    "seconds_s": 0.3,
    "prediction": {"queue": f"billing {HOSTILE}"},
    "trace": [],
    "feedback": f"half of it {HOSTILE}",
    "frames": [],
}
TRIED = {
    "records": [
        {"id": "e1", "split": "train", "position": 0, "inputs": {"message": "hi"}, "labels": {"queue": "sales"}}
    ],
    "rehearsal": {"at_the_start": False, "unfinished": 0, "cells": [CELL], "burns": []},
    "refusal": None,
}


def _checked(monkeypatch: pytest.MonkeyPatch, **more: Any) -> AppTest:
    monkeypatch.setattr(
        "mipro_studio.control.new_runs.inspect", lambda config: {**ANSWER, "config": config, **TRIED, **more}
    )
    app = _own_program(open_page(PAGE))
    app.button(key="nr_check").click().run()
    assert not app.exception
    return app


def test_what_the_program_answered_when_it_was_tried_is_shown(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = _checked(monkeypatch)
    said = texts(app)
    for expected in ("Tried on 1 training row: 0.50", "score 0.50", "billing", "sales", "metric says: half of it"):
        assert expected in said, expected
    plan = next(table.value for table in app.table if "Trials" in str(table.value))
    for told in ("Time, at the check's pace", "s on 8 threads", "Program runs of the sealed test", "Dollars"):
        assert told in plan.to_string(), plan
    assert not app.button(key="nr_start").disabled
    assert "nr_anyway" not in [button.key for button in app.button]


def test_a_program_that_failed_when_it_was_tried_can_be_started_all_the_same(
    store: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[bool] = []

    def start(path: Path, config: dict[str, Any], found: Any, anyway: bool, agreed: bool) -> str:
        started.append(anyway)
        return store.ids["finished"]

    monkeypatch.setattr("mipro_studio.control.launcher.start", start)
    failed = {**CELL, "score": None, "error": "metric", "error_message": f"The metric raised {HOSTILE}"}
    app = _checked(
        monkeypatch,
        rehearsal={**TRIED["rehearsal"], "cells": [failed]},
        refusal={"message": f"The metric raised {HOSTILE}", "frames": [f"mine.py, line 3, in metric: {HOSTILE}"]},
    )
    said = texts(app)
    assert "It failed when it was tried" in said and "mine.py, line 3, in metric" in said
    assert app.button(key="nr_start").disabled
    assert "start all the same" in app.button(key="nr_start").help
    app.button(key="nr_anyway").click().run()
    assert started == [True]


def test_strategies_of_prompts_and_weights_are_written_down_where_they_are_run(
    empty: Path, inspected: list[dict[str, Any]]
) -> None:
    app = _own_program(open_page(PAGE))
    assert "nr_strategy" not in [one.key for one in app.text_input]
    app.selectbox(key="nr_optimizer").set_value("better_together").run()
    app.text_input(key="nr_strategy").input("p -> w, w").run()
    app.button(key="nr_check").click().run()
    assert inspected[0]["optimizer"] == "better_together"
    assert inspected[0]["finetune"]["strategy"] == "p -> w, w"


def test_start_hands_over_the_config_and_opens_the_run(
    store: Filled, inspected: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[dict[str, Any]] = []

    def start(path: Path, config: dict[str, Any], found: dict[str, Any], **more: Any) -> str:
        started.append(config)
        assert found["program"], "what the check found is not looked for again"
        return store[1]["queued"]

    monkeypatch.setattr("mipro_studio.control.launcher.start", start)
    app = _own_program(open_page(PAGE))
    app.number_input(key="nr_max_runs").set_value(500).run()
    app.button(key="nr_check").click().run()
    assert "from before your last change" not in texts(app)
    app.number_input(key="nr_max_runs").set_value(501).run()
    assert "from before your last change" in texts(app)
    assert app.button(key="nr_start").disabled
    app.number_input(key="nr_max_runs").set_value(500).run()
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


@pytest.mark.parametrize(
    ("kind", "seed", "review"),
    [("running", 0, False), ("review", 0, True), ("finished", 0, False), ("failed", 2, False), ("lost", 1, False)],
)
def test_a_run_in_every_state_can_be_set_up_again(store: Filled, kind: str, seed: int, review: bool) -> None:
    app = open_page(PAGE, **{"from": store[1][kind]})
    assert (app.number_input(key="nr_seed").value, app.checkbox(key="nr_review").value) == (seed, review)
    assert app.selectbox(key="nr_schedule").value == "minibatch"
    assert app.button(key="nr_start").disabled, "another run is checked like a first one"


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


QUEUES = ("billing", "delivery", "sales", "technical")


def _no_code(app: AppTest, data: Path) -> AppTest:
    """A program without code that reads its label from a column of another name, fully filled in."""
    app.segmented_control(key="nr_program_kind").set_value("No code").run()
    app.text_input(key="nr_field_in_0_name").input("message")
    app.text_input(key="nr_field_out_0_name").input("queue")
    app.selectbox(key="nr_field_out_0_kind").set_value("One of these").run()
    app.text_input(key="nr_field_out_0_more").input("billing, delivery, sales, technical")
    app.text_area(key="nr_instruction").input("Name the queue.")
    app.segmented_control(key="nr_metric_kind").set_value("Built in").run()
    app.segmented_control(key="nr_data_kind").set_value("One file").run()
    return app.text_input(key="nr_data_data").input(str(data)).run()


def _rows(path: Path) -> Path:
    lines = [f"message number {i},{QUEUES[i % 4]}" for i in range(60)]
    path.write_text("\n".join(["text,team", *lines]))
    return path


def test_columns_are_previewed_and_mapped_to_the_fields_of_the_signature(empty: Path, tmp_path: Path) -> None:
    app = _no_code(open_page(PAGE), _rows(tmp_path / "rows.csv"))
    assert "60 rows; the first 5:" in texts(app)
    app.selectbox(key="nr_map_message").set_value("text").run()
    app.selectbox(key="nr_map_queue").set_value("team").run()
    assert app.session_state["nr_columns"] == "text = message\nteam = queue"
    assert app.session_state["nr_inputs"] == "message"
    assert "The plan" in texts(app)


def test_columns_that_were_chosen_for_one_file_are_not_kept_for_another(empty: Path, tmp_path: Path) -> None:
    app = _no_code(open_page(PAGE), _rows(tmp_path / "rows.csv"))
    app.selectbox(key="nr_map_message").set_value("text").run()
    app.selectbox(key="nr_map_queue").set_value("team").run()
    (tmp_path / "others.csv").write_text("message,team\nhello,sales\n")
    app.text_input(key="nr_data_data").input(str(tmp_path / "others.csv")).run()
    assert (app.session_state["nr_columns"], app.session_state["nr_inputs"]) == ("", "")
    assert (app.selectbox(key="nr_map_message").value, app.selectbox(key="nr_map_queue").value) == (
        "message",
        "(no column)",
    )
    app.selectbox(key="nr_map_queue").set_value("team").run()
    app.text_area(key="nr_columns").input("team = queue\nother = note").run()
    app.text_input(key="nr_data_data").input(str(tmp_path / "rows.csv")).run()
    assert app.session_state["nr_columns"] == "team = queue\nother = note"  # what a person wrote stays


def test_a_program_without_code_is_made_of_fields(empty: Path) -> None:
    app = open_page(PAGE)
    app.segmented_control(key="nr_program_kind").set_value("No code").run()
    app.segmented_control(key="nr_metric_kind").set_value("Built in").run()
    assert "The program has no input or no output yet." in texts(app)
    app.text_input(key="nr_field_in_0_name").input("message").run()
    app.text_input(key="nr_field_in_0_about").input("a letter to us").run()
    app.button(key="nr_fields_add_out").click().run()
    app.text_input(key="nr_field_out_0_name").input("tone").run()
    app.text_input(key="nr_field_out_1_name").input("the queue").run()
    app.selectbox(key="nr_field_out_1_kind").set_value("One of these").run()
    app.text_input(key="nr_field_out_1_more").input("billing, sales").run()
    assert not app.exception
    assert app.session_state["nr_signature"] == (
        "message: str = 'a letter to us' -> tone, the_queue: Literal['billing', 'sales']"
    )
    app.button(key="nr_field_out_1_out").click().run()
    assert app.session_state["nr_signature"] == "message: str = 'a letter to us' -> tone"


def test_a_pasted_signature_becomes_rows_and_a_wrong_one_is_said(empty: Path) -> None:
    app = open_page(PAGE)
    app.segmented_control(key="nr_program_kind").set_value("No code").run()
    app.text_input(key="nr_fields_pasted").input("question, context: list[str] -> answer: bool").run()
    assert [app.text_input(key=f"nr_field_in_{row}_name").value for row in (0, 1)] == ["question", "context"]
    assert app.selectbox(key="nr_field_in_1_kind").value == "List of texts"
    assert app.selectbox(key="nr_field_out_0_kind").value == "Yes or no"
    app.text_input(key="nr_fields_pasted").input("nonsense").run()
    assert "is not a signature" in texts(app)
    assert app.session_state["nr_signature"] == "question, context: list[str] -> answer: bool"


def test_no_preset_is_quoted_of_the_sample_that_was_chosen_before(empty: Path) -> None:
    app = open_page(PAGE, sample="triage")
    later = "What each preset means in trials and program runs is shown once the program is known."
    assert later not in texts(app) and "program runs before the sealed test" in texts(app)
    app.segmented_control(key="nr_program_kind").set_value("No code").run()
    assert later in texts(app) and "program runs before the sealed test" not in texts(app)
    app.segmented_control(key="nr_program_kind").set_value("My own").run()
    app.text_input(key="nr_program").input("mine.py").run()
    assert later in texts(app)
    app.segmented_control(key="nr_program_kind").set_value("Sample").run()
    assert later not in texts(app)


def test_a_preset_is_told_in_a_sentence_with_time_and_money() -> None:
    plan = {"trials": 30, "program_runs": {"total": [600, 1200]}, "usd": [0.4, 0.9]}
    assert preset_sentence(plan, "light", 2.0, 4) == (
        "Light takes 30 trials, 600 to 1,200 program runs before the sealed test, about 5 min to 10 min on "
        "4 threads at the check's pace and \\$0.40 to \\$0.90."
    )
    assert "no price is known" in preset_sentence({**plan, "usd": None}, "light", None, 1)


def test_rows_of_a_python_file_are_not_read_before_the_check(empty: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.py").write_text("raise SystemExit('run')")
    app = _no_code(open_page(PAGE), Path(f"{tmp_path}/rows.py:trainset"))
    assert not app.exception
    assert "they are Python code, which runs only then" in texts(app)


def test_how_a_file_was_read_is_said_and_may_be_said_otherwise(empty: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("text|team\na;b|x\nc;d|y\n")
    app = _no_code(open_page(PAGE), tmp_path / "rows.csv")
    assert "is separated by pipe." in texts(app)
    app.text_input(key="nr_delimiter").input(";").run()
    assert "is separated by" not in texts(app) and "has more cells than the header" in texts(app)


def test_a_program_without_code_runs_end_to_end_on_an_endpoint(
    empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gold = {f"message number {i}": {"queue": QUEUES[i % 4]} for i in range(60)}
    spawned: list[tuple[Path, str]] = []
    monkeypatch.setattr(launcher, "spawn", lambda store, run_id: spawned.append((store, run_id)))
    with InProcessEndpoint(responder="oracle", gold=gold, base_quality=0.6) as endpoint, helpers_inside():
        app = _no_code(open_page(PAGE), _rows(tmp_path / "rows.csv"))
        app.selectbox(key="nr_map_message").set_value("text").run()
        app.selectbox(key="nr_map_queue").set_value("team").run()
        app.segmented_control(key="nr_task_kind").set_value("Endpoint").run()
        app.text_input(key="nr_task_model").input("openai/task")
        app.text_input(key="nr_task_api_base").input(endpoint.base_url).run()
        app.number_input(key="nr_trials").set_value(2)
        app.number_input(key="nr_candidates").set_value(2).run()
        app.button(key="nr_check").click().run()
        assert not app.button(key="nr_start").disabled, app.button(key="nr_start").help
        app.button(key="nr_start").click().run()
        assert not app.exception
        ((store, run_id),) = spawned
        assert app.query_params["run"] in (run_id, [run_id])
        work_on(store, run_id)  # here, because a page's thread may not be a worker's
    with Reader(empty) as reader:
        run, arms = reader.run(run_id), reader.instructions(run_id)
    assert run.status is Status.COMPLETED, run.reason
    assert run.baseline_val is not None and run.n_val == 24
    assert (arms[0].owner, arms[0].text) == ("queue", "Name the queue.")


def test_a_preset_clears_what_was_set_by_hand_and_the_table_shows_all_five(empty: Path) -> None:
    app = open_page(PAGE)
    app.number_input(key="nr_trials").set_value(7).run()
    assert "1 setting below set by hand" in texts(app)
    app.segmented_control(key="nr_preset").set_value("light").run()
    assert app.number_input(key="nr_trials").value is None
    (table,) = [table.value for table in app.table if "preset" in table.value.columns]
    assert list(table["preset"]) == ["studio", "paper", "light ●", "medium", "heavy"]


def test_what_a_race_asks_for_is_a_field_each_and_coordinate_ascents_only_for_it(
    empty: Path, inspected: list[dict[str, Any]]
) -> None:
    app = open_page(PAGE)
    for name, value in (("lag", 2), ("step", 9), ("finalists", 1), ("instructions", 4)):
        app.number_input(key=f"nr_{name}").set_value(value)
    app.run()
    app.button(key="nr_check").click().run()
    assert inspected[-1]["search"] == {"lag": 2, "step": 9, "finalists": 1, "instructions": 4}
    assert not [field for field in app.number_input if field.key == "nr_breadth"]
    app.selectbox(key="nr_optimizer").set_value("ca_opro").run()
    assert app.number_input(key="nr_lag").value is None  # another optimizer has a preset of its own
    app.number_input(key="nr_breadth").set_value(3).run()
    app.button(key="nr_check").click().run()
    assert inspected[-1]["search"] == {"breadth": 3}


def test_every_optimizer_has_a_plan_or_says_why_not(empty: Path) -> None:
    app = open_page(PAGE)
    for name in ("bootstrap_rs", "opro"):
        app.selectbox(key="nr_optimizer").set_value(name).run()
        assert not app.exception
    assert "No plan" in texts(app) or "The plan" in texts(app)


def test_a_saved_endpoint_fills_in_and_is_tested(empty: Path) -> None:
    with InProcessEndpoint() as endpoint, helpers_inside():
        save_endpoint(empty, Endpoint("gateway", "openai/task", endpoint.base_url))
        app = open_page(PAGE)
        app.segmented_control(key="nr_task_kind").set_value("Endpoint").run()
        app.selectbox(key="nr_task_saved").set_value("gateway").run()
        assert app.text_input(key="nr_task_api_base").value == endpoint.base_url
        app.button(key="nr_task_test").click().run()
        assert "Answered in" in texts(app)
        app.text_input(key="nr_task_api_base").input("http://127.0.0.1:9/v1").run()
        assert "Answered in" not in texts(app), "an answer of another address is shown"
        app.button(key="nr_task_test").click().run()
    assert "No connection" in texts(app)


def test_a_saved_endpoint_brings_prices_and_limits_and_none_of_the_one_before(empty: Path) -> None:
    save_endpoint(empty, Endpoint("dear", "openai/a", "http://h/v1", "KEY", 30.0, 0.3, 500, 2.5, 10.0))
    save_endpoint(empty, Endpoint("plain", "openai/b"))
    app = open_page(PAGE)
    app.segmented_control(key="nr_task_kind").set_value("Endpoint").run()
    app.selectbox(key="nr_task_saved").set_value("dear").run()

    def numbers() -> list[float | None]:
        names = ("timeout_s", "temperature", "max_tokens", "input_usd_per_mtok", "output_usd_per_mtok")
        return [app.number_input(key=f"nr_task_{name}").value for name in names]

    assert numbers() == [30.0, 0.3, 500, 2.5, 10.0]
    app.text_input(key="nr_task_save_name").input("copy").run()
    app.button(key="nr_task_save_go").click().run()
    copy = next(one for one in endpoints(empty) if one.name == "copy")
    assert copy == replace(endpoints(empty)[1], name="copy")
    app.selectbox(key="nr_task_saved").set_value("plain").run()
    assert numbers() == [120.0, None, None, None, None]
    assert app.text_input(key="nr_task_api_key_env").value == ""


def test_a_judge_needs_criteria_and_says_what_leaves(empty: Path) -> None:
    app = open_page(PAGE)
    app.segmented_control(key="nr_metric_kind").set_value("A judge").run()
    assert "The judge has no criteria" in texts(app)
    app.text_area(key="nr_criteria").input("It is polite.").run()
    app.segmented_control(key="nr_judge_kind").set_value("Endpoint").run()
    app.text_input(key="nr_judge_model").input("openai/judge").run()
    assert "your criteria" in texts(app)


def test_the_lab_leads_to_a_capped_search_in_the_form(store: Filled) -> None:
    app = open_page(PAGE, **{"from": store[1]["finished"], "optimizer": "zero_shot_mipro_pp", "cap": "300"})
    assert app.selectbox(key="nr_optimizer").value == "zero_shot_mipro_pp"
    assert app.number_input(key="nr_max_runs").value == 300


def test_what_a_sample_sets_leaves_with_it_and_comes_back_with_it(empty: Path) -> None:
    app = open_page(PAGE, sample="triage")
    assert not app.session_state["nr_program_summary"]
    app.segmented_control(key="nr_program_kind").set_value("My own").run()
    held = app.session_state
    assert held["nr_program_summary"] and held["nr_summary"]
    assert (held["nr_stratify"], held["nr_data_kind"]) == ("", "One file")
    app.segmented_control(key="nr_program_kind").set_value("Sample").run()
    assert not app.session_state["nr_program_summary"]
    assert (app.session_state["nr_stratify"], app.session_state["nr_data_kind"]) == ("queue", "The program's own")


def test_a_program_whose_data_does_not_fit_still_offers_its_fields(
    empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rows.csv").write_text("text,topic\nhello,sales\n")

    def refuse(config: dict[str, Any]) -> dict[str, Any]:
        error = BadInput("The data has no column 'review'.")
        error.fields = {"inputs": ["review"], "outputs": ["verdict"]}
        raise error

    monkeypatch.setattr("mipro_studio.control.new_runs.inspect", refuse)
    app = _own_program(open_page(PAGE, sample="triage"))
    app.segmented_control(key="nr_data_kind").set_value("One file").run()
    app.text_input(key="nr_data_data").input(str(tmp_path / "rows.csv")).run()
    assert not [box for box in app.selectbox if box.label.startswith(("message", "review"))]
    app.button(key="nr_check").click().run()
    offered = {box.label: box.options for box in app.selectbox if "(input)" in box.label or "(label)" in box.label}
    assert list(offered) == ["review (input)", "verdict (label)"]
    assert offered["review (input)"] == ["(no column)", "text", "topic"]
    app.selectbox(key="nr_map_verdict").set_value("topic").run()
    assert app.session_state["nr_inputs"] == ""  # an input without a column is not said to have one
