"""Names beside what people do to a run that several of them see."""

from pathlib import Path

import pytest

from mipro_studio.control import review
from mipro_studio.optimizer_core.types import ChangeKind, Event, EventKind, Status
from mipro_studio.storage import Reader, Store, named_by, pack, unpack
from mipro_studio.storage.beside import people as module
from mipro_studio.storage.beside.people import NAME_VARIABLE, person
from mipro_studio.storage.team import team_file
from mipro_studio.ui.text.events import event_words
from tests.storage.samples import WORKER, example, queued, running

BACK_ENDS = True
SQLITE_ALONE = (
    "test_a_name_travels_with_a_replay",
    "test_a_stores_user_is_the_name_where_no_other_is_given",
    "test_events_that_name_nobody_are_not_read_for_names",
)


@pytest.fixture(autouse=True)
def nobody_logged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_logged_in", [])


def deeds(store: Store, run_id: str) -> list[tuple[str, str, str]]:
    with Reader(store.path) as reader:
        return [(deed.name, deed.did, deed.about) for deed in reader.deeds(run_id)]


def test_what_people_do_is_kept_with_their_names(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME_VARIABLE, "  anna\nmaria ")
    run_id = queued(store)
    monkeypatch.setenv(NAME_VARIABLE, "ben")
    store.send(run_id, ChangeKind.WRITE.value, {"predictor": "answer", "text": "Mine."})
    store.send(run_id, "approve")
    store.command(run_id, "stop")
    assert deeds(store, run_id) == [
        ("anna maria", "created", ""),
        ("ben", "write", "answer"),
        ("ben", "approve", ""),
        ("ben", "stop", ""),
    ]


def test_a_note_has_the_name_of_whoever_wrote_it_last(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = queued(store)
    for name in ("anna", "ben"):
        monkeypatch.setenv(NAME_VARIABLE, name)
        review.write_note(store.path, run_id, "run", f"by {name}")
    monkeypatch.setenv(NAME_VARIABLE, "")
    review.write_note(store.path, run_id, "read/answer/1", "approved")
    with Reader(store.path) as reader:
        told = {about: (note.body, note.by) for about, note in reader.notes(run_id).items()}
    assert told == {"run": ("by ben", "ben"), "read/answer/1": ("approved", "")}


def test_people_of_many_runs_are_read_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME_VARIABLE, "")
    silent = queued(store)
    monkeypatch.setenv(NAME_VARIABLE, "anna")
    first, second = queued(store), queued(store)
    monkeypatch.setenv(NAME_VARIABLE, "ben")
    store.send(first, "approve")
    with Reader(store.path) as reader:
        told = reader.deeds_by_run([first, silent])
        assert reader.deeds_by_run([]) == {}
    assert {run: [(deed.name, deed.did) for deed in deeds] for run, deeds in told.items()} == {
        first: [("anna", "created"), ("ben", "approve")]
    }
    assert deeds(store, second) == [("anna", "created", "")]


def test_events_that_name_nobody_are_not_read_for_names(store: Store) -> None:
    """A long run has tens of thousands of them, and Home asks every few seconds."""
    asked: list[str] = []
    with Reader(store.path) as reader:
        reader._db.conn.set_trace_callback(asked.append)
        reader.deeds_by_run(["a", "b"])
        reader._db.conn.set_trace_callback(None)
        plan = " ".join(str(row) for row in reader._db.execute(f"explain query plan {asked[-1]}"))
    assert "people_of_runs" in plan and "SCAN events" not in plan


def test_where_nobody_has_a_name_nothing_is_written(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME_VARIABLE, "")
    run_id = queued(store)
    store.send(run_id, "approve")
    review.write_note(store.path, run_id, "run", "words")
    assert deeds(store, run_id) == []


def test_a_run_that_ended_stays_whole_when_people_write_beside_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = running(store)
    store.release(run_id, WORKER, Status.COMPLETED)
    monkeypatch.setenv(NAME_VARIABLE, "anna")
    review.write_note(store.path, run_id, "run", "words")
    with Reader(store.path) as reader:
        reader.require_whole(run_id)
    assert deeds(store, run_id) == [("anna", "note", "run")]


def test_whoever_is_logged_in_is_named_before_all_others(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME_VARIABLE, "the server")
    who = ["anna@example.org"]
    named_by(lambda: who[0])
    assert person(store.path) == "anna@example.org"
    who[0] = ""
    assert person(store.path) == "the server"


def test_a_stores_user_is_the_name_where_no_other_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(NAME_VARIABLE, raising=False)
    assert person(team_file("postgresql://anna%40x@db.example.org/studio", tmp_path)) == "anna@x"
    assert person(team_file("postgresql://db.example.org/studio", tmp_path)) == ""
    assert person(tmp_path / "studio.db") == ""


def test_a_name_travels_with_a_replay(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME_VARIABLE, "anna")
    run_id = running(store, records=[example("e")])
    store.release(run_id, WORKER, Status.COMPLETED)
    pack(store.path, run_id, tmp_path / "run.mipro", lambda value: value)
    with Store(tmp_path / "other.db") as other:
        came = unpack(tmp_path / "run.mipro", other.path, "a file", lambda reader, run: None)
        assert ("anna", "created", "") in deeds(other, came)


def test_a_deed_is_a_sentence_of_the_log() -> None:
    told = {"name": "anna", "did": "approve", "about": ""}
    assert event_words(Event(EventKind.PERSON, told)) == "anna approved the proposals"
    for did, about, words in (
        ("write", "answer", "anna asked for write (answer)"),
        ("note", "instruction/answer/3", "anna wrote a note (instruction/answer/3)"),
        ("note", "read/answer/3", "anna approved answer 3"),
        ("note_removed", "read/answer/3", "anna no longer approves answer 3"),
    ):
        assert event_words(Event(EventKind.PERSON, {**told, "did": did, "about": about})) == words
