"""The live page for every state of a run, and for addresses that name none."""

import re
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.errors import IllegalMove
from mipro_studio.optimizer_core.types import Candidate, Event, EventKind, Role, Spent, Status, Usage
from mipro_studio.storage import PulseFile, Reader, SqliteJournal, Store, present
from mipro_studio.ui.live import live_head
from tests.arms import pairs
from tests.pages.open import open_page, texts
from tests.storage.samples import WORKER, example, running
from tests.ui.factory import MARKER, LiveRun

pytestmark = pytest.mark.timeout(400)
PAGE = "pages/live.py"
Filled = tuple[Path, dict[str, str]]
BUTTONS = ("live_pause", "live_resume", "live_stop")


@pytest.fixture(autouse=True)
def no_worker_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_head, "WORKER_LATE_S", 1e9)


def _on(app: AppTest) -> set[str]:
    """The buttons that are there; what a state does not allow is not shown."""
    there = [button for button in app.button if button.key in BUTTONS]
    assert all(button.help and not button.disabled for button in there)
    return {str(button.key).removeprefix("live_") for button in there}


@pytest.mark.parametrize(
    ("kind", "word", "on"),
    [
        ("queued", "Queued", {"stop"}),
        ("running", "Running", {"pause", "stop"}),
        ("paused", "Paused", {"resume", "stop"}),
        ("finished", "Finished", set()),
        ("nogain", "Finished", set()),
        ("capped", "Finished", set()),
        ("stopped", "Stopped", {"resume"}),
        ("review", "Waiting for you", {"resume", "stop"}),
        ("failed", "Failed", {"resume"}),
        ("lost", "Lost", {"resume", "stop"}),
        ("hostile", "Finished", set()),
    ],
)
def test_every_state_shows_its_word_and_the_buttons_it_allows(
    store: Filled, kind: str, word: str, on: set[str]
) -> None:
    app = open_page(PAGE, run=store[1][kind])
    assert word in texts(app)
    assert _on(app) == on
    without = ("queued", "review", "failed", "nogain")  # the last has scores of the program as it came alone
    assert bool(app.get("bidi_component")) is (kind not in without), "no chart without a candidate's score"


@pytest.mark.parametrize("kind", ["running", "finished", "failed", "hostile", "queued"])
@pytest.mark.parametrize("tab", ["Best candidate", "Trials", "Errors", "Log"])
def test_every_tab_opens(store: Filled, kind: str, tab: str) -> None:
    app = open_page(PAGE, run=store[1][kind])
    app.session_state["live_tab"] = tab
    app.run()
    assert not app.exception


def open_tab(store: Filled, kind: str, tab: str) -> AppTest:
    app = open_page(PAGE, run=store[1][kind])
    app.session_state["live_tab"] = tab
    return app.run()


def test_every_tab_shows_what_its_name_says(store: Filled) -> None:
    with Reader(store[0]) as reader:
        outcome = reader.outcome(store[1]["finished"])
    assert outcome is not None
    (first, _), _ = pairs(Candidate.parse(outcome.winner or ""))
    assert "Written by the prompt model" in texts(open_tab(store, "finished", "Best candidate")) and first
    trials = next(table.value for table in open_tab(store, "running", "Trials").dataframe if "trial" in table.value)
    assert "in flight" in set(trials["score"])
    told = texts(open_tab(store, "running", "Errors"))
    assert "4 program runs without a score: timeout 3, reply not readable 1." in told
    tables = [table.value for table in open_tab(store, "finished", "Log").dataframe]
    log = next(table for table in tables if "what happened" in table)
    assert "At work" in set(log["what happened"]) and not any("0 to" in words for words in log["what happened"])
    assert set(trials["candidate"]) >= {"the program as it came"}


@pytest.mark.parametrize(
    ("kind", "polls"), [("running", True), ("queued", True), ("finished", False), ("lost", False)]
)
def test_only_a_run_that_may_move_is_polled(
    store: Filled, kind: str, polls: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float | None] = []

    def fragment(draw: Any, *, run_every: float | None = None) -> Any:
        asked.append(run_every)
        return draw

    monkeypatch.setattr("streamlit.fragment", fragment)
    open_page(PAGE, run=store[1][kind])
    assert [every is not None for every in asked] == [polls]


def test_a_running_run_says_its_phase_and_count(store: Filled) -> None:
    assert "Searching, trial 13 of 30" in texts(open_page(PAGE, run=store[1]["running"]))


def test_what_the_worker_waits_for_is_said(store: Filled) -> None:
    path, ids = store
    with Reader(path) as reader:
        worker = reader.worker_of(ids["running"])
    pulse = PulseFile(path, ids["running"])
    pulse.beat(str(worker), present(), "The store cannot grow: the disk is full. The run waits.")
    said = texts(open_page(PAGE, run=ids["running"]))
    pulse.close()
    assert "the disk is full. The run waits." in said and "Running" in said


def test_a_paused_run_says_why_and_what_to_do(store: Filled) -> None:
    said = texts(open_page(PAGE, run=store[1]["paused"]))
    assert "connection refused" in said
    assert "Resume when the cause is gone" in said


def test_a_finished_run_says_its_sealed_result_in_words(store: Filled) -> None:
    said = texts(open_page(PAGE, run=store[1]["finished"]))
    assert "40 % to 80 % on 20 examples that the search never saw: better on 8, worse on none" in said
    assert "worse on none, twice the tokens." in said


def test_a_finished_run_shows_examples_with_both_answers(store: Filled) -> None:
    (shown,) = [one.value for one in open_page(PAGE, run=store[1]["finished"]).dataframe if "asked" in one.value]
    assert 1 <= len(shown) <= 3 and set(shown["change"]) == {"▲ better"}
    assert (shown["after"] == shown["wanted"]).all() and (shown["before"] != shown["wanted"]).all()
    for kind in ("running", "nogain", "failed"):
        assert not [one for one in open_page(PAGE, run=store[1][kind]).dataframe if "asked" in one.value]


def test_a_run_without_gain_says_so(store: Filled) -> None:
    assert "The program stays as it is" in texts(open_page(PAGE, run=store[1]["nogain"]))


def test_a_capped_run_does_not_claim_a_test(store: Filled) -> None:
    assert "sealed test was not scored" in texts(open_page(PAGE, run=store[1]["capped"]))


def test_stop_and_pause_leave_a_command_and_say_so(store: Filled) -> None:
    path, ids = store
    app = open_page(PAGE, run=ids["running"])
    app.button(key="live_stop").click().run()
    with Reader(path) as reader:
        assert [command["kind"] for command in reader.commands(ids["running"])] == ["stop"]
    assert app.button(key="live_stop").label == "Stopping…"
    assert app.button(key="live_stop").disabled


def test_stopping_a_run_that_stands_still_ends_it_at_once(store: Filled) -> None:
    app = open_page(PAGE, run=store[1]["paused"])
    app.button(key="live_stop").click().run()
    assert "Stopped" in texts(app)


def test_resume_asks_the_launcher(store: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("mipro_studio.control.launcher.resume", lambda path, run_id: asked.append(run_id))
    app = open_page(PAGE, run=store[1]["lost"])
    app.button(key="live_resume").click().run()
    assert asked == [store[1]["lost"]]


def test_a_queued_run_that_no_worker_takes_can_be_given_one(store: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("mipro_studio.control.launcher.spawn", lambda path, run_id: asked.append(run_id))
    monkeypatch.setattr(live_head, "WORKER_LATE_S", 0.0)
    app = open_page(PAGE, run=store[1]["queued"])
    app.button(key="live_resume").click().run()
    assert asked == [store[1]["queued"]]


def test_review_is_approved_and_not_merely_resumed(store: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mipro_studio.control.launcher.spawn", lambda path, run_id: 1)
    app = open_page(PAGE, run=store[1]["review"])
    app.button(key="live_resume").click().run()
    with Reader(store[0]) as reader:
        assert [command["kind"] for command in reader.commands(store[1]["review"])] == ["approve"]
    assert "Queued" in texts(app)


def test_a_finished_run_takes_more_trials(store: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mipro_studio.control.launcher.spawn", lambda path, run_id: 1)
    app = open_page(PAGE, run=store[1]["finished"])
    app.number_input(key="live_more_trials").set_value(45).run()
    app.button(key="live_more_go").click().run()
    with Reader(store[0]) as reader:
        assert reader.run(store[1]["finished"]).trials_planned == 45
    assert "Queued" in texts(app)


def test_a_finished_run_is_asked_what_each_part_brings(store: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mipro_studio.control.launcher.spawn", lambda path, run_id: 1)
    app = open_page(PAGE, run=store[1]["finished"])
    asked = app.button(key="live_ablate")
    assert re.search(r"It takes \d+ program runs more, whatever the caps", asked.help)
    asked.click().run()
    with Reader(store[0]) as reader:
        assert reader.config(store[1]["finished"])["ablate"] is True
    assert "Queued" in texts(app)


def test_a_refusal_is_shown(store: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, run_id: str) -> None:
        raise IllegalMove("Run x is running.", "Look at it again.")

    monkeypatch.setattr("mipro_studio.control.launcher.resume", refuse)
    app = open_page(PAGE, run=store[1]["paused"])
    app.button(key="live_resume").click().run()
    assert "Run x is running. Look at it again." in texts(app)


def test_foreign_text_is_never_markdown(store: Filled) -> None:
    app = open_page(PAGE, run=store[1]["hostile"])
    for kind in ("markdown", "caption", "title", "subheader"):
        assert not [element for element in app.get(kind) if MARKER in str(element.value)]
    for metric in app.metric:
        assert MARKER not in metric.label + str(metric.value)
    for element in app.get("html"):
        assert "<script" not in element.proto.body


def test_importance_is_shown_while_the_run_goes_on(store: Filled) -> None:
    said = texts(open_page(PAGE, run=store[1]["running"]))
    assert "most so far: the demos of answer (0.084), then the demos of classify (0.047)." in said
    assert "The other 2 choices could be chance." in said and "From 640 scored program runs of the search." in said
    done = texts(open_page(PAGE, run=store[1]["finished"]))
    assert "What moved the score most: the demos of answer (0.084)" in done
    assert "Shown when there are candidates enough" in texts(open_page(PAGE, run=store[1]["lost"]))
    assert "What the score depends on" not in texts(open_page(PAGE, run=store[1]["review"])), "nothing has a score"


def test_a_run_that_came_to_no_score_opens_on_its_errors(store: Filled) -> None:
    tables = open_page(PAGE, run=store[1]["failed"]).dataframe
    assert any("KeyError: 'queue'" in table.value.to_string() for table in tables)


def test_before_the_first_instruction_it_says_what_the_prompt_model_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "studio.db"
    run = LiveRun(store, "begun", age_s=60, config=RunConfig(program="sample:triage"))
    run.begin()
    run.bootstrap()
    run.now()
    monkeypatch.setenv("MIPRO_STUDIO_STORE", str(store))
    said = texts(open_page(PAGE, run=run.id))
    assert "12 training rows tried by the teacher, mean score 0.82." in said
    assert "The prompt model is asked once the demos are there." in said
    run.write(Spent(Role.PROMPT, Usage(5, 0, 900, 100, None)))
    said = texts(open_page(PAGE, run=run.id))
    assert "describes the rows and the program first: 5 calls so far." in said and "is asked once" not in said
    run.propose()
    run.baseline()
    said = texts(open_page(PAGE, run=run.id))
    assert "8 instructions so far" in said and "no candidate leads it yet" in said
    assert "What the score depends on" not in said and "The larger a dot" not in said, "of the baseline alone"


def test_a_run_at_the_gate_leads_to_what_is_to_be_read(store: Filled) -> None:
    app = open_page(PAGE, run=store[1]["review"])
    assert [button.label for button in app.button if button.key == "live_read"] == ["Read the instructions"]
    app.button(key="live_read").click().run()
    assert not app.exception and "0 of 8 read" in "".join(str(one.proto) for one in app.get("progress"))


@pytest.mark.parametrize("name", ["fANOVA", "PED-ANOVA"])
def test_optunas_importance_is_there_by_name_with_what_it_lacks(store: Filled, name: str) -> None:
    app = open_page(PAGE, run=store[1]["finished"])
    app.session_state["live_importance_by"] = name
    app.run()
    assert not app.exception
    assert f"{name} of Optuna over" in texts(app)
    assert "it has no noise band" in texts(app)
    assert "PED-ANOVA answers another question under TPE" in texts(app)


def test_optunas_importance_says_why_it_says_nothing(store: Filled) -> None:
    app = open_page(PAGE, run=store[1]["running"])
    app.session_state["live_importance_by"] = "fANOVA"
    app.run()
    assert "fANOVA says nothing here. It needs 30 trials; there are 10." in texts(app)


GIVEN_UP = "12 of the last 12 program runs failed, all of them alike (parse)."


@pytest.mark.parametrize(
    ("status", "told", "offered"),
    [
        (Status.PAUSED, {"given_up": True}, True),
        (Status.PAUSED, {"given_up": False, "reason": "Paused by a person."}, False),
        (Status.STOPPED, {"given_up": True}, False),
        (Status.FAILED, {"given_up": False, "reason": "The model refused: 401."}, False),
        (Status.FAILED, {}, True),  # as studios wrote it until now
        (Status.FAILED, {"reason": "The key is wrong."}, False),
    ],
)
def test_a_run_that_was_given_up_for_its_errors_can_go_on_all_the_same(
    empty: Path, monkeypatch: pytest.MonkeyPatch, status: Status, told: dict[str, Any], offered: bool
) -> None:
    ended = {"status": status.value, "reason": GIVEN_UP, "capped": False, **told}
    with Store(empty) as made:
        run_id = running(made, records=[example("v")])
        SqliteJournal(made, run_id, WORKER).commit([Event(EventKind.ENDED, ended)])
        made.release(run_id, WORKER, status, ended["reason"])
    monkeypatch.setattr("mipro_studio.control.launcher.spawn", lambda *_: 1)
    app = open_page(PAGE, run=run_id)
    assert ended["reason"] in texts(app)
    assert [button.key for button in app.button if button.key == "live_despite_errors"] == (
        ["live_despite_errors"] if offered else []
    )
    assert ("keeps the errors and searches on what can be scored" in texts(app)) is offered
    if offered:
        app.button(key="live_despite_errors").click().run()
        with Reader(empty) as reader:
            assert reader.config(run_id)["despite_errors"] is True
            assert reader.run(run_id).status is Status.QUEUED
