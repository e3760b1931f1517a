"""Home with no store, and with runs in every state."""

import html
from pathlib import Path

import pytest

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.sample_programs import CATALOG
from mipro_studio.sample_programs.tasks.files import FOLDER_VARIABLE
from mipro_studio.storage import Store
from mipro_studio.storage.beside.people import NAME_VARIABLE
from mipro_studio.ui.home import samples
from mipro_studio.ui.text.format import UNKNOWN
from tests.inside import helpers_inside
from tests.pages.open import open_page, texts
from tests.ui.factory import MARKER

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(autouse=True)
def one_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "all_samples", lambda: [CATALOG["triage"]])


def test_an_empty_home_offers_the_next_action_and_creates_nothing(empty: Path) -> None:
    app = open_page()
    assert "There is no run yet" in texts(app)
    assert not app.button(key="sample_start_triage").disabled
    assert not app.dataframe
    assert not empty.exists()


def test_whoever_has_no_run_yet_is_shown_a_finished_one(empty: Path) -> None:
    with helpers_inside():
        app = open_page()
        app.button(key="finished_see").click().run()
    assert not app.exception
    assert "that the search never saw" in html.unescape(texts(app)), "Live of the run that came along"
    assert "finished_see" not in {button.key for button in open_page().button}, "there is a run now"


def test_home_lists_every_run_with_its_status_in_words(store: tuple[Path, dict[str, str]]) -> None:
    app = open_page()
    table = app.dataframe[0].value
    words = {status[0].split(" ", 1)[1] for status in table["status"]}
    assert words == {"Queued", "Running", "Paused", "Finished", "Failed", "Stopped", "Lost", "Waiting for you"}
    finished = table[table["run"] == "triage, embedded model"].iloc[0]
    assert finished["sealed test"] == "0.40 → 0.80"
    assert finished["trials"] == "30 of 30"
    assert any(name.startswith(MARKER) for name in table["run"])


@pytest.mark.parametrize(
    ("name", "status", "validation", "trials"),
    [
        ("triage, 0.1 s endpoint", "▶ Running", "0.42 → 0.80", "13 of 30"),
        ("triage, with review", "✎ Waiting for you", UNKNOWN, "0 of 30"),
        ("triage, embedded model", "✓ Finished", "0.33 → 0.95", "30 of 30"),
        ("triage with my metric", "✕ Failed", UNKNOWN, "0 of 30"),
        ("triage overnight", "? Lost", "0.35 → 0.62", "7 of 30"),
    ],
)
def test_a_run_in_every_state_is_a_row(
    store: tuple[Path, dict[str, str]], name: str, status: str, validation: str, trials: str
) -> None:
    table = open_page().dataframe[0].value
    row = table[table["run"] == name].iloc[0]
    assert (list(row["status"]), row["validation"], row["trials"]) == ([status], validation, trials)
    assert (row["sealed test"] == UNKNOWN) is (status != "✓ Finished")


def test_the_runs_that_stand_still_say_why(store: tuple[Path, dict[str, str]]) -> None:
    said = html.unescape(texts(open_page()))
    assert "triage with my metric: The metric 'metric' raised KeyError: 'queue'. Mend it and run again." in said
    assert "triage, remote endpoint: 10 calls in a row got no answer" in said and "triage overnight: " in said
    assert "triage, first try:" not in said, "it was stopped by a person, who knows why"


def test_where_people_have_names_a_run_says_who_ran_and_who_reviewed_it(
    store: tuple[Path, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, ids = store
    assert not open_page().dataframe[0].value[["ran", "reviewed"]].to_numpy().any(), "nobody is named yet"
    with Store(path) as opened:
        for deed in ("anna resumed", "ben reject", "anna edit", "ben approve", "cy stop"):
            name, did = deed.split()
            monkeypatch.setenv(NAME_VARIABLE, name)
            opened.sign(ids["review"], did)
    table = open_page().dataframe[0].value
    rows = (row for _, row in table.iterrows() if row["ran"] or row["reviewed"])
    named = {row["run"]: (row["ran"], row["reviewed"]) for row in rows}
    assert named == {"triage, with review": ("anna", "ben, anna")}


def test_a_sample_that_cannot_start_says_why(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(store: Path, config: object) -> str:
        raise BadInput("There is no sample 'triage'.")

    monkeypatch.setattr("mipro_studio.control.launcher.start", refuse)
    app = open_page()
    app.button(key="sample_start_triage").click().run()
    assert not app.exception
    assert "There is no sample 'triage'." in texts(app)


def test_one_click_starts_a_sample_and_opens_it(
    store: tuple[Path, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, object]] = []

    def start(path: Path, config: dict[str, object]) -> str:
        asked.append(config)
        return store[1]["queued"]

    monkeypatch.setattr("mipro_studio.control.launcher.start", start)
    app = open_page()
    app.button(key="sample_start_triage").click().run()
    assert not app.exception
    assert asked[0]["program"] == "sample:triage"
    assert "Waiting for its worker to start" in texts(app)
    app = open_page()
    assert app.button(key="sample_together_triage").label == "Better together, offline"
    app.button(key="sample_together_triage").click().run()
    assert not app.exception
    assert asked[1] == {**asked[0], "optimizer": "better_together", "name": "Support triage, better together"}


def test_a_file_that_is_no_store_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "studio.db"
    path.write_text("this is not a database, only text that is long enough to be looked at" * 20)
    monkeypatch.setenv("MIPRO_STUDIO_STORE", str(path))
    assert "is not a studio database" in texts(open_page())


def test_what_cannot_start_here_has_no_start_button_and_says_what_it_needs(
    empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setattr(samples, "all_samples", lambda: [CATALOG[name] for name in ("triage", "sst2", "hotpotqa")])
    app = open_page()
    keys = {button.key for button in app.button}
    assert {"sample_start_triage", "sample_setup_triage", "sample_setup_sst2", "sample_setup_hotpotqa"} <= keys
    assert not {"sample_start_sst2", "sample_start_hotpotqa"} & keys
    said = texts(app)
    assert "Needs an endpoint or data" in said
    assert "Data: hotpotqa.jsonl, hotpotqa_corpus.jsonl" in said
    assert "python -m sample_programs.fetch hotpotqa" in said

    (tmp_path / "sst2.jsonl").write_text('{"text": "a delight", "label": "positive"}\n')
    assert "sample_start_sst2" in {button.key for button in open_page().button}
