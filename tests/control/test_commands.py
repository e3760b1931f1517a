"""What can be asked of a run in every state, of the launcher and by the buttons: one table for each."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mipro_studio.control import launcher
from mipro_studio.optimizer_core.errors import IllegalMove, StudioError
from mipro_studio.optimizer_core.types import LEGAL_MOVES, ChangeKind, Status
from mipro_studio.storage import Reader, RunSummary, Store
from mipro_studio.ui.text.status import can_resume, may_pause, may_stop
from tests.storage.samples import WORKER, HandClock, queued, running

LEASE_S = 30.0
COMMANDS: dict[str, Callable[[Path, str], Any]] = {
    "pause": launcher.pause,
    "stop": launcher.stop,
    "resume": launcher.resume,
    "go on all the same": lambda path, run_id: launcher.resume(path, run_id, despite_errors=True),
    "approve": launcher.approve,
}
REFUSED = "refused"

# What becomes of the run, or that it is refused and stays; `sent` = its worker is told.
TABLE: dict[Status, dict[str, Any]] = {
    Status.QUEUED: {"pause": REFUSED, "stop": Status.STOPPED, "resume": Status.QUEUED, "approve": REFUSED},
    Status.RUNNING: {"pause": "sent", "stop": "sent", "resume": REFUSED, "approve": REFUSED},
    Status.AWAITING_REVIEW: {
        "pause": REFUSED, "stop": Status.STOPPED, "resume": Status.QUEUED, "approve": Status.QUEUED,
    },
    Status.PAUSED: {"pause": REFUSED, "stop": Status.STOPPED, "resume": Status.QUEUED, "approve": REFUSED},
    Status.STOPPED: {"pause": REFUSED, "stop": REFUSED, "resume": Status.QUEUED, "approve": REFUSED},
    Status.COMPLETED: {"pause": REFUSED, "stop": REFUSED, "resume": REFUSED, "approve": REFUSED},
    Status.FAILED: {"pause": REFUSED, "stop": REFUSED, "resume": Status.QUEUED, "approve": REFUSED},
    Status.LOST: {"pause": REFUSED, "stop": Status.STOPPED, "resume": Status.QUEUED, "approve": REFUSED},
}  # fmt: skip
for _row in TABLE.values():
    _row["go on all the same"] = _row["resume"]
ROWS = [(status, command, TABLE[status][command]) for status in Status for command in COMMANDS]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "studio.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store(path) as opened:
        yield opened


@pytest.fixture(autouse=True)
def spawned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    ids: list[str] = []
    monkeypatch.setattr(launcher, "spawn", lambda _, run_id: ids.append(run_id))
    monkeypatch.setattr(launcher, "LEASE_WAIT_S", 0.0)
    return ids


def run_in(store: Store, status: Status) -> str:
    """A run that came to `status` as runs do."""
    if status is Status.QUEUED:
        return queued(store)
    if status is Status.LOST:  # nobody has noticed yet
        before = store._clock
        store._clock = HandClock()  # ticks on no machine: the lease is over by the watch
        run_id = running(store)
        store._clock = before
        return run_id
    run_id = running(store)
    if status is not Status.RUNNING:
        store.release(run_id, WORKER, status, "as the test wants it")
    return run_id


def seen(path: Path, run_id: str) -> RunSummary:
    with Reader(path) as reader:
        return reader.run(run_id)


@pytest.mark.parametrize(("status", "command", "comes_to"), ROWS, ids=lambda value: str(value))
def test_every_command_in_every_state_does_what_the_table_says(
    store: Store, path: Path, spawned: list[str], status: Status, command: str, comes_to: str
) -> None:
    run_id = run_in(store, status)
    store.send(run_id, ChangeKind.WRITE, {"predictor": "answer"})
    assert seen(path, run_id).status is status
    try:
        COMMANDS[command](path, run_id)
    except StudioError as error:
        said = str(error)
        assert comes_to == REFUSED and said.rstrip().endswith("."), said
        assert seen(path, run_id).status is status
    else:
        after = status if comes_to == "sent" else comes_to
        assert seen(path, run_id).status is after
    sent = {one.kind for one in store.pending_commands(run_id)} - {ChangeKind.WRITE.value, "approve"}
    assert sent == ({command} if comes_to == "sent" else set())
    assert spawned == ([run_id] if comes_to is Status.QUEUED else [])
    with Reader(path) as reader:
        went_on = command == "go on all the same" and comes_to is Status.QUEUED
        assert reader.config(run_id).get("despite_errors", False) is went_on


@pytest.mark.parametrize("status", [*Status])
def test_the_buttons_allow_what_the_launcher_does(store: Store, path: Path, status: Status) -> None:
    run = seen(path, run_in(store, status))
    allowed = {"pause": may_pause(run, ()), "stop": may_stop(run, ()), "resume": can_resume(run)}
    # A queued run may have a worker that is on its way, so its button comes late; see `live_head._go_on`.
    promised = {command: TABLE[status][command] != REFUSED for command in allowed}
    assert allowed == {**promised, "resume": promised["resume"] and status is not Status.QUEUED}


@pytest.mark.parametrize(
    ("obeying", "pause", "stop"),
    [((), True, True), (("pause",), False, True), (("stop",), False, False), (("pause", "stop"), False, False)],
)
def test_a_run_that_pauses_may_be_stopped_and_one_that_stops_obeys_already(
    store: Store, path: Path, obeying: tuple[str, ...], pause: bool, stop: bool
) -> None:
    run = seen(path, running(store))
    assert (may_pause(run, obeying), may_stop(run, obeying)) == (pause, stop)
    standing = replace(run, status=Status.PAUSED)
    assert (may_pause(standing, obeying), may_stop(standing, obeying)) == (False, True)


@pytest.mark.parametrize("kind", [*ChangeKind])
@pytest.mark.parametrize("settled", [False, True])
def test_an_edit_in_mid_search_leaves_pause_and_stop_alive(
    store: Store, path: Path, kind: ChangeKind, settled: bool
) -> None:
    run_id = running(store)
    number = store.send(run_id, kind, {"predictor": "answer"})
    if settled:
        store.mark_handled([number])
    with Reader(path) as reader:
        assert reader.obeying(run_id) == set()
        assert may_pause(reader.run(run_id), reader.obeying(run_id))


def test_what_an_earlier_life_obeyed_is_over_whatever_the_watch_shows(path: Path) -> None:
    clock = HandClock()
    with Store(path, clock) as store, Reader(path, clock) as reader:
        run_id = running(store)
        store.command(run_id, "pause")
        assert reader.obeying(run_id) == {"pause"}
        store.mark_handled([one.id for one in store.pending_commands(run_id)])
        assert reader.obeying(run_id) == {"pause"}, "it took effect, and the run has not come to rest"
        store.release(run_id, WORKER, Status.PAUSED)
        clock.turn(-7200)
        store.move(run_id, Status.QUEUED)
        assert store.claim(run_id, "another", LEASE_S)
        assert reader.obeying(run_id) == set()
        store.command(run_id, "stop")
        assert reader.obeying(run_id) == {"stop"}


def test_a_run_that_ends_as_it_is_asked_keeps_no_command(store: Store, path: Path) -> None:
    run_id = running(store)
    with Reader(path) as reader:
        assert reader.run(run_id).status is Status.RUNNING  # what a page saw
    store.release(run_id, WORKER, Status.COMPLETED)
    with pytest.raises(IllegalMove, match=r"ended already \(completed\)"):
        launcher.pause(path, run_id)
    assert store.pending_commands(run_id) == []


def test_all_moves_of_the_table_are_legal() -> None:
    for status, command, comes_to in ROWS:
        legal = not isinstance(comes_to, Status) or comes_to is status or comes_to in LEGAL_MOVES[status]
        assert legal, (status, command)
