"""Which runs may be asked what each part of their winner brings, and what becomes of them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mipro_studio.control import launcher
from mipro_studio.control.new_runs import queue
from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.types import Split, Status
from mipro_studio.storage import Reader, SqliteJournal, Store
from tests.storage.samples import OUTCOME, WORKER, cell, example, running

CONFIG = {"program": "mine.py", "search": {"trials": 5}}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(launcher, "spawn", lambda path, run_id: 1)
    with Store(tmp_path / "studio.db") as opened:
        yield opened


def ended(store: Store, winner: str | None = "i1d1", status: Status = Status.COMPLETED) -> str:
    run = running(store, config=dict(CONFIG))
    SqliteJournal(store, run, WORKER).commit([replace(OUTCOME, winner=winner)])
    store.release(run, WORKER, status, "over")
    return run


@pytest.mark.parametrize(("cap", "raised"), [(None, None), (8, 8), (7, 7), (6, 7), (3, 7)])
def test_a_cap_on_program_runs_is_raised_by_what_does_not_fit(
    store: Store, cap: int | None, raised: int | None
) -> None:
    rows = [example("e1"), example("e2", position=1), example("t1", Split.TEST)]
    budget = {"max_program_runs": cap, "max_usd": 1.0}
    run = running(store, config={**CONFIG, "budget": budget}, records=rows)
    known = [cell("e1"), cell("e2"), cell("e1", candidate="i1d1"), cell("e1", None, candidate="i1d0")]
    SqliteJournal(store, run, WORKER).commit([*known, cell("t1", split=Split.TEST), OUTCOME])
    store.release(run, WORKER, Status.COMPLETED, "over")
    launcher.ablate(store.path, run)
    with Reader(store.path) as reader:
        assert reader.config(run)["budget"] == {"max_program_runs": raised, "max_usd": 1.0}


def test_a_completed_run_is_queued_and_more_trials_are_no_ablation(store: Store) -> None:
    run = ended(store)
    assert launcher.ablate(store.path, run) == run
    with Reader(store.path) as reader:
        assert reader.run(run).status is Status.QUEUED
        assert reader.config(run) == {**CONFIG, "ablate": True}
    store.claim(run, WORKER, 30.0)
    store.release(run, WORKER, Status.COMPLETED, "over")
    launcher.resume(store.path, run, 9)
    with Reader(store.path) as reader:
        assert reader.config(run)["ablate"] is False


def test_a_new_run_with_the_settings_of_an_ablated_one_is_none(store: Store) -> None:
    config = {**CONFIG, "ablate": True, "optimizer": "studio", "seed": 0}
    nothing = {"receipt": {}, "records": [], "warnings": [], "consent": [], "rehearsal": {"cells": [], "burns": []}}
    run = queue(store.path, {"name": "again", "config": config, "plan": {"notes": []}, **nothing})
    with Reader(store.path) as reader:
        assert reader.config(run)["ablate"] is False


@pytest.mark.parametrize(
    ("winner", "status", "sentence"),
    [
        ("i0d0", Status.COMPLETED, "has no part that is new"),
        (None, Status.COMPLETED, "has no part that is new"),
        ("i0d1", Status.COMPLETED, "has one part that is new, which brings all that it gains"),
        ("i1d1", Status.STOPPED, "is stopped. Let it come to its end first"),
    ],
)
def test_others_are_told_why_not(store: Store, winner: str | None, status: Status, sentence: str) -> None:
    run = ended(store, winner, status)
    with pytest.raises(StudioError, match=sentence):
        launcher.ablate(store.path, run)
    with Reader(store.path) as reader:
        assert (reader.run(run).status, reader.config(run)) == (status, CONFIG)
