"""Compare, export, replay and settings for every state of a run."""

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from mipro_studio.control import take_home
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.storage import Reader
from mipro_studio.ui.export.export_panels import _zipped
from tests.pages.open import open_page, texts
from tests.ui.factory import MARKER

pytestmark = pytest.mark.timeout(240)
Filled = tuple[Path, dict[str, str]]
PAGES = ("compare", "export", "replay", "settings")
KINDS = ("queued", "running", "review", "finished", "nogain", "failed", "lost", "hostile")


def page(name: str, **query: str) -> Any:
    return open_page(f"pages/{name}.py", **query)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", PAGES)
def test_every_state_opens_and_foreign_text_is_never_markdown(store: Filled, name: str, kind: str) -> None:
    app = page(name, run=store[1][kind])
    for element in (*app.markdown, *app.caption, *app.title, *app.subheader):
        assert MARKER not in str(element.value)
    for element in app.get("html"):
        assert "<script" not in element.proto.body


def metrics(app: Any) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


@pytest.mark.parametrize(
    ("kind", "says", "score"),
    [
        ("running", "is better on 19, worse on 4 and the same on 17", "0.80"),
        ("review", "No example has been scored yet", None),
        ("finished", "is better on 8, worse on 0 and the same on 12", "0.80"),
        ("failed", "No example was scored, so there is nothing to compare", None),
        ("lost", "is better on 15, worse on 7 and the same on 12", "0.62"),
        ("nogain", "There is no second candidate", None),
    ],
)
def test_compare_in_every_state(store: Filled, kind: str, says: str, score: str | None) -> None:
    app = page("compare", run=store[1][kind])
    assert says in texts(app)
    assert metrics(app).get("Score") == score
    alone = kind in ("review", "nogain", "failed")
    assert len(app.get("download_button")) == (0 if alone else 2), "the cells as CSV and JSON"


def test_a_candidate_is_never_compared_with_itself(store: Filled) -> None:
    app = page("compare", run=store[1]["nogain"])
    assert app.selectbox(key="compare_a").options and "no other one has been scored here" in texts(app)
    with Reader(store[0]) as reader:
        one = next(mean.candidate for mean in reader.candidate_means(store[1]["finished"]) if mean.n_ok < 40)
    app = page("compare", run=store[1]["finished"], split="val", a=one, b=one)
    assert app.selectbox(key="compare_a").value == one != app.selectbox(key="compare_b").value


def test_the_table_has_every_candidates_answer_and_up_to_five_stand_beside_each_other(store: Filled) -> None:
    path, ids = store
    with Reader(path) as reader:
        others = [mean.candidate for mean in reader.candidate_means(ids["finished"])][3:6]
    app = page("compare", run=ids["finished"], split="val", more=".".join(others))
    table = next(one.value for one in app.dataframe if "wanted" in one.value.columns)
    answers = [name for name in table.columns if name.startswith("answer")]
    assert len(answers) == 5 and set(table["change"][:3]) <= {"▲ better", "▼ worse"}
    assert all(cell.startswith(("0.00  ", "1.00  ")) for cell in table["answer 0"])
    assert app.multiselect(key="compare_more").value == others
    app.text_input(key="compare_find").set_value("/^deliv/").run()
    found = next(one.value for one in app.dataframe if "wanted" in one.value.columns)
    assert 0 < len(found) < len(table)
    app.selectbox(key="compare_where").set_value("wanted").run()
    found = next(one.value for one in app.dataframe if "wanted" in one.value.columns)
    assert len(found) > 0 and set(found["wanted"]) == {"delivery"}
    app.text_input(key="compare_find").set_value("/(/").run()
    assert not app.exception and "That is no regular expression" in texts(app)


def test_every_candidate_beside_the_two_has_its_scores_and_its_steps(store: Filled) -> None:
    path, ids = store
    with Reader(path) as reader:
        whole = [mean.candidate for mean in reader.candidate_means(ids["finished"]) if mean.n_ok == 40]
    app = page("compare", run=ids["finished"], split="val", more=".".join(whole[2:4]), example="val-3")
    table = next(one.value for one in app.dataframe if "won, lost, tied" in one.value.columns)
    assert len(table) == 4 and table["candidate"][0] == "1. the program as it came"
    assert all(difference[0] in "+±\N{MINUS SIGN}" for difference in table["difference"][1:])
    told = [words for words in texts(app).split("\n") if "2 calls" in words]
    assert len(told) == 4, "what each of the four answered to the example, and with what"


def test_winners_of_other_runs_stand_beside_candidates_of_this_one(store: Filled) -> None:
    path, ids = store
    with Reader(path) as reader:
        winner = reader.outcome(ids["capped"])
    assert winner is not None
    named = f"{ids['capped']}~{winner.winner}"
    app = page("compare", run=ids["finished"], split="val", more=named)
    assert app.multiselect(key="compare_more").value == [named]
    table = next(one.value for one in app.dataframe if "won, lost, tied" in one.value.columns)
    assert table["candidate"][2].endswith("(answer with search)")
    assert table["won, lost, tied"][2].count(",") == 2


def test_compare_shows_what_each_predictor_takes(store: Filled) -> None:
    app = page("compare", run=store[1]["finished"], split="val")
    table = next(one.value for one in app.dataframe if "predictor" in one.value.columns)
    assert table.set_index("predictor")["tokens"].to_dict() == {"queue": "342 → 342", "tone": "220 → 220"}
    assert "cost" not in table, "nobody reports one"


@pytest.mark.parametrize(
    ("kind", "taken", "packed"),
    [
        ("running", "leads · 0.80, n = 40 · classify: instruction 1 + demo set 2", False),
        ("review", None, True),
        ("finished", "winner · ", True),
        ("failed", None, True),
        ("lost", "leads · ", True),
        ("nogain", "the program as it came · 0.35, n = 40", True),
    ],
)
def test_export_in_every_state(store: Filled, kind: str, taken: str | None, packed: bool) -> None:
    app = page("export", run=store[1][kind])
    _, replay_file = app.get("download_button")
    assert replay_file.proto.disabled is not packed
    assert ("No candidate has been scored yet" in texts(app)) is (taken is None)
    assert ("Nothing has beaten the baseline" in texts(app)) is (kind == "nogain")
    if taken is not None:
        chosen = app.selectbox(key="export_candidate")
        assert chosen.options[chosen.index].startswith(taken)


@pytest.mark.parametrize(
    ("kind", "says", "trials"),
    [
        ("running", "This run is still moving", "13"),
        ("review", "Nothing has been scored yet.", "0"),
        ("finished", "40 % to 80 % on 20 examples that the search never saw", "30"),
        ("failed", "Nothing has been scored yet.", "0"),
        ("lost", "not final", "7"),
    ],
)
def test_replay_in_every_state(store: Filled, kind: str, says: str, trials: str) -> None:
    app = page("replay", run=store[1][kind])
    assert says in texts(app)
    assert metrics(app)["Trials"] == trials


@pytest.mark.parametrize(
    ("kind", "seed"), [("running", 0), ("review", 0), ("finished", 0), ("failed", 2), ("lost", 1)]
)
def test_settings_in_every_state(store: Filled, kind: str, seed: int) -> None:
    app = page("settings", run=store[1][kind])
    assert metrics(app) == {
        "Training rows": "40", "Validation rows": "40", "Sealed test rows": "20", "Seed": str(seed)
    }  # fmt: skip
    rows = app.dataframe[0].value.set_index("setting")
    assert rows.loc["review", "effective"] == ("on" if kind == "review" else "off")
    assert rows.loc["search.minibatch_size", "effective"] == "25"
    assert "never stored" in texts(app)


def test_the_url_keeps_the_selection_and_nothing_that_is_the_default(store: Filled) -> None:
    path, ids = store
    with Reader(path) as reader:
        other = next(mean.candidate for mean in reader.candidate_means(ids["finished"]) if mean.n_ok < 40)
    app = page("compare", run=ids["finished"], split="val", b=other, show="regressed")
    assert app.selectbox(key="compare_b").value == other
    assert app.query_params["b"] in (other, [other])
    assert "a" not in app.query_params and app.query_params["split"] in ("val", ["val"])


def test_a_selection_that_does_not_exist_falls_back(store: Filled) -> None:
    app = page(
        "compare", run=store[1]["finished"], a="i9d9-i9d9", b="x", other="y", split="z", example="<b>", show="q"
    )
    assert app.selectbox(key="compare_a").value == "i0d0-i0d0"


def test_an_example_in_the_url_opens_step_by_step(store: Filled) -> None:
    said = texts(page("compare", run=store[1]["finished"], split="val", example="val-3"))
    assert "Step 1 of 2" in said and "Step 2 of 2" in said


def test_winners_of_two_runs_are_compared_with_their_settings(store: Filled) -> None:
    app = page("compare", run=store[1]["finished"], other=store[1]["stopped"])
    assert "Settings that differ" in texts(app)
    assert app.selectbox(key="compare_a").value != "i0d0-i0d0"


def test_export_shows_the_files_once_they_are_made(store: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    document = (
        '{"how": "Send.", "predictors": [{"name": "p", "why": "", "messages": [{"role": "user", "content": "Q"}]}]}'
    )
    made = {"candidate": "c", "program": "{}", "snippet": "import dspy", "messages": document, "weights": {}}
    monkeypatch.setattr(take_home, "export_files", lambda *asked: made)
    app = page("export", run=store[1]["finished"])
    app.button(key="export_make").click().run()
    assert "import dspy" in texts(app) and "Does it still give the same answers?" in texts(app)
    assert "adapters" not in texts(app)
    with zipfile.ZipFile(io.BytesIO(_zipped(store[1]["finished"], made))) as taken:
        assert {*taken.namelist()} == {"program.json", "load_program.py", "messages.json", "report.html"}
        assert taken.read("load_program.py") == b"import dspy"
        assert b"the search never saw" in taken.read("report.html")


def test_export_offers_every_adapter_of_a_candidate_with_tuned_weights(
    store: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "adapter.gguf").write_bytes(b"GGUF")
    weights = dict.fromkeys(("program.queue.gguf", "program.tone.gguf"), str(tmp_path / "adapter.gguf"))
    snippet = 'predictors["queue"].lm = embedded_lm(weights="program.queue.gguf", among=adapters)'
    made = {"candidate": "c", "program": "{}", "snippet": snippet, "messages": '{"how": "", "predictors": []}'}
    monkeypatch.setattr(take_home, "export_files", lambda *asked: {**made, "weights": weights})
    app = page("export", run=store[1]["finished"])
    app.button(key="export_make").click().run()
    assert not app.exception
    offered = [one.proto.label for one in app.get("download_button")]
    assert {"program.json", *weights} <= set(offered)
    assert "low-rank adapters" in texts(app) and snippet in texts(app)


def test_export_says_why_it_did_not_work(store: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*asked: object) -> None:
        raise BadInput("'my.py' does not import.")

    monkeypatch.setattr(take_home, "export_files", refuse)
    app = page("export", run=store[1]["finished"])
    app.button(key="export_make").click().run()
    assert "'my.py' does not import." in texts(app)


def test_the_replay_moves_with_the_url(store: Filled) -> None:
    early, late = (texts(page("replay", run=store[1]["finished"], at=at)) for at in ("3", "999"))
    assert "the search never saw" not in early
    assert "the search never saw" in late


def test_a_replay_file_is_opened_by_its_path_and_only_shown(
    store: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, ids = store
    pack = tmp_path / "told.mipro"
    take_home.pack(path, ids["finished"], pack)
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
