"""The rules of replacement that every journal keeps; `tests/storage` holds SQLite's to the same."""

from mipro_studio.optimizer_core.evaluation.journal import MemoryJournal
from mipro_studio.optimizer_core.parameters.demos import demos_arm
from mipro_studio.optimizer_core.parameters.instruction import instruction_arm
from mipro_studio.optimizer_core.types import (
    Author,
    Event,
    Outcome,
    PromptCall,
    Role,
    Spent,
    Split,
    Trial,
    TrialKind,
    Usage,
)
from tests.arms import demo_sets_of, instructions_of
from tests.optimizer_core.builders import failed, make_examples, scored


def test_a_new_journal_is_empty() -> None:
    journal = MemoryJournal()
    readers = (journal.examples, journal.arms, journal.cells, journal.trials)
    assert all(list(reader()) == [] for reader in (*readers, journal.prompt_calls, journal.spent))
    assert journal.outcome() is None


def test_a_record_written_again_replaces_the_older_in_its_place() -> None:
    journal = MemoryJournal()
    first, other = (Trial(n, n, TrialKind.MINIBATCH, "i0d0", ("a",)) for n in (1, 2))
    done = Trial(1, 1, TrialKind.MINIBATCH, "i0d0", ("a",), done=True, mean=0.5)
    journal.commit([first, other])
    journal.commit([done])
    assert list(journal.trials()) == [done, other]
    journal.commit([Spent(Role.TASK, Usage(calls=1)), Spent(Role.TASK, Usage(calls=3))])
    assert [spent.usage.calls for spent in journal.spent()] == [3]
    journal.commit([PromptCall("k", (), "", {}, error="failed"), PromptCall("k", (), "reply", {})])
    assert [call.reply for call in journal.prompt_calls()] == ["reply"]
    journal.commit([Outcome("a", ""), Outcome("b", "")])
    found = journal.outcome()
    assert found is not None and found.winner == "b"


def test_a_score_is_never_replaced_by_an_error_and_an_error_is_by_a_score() -> None:
    journal = MemoryJournal()
    journal.commit([failed("a", "1"), scored("a", "1", 0.5), failed("a", "1"), scored("a", "1", 1.0)])
    assert [cell.score for cell in journal.cells()] == [0.5]


def test_arms_are_told_apart_by_predictor_and_index_and_events_never_replaced() -> None:
    journal = MemoryJournal()
    journal.commit([instruction_arm(name, n, "t", Author.SEED) for name in ("a", "b") for n in (0, 1)])
    journal.commit([demos_arm(name, 0, "zero_shot", ()) for name in ("a", "b")])
    journal.commit([Event("note"), Event("note")])
    assert (len(list(instructions_of(journal))), len(list(demo_sets_of(journal))), len(journal.events)) == (4, 2, 2)


def test_examples_are_told_apart_by_split() -> None:
    journal = MemoryJournal()
    rows = make_examples(2, 2, 2)
    journal.commit([*rows, *rows])
    assert list(journal.examples()) == rows
    assert [row.split for row in journal.examples()][::2] == [Split.TRAIN, Split.VAL, Split.TEST]
