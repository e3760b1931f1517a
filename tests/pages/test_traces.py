"""Demo sets and traces for every state of a run; pinning and dropping are stored as changes."""

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.types import DEMOS, INSTRUCTION, Candidate, ErrorClass, Status
from mipro_studio.storage import Reader
from mipro_studio.ui.arms.trace_view import Fate, of_kind
from mipro_studio.ui.text.format import UNKNOWN
from tests.pages.open import open_page, texts
from tests.ui.factory import MARKER, ROWS, LiveRun

pytestmark = pytest.mark.timeout(400)
PAGE = "pages/traces.py"
Filled = tuple[Path, dict[str, str]]


def _table(app: AppTest, column: str) -> Any:
    return next(table.value for table in app.dataframe if column in table.value)


@pytest.mark.parametrize("kind", ["running", "review", "finished", "failed", "lost", "paused", "hostile", "capped"])
def test_every_state_with_traces_shows_them(store: Filled, kind: str) -> None:
    app = open_page(PAGE, run=store[1][kind])
    said = texts(app)
    assert (
        "The teacher ran on 12 of 40 training rows: 3 became demos, 3 scored below 1.00 or failed, "
        "6 were solved and are in no set." in said
    )
    assert "Call 1 of 2" in said


@pytest.mark.parametrize(
    ("kind", "word", "sets", "scored", "may_change"),
    [
        ("running", "Running", 4, True, True),
        ("review", "Waiting for you", 4, False, True),
        ("finished", "Finished", 4, True, False),
        ("failed", "Failed", 1, False, True),
        ("lost", "Lost", 4, True, True),
    ],
)
def test_a_state_says_what_is_known_and_what_can_be_done(
    store: Filled, kind: str, word: str, sets: int, scored: bool, may_change: bool
) -> None:
    app = open_page(PAGE, run=store[1][kind])
    assert word in texts(app)
    table = _table(app, "set")
    assert len(table) == sets
    assert bool(table["n"].sum()) is scored
    assert ("tr_make" in {button.key for button in app.button}) is may_change


def test_a_queued_run_says_what_comes_first(store: Filled) -> None:
    assert "the teacher runs on training rows first" in texts(open_page(PAGE, run=store[1]["queued"]))


@pytest.mark.parametrize(
    ("limits", "says"),
    [({"max_bootstrapped": 0, "max_labeled": 0}, "builds no demos"), ({}, "ended before a demo set was built")],
)
def test_a_run_without_demos_says_why(store: Filled, limits: dict[str, int], says: str) -> None:
    config = RunConfig.model_validate({"program": "sample:triage", "search": limits})
    run = LiveRun(store[0], "bare", age_s=60, config=config)
    run.begin()
    run.end(Status.STOPPED)
    run.close()
    assert says in texts(open_page(PAGE, run=run.id))


def test_sets_are_named_as_dspy_builds_them(store: Filled) -> None:
    app = open_page(PAGE, run=store[1]["finished"])
    sets = _table(app, "set")
    assert list(sets["set"]) == ["Zero-shot", "Labels only", "Unshuffled", "Shuffled #1"]
    assert list(sets["demos"]) == [0, 3, 3, 3]
    assert list(sets["by the teacher"]) == [0, 0, 3, 3]
    given = [[] if said == UNKNOWN else said.split(", ") for said in sets["answers"]]
    assert [sum(int(one.split()[0]) for one in each) for each in given] == list(sets["demos"])
    assert (sets["n"] > 0).sum() >= 2


def test_a_sets_score_is_that_of_the_candidates_with_it(store: Filled) -> None:
    path, ids = store
    with Reader(path) as reader:
        tried = {trial.candidate for trial in reader.trials(ids["finished"])}
        with_set = [sorted(one for one in tried if Candidate.parse(one).arm(0, DEMOS) == n) for n in range(4)]
        scored = [len(reader.example_means(ids["finished"], names)) if names else 0 for names in with_set]
        with_instruction = [
            sorted(one for one in tried if Candidate.parse(one).arm(0, INSTRUCTION) == n) for n in range(4)
        ]
    sets = _table(open_page(PAGE, run=ids["finished"]), "set")
    assert list(sets["n"]) == scored
    assert list(sets["candidates"]) == list(map(len, with_set)) != list(map(len, with_instruction))


@pytest.mark.parametrize(
    ("kind", "n", "why"),
    [
        ("All", 12, "kept"),
        ("Kept", 3, "kept"),
        ("Rejected", 9, "good, but the sets that came to it were full"),
        ("Never solved", 3, "score 0 is below the threshold 1"),
        ("Not tried", 28, "no set came to it"),
    ],
)
def test_traces_are_told_apart_with_the_recorded_reason(store: Filled, kind: str, n: int, why: str) -> None:
    app = open_page(PAGE, run=store[1]["finished"])
    app.segmented_control(key="tr_kind").set_value(kind).run()
    table = _table(app, "why")
    assert len(table) == n
    assert why in set(table["why"])


def test_a_trace_without_a_record_is_not_judged_here() -> None:
    fate = Fate("r", 0.0, None, False, (), "", False)
    assert of_kind("Rejected", [fate]) == []
    assert of_kind("Never solved", [fate]) == [fate]


def test_one_trace_is_stepped_through_module_by_module(store: Filled) -> None:
    app = open_page(PAGE, run=store[1]["finished"], trace="train-5")
    assert "Call 1 of 2" in texts(app)
    assert ROWS[5]["message"] in texts(app)
    assert app.button(key="tr_back").disabled
    app.button(key="tr_next").click().run()
    assert "Call 2 of 2" in texts(app)
    assert app.button(key="tr_next").disabled
    app.selectbox(key="pick_trace").select("train-11").run()
    assert "Call 1 of 1" in texts(app)
    assert "The reply has no field 'queue'." in texts(app)


def test_a_new_set_is_asked_for(store: Filled) -> None:
    app = open_page(PAGE, run=store[1]["review"], set="2")
    app.multiselect(key="tr_classify_2_drop").select(1).run()
    app.multiselect(key="tr_classify_2_pin").select("train-5").run()
    assert "threshold" not in _cautions(app)
    app.text_input(key="tr_classify_2_why").input("a refund").run()
    app.button(key="tr_make").click().run()
    with Reader(store[0]) as reader:
        (one,) = reader.changes(store[1]["review"])
    assert one.change.kind == "demos"
    assert one.change.payload == {
        "predictor": "classify",
        "index": 2,
        "keep": [0, 2],
        "pin": [{"example": "train-5", "call": -1}],
        "replace": False,
        "reason": "a refund",
    }
    assert "New demo set from set 2, 3 demos · classify" in texts(app)


def test_a_poor_trace_and_a_large_set_are_allowed_and_said(store: Filled) -> None:
    app = open_page(PAGE, run=store[1]["review"], set="2")
    poor = [row for row in app.multiselect(key="tr_classify_2_pin").options if "metric 0.00" in row]
    app.multiselect(key="tr_classify_2_pin").select(poor[0]).run()
    assert "1 pinned trace scored below the threshold" in _cautions(app)
    assert "The run's own sets have at most 3" in _cautions(app)


def _cautions(app: AppTest) -> str:
    return " ".join(caption.value for caption in app.caption if ":material/warning:" in caption.value)


def test_a_set_that_is_there_already_is_refused(store: Filled) -> None:
    app = open_page(PAGE, run=store[1]["review"], set="2")
    app.button(key="tr_make").click().run()
    assert "has just these demos already" in texts(app)


def test_a_completed_run_says_how_to_change_it(store: Filled) -> None:
    app = open_page(PAGE, run=store[1]["finished"])
    assert "tr_make" not in {button.key for button in app.button}
    assert "Ask for more trials on the page Live" in texts(app)


def test_foreign_text_is_never_markdown(store: Filled) -> None:
    run = LiveRun(store[0], f"{MARKER} **x**", age_s=60, config=RunConfig.model_validate({"program": MARKER}))
    run.begin()
    run.bootstrap(2)
    run.fail_cells(ErrorClass.PARSE, MARKER, 1)
    run.close()
    app = open_page(PAGE, run=run.id)
    for kind in ("markdown", "caption", "title", "subheader"):
        assert not [element for element in app.get(kind) if MARKER in str(element.value)]


def test_sets_stand_whole_and_side_by_side_the_best_first(store: Filled) -> None:
    app = open_page(PAGE, run=store[1]["finished"])
    app.segmented_control(key="tr_view").set_value("Side by side").run()
    assert not app.exception
    said = texts(app)
    assert "★ in the winner" in said and "No demos: the instruction alone" in said


@pytest.mark.parametrize("page", ["pages/traces.py", "pages/instructions.py"])
def test_a_page_says_what_an_optimizer_never_makes(store: Filled, page: str) -> None:
    name = {"pages/traces.py": "gepa", "pages/instructions.py": "bootstrap_few_shot"}[page]
    config = RunConfig.model_validate({"program": "sample:triage", "optimizer": name})
    run = LiveRun(store[0], "by nature", age_s=60, config=config)
    run.begin()
    run.close()
    said = texts(open_page(page, run=run.id))
    assert ("GEPA builds no demo sets" if name == "gepa" else "BootstrapFewShot writes no instructions") in said
    assert "yet" not in said
