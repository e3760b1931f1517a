"""A person's changes and notes in the store."""

from dataclasses import replace

import pytest

from mipro_studio.optimizer_core.errors import LeaseLost, StudioError
from mipro_studio.optimizer_core.evaluation.journal import Journal, MemoryJournal
from mipro_studio.optimizer_core.parameters.demos import demos_arm
from mipro_studio.optimizer_core.parameters.instruction import instruction_arm
from mipro_studio.optimizer_core.types import (
    Author,
    Cell,
    CellKey,
    Change,
    ChangeKind,
    ErrorClass,
    Event,
    Settled,
    Split,
    Status,
)
from mipro_studio.storage import Reader, SqliteJournal, Store
from tests.arms import demo_sets_of, instructions_of
from tests.storage.samples import WORKER, queued, running
from tests.storage.test_journal import HOSTILE

BACK_ENDS = True

CHANGE = {"predictor": "answer", "text": "Mine."}
ARM = instruction_arm("answer", 4, "Mine.", Author.PERSON, {"change": 1})


def both(store: Store) -> list[tuple[Journal, Change]]:
    """Journals in which one change waits."""
    memory = MemoryJournal()
    memory.asked.append(Change(7, ChangeKind.WRITE, CHANGE))
    run_id = running(store)
    number = store.send(run_id, ChangeKind.WRITE.value, CHANGE)
    return [
        (memory, Change(7, ChangeKind.WRITE, CHANGE)),
        (SqliteJournal(store, run_id, WORKER), Change(number, ChangeKind.WRITE, CHANGE)),
    ]


def test_a_change_waits_until_it_is_settled_with_its_arms(store: Store) -> None:
    for journal, change in both(store):
        assert list(journal.changes()) == [change]
        journal.commit([ARM, Settled(change.id, 3, (4,))])
        assert list(journal.changes()) == []
        assert list(instructions_of(journal)) == [ARM]


def test_stop_and_pause_are_no_changes(store: Store) -> None:
    run_id = running(store)
    store.send(run_id, "stop")
    assert list(SqliteJournal(store, run_id, WORKER).changes()) == []


def test_a_lost_lease_settles_nothing(store: Store) -> None:
    run_id = running(store)
    number = store.send(run_id, "write", CHANGE)
    other = SqliteJournal(store, run_id, "another")
    with pytest.raises(LeaseLost):
        other.commit([ARM, Settled(number, 3, (4,))])
    assert [change.id for change in other.changes()] == [number]
    assert list(instructions_of(other)) == []


def test_one_run_does_not_settle_the_changes_of_another(store: Store) -> None:
    first, second = running(store), running(store)
    number = store.send(second, "write", CHANGE)
    SqliteJournal(store, first, WORKER).commit([Settled(number, 1)])
    assert [change.id for change in SqliteJournal(store, second, WORKER).changes()] == [number]


def test_pages_see_what_waits_and_what_became_of_the_rest(store: Store) -> None:
    run_id = running(store)
    one, two = (store.send(run_id, kind, CHANGE) for kind in ("write", "reject"))
    SqliteJournal(store, run_id, WORKER).commit([Settled(one, 5, (), "No such thing.")])
    with Reader(store.path) as reader:
        asked = reader.changes(run_id)
    assert [one_asked.change.id for one_asked in asked] == [one, two]
    assert asked[0].settled == Settled(one, 5, (), "No such thing.")
    assert asked[1].settled is None


def test_a_change_can_be_taken_back_until_it_is_settled(store: Store) -> None:
    run_id = running(store)
    number = store.send(run_id, "write", CHANGE)
    assert not store.withdraw(running(store), number)
    assert store.withdraw(run_id, number)
    assert not store.withdraw(run_id, number)
    number = store.send(run_id, "write", CHANGE)
    SqliteJournal(store, run_id, WORKER).commit([Settled(number, 1)])
    assert not store.withdraw(run_id, number)


@pytest.mark.parametrize("body", [text for text in HOSTILE if text.strip()], ids=lambda text: repr(text[:20]))
def test_notes_are_kept_as_written_and_deleted_when_empty(store: Store, body: str) -> None:
    run_id = queued(store)
    store.write_note(run_id, "run", "first")
    store.write_note(run_id, "run", body)
    store.write_note(run_id, "instruction/answer/3", body)
    with Reader(store.path) as reader:
        assert {about: note.body for about, note in reader.notes(run_id).items()} == {
            "run": body,
            "instruction/answer/3": body,
        }
        store.write_note(run_id, "run", "  ")
        assert list(reader.notes(run_id)) == ["instruction/answer/3"]


def test_a_note_on_nothing_is_refused(store: Store) -> None:
    with pytest.raises(StudioError, match="There is no run"):
        store.write_note("nobody", "run", "hello")


def test_a_demo_set_keeps_who_made_it_and_why_it_is_out(store: Store) -> None:
    run_id = running(store)
    journal = SqliteJournal(store, run_id, WORKER)
    made = replace(demos_arm("answer", 5, "person", (), {"edited_from": 2}), active=False, reason="rejected: \0")
    journal.commit([made])
    assert list(demo_sets_of(journal)) == [made]


def test_the_mean_of_an_arm_is_over_examples_not_cells(store: Store) -> None:
    run_id = running(store)

    def cell(candidate: str, example: str, score: float | None, split: Split = Split.VAL) -> Cell:
        error = None if score is not None else ErrorClass.PARSE
        return Cell(CellKey(candidate, split, example), score, error)

    SqliteJournal(store, run_id, WORKER).commit(
        [
            cell("i1d0", "a", 1.0),
            cell("i1d1", "a", 0.0),
            cell("i1d1", "b", 1.0),
            cell("i1d1", "c", None),
            cell("i2d0", "a", 0.25),
            cell("i1d0", "z", 0.0, Split.TEST),
        ]
    )
    with Reader(store.path) as reader:
        assert sorted(reader.example_means(run_id, ["i1d0", "i1d1"])) == [0.5, 1.0]
        assert reader.example_means(run_id, []) == []


def test_the_latest_event_and_a_single_call_are_found(store: Store) -> None:
    from tests.storage.samples import SAMPLES

    run_id = running(store)
    journal = SqliteJournal(store, run_id, WORKER)
    journal.commit([Event("traces", {"rows": 1}), Event("traces", {"rows": 2}), Event("note"), *SAMPLES])
    with Reader(store.path) as reader:
        found = reader.latest_event(run_id, "traces")
        assert found is not None and found.data == {"rows": 2}
        assert reader.latest_event(run_id, "unheard of") is None
        call = reader.prompt_call(run_id, "tip:answer:1")
        assert call is not None and call.reply == "Think."
        assert reader.prompt_call(run_id, "nothing") is None


def test_a_completed_run_keeps_its_changes_in_the_record(store: Store) -> None:
    run_id = running(store)
    number = store.send(run_id, "write", CHANGE)
    store.release(run_id, WORKER, Status.COMPLETED)
    with Reader(store.path) as reader:
        assert [asked.change.id for asked in reader.changes(run_id)] == [number]
