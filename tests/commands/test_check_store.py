"""`check-store`: what it finds in a store, what it says to do, and its exit code."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from mipro_studio.optimizer_core.types import Status
from mipro_studio.storage import SqliteJournal, Store, study_path
from tests.inside import Done, shell
from tests.storage.samples import SAMPLES, WORKER, running


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "studio.db"


@pytest.fixture
def run(path: Path) -> str:
    with Store(path) as store:
        run_id = running(store)
        SqliteJournal(store, run_id, WORKER).commit(SAMPLES)
        store.release(run_id, WORKER, Status.COMPLETED, "done")
    return run_id


def checked(path: Path, *more: str) -> Done:
    return shell("check-store", "--store", str(path), *more)


def spoilt(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as conn:
        conn.execute(sql)
        conn.commit()


def test_a_whole_store_is_said_to_be_whole(path: Path, run: str) -> None:
    done = checked(path)
    assert (done.returncode, done.stdout) == (0, f"{path} is whole.\n")


@pytest.mark.parametrize(
    ("sql", "says", "do"),
    [
        ("update cells set score = 0.9 where score = 1.0", "cells changed after it ended", "Delete this run"),
        ("update runs set best_val = 0.9", "runs changed after it ended", "Delete this run"),
        ("delete from seals; ", "has no digests", "Nothing"),
        (
            "insert into burns select 99, 'gone', 'judge', 1, 0, 0, 0, null, 0, 0",
            "a run that is not there",
            "Restore",
        ),
        ("insert into unfinished (run_id) select id from runs", "was broken off", "Nothing"),
    ],
)
def test_every_kind_of_damage_is_a_sentence_and_says_what_to_do(
    path: Path, run: str, sql: str, says: str, do: str
) -> None:
    spoilt(path, sql)
    done = checked(path)
    assert says in done.stdout and do in done.stdout
    assert done.returncode == (0 if do == "Nothing" else 1)
    facts = json.loads(checked(path, "--json").stdout.splitlines()[-1])
    assert facts["damaged"] == (do != "Nothing") and any(says in one["says"] for one in facts["findings"])


def test_counts_that_are_not_those_of_the_rows_are_found_without_digests(path: Path, run: str) -> None:
    spoilt(path, "delete from seals")
    spoilt(path, "update runs set cells_ok = cells_ok + 1")
    done = checked(path)
    assert done.returncode == 1 and "its counts of cells, examples or events" in done.stdout


def test_damaged_pages_and_studies_are_found(path: Path, run: str) -> None:
    study = study_path(path, run)
    study.parent.mkdir()
    study.write_bytes(path.read_bytes()[:5000])
    done = checked(path)
    assert done.returncode == 0 and f"The Optuna study {study}" in done.stdout and "made anew" in done.stdout
    content = bytearray(path.read_bytes())
    content[4096 + 3] ^= 0x7F  # cells on the second page
    path.write_bytes(content)
    done = checked(path)
    assert done.returncode in (1, 2) and "damaged" in done.stdout + done.stderr


@pytest.mark.parametrize("content", [b"", b"my notes " * 900, None])
def test_what_is_no_store_is_one_sentence(path: Path, content: bytes | None) -> None:
    if content is not None:
        path.write_bytes(content)
    done = checked(path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and str(path) in done.stderr


def test_a_damaged_run_is_neither_shown_exported_nor_resumed(path: Path, run: str, tmp_path: Path) -> None:
    spoilt(path, "update cells set score = 0.9 where score = 1.0")
    for given in (
        ("show", run),
        ("resume", run, "--trials", "9"),
        ("export", run, "--out", str(tmp_path / "out.json")),
        ("pack", run, "--out", str(tmp_path / "out.mipro")),
        ("report", run, "--out", str(tmp_path / "out.html")),
    ):
        done = shell(*given, "--store", str(path))
        assert done.returncode == 2 and "is damaged in its store: cells" in done.stderr, given
    assert not [*tmp_path.glob("out.*")]
