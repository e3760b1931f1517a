import os
import shutil
import sqlite3
import tempfile
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.types import (
    TEACHER,
    Arm,
    Author,
    Cell,
    CellKey,
    ErrorClass,
    Event,
    EventKind,
    PromptCall,
    Role,
    Spent,
    Split,
    Status,
    Trial,
    TrialKind,
    Usage,
)
from mipro_studio.storage import CandidateMean, Reader, ScoreMatrix, SqliteJournal, Store, StoreUnavailable
from tests.storage.samples import OUTCOME, SAMPLES, WORKER, HandClock, cell, example, queued, running, trial

BACK_ENDS = True


@pytest.fixture
def run_id(store: Store) -> str:
    run_id = running(store)
    SqliteJournal(store, run_id, WORKER).commit(SAMPLES)
    return run_id


@pytest.fixture
def reader(path: Path, store: Store, clock: HandClock) -> Reader:
    return Reader(path, clock)


def test_an_empty_store_has_no_runs(reader: Reader) -> None:
    assert reader.list_runs() == []
    assert reader.count_runs() == 0
    with pytest.raises(StudioError, match="no run ''"):
        reader.run("")


def test_runs_are_listed_newest_first_a_page_at_a_time(store: Store, reader: Reader, clock: HandClock) -> None:
    ids = []
    for i in range(5):
        ids.append(queued(store, f"run {i}"))
        clock.turn(0.1)
    assert [run.id for run in reader.list_runs()] == ids[::-1]
    assert [run.name for run in reader.list_runs(limit=2, offset=1)] == ["run 3", "run 2"]
    assert reader.count_runs() == 5


def test_a_beginning_names_a_run_when_it_is_the_only_one(store: Store, reader: Reader, clock: HandClock) -> None:
    first = queued(store)
    clock.turn(60)
    second = queued(store)
    assert reader.run(first[:15]).id == first
    assert reader.find(second) == second
    with pytest.raises(StudioError, match="More than one run begins with '2026'"):
        reader.run("2026")
    for text in ("%", "nope", first + "x", "2026112_-113015"):
        with pytest.raises(StudioError, match="There is no run"):
            reader.run(text)


def test_a_summary_counts_without_looking_at_cells(run_id: str, reader: Reader) -> None:
    run = reader.run(run_id)
    assert (run.name, run.optimizer, run.seed, run.status) == ("a run", "mipro", 0, Status.RUNNING)
    assert (run.cells_ok, run.cells_error, run.n_val) == (3, 1, 2)
    assert (run.trials_done, run.trials_planned) == (0, 5)
    assert (run.phase, run.phase_done, run.phase_total, run.phase_note) == ("search", 1, 5, "trial 1")
    assert (run.baseline_val, run.best_val, run.baseline_test, run.best_test) == (0.25, 0.75, 0.3, 0.7)


def test_documents_come_back(run_id: str, reader: Reader) -> None:
    assert reader.config(run_id) == {"demos": 3}
    assert reader.plan(run_id) == {"trials": 5}
    assert reader.receipt(run_id) == {"studio": "0.1.0"}
    with pytest.raises(StudioError):
        reader.config("nope")


def test_a_name_may_hold_anything(store: Store, reader: Reader) -> None:
    name = '"half \ud83d\0'
    assert reader.run(queued(store, name)).name == name


def test_counters_follow_errors_that_are_retried(store: Store, reader: Reader) -> None:
    run_id = running(store)
    journal = SqliteJournal(store, run_id, WORKER)
    seen = []
    for batch in ([cell("a", None), cell("b", None)], [cell("a", None)], [cell("a", 1.0)], [cell("a", None)]):
        journal.commit(batch)
        run = reader.run(run_id)
        seen.append((run.cells_ok, run.cells_error, sum(reader.errors_by_class(run_id).values())))
    assert seen == [(0, 2, 2), (0, 2, 2), (1, 1, 1), (1, 1, 1)]


def test_best_is_over_finished_full_evaluations(store: Store, reader: Reader) -> None:
    run_id = running(store)
    journal = SqliteJournal(store, run_id, WORKER)
    steps = [
        (trial(0, TrialKind.BASELINE, number=0), (0, None, None)),
        (trial(0, TrialKind.BASELINE, 0.5, number=0), (0, 0.5, 0.5)),
        (trial(1, TrialKind.MINIBATCH, 0.9), (1, 0.5, 0.5)),
        (trial(2, TrialKind.FULL, number=1), (1, 0.5, 0.5)),
        (trial(2, TrialKind.FULL, 0.7, number=1), (1, 0.5, 0.7)),
        (trial(3, TrialKind.FULL, 0.6), (2, 0.5, 0.7)),
        (trial(4, TrialKind.MINIBATCH), (2, 0.5, 0.7)),
    ]
    for record, expected in steps:
        journal.commit([record])
        run = reader.run(run_id)
        assert (run.trials_done, run.baseline_val, run.best_val) == expected


def test_progress_moves_the_columns_and_leaves_no_event(store: Store, reader: Reader) -> None:
    run_id = running(store)
    journal = SqliteJournal(store, run_id, WORKER)
    journal.commit([Event("phase", {"phase": "bootstrap", "done": 0, "total": 6, "note": "set 1"})])
    n = len(reader.events(run_id))
    journal.commit([Event("progress", {"done": 3})])
    run = reader.run(run_id)
    assert (run.phase, run.phase_done, run.phase_total, run.phase_note) == ("bootstrap", 3, 6, "set 1")
    assert len(reader.events(run_id)) == n
    journal.commit([Event("phase", {"phase": "search"})])
    run = reader.run(run_id)
    assert (run.phase, run.phase_done, run.phase_total, run.phase_note) == ("search", 0, 0, "")


def test_events_are_read_with_a_cursor(store: Store, reader: Reader) -> None:
    run_id, other = running(store), running(store)
    for i in range(10):
        for each in (run_id, other):
            SqliteJournal(store, each, WORKER).commit([Event("tick", {"i": i})])
    cursor, seen = 0, []
    while news := reader.events(run_id, cursor, limit=3):
        seen += [event.data["i"] for _, _, event in news if event.kind == "tick"]
        cursor = news[-1][0]
    assert seen == list(range(10))
    assert reader.run(run_id).last_event_id == cursor


def test_trials_come_without_examples_and_with_times(
    store: Store, reader: Reader, clock: HandClock, run_id: str
) -> None:
    for _ in range(2):  # writing it a second time does not finish it later
        clock.turn(10)
        SqliteJournal(store, run_id, WORKER).commit([trial(1, mean=0.5, candidate="i1d1")])
    assert [found.order for found in reader.trials(run_id)] == [0, 1]
    assert {found.examples for found in reader.trials(run_id)} == {()}
    assert reader.trial_examples(run_id, 1) == ("e1", "e2")
    assert reader.trials_with_examples(run_id)[1] == trial(1, mean=0.5, candidate="i1d1")
    asked_at, done_at = reader.trial_times(run_id)[1]
    assert (asked_at, done_at) == ("2026-11-21T11:30:15.000000+00:00", "2026-11-21T11:30:25.000000+00:00")
    with pytest.raises(StudioError, match="no trial of order 9"):
        reader.trial_examples(run_id, 9)


def test_arms_calls_and_spending_come_back(reader: Reader, run_id: str) -> None:
    def of(kind: type) -> list[object]:
        return [record for record in SAMPLES if type(record) is kind]

    assert reader.arms(run_id) == of(Arm)
    assert reader.instructions(run_id) == [arm for arm in of(Arm) if arm.kind == "instruction"]
    assert reader.demo_sets(run_id) == [arm for arm in of(Arm) if arm.kind == "demos"]
    assert reader.prompt_calls(run_id) == of(PromptCall)
    assert reader.outcome(run_id) == OUTCOME
    assert reader.spent(run_id) == {
        Role.TASK: Usage(4, 0, 480, 32, None, 1.0),
        Role.PROMPT: Usage(1, 1, 10, 5, 0.001, 1.5),
    }


def test_caps_are_held_against_all_but_the_sealed_test_at_the_prices_that_are_known(store: Store) -> None:
    spending = [
        Spent(Role.TASK, Usage(4, 0, 480, 32, 0.25, 1.0, 40)),
        Spent(Role.PROMPT, Usage(1, 0, 10, 5, None, 1.5)),
        Spent(Role.TEST, Usage(9, 0, 900, 90, 0.5, 2.0)),
    ]
    sealed = [replace(cell("e1", split=Split.TEST), usage=Usage(1, 0, 9, 1, None, 0.1, 10)), cell("e1")]
    run_id = queued(store, records=[*spending, *sealed])
    with Reader(store.path) as reader:
        view = reader.live(run_id)
        kept = [row.usage.estimated_tokens for row in reader.cells(run_id)]
    assert view.capped_spent == Usage(5, 0, 490, 37, 0.25, 2.5, 40)
    assert view.total_spent.cost_usd is None
    assert (view.test_cells, sum(kept)) == (1, 10)


def test_examples_of_a_split_come_by_position(store: Store, reader: Reader) -> None:
    records = [example("b", position=1), example("t", Split.TEST), example("a", position=0)]
    run_id = queued(store, records=records)
    assert [found.id for found in reader.examples(run_id, Split.VAL)] == ["a", "b"]
    assert reader.examples(run_id) == records


def test_cells_are_narrowed_by_candidate_and_split(reader: Reader, run_id: str) -> None:
    def names(**narrow: object) -> list[tuple[str, str]]:
        rows = reader.cells(run_id, **narrow)  # type: ignore[arg-type]
        return [(row.key.candidate, row.key.example) for row in rows]

    assert names() == [(TEACHER, "t1"), ("i0d0", "e1"), ("i0d0", "e2"), ("i1d1", "e1")]
    assert names(candidate="i0d0") == [("i0d0", "e1"), ("i0d0", "e2")]
    assert names(split=Split.TRAIN) == [(TEACHER, "t1")]
    assert names(candidate="i0d0", split=Split.TRAIN) == []


def test_one_cell_comes_with_its_trace(reader: Reader, run_id: str) -> None:
    assert reader.cell(run_id, CellKey("i0d0", Split.VAL, "e1")) == cell("e1", 1.0)
    assert reader.teacher_traces(run_id) == [record for record in SAMPLES if isinstance(record, Cell)][:1]
    with pytest.raises(StudioError, match="no cell for i9d9 on example e1"):
        reader.cell(run_id, CellKey("i9d9", Split.VAL, "e1"))


def test_errors_are_counted_and_shown_the_latest_first(store: Store, reader: Reader, clock: HandClock) -> None:
    run_id = running(store)
    journal = SqliteJournal(store, run_id, WORKER)
    for i, error in enumerate([ErrorClass.PARSE, ErrorClass.TIMEOUT, ErrorClass.PARSE]):
        clock.turn(1)
        journal.commit([replace(cell(f"e{i}", None), error=error, error_message=f"number {i}\0")])
    assert reader.errors_by_class(run_id) == {"parse": 2, "timeout": 1}
    latest = reader.recent_errors(run_id, limit=2)
    assert [(row.key.example, row.error, row.message) for row in latest] == [
        ("e2", ErrorClass.PARSE, "number 2\0"),
        ("e1", ErrorClass.TIMEOUT, "number 1\0"),
    ]


def test_sums_over_candidates_leave_errors_out(store: Store, reader: Reader) -> None:
    run_id = running(store, records=[example("e2", position=1), example("e1")])
    second = replace(cell("e1", 0.5, "B"), key=CellKey("B", Split.VAL, "e1", 1))
    SqliteJournal(store, run_id, WORKER).commit(
        [
            cell("e1", 1.0, "B"),
            second,
            cell("e2", None, "B"),
            cell("e1", None, "A"),
            cell("new", 0.25, "A"),
            cell("e1", 1.0, "A", Split.TEST),
        ]
    )
    assert reader.candidate_means(run_id) == [
        CandidateMean("B", 2, 1, 0.75, 1.5, 1.25),
        CandidateMean("A", 1, 1, 0.25, 0.25, 0.0625),
    ]
    assert reader.candidate_scores(run_id, "B") == {"e1": 0.75, "e2": None}
    assert reader.score_matrix(run_id) == ScoreMatrix(
        ["B", "A"],
        ["e1", "e2", "new"],
        [[0.75, None, None], [None, None, 0.25]],
        {(0, 1): ErrorClass.PARSE, (1, 0): ErrorClass.PARSE},
    )
    assert reader.score_matrix(run_id, Split.TRAIN) == ScoreMatrix([], [], [], {})


def test_a_candidate_whose_cells_all_failed_has_no_mean(store: Store, reader: Reader) -> None:
    run_id = running(store)
    SqliteJournal(store, run_id, WORKER).commit([cell("e1", None)])
    assert reader.candidate_means(run_id) == [CandidateMean("i0d0", 0, 1, None, 0.0, 0.0)]


def test_live_is_all_the_page_needs(reader: Reader, run_id: str) -> None:
    view = reader.live(run_id)
    assert view.summary == reader.run(run_id)
    assert view.trials == reader.trials(run_id)
    assert view.times == reader.trial_times(run_id)
    assert view.spending == reader.spent(run_id)
    assert view.errors == {"parse": 1}
    assert view.events == reader.events(run_id)
    assert view.importance == OUTCOME.importance
    assert view.total_spent == Usage(5, 1, 490, 37, None, 2.5)
    assert reader.live(run_id, view.summary.last_event_id).events == []
    assert reader.live(run_id, limit=1).events == view.events[:1]
    with pytest.raises(StudioError):
        reader.live("nope")


def test_live_is_of_one_moment(store: Store, reader: Reader, run_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = reader.trials

    def trials_while_the_worker_commits(run_id: str) -> list[Trial]:
        SqliteJournal(store, run_id, WORKER).commit([Event("late"), trial(7)])
        return real(run_id)

    monkeypatch.setattr(reader, "trials", trials_while_the_worker_commits)
    view = reader.live(run_id)
    assert view.summary.last_event_id == view.events[-1][0]
    assert [found.order for found in view.trials] == [0, 1]


def test_reads_inside_a_snapshot_are_of_one_moment(store: Store, reader: Reader, run_id: str) -> None:
    with reader.snapshot():
        before = reader.run(run_id)
        SqliteJournal(store, run_id, WORKER).commit([cell("late")])
        assert reader.run(run_id) == before
    assert reader.run(run_id).cells_ok == before.cells_ok + 1


def test_a_reader_cannot_write(reader: Reader, run_id: str) -> None:
    for sql in ("delete from runs", "create table x (y text)"):
        with pytest.raises((sqlite3.OperationalError, StoreUnavailable), match=r"read-?only"):
            reader._db.execute(sql)


@pytest.mark.parametrize("opens", [Store, Reader])
def test_another_thread_is_refused(store: Store, path: Path, opens: type[Store] | type[Reader]) -> None:
    opened = opens(path)
    failures: list[BaseException] = []

    def use() -> None:
        try:
            opened.list_runs() if isinstance(opened, Reader) else opened.sweep()
        except Exception as e:  # noqa: BLE001 - whatever it is, it is checked below
            failures.append(e)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert "thread" in str(failures[0])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a second user or process")
def test_a_store_in_a_folder_that_cannot_be_written_is_read() -> None:
    folder = Path(tempfile.mkdtemp())  # pytest's own folders are closed to other users
    path = folder / "studio.db"
    with Store(path) as store:
        queued(store)
    path.chmod(0o444)
    folder.chmod(0o555)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            if os.getuid() == 0:
                os.setuid(65534)  # root writes everywhere
            with Reader(path) as reader:
                code = 0 if len(reader.list_runs()) == 1 else 2
        finally:
            os._exit(code)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    folder.chmod(0o755)
    shutil.rmtree(folder)
    assert status == 0


def test_trial_type_is_the_domain_s(reader: Reader, run_id: str) -> None:
    assert all(isinstance(found, Trial) and isinstance(found.kind, TrialKind) for found in reader.trials(run_id))


@pytest.mark.parametrize(
    ("counted", "jump_s"),
    [(True, 1.0), (True, -3600.0), (True, 3600.0), (False, 1.0)],
    ids=["", "set back", "set forward", "of an older studio"],
)
def test_what_failed_before_somebody_mended_it_is_known_in_every_later_life(
    store: Store, reader: Reader, clock: HandClock, counted: bool, jump_s: float
) -> None:
    run_id = running(store)

    def life(name: str, status: Status, **told: object) -> None:
        clock.turn(1.0)
        journal = SqliteJournal(store, run_id, WORKER)
        journal.commit([cell(f"{name} failed", None), cell(f"{name} scored", 0.5)])
        clock.turn(jump_s)
        run = reader.run(run_id)
        how = {**told, **({"cells": run.cells_ok + run.cells_error} if counted else {})}
        journal.commit([Event(EventKind.ENDED, {"status": status.value, "reason": "", **how})])
        store.release(run_id, WORKER, status)
        store.move(run_id, Status.QUEUED)
        assert store.claim(run_id, WORKER, 30.0)

    def known() -> set[str]:
        return {key.example for key in reader.failed_before_mending(run_id)}

    life("first", Status.PAUSED, given_up=False)
    assert known() == set() and not reader.given_up(run_id)
    life("second", Status.PAUSED, given_up=True)
    assert known() == {"first failed", "second failed"} and reader.given_up(run_id)
    life("third", Status.PAUSED, given_up=False)
    assert known() == {"first failed", "second failed"} and not reader.given_up(run_id)
    clock.turn(1.0)
    SqliteJournal(store, run_id, WORKER).commit([cell("second failed", 1.0)])
    assert known() == {"first failed"}
    life("fourth", Status.FAILED)
    assert known() == {"first failed", "third failed", "fourth failed"}


def test_what_was_read_before_never_stands_for_what_was_written_since(
    store: Store, run_id: str, path: Path, clock: HandClock
) -> None:
    """Readers keep what they have decoded: an arm and a trial are written anew when they change."""
    journal = SqliteJournal(store, run_id, WORKER)
    other = running(store)
    arm = Arm("answer", "instruction", 7, {"text": "Be brief."}, Author.MODEL)
    asked = trial(9, candidate="i7d0")
    states = [
        (arm, asked),
        (replace(arm, active=False, reason="rejected"), replace(asked, done=True, mean=0.5, n_ok=2)),
        (replace(arm, content={"text": "Be long."}, active=True), replace(asked, done=True, mean=0.75, n_ok=4)),
    ]
    for now, latest in states:
        journal.commit([now, latest])
        with Reader(path, clock) as reader:
            assert [one for one in reader.arms(run_id) if one.index == 7] == [now]
            assert [one for one in reader.trials(run_id) if one.order == 9] == [replace(latest, examples=())]
            assert reader.arms(other) == []
            assert reader.trials(other) == []
