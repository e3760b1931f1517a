"""The command `rows`: what is about to be trained on, read and changed from a terminal."""

import json
from pathlib import Path

from mipro_studio.optimizer_core.types import Change, ChangeKind, Status, Tuning, TuningState
from mipro_studio.storage import Reader, SqliteJournal, Store
from tests.inside import shell
from tests.storage.samples import WORKER, running

ROWS = tuple(
    {
        "messages": [{"role": "user", "content": f"message {n}"}],
        "answer": "calm",
        "predictor": "tone",
        "example": f"e{n}",
    }
    for n in range(3)
)


def at_the_gate(path: Path) -> str:
    with Store(path) as store:
        run_id = running(store)
        SqliteJournal(store, run_id, WORKER).commit([Tuning(1, TuningState.ROWS, "studio-1", "i0d0", ROWS)])
        store.release(run_id, WORKER, Status.AWAITING_REVIEW)
    return run_id


def test_rows_are_shown_and_a_change_of_them_waits_for_the_worker(tmp_path: Path) -> None:
    path = tmp_path / "studio.db"
    run_id, store = at_the_gate(path), ("--store", str(path))
    shown = shell("rows", run_id, *store)
    assert (shown.returncode, len(shown.stdout.splitlines())) == (0, 3), shown
    assert "tone: 'message 1' -> 'calm'" in shown.stdout
    assert json.loads(shell("rows", run_id, *store, "--json").stdout)["rows"] == list(ROWS)
    asked = shell("rows", run_id, *store, "--drop", "0, 2", "--answer", "1=very = angry")
    assert asked.returncode == 0, asked
    with Reader(path) as reader:
        (waiting,) = [one.change for one in reader.changes(run_id)]
    payload = {"tuning": 1, "drop": ["0", "2"], "answers": {"1": "very = angry"}}
    assert waiting == Change(waiting.id, ChangeKind.ROWS, payload)


def test_what_cannot_be_changed_is_said_at_once(tmp_path: Path) -> None:
    path = tmp_path / "studio.db"
    run_id, store = at_the_gate(path), ("--store", str(path))
    for given, said in (
        (("--tuning", "2"), "no rows of weights 2"),
        (("--drop", "3"), "There is no row '3'. Rows count from 0 to 2."),
        (("--drop", "0,1,2"), "no row to train on"),
        (("--answer", "angry"), "has no `=`"),
        (("--answer", "1= "), "answer is empty"),
    ):
        refused = shell("rows", run_id, *store, *given)
        assert refused.returncode == 2 and said in refused.stderr, refused
    with Reader(path) as reader:
        assert not reader.changes(run_id)
