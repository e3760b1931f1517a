"""A run comes and goes piece by piece: whole or not seen, whatever ends it in between, and nobody waits for long."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.types import Split, Status
from mipro_studio.storage import Reader, SqliteJournal, Store, in_pieces, log_path, pack, unpack
from mipro_studio.storage.in_pieces import LEASE_S, Passage
from mipro_studio.storage.store import IN_ONE_PIECE
from tests.storage.samples import SAMPLES, WORKER, HandClock, cell, example, queued, running, whose_rows

BACK_ENDS = True
SQLITE_ALONE = (
    "test_whoever_is_killed_in_any_piece_leaves_nothing_to_see_and_the_next_writer_takes_the_rest_away",
)  # fmt: skip # minutes on a server

ROWS = tuple(example(f"r{n}", [*Split][n % 3], n) for n in range(IN_ONE_PIECE + 600))


class Killed(BaseException):
    """The process was ended here."""


@pytest.fixture(autouse=True)
def many_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_pieces, "_next", lambda rows, took_s: 400)
    monkeypatch.setattr(in_pieces, "FIRST_ROWS", 400)
    monkeypatch.setattr(in_pieces, "REST_AFTER_S", 1e9)


@pytest.fixture
def replay(tmp_path: Path) -> Path:
    with Store(tmp_path / "elsewhere" / "studio.db") as store:
        run_id = running(store, name="packed")
        SqliteJournal(store, run_id, WORKER).commit([*SAMPLES, *(cell(f"v{n}") for n in range(900))])
        store.release(run_id, WORKER, Status.COMPLETED)
        pack(store.path, run_id, tmp_path / "packed", lambda value: value)
    return tmp_path / "packed"


def create(store: Store, _: Path) -> None:
    queued(store, "large", records=ROWS)


def delete(store: Store, _: Path) -> None:
    with Reader(store.path) as reader:
        (large,) = [run.id for run in reader.list_runs() if run.name == "large"]
    store.delete_run(large)


def take_in(store: Store, replay: Path) -> None:
    unpack(replay, store.path, "a file", lambda *_: None)


WAYS: dict[str, Callable[[Store, Path], None]] = {"create": create, "delete": delete, "take in": take_in}


def shown(path: Path) -> list[str]:
    with Reader(path) as reader:
        assert reader.count_runs() == len(reader.list_runs())
        return [run.name for run in reader.list_runs()]


def counted(monkeypatch: pytest.MonkeyPatch, at: int, happens: Callable[[], None]) -> list[int]:
    """`happens` inside the transaction of piece `at`; how many there were."""
    done: list[int] = []
    happened: list[int] = []
    whole = Passage.piece

    def piece(self: Passage, write: Callable[[], None]) -> float:
        def written() -> None:
            write()
            if len(done) == at and not happened:
                happened.append(at)
                happens()

        took = whole(self, written)
        done.append(len(done))
        return took

    monkeypatch.setattr(Passage, "piece", piece)
    return done


def killed() -> None:
    raise Killed


@pytest.fixture
def store(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    with Store(path) as opened:
        kept = running(opened, name="kept")
        SqliteJournal(opened, kept, WORKER).commit(SAMPLES)
        yield opened


def prepared(store: Store, way: str) -> dict[str, set[str]]:
    before = whose_rows(store)
    if way == "delete":
        run_id = queued(store, "large", records=ROWS)
        log_path(store.path, run_id).parent.mkdir(exist_ok=True)
        log_path(store.path, run_id).touch()
    return before


@pytest.mark.parametrize("way", WAYS)
def test_whoever_is_killed_in_any_piece_leaves_nothing_to_see_and_the_next_writer_takes_the_rest_away(
    store: Store, path: Path, replay: Path, way: str
) -> None:
    tried = 0
    while True:
        before = prepared(store, way)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Passage, "given_up", lambda self: None)  # a process that is gone does nothing
            counted(patch, tried, killed)
            try:
                WAYS[way](store, replay)
                break
            except Killed:
                tried += 1
        assert shown(path) == ["kept"]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(in_pieces.Lease, "is_over", lambda self, now: True)
            store.delete_run(queued(store))
        assert whose_rows(store) == before
        assert not [*path.parent.glob("logs/*.log")]
    assert tried >= 4


@pytest.mark.parametrize("way", ["create", "take in"])
def test_a_failure_in_any_piece_takes_away_what_was_written(store: Store, replay: Path, way: str) -> None:
    def fail() -> None:
        raise StudioError("The disk fails.")

    before = whose_rows(store)
    for at in range(3):
        with pytest.MonkeyPatch.context() as patch:
            counted(patch, at, fail)
            with pytest.raises(StudioError, match="The disk fails"):
                WAYS[way](store, replay)
        assert whose_rows(store) == before


def rests_by(sleep: Callable[[float], None], patch: pytest.MonkeyPatch) -> None:
    """That module's own sleep: rows of earlier tests that hang sleep in other threads of this process."""
    patch.setattr(in_pieces, "time", SimpleNamespace(**{**vars(time), "sleep": sleep}))


@pytest.mark.parametrize("way", WAYS)
def test_others_write_between_the_pieces_and_see_the_run_whole_or_not_at_all(
    store: Store, path: Path, replay: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(store, way)
    monkeypatch.setattr(in_pieces, "REST_AFTER_S", -1.0)
    with Store(path, busy_s=0.0) as other, Reader(path) as reader:
        journal = SqliteJournal(
            other, reader.find(next(r.id for r in reader.list_runs() if r.name == "kept")), WORKER
        )
        rests: list[list[str]] = []

        def rest(_: float) -> None:
            journal.commit([cell(f"between{len(rests)}")])  # refused at once while somebody holds the lock
            rests.append(shown(path))

        rests_by(rest, monkeypatch)
        WAYS[way](store, replay)
        assert len(rests) >= 4 and {tuple(names) for names in rests} == {("kept",)}
        names = {"create": ["large", "kept"], "delete": ["kept"], "take in": ["packed", "kept"]}[way]
        assert sorted(shown(path)) == sorted(names)


def test_a_run_that_came_in_pieces_is_the_one_that_comes_at_once(path: Path) -> None:
    clock = HandClock()
    with Store(path, clock) as store, Reader(path) as reader:
        run_id = queued(store, "large", records=ROWS)
        assert [row.id for row in reader.examples(run_id)] == [row.id for row in ROWS]
        assert reader.run(run_id).n_val == sum(row.split is Split.VAL for row in ROWS)
        assert reader.run(run_id).status is Status.QUEUED and store.claim(run_id, WORKER, 30)


def test_who_was_taken_for_dead_and_comes_back_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = HandClock()
    with Store(path, clock) as store, Store(path, clock) as other:
        cleaned: list[str] = []
        sleeps: list[float] = []

        def slept(seconds: float) -> None:
            sleeps.append(seconds)
            if len(sleeps) == 1:
                clock.turn(LEASE_S + 1)
                cleaned.append(queued(other))

        monkeypatch.setattr(in_pieces, "REST_AFTER_S", -1.0)
        rests_by(slept, monkeypatch)
        with pytest.raises(StudioError, match="took too long to be written"):
            queued(store, "large", records=ROWS)
        assert whose_rows(store)["runs"] == set(cleaned)


def test_a_file_that_is_being_taken_in_already_is_a_sentence(store: Store, path: Path, replay: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Passage, "given_up", lambda self: None)
        counted(patch, 1, killed)
        with pytest.raises(Killed):
            take_in(store, replay)
    with pytest.raises(StudioError, match="just now"):
        take_in(store, replay)


def test_a_run_that_goes_can_neither_be_claimed_nor_commanded(store: Store, path: Path, replay: Path) -> None:
    prepared(store, "delete")
    with Reader(path) as reader:
        run_id = next(run.id for run in reader.list_runs() if run.name == "large")
    with pytest.MonkeyPatch.context() as patch:
        counted(patch, 1, killed)
        with pytest.raises(Killed):
            delete(store, replay)
    for ask in (
        lambda: store.claim(run_id, WORKER, 30),
        lambda: store.move(run_id, Status.STOPPED),
        lambda: store.command(run_id, "stop"),
        lambda: store.delete_run(run_id),
    ):
        with pytest.raises(StudioError, match="There is no run"):
            ask()
    with Reader(path) as reader, pytest.raises(StudioError, match="There is no run"):
        reader.run(run_id)
