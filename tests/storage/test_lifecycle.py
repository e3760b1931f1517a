import threading
from pathlib import Path

import pytest

from mipro_studio.optimizer_core.errors import IllegalMove, LeaseLost, StudioError
from mipro_studio.optimizer_core.types import LEGAL_MOVES, Status
from mipro_studio.storage import Reader, SqliteJournal, Store, log_path, study_path
from tests.storage.samples import LEASE_S, SAMPLES, WORKER, HandClock, cell, in_status, queued, running, whose_rows

BACK_ENDS = True


def status_of(store: Store, run_id: str) -> Status:
    with Reader(store.path, store.now) as reader:
        return reader.run(run_id).status


MOVES = [(present, to) for present in Status for to in Status]


@pytest.mark.parametrize(("present", "to"), MOVES, ids=[f"{a} to {b}" for a, b in MOVES])
def test_a_run_moves_along_the_table_and_no_other_way(store: Store, present: Status, to: Status) -> None:
    run_id = in_status(store, present)
    if to is Status.RUNNING:
        assert store.claim(run_id, "worker-2", LEASE_S) is (to in LEGAL_MOVES[present])
    elif to in LEGAL_MOVES[present]:
        store.move(run_id, to, "because")
        with Reader(store.path, store.now) as reader:
            assert (reader.run(run_id).status, reader.run(run_id).reason) == (to, "because")
            _, _, event = reader.events(run_id)[-1]
        assert event.kind == "status"
        assert event.data == {"from": present, "to": to, "reason": "because"}
    else:
        with pytest.raises(IllegalMove):
            store.move(run_id, to)
        assert status_of(store, run_id) is present


@pytest.mark.parametrize("present", Status)
def test_nothing_moves_to_running_without_a_worker(store: Store, present: Status) -> None:
    run_id = in_status(store, present)
    with pytest.raises(IllegalMove, match="claims it"):
        store.move(run_id, Status.RUNNING)


def test_a_move_that_expects_another_status_does_nothing(store: Store) -> None:
    run_id = queued(store)
    with pytest.raises(IllegalMove, match="is queued, not paused"):
        store.move(run_id, Status.STOPPED, expect=Status.PAUSED)
    store.move(run_id, Status.STOPPED, expect=Status.QUEUED)
    assert status_of(store, run_id) is Status.STOPPED


def test_a_run_that_does_not_exist_is_named(store: Store) -> None:
    for act in (
        lambda: store.move("nope", Status.STOPPED),
        lambda: store.claim("nope", WORKER, LEASE_S),
        lambda: store.send("nope", "stop"),
        lambda: store.update_config("nope", {}, {}),
        lambda: store.delete_run("nope"),
    ):
        with pytest.raises(StudioError, match="no run 'nope'"):
            act()


def test_of_many_claimers_one_wins(store: Store) -> None:
    run_id = queued(store)
    n = 8
    barrier = threading.Barrier(n)
    won: list[str] = []

    def claim(worker: str) -> None:
        with Store(store.path) as own:
            barrier.wait()
            if own.claim(run_id, worker, LEASE_S):
                won.append(worker)

    threads = [threading.Thread(target=claim, args=(f"worker-{i}",)) for i in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    with Store(store.path) as own:
        own.beat(run_id, won[0], LEASE_S)


def test_a_beat_keeps_a_run_alive(store: Store, clock: HandClock) -> None:
    run_id = running(store)
    for _ in range(5):
        clock.turn(LEASE_S * 0.8)
        store.beat(run_id, WORKER, LEASE_S)
        assert store.sweep() == []
    assert status_of(store, run_id) is Status.RUNNING


def test_only_the_owner_of_a_running_run_beats(store: Store) -> None:
    run_id = running(store)
    with pytest.raises(LeaseLost, match="taken over"):
        store.beat(run_id, "someone else", LEASE_S)
    store.release(run_id, WORKER, Status.PAUSED)
    with pytest.raises(LeaseLost, match="is paused"):
        store.beat(run_id, WORKER, LEASE_S)


def test_readers_call_a_run_lost_before_anybody_has_moved_it(store: Store, clock: HandClock) -> None:
    run_id = running(store)
    clock.turn(10)
    store.beat(run_id, WORKER, LEASE_S)
    clock.turn(LEASE_S + 1)
    with Reader(store.path, clock) as reader:
        summary = reader.run(run_id)
        assert reader.list_runs() == [summary]
        assert summary.status is Status.LOST
        assert "No sign of life" in summary.reason
        assert summary.wall_s == pytest.approx(10)
        assert store.sweep() == [run_id]
        assert store.sweep() == []
        swept = reader.run(run_id)
    assert (swept.status, swept.reason, swept.wall_s) == (summary.status, summary.reason, summary.wall_s)


def test_a_lost_run_resumes_and_its_old_worker_can_write_no_more(store: Store, clock: HandClock) -> None:
    run_id = running(store)
    old = SqliteJournal(store, run_id, WORKER)
    old.commit([cell("e1")])
    clock.turn(LEASE_S + 1)
    store.move(run_id, Status.QUEUED)  # whoever resumes notices that the lease is over
    with pytest.raises(LeaseLost):
        old.commit([cell("e2")])
    assert store.claim(run_id, "worker-2", LEASE_S)
    with pytest.raises(LeaseLost):
        old.commit([cell("e2")])
    with pytest.raises(LeaseLost):
        store.beat(run_id, WORKER, LEASE_S)
    with pytest.raises(LeaseLost):
        store.release(run_id, WORKER, Status.FAILED)
    new = SqliteJournal(store, run_id, "worker-2")
    assert list(new.cells()) == [cell("e1")]
    new.commit([cell("e2", 0.25)])
    assert list(new.cells()) == [cell("e1"), cell("e2", 0.25)]


def test_a_late_worker_that_nobody_has_missed_goes_on(store: Store, clock: HandClock) -> None:
    run_id = running(store)
    clock.turn(LEASE_S * 100)
    SqliteJournal(store, run_id, WORKER).commit([cell("e1")])
    store.beat(run_id, WORKER, LEASE_S)
    assert store.sweep() == []


def test_wall_time_sums_lives_and_leaves_out_the_time_between(store: Store, clock: HandClock) -> None:
    run_id = queued(store)
    for life in range(3):
        clock.turn(1000)
        assert store.claim(run_id, f"worker-{life}", LEASE_S)
        clock.turn(5)
        store.release(run_id, f"worker-{life}", Status.STOPPED)
        store.move(run_id, Status.QUEUED)
    with Reader(store.path, clock) as reader:
        assert reader.run(run_id).wall_s == pytest.approx(15)
        assert reader.run(run_id).lives == 3
        assert reader.run(run_id).ended_at is None
        assert store.claim(run_id, WORKER, LEASE_S)
        clock.turn(2)
        assert reader.run(run_id).wall_s == pytest.approx(17)


def test_a_failed_run_says_why_until_it_is_queued_again(store: Store) -> None:
    run_id = running(store)
    store.release(run_id, WORKER, Status.FAILED, "The metric raised.", "Traceback \ud83d\0")
    with Reader(store.path) as reader:
        failed = reader.run(run_id)
        assert (failed.reason, failed.error) == ("The metric raised.", "Traceback \ud83d\0")
        assert failed.ended_at is not None
        store.move(run_id, Status.QUEUED)
        assert (reader.run(run_id).reason, reader.run(run_id).error) == ("", "")


def test_a_running_run_is_neither_deleted_nor_given_another_config(store: Store, clock: HandClock) -> None:
    run_id = running(store)
    with pytest.raises(IllegalMove, match="cannot be deleted"):
        store.delete_run(run_id)
    with pytest.raises(IllegalMove, match="config stands"):
        store.update_config(run_id, {}, {})
    clock.turn(LEASE_S + 1)
    store.update_config(run_id, {"demos": 4}, {"trials": 50})
    with Reader(store.path, clock) as reader:
        assert reader.config(run_id) == {"demos": 4}
        assert reader.run(run_id).trials_planned == 50
    store.delete_run(run_id)


def test_commands_are_read_once_and_in_order(store: Store) -> None:
    run_id, other = running(store), running(store)
    first = store.send(run_id, "pause")
    store.send(other, "stop")
    second = store.send(run_id, "add_arm", {"text": "half \ud83d\0"})
    pending = store.pending_commands(run_id)
    assert [(command.id, command.kind, command.payload) for command in pending] == [
        (first, "pause", {}),
        (second, "add_arm", {"text": "half \ud83d\0"}),
    ]
    store.mark_handled([first])
    store.mark_handled([first, 999])
    assert [command.id for command in store.pending_commands(run_id)] == [second]
    with Reader(store.path) as reader:
        assert [command["handled_at"] is None for command in reader.commands(run_id)] == [False, True]
        assert len(reader.commands(run_id, pending=True)) == 1


def test_run_ids_sort_by_time_and_never_collide(store: Store, clock: HandClock) -> None:
    ids = []
    for _ in range(50):
        ids.append(queued(store))
        clock.turn(0.5)
    assert len(set(ids)) == 50
    assert [run_id[:15] for run_id in ids] == sorted(run_id[:15] for run_id in ids)
    assert ids[0].startswith("20261121-113015-")


def test_a_taken_id_is_not_given_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    letters = iter("aaaaaaaabbbb")
    monkeypatch.setattr("mipro_studio.storage.store.secrets.choice", lambda _: next(letters))
    assert [queued(store)[-4:], queued(store)[-4:]] == ["aaaa", "bbbb"]


def test_deleting_a_run_leaves_nothing_of_it(store: Store, path: Path) -> None:
    run_id, other = running(store), running(store)
    for each in (run_id, other):
        SqliteJournal(store, each, WORKER).commit(SAMPLES)
        store.send(each, "stop")
        store.write_note(each, "run", "my words")
        for file in (log_path(path, each), study_path(path, each)):
            file.parent.mkdir(exist_ok=True)
            file.touch()
    store.release(run_id, WORKER, Status.STOPPED)
    store.delete_run(run_id)
    left = whose_rows(store)
    assert left == {name: set() if name in ("unfinished", "seals") else {other} for name in left}
    assert not log_path(path, run_id).exists()
    assert study_path(path, other).exists()
