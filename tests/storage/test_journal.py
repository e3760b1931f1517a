"""The contract of `optimizer_core.evaluation.journal.Journal`, held by all who do its work, and what stores add."""

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType

import pytest

from mipro_studio.optimizer_core.errors import LeaseLost
from mipro_studio.optimizer_core.evaluation.journal import Journal, MemoryJournal
from mipro_studio.optimizer_core.parameters.demos import demos_arm
from mipro_studio.optimizer_core.types import (
    Arm,
    Author,
    Cell,
    CellKey,
    Demo,
    ErrorClass,
    Event,
    Example,
    Outcome,
    PromptCall,
    Record,
    Role,
    Spent,
    Split,
    Status,
    TraceStep,
    Trial,
    Usage,
)
from mipro_studio.storage import Reader, SqliteJournal, Store
from mipro_studio.storage.codec import to_json
from tests.storage.samples import SAMPLES, WORKER, cell, example, queued, running, trial

KINDS: dict[type, Callable[[Journal], object]] = {
    Example: lambda journal: journal.examples(),
    Arm: lambda journal: journal.arms(),
    Cell: lambda journal: journal.cells(),
    Trial: lambda journal: journal.trials(),
    PromptCall: lambda journal: journal.prompt_calls(),
    Spent: lambda journal: journal.spent(),
}

HOSTILE = (
    "",
    '"',
    '"quoted"',
    "nul \0 inside",
    "\0",
    "half an emoji \ud83d",
    "\udfff\ud800",
    "مرحبا ‮ right to left",
    "e\u0301 \u200b\ufeff",
    "\r\n\t\x1b[31m",
    "'; drop table runs; --",
    "x" * 1_000_000,
    "ж\ud83d" * 30_000,
)


BACK_ENDS = True


@pytest.fixture(params=["memory", "stored"])
def journal(request: pytest.FixtureRequest, store: Store) -> Journal:
    if request.param == "memory":
        return MemoryJournal()
    return SqliteJournal(store, running(store), WORKER)


def of_kind(records: tuple[Record, ...], kind: type) -> list[Record]:
    return [record for record in records if type(record) is kind]


@pytest.mark.parametrize("kind", KINDS)
def test_records_come_back_equal_and_in_the_order_written(journal: Journal, kind: type) -> None:
    journal.commit(SAMPLES)
    assert list(KINDS[kind](journal)) == of_kind(SAMPLES, kind)  # type: ignore[call-overload]


@pytest.mark.parametrize("kind", KINDS)
def test_writing_twice_changes_nothing(journal: Journal, kind: type) -> None:
    journal.commit(SAMPLES)
    journal.commit(SAMPLES[::-1])
    assert list(KINDS[kind](journal)) == of_kind(SAMPLES, kind)  # type: ignore[call-overload]


def test_a_new_journal_is_empty(journal: Journal) -> None:
    assert [list(read(journal)) for read in KINDS.values()] == [[]] * len(KINDS)  # type: ignore[call-overload]
    assert journal.outcome() is None


def test_an_empty_commit_is_fine(journal: Journal) -> None:
    journal.commit([])
    assert list(journal.cells()) == []


def test_the_outcome_is_one_and_is_replaced(journal: Journal) -> None:
    journal.commit([Outcome("i0d0", "so far")])
    journal.commit(SAMPLES)
    assert journal.outcome() == SAMPLES[-1]


def test_a_replacement_keeps_its_place(journal: Journal) -> None:
    first, second = example("e1"), example("e2")
    journal.commit([first, second])
    changed = replace(first, inputs={"question": "other"}, position=7)
    journal.commit([changed])
    assert list(journal.examples()) == [changed, second]


def test_the_same_example_in_two_splits_is_two_records(journal: Journal) -> None:
    both = [example("e1", Split.TRAIN), example("e1", Split.VAL)]
    journal.commit(both)
    assert list(journal.examples()) == both


def test_an_error_is_replaced_by_a_score_in_its_place(journal: Journal) -> None:
    journal.commit([cell("e1", None), cell("e2", 0.5)])
    journal.commit([cell("e1", 1.0)])
    assert list(journal.cells()) == [cell("e1", 1.0), cell("e2", 0.5)]


def test_an_error_is_replaced_by_a_later_error(journal: Journal) -> None:
    journal.commit([cell("e1", None)])
    later = replace(cell("e1", None), error=ErrorClass.TIMEOUT, error_message="30 s", prediction={})
    journal.commit([later])
    assert list(journal.cells()) == [later]


@pytest.mark.parametrize("score", [None, 0.0], ids=["error", "other score"])
def test_a_score_stands(journal: Journal, score: float | None) -> None:
    journal.commit([cell("e1", 1.0)])
    journal.commit([cell("e1", score)])
    assert list(journal.cells()) == [cell("e1", 1.0)]


def test_replacement_holds_within_one_commit(journal: Journal) -> None:
    journal.commit([cell("e1", None), cell("e1", 1.0), cell("e1", None)])
    assert list(journal.cells()) == [cell("e1", 1.0)]


def test_what_each_predictor_took_comes_back_and_is_summed(store: Store) -> None:
    shares = {"a": Usage(1, 0, 120, 8, 0.5, 0.25), "b": Usage(2, 0, 10, 1, None, 0.5)}
    run_id = running(store)
    journal = SqliteJournal(store, run_id, WORKER)
    journal.commit([replace(cell(name), by_predictor=shares) for name in ("e1", "e2")])
    assert [one.by_predictor for one in journal.cells()] == [shares, shares]
    with Reader(store.path) as reader:
        found = reader.spent_by_predictor(run_id, "i0d0", Split.VAL)
    assert found == {name: (2, share + share) for name, share in shares.items()}


def test_rollouts_are_cells_of_their_own(journal: Journal) -> None:
    again = replace(cell("e1", 0.0), key=CellKey("i0d0", Split.VAL, "e1", 1))
    journal.commit([cell("e1", 1.0), again])
    assert list(journal.cells()) == [cell("e1", 1.0), again]


def test_a_trial_is_finished_by_writing_it_again(journal: Journal) -> None:
    asked, done = trial(1), trial(1, mean=0.5, n_ok=2)
    journal.commit([asked, trial(2)])
    journal.commit([done])
    assert list(journal.trials()) == [done, trial(2)]


def test_an_unknown_price_stays_unknown(journal: Journal) -> None:
    spending = [Spent(Role.TASK, Usage(cost_usd=None)), Spent(Role.JUDGE, Usage(cost_usd=0.0))]
    journal.commit(spending)
    assert list(journal.spent()) == spending


@pytest.mark.parametrize("score", [-1.5, 0.0, 1e-300, 1e300, 0.1 + 0.2, float("inf")])
def test_scores_come_back_to_the_last_bit(journal: Journal, score: float) -> None:
    journal.commit([cell("e1", score)])
    assert [found.score for found in journal.cells()] == [score]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_comes_back_equal_in_every_field(journal: Journal, text: str, back_end: str) -> None:
    name = text if back_end == "sqlite" else text[:200]  # an entry of its indexes has 8 kB at most
    data = {text: [text, {"deep": text}]}
    records: tuple[Record, ...] = (
        Example(name, Split.VAL, 0, data, data),
        Arm(name, name, 0, data, Author.MODEL, data, True, text),
        demos_arm(name, 0, text, (Demo(data, True, text),)),
        Cell(CellKey(name, Split.VAL, name), 1.0, prediction=data, trace=(TraceStep(text, data, data),)),
        Cell(CellKey(name, Split.TEST, name), None, ErrorClass.PROGRAM, text),
        trial(1, candidate=text, examples=(text,)),
        PromptCall(name, (data,), text, data, error=text),
        Event(text, data),
        Outcome(text, text, data, importance=(data,)),
    )
    journal.commit(records)
    for kind, read in KINDS.items():
        assert list(read(journal)) == of_kind(records, kind)  # type: ignore[call-overload]
    assert journal.outcome() == records[-1]


def test_what_a_metric_said_comes_back_with_what_it_spoke_of(journal: Journal) -> None:
    step = TraceStep("answer", {"question": "e1"}, {"answer": "yes"}, "about the call")
    said = replace(cell("e1"), trace=(step, *cell("e1").trace), feedback="about the answer")
    journal.commit([said])
    assert list(journal.cells()) == [said]


def test_any_mapping_is_taken_for_a_dict(journal: Journal) -> None:
    journal.commit([replace(example("e1"), inputs=MappingProxyType({"question": "e1"}))])
    assert [dict(found.inputs) for found in journal.examples()] == [{"question": "e1"}]


# Stores only


def test_a_second_life_reads_what_the_first_wrote(store: Store) -> None:
    run_id = running(store)
    SqliteJournal(store, run_id, WORKER).commit(SAMPLES)
    store.release(run_id, WORKER, Status.PAUSED)
    store.move(run_id, Status.QUEUED)
    assert store.claim(run_id, "worker-2", 30)
    with Store(store.path) as other:
        second = SqliteJournal(other, run_id, "worker-2")
        assert list(second.cells()) == of_kind(SAMPLES, Cell)
        second.commit([cell("e9")])
        assert list(second.cells())[-1] == cell("e9")


def test_what_a_metric_said_in_an_older_store_stands_apart_from_the_prediction(store: Store) -> None:
    written = SqliteJournal(store, running(store), WORKER)
    old = [{"answer": "yes", "metric_feedback": "so so"}, [["answer", {"question": "q"}, {"answer": "yes"}]]]
    written.commit([cell("e1")])
    with store.atomic() as db:
        db.execute("update traces set body = ?", [to_json(old)])
    (read,) = written.cells()
    assert (dict(read.prediction), read.feedback, read.trace[0].feedback) == ({"answer": "yes"}, "so so", "")


def test_runs_do_not_see_each_other(store: Store) -> None:
    one, other = running(store), running(store)
    SqliteJournal(store, one, WORKER).commit(SAMPLES)
    journal = SqliteJournal(store, other, WORKER)
    assert [list(read(journal)) for read in KINDS.values()] == [[]] * len(KINDS)  # type: ignore[call-overload]


@pytest.mark.parametrize("worker", ["someone else", ""])
def test_a_worker_that_does_not_own_the_run_writes_nothing(store: Store, worker: str) -> None:
    run_id = running(store)
    with pytest.raises(LeaseLost, match="taken over"):
        SqliteJournal(store, run_id, worker).commit(SAMPLES)
    assert list(SqliteJournal(store, run_id, WORKER).cells()) == []


def test_a_run_that_is_not_running_takes_no_records(store: Store) -> None:
    run_id = queued(store)
    with pytest.raises(LeaseLost, match="queued"):
        SqliteJournal(store, run_id, WORKER).commit(SAMPLES)
    store.delete_run(run_id)
    with pytest.raises(LeaseLost, match="deleted"):
        SqliteJournal(store, run_id, WORKER).commit(SAMPLES)


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (replace(example("e9"), inputs={"when": object()}), TypeError),
        (replace(cell("e9"), score=float("nan")), Exception),
    ],
    ids=["not JSON", "not a number"],
)
def test_a_record_that_cannot_be_written_takes_its_batch_along(
    store: Store, bad: Record, error: type[Exception]
) -> None:
    run_id = running(store)
    journal = SqliteJournal(store, run_id, WORKER)
    with pytest.raises(error):
        journal.commit([cell("e1"), bad])
    assert list(journal.cells()) == []
    journal.commit([cell("e1")])
    with Reader(store.path) as reader:
        assert reader.run(run_id).cells_ok == 1
