"""Compare, export, replay and settings for every state of a run, and for addresses that name none."""

from pathlib import Path
from typing import Any

import pytest

import launcher
from optimizer_core.errors import BadInput
from storage import Reader
from tests.pages.open import open_page, texts
from tests.ui.factory import MARKER

pytestmark = pytest.mark.timeout(240)
Filled = tuple[Path, dict[str, str]]
PAGES = ("compare", "export", "replay", "settings")
KINDS = ("queued", "running", "review", "finished", "nogain", "failed", "lost", "hostile")


def page(name: str, **query: str) -> Any:
    return open_page(f"pages/{name}.py", **query)


@pytest.mark.parametrize("name", PAGES)
def test_no_store_and_no_such_run_lead_back(empty: Path, name: str) -> None:
    assert "names no run" in texts(page(name))


@pytest.mark.parametrize("name", PAGES)
def test_a_run_that_is_not_there_is_a_sentence(store: Filled, name: str) -> None:
    assert "There is no run 'nobody'" in texts(page(name, run="nobody"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", PAGES)
def test_every_state_opens_and_foreign_text_is_never_markdown(store: Filled, name: str, kind: str) -> None:
    app = page(name, run=store[1][kind])
    for element in (*app.markdown, *app.caption, *app.title, *app.subheader):
        assert MARKER not in str(element.value)
    for element in app.get("html"):
        assert "<script" not in element.proto.body


@pytest.mark.parametrize(
    ("name", "kind", "says"),
    [
        ("compare", "finished", "the second is better on 26, worse on 1 and the same on 13"),
        ("compare", "review", "No example has been scored yet"),
        ("compare", "nogain", "There is no second candidate"),
        ("export", "review", "No candidate has been scored yet"),
        ("export", "nogain", "Nothing has beaten the baseline"),
        ("replay", "running", "still moving"),
        ("replay", "failed", "It has no winner"),
        ("replay", "finished", "Result on the sealed test"),
        ("settings", "finished", "never stored"),
    ],
)
def test_a_page_says_what_there_is_and_what_to_do(store: Filled, name: str, kind: str, says: str) -> None:
    assert says in texts(page(name, run=store[1][kind]))


def test_the_url_keeps_the_selection_and_nothing_that_is_the_default(store: Filled) -> None:
    path, ids = store
    with Reader(path) as reader:
        other = next(mean.candidate for mean in reader.candidate_means(ids["finished"]) if mean.n_ok < 40)
    app = page("compare", run=ids["finished"], b=other, show="regressed")
    assert app.selectbox(key="compare_b").value == other
    assert app.query_params["b"] in (other, [other])
    assert "a" not in app.query_params and "split" not in app.query_params


def test_a_selection_that_does_not_exist_falls_back(store: Filled) -> None:
    app = page(
        "compare", run=store[1]["finished"], a="i9d9-i9d9", b="x", other="y", split="z", example="<b>", show="q"
    )
    assert app.selectbox(key="compare_a").value == "i0d0-i0d0"


def test_an_example_in_the_url_opens_step_by_step(store: Filled) -> None:
    said = texts(page("compare", run=store[1]["finished"], example="val-3"))
    assert "Step 1 of 2" in said and "Step 2 of 2" in said


def test_winners_of_two_runs_are_compared_with_their_settings(store: Filled) -> None:
    app = page("compare", run=store[1]["finished"], other=store[1]["stopped"])
    assert "Settings that differ" in texts(app)
    assert app.selectbox(key="compare_a").value != "i0d0-i0d0"


def test_export_shows_the_files_once_they_are_made(store: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    document = (
        '{"how": "Send.", "predictors": [{"name": "p", "why": "", "messages": [{"role": "user", "content": "Q"}]}]}'
    )
    made = {"candidate": "c", "program": "{}", "snippet": "import dspy", "messages": document}
    monkeypatch.setattr(launcher, "export_files", lambda *asked: made)
    app = page("export", run=store[1]["finished"])
    app.button(key="export_make").click().run()
    assert "import dspy" in texts(app) and "Does it still give the same answers?" in texts(app)


def test_export_says_why_it_did_not_work(store: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*asked: object) -> None:
        raise BadInput("'my.py' does not import.")

    monkeypatch.setattr(launcher, "export_files", refuse)
    app = page("export", run=store[1]["finished"])
    app.button(key="export_make").click().run()
    assert "'my.py' does not import." in texts(app)


def test_the_replay_moves_with_the_url(store: Filled) -> None:
    early, late = (texts(page("replay", run=store[1]["finished"], at=at)) for at in ("3", "999"))
    assert "Result on the sealed test" not in early
    assert "Result on the sealed test" in late


def test_a_replay_file_is_opened_by_its_path_and_only_shown(
    store: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, ids = store
    pack = tmp_path / "told.mipro"
    launcher.pack(path, ids["finished"], pack)
    monkeypatch.setenv("MIPRO_STUDIO_STORE", str(tmp_path / "other.db"))
    app = page("export")
    app.text_input(key="open_path").set_value(str(pack)).run()
    app.button(key="open_go").click().run()
    assert not app.exception
    for name in ("replay", "export", "live"):
        assert "Replay file, only shown" in "".join(str(b.value) for b in page(name, run=ids["finished"]).markdown)


def test_a_file_that_is_no_replay_is_refused_on_the_page(empty: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.mipro"
    bad.write_text("no")
    app = page("export")
    app.text_input(key="open_path").set_value(str(bad)).run()
    app.button(key="open_go").click().run()
    assert "is not a replay file of the studio" in texts(app)
