"""The proposer lab: setting up, reading side by side, counting; every state of a session."""

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.types import Status
from mipro_studio.ui.lab.lab_form import DEFAULTS, lab_config, learn_config
from tests.pages.open import open_page, texts
from tests.ui.factory import MARKER
from tests.ui.lab_factory import SETTINGS, lab_session, switch_search

pytestmark = pytest.mark.timeout(400)
PAGE = "pages/lab.py"
Filled = tuple[Path, dict[str, str]]


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Stands in for the launcher; holds the configs it was asked to start."""
    asked: list[dict[str, Any]] = []

    def start(path: Path, config: dict[str, Any]) -> str:
        asked.append(config)
        raise BadInput("Not in a test.")

    monkeypatch.setattr("mipro_studio.control.launcher.start", start)
    return asked


def test_without_a_store_it_says_what_it_is_for_and_can_start(empty: Path, starts: list[dict[str, Any]]) -> None:
    app = open_page(PAGE)
    said = texts(app)
    assert "Nothing is searched and nothing is scored" in said
    assert "None yet." in said
    assert "Nothing leaves this machine" in said
    assert "20 instructions for 2 predictors" in said
    app.button(key="lab_start").click().run()
    assert not app.exception
    config = RunConfig.model_validate(starts[0])
    assert (config.optimizer, len(config.lab.variants)) == ("lab", len(DEFAULTS))
    assert "Not in a test." in texts(app)


def test_an_earlier_run_lends_its_program_rows_and_models(store: Filled, starts: list[dict[str, Any]]) -> None:
    app = open_page(PAGE)
    app.selectbox(key="lab_source").set_value(store[1]["failed"]).run()
    app.button(key="lab_start").click().run()
    assert starts[0]["program"] == "sample:triage"


def test_what_leaves_this_machine_is_said_before_it_leaves(empty: Path) -> None:
    app = open_page(PAGE)
    app.segmented_control(key="nr_prompt_kind").set_value("Endpoint").run()
    app.text_input(key="nr_prompt_model").input("openai/some-model").run()
    said = texts(app)
    assert "This leaves your machine" in said
    assert "the program's source code" in said
    assert "batches of training rows" in said
    assert "every training, validation and test row" not in said


@pytest.mark.parametrize(
    ("status", "written", "says"),
    [
        (None, 0, "Nothing is written yet"),
        (None, 1, "1 still to come"),
        (Status.PAUSED, 1, "The endpoint is down."),
        (Status.FAILED, 1, "The endpoint is down."),
        (Status.LOST, 1, "Its worker died or the machine slept."),
        (Status.STOPPED, 2, "Stopped"),
        (Status.COMPLETED, 2, "Which of these switches win?"),
    ],
)
def test_every_state_of_a_session_is_shown(empty: Path, status: Status | None, written: int, says: str) -> None:
    empty.parent.mkdir()
    run = lab_session(empty, status, written)
    run.close()
    app = open_page(PAGE, run=run.id)
    assert says in texts(app)
    if written:
        assert "Asked for, not shown: demos (no bootstrapped demo in any set)" in texts(app)


def test_foreign_text_is_never_markdown(empty: Path) -> None:
    empty.parent.mkdir()
    run = lab_session(empty)
    run.close()
    app = open_page(PAGE, run=run.id)
    assert MARKER in texts(app)
    for kind in ("markdown", "caption", "title", "subheader"):
        assert not [element for element in app.get(kind) if MARKER in str(element.value)]


def test_counting_starts_a_capped_search_over_the_switches(empty: Path, starts: list[dict[str, Any]]) -> None:
    empty.parent.mkdir()
    run = lab_session(empty)
    run.close()
    app = open_page(PAGE, run=run.id)
    app.number_input(key="lab_cap").set_value(300).run()
    app.button(key="lab_learn").click().run()
    config = RunConfig.model_validate(starts[0])
    assert (config.optimizer, config.budget.max_program_runs) == ("zero_shot_mipro_pp", 300)
    assert not config.lab.variants
    assert set(config.proposer.tips) == {"simple", "none"}


def test_a_search_over_the_switches_shows_its_counts(empty: Path) -> None:
    empty.parent.mkdir()
    run = switch_search(empty)
    run.close()
    app = open_page(PAGE, run=run.id)
    assert "dataset summary: on leads after 3 trials" in texts(app)
    (table,) = [frame for frame in app.dataframe if "setting" in frame.value.columns]
    assert list(table.value["trials"])


def test_an_unknown_session_leads_back(store: Filled) -> None:
    assert "There is no run 'nobody'" in texts(open_page(PAGE, run="nobody"))
    assert "Earlier sessions" in texts(open_page(PAGE, run=store[1]["finished"]))


def test_a_session_is_listed_and_opens(empty: Path) -> None:
    empty.parent.mkdir()
    run = lab_session(empty)
    run.close()
    app: AppTest = open_page(PAGE)
    app.button(key=f"lab_open_{run.id}").click().run()
    assert "Which of these switches win?" in texts(app)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([], "no setting to compare"),
        ([{"name": "a"}, {"name": "a"}], "same name"),
        ([{"name": "a", "temperature": 9.0}], "temperature = 9.0 is not allowed"),
    ],
)
def test_settings_that_cannot_be_are_named(rows: list[dict[str, Any]], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        lab_config({"program": "sample:triage"}, rows, 2, 0)


def test_a_session_switches_on_only_what_some_setting_shows() -> None:
    config = lab_config({"program": "sample:triage"}, [{"name": "a", "demos": False}], 2, 0)
    assert (config.proposer.demos, config.proposer.dataset_summary) == (False, True)


def test_the_search_fits_into_its_cap() -> None:
    session = lab_config({"program": "sample:triage"}, SETTINGS, 2, 0).model_dump(mode="json")
    for cap in (150, 400, 2000):
        searched = learn_config(session, cap, 40).search
        fulls = searched.trials / 5
        assert 80 + searched.trials * searched.minibatch_size + fulls * (40 - searched.minibatch_size) <= cap + 80
