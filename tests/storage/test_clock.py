"""Watches that are set, machines started anew: a live run is running, a dead one lost, and time is what passed."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from mipro_studio.optimizer_core.types import Status
from mipro_studio.storage import Reader, SqliteJournal, Store
from mipro_studio.storage.clock import Moment, present
from tests.storage.samples import LEASE_S, WORKER, HandClock, cell, queued, running

HOUR = 3600.0
JUMPS = [HOUR, -HOUR, 30 * 24 * HOUR, -30 * 24 * HOUR, 0.0]


class Watch:
    """A machine's clocks: time passes on both, the watch alone can be set."""

    def __init__(self) -> None:
        self.moment = Moment(HandClock().moment, 1000.0, "here", "first start")

    def __call__(self) -> Moment:
        return self.moment

    def wait(self, seconds: float) -> None:
        at = self.moment.at + timedelta(seconds=seconds)
        self.moment = replace(self.moment, at=at, steady_s=self.moment.steady_s + seconds)

    def set(self, seconds: float) -> None:
        self.moment = replace(self.moment, at=self.moment.at + timedelta(seconds=seconds))

    def start_anew(self) -> None:
        self.moment = replace(self.moment, steady_s=5.0, boot="second start")


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def store(path: Path, watch: Watch) -> Iterator[Store]:
    with Store(path, watch) as opened:
        yield opened


def status(store: Store, run_id: str) -> Status:
    with Reader(store.path, store._clock) as reader:
        return reader.run(run_id).status


@pytest.mark.parametrize("jump", JUMPS)
def test_a_live_run_stays_running_whatever_the_watch_is_set_to(store: Store, watch: Watch, jump: float) -> None:
    run_id = running(store)
    watch.set(jump)
    watch.wait(LEASE_S - 1)
    assert status(store, run_id) is Status.RUNNING
    assert store.sweep() == []
    store.beat(run_id, WORKER, LEASE_S)
    SqliteJournal(store, run_id, WORKER).commit([cell("e1")])
    watch.set(-2 * jump)
    watch.wait(LEASE_S - 1)
    assert status(store, run_id) is Status.RUNNING


@pytest.mark.parametrize("jump", JUMPS)
def test_a_dead_run_is_lost_whatever_the_watch_is_set_to(store: Store, watch: Watch, jump: float) -> None:
    run_id = running(store)
    watch.set(jump)
    watch.wait(LEASE_S + 1)
    assert status(store, run_id) is Status.LOST
    assert store.sweep() == [run_id]
    store.move(run_id, Status.QUEUED)
    assert store.claim(run_id, "worker-2", LEASE_S)


@pytest.mark.parametrize("jump", JUMPS)
def test_the_time_of_a_run_is_what_passed_and_not_what_the_watch_jumped(
    store: Store, watch: Watch, jump: float
) -> None:
    run_id = queued(store)
    for life in range(2):
        assert store.claim(run_id, f"worker-{life}", LEASE_S)
        watch.wait(3)
        store.beat(run_id, f"worker-{life}", LEASE_S)
        watch.set(jump)
        watch.wait(4)
        with Reader(store.path, watch) as reader:
            assert reader.run(run_id).wall_s == pytest.approx(7 * (life + 1))
        store.release(run_id, f"worker-{life}", Status.PAUSED)
        store.move(run_id, Status.QUEUED)
    with Reader(store.path, watch) as reader:
        assert reader.run(run_id).wall_s == pytest.approx(14)


def test_a_worker_does_not_outlive_its_machine(store: Store, watch: Watch) -> None:
    run_id = running(store)
    watch.start_anew()
    watch.set(-HOUR)
    assert status(store, run_id) is Status.LOST
    assert store.sweep() == [run_id]


def test_the_worker_of_another_machine_is_judged_by_the_watch(store: Store, watch: Watch) -> None:
    run_id = running(store)
    watch.moment = replace(watch.moment, machine="there", boot="its start", steady_s=9e9)
    assert status(store, run_id) is Status.RUNNING
    watch.wait(LEASE_S + 1)
    assert status(store, run_id) is Status.LOST


def test_where_starts_have_no_name_the_watch_decides(store: Store, watch: Watch) -> None:
    watch.moment = replace(watch.moment, boot="")
    run_id = running(store)
    watch.wait(LEASE_S - 1)
    assert status(store, run_id) is Status.RUNNING
    watch.wait(2)
    assert status(store, run_id) is Status.LOST


def test_the_present_goes_on_and_all_processes_of_a_machine_name_its_start_alike() -> None:
    first, second = present(), present()
    assert second.steady_s >= first.steady_s
    assert (first.machine, first.boot) == (second.machine, second.boot)
    boot = Path("/proc/sys/kernel/random/boot_id")
    assert not boot.exists() or first.boot == boot.read_text().strip()
