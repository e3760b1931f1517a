"""Mutants of what is stored."""

from scripts.mutants.mutant import Mutant

__all__ = ["MUTANTS"]

MUTANTS = (
    Mutant(
        "a worker that was replaced writes on",
        "storage/lifecycle.py",
        "if owner != worker_id:",
        "if False:",
        ("tests/storage/test_lifecycle.py",),
    ),
    Mutant(
        "two workers can claim one run",
        "storage/lifecycle.py",
        "if status_of(db, run_id) is not Status.QUEUED:",
        "if status_of(db, run_id) not in (Status.QUEUED, Status.RUNNING):",
        ("tests/storage/test_lifecycle.py",),
    ),
    Mutant(
        "a run whose lease is over stays running",
        "storage/lifecycle.py",
        "if row is None or not Lease(*row[2:]).is_over(now) or felt(store, run_id, row[1], now):",
        "if True:",
        ("tests/storage/test_lifecycle.py",),
    ),
    Mutant(
        "a stored score is overwritten",
        "storage/writing.py",
        "if old is not None and old[1] is None:",
        "if False:",
        ("tests/storage/test_journal.py",),
    ),
    Mutant(
        "half an emoji cannot be stored",
        "storage/codec.py",
        "if not value.isascii():",
        "if False:",
        ("tests/storage/test_codec.py",),
    ),
    Mutant(
        "the best of a run is the best minibatch",
        "storage/writing.py",
        "[TrialKind.BASELINE, run_id, TrialKind.BASELINE, TrialKind.FULL, run_id, run_id],",
        "[TrialKind.BASELINE, run_id, TrialKind.BASELINE, TrialKind.MINIBATCH, run_id, run_id],",
        ("tests/storage/test_journal.py", "tests/storage/views/test_reader.py"),
    ),
    Mutant(
        "runs are listed oldest first",
        "storage/views/runs.py",
        'f"{_SUMMARY} where {SEEN} order by created_at desc, rowid desc limit ? offset ?"',
        'f"{_SUMMARY} where {SEEN} order by created_at, rowid limit ? offset ?"',
        ("tests/storage/views/test_reader.py",),
    ),
)
