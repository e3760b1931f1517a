"""The Optuna study of a run: the variables that its search chose among, and what TPE was told of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from mipro_studio.control.optuna_sync import Copyist
from mipro_studio.optimizer_core.optimizers.switches import suggest
from mipro_studio.optimizer_core.programs.program import load_program
from mipro_studio.optimizer_core.runs.presets import resolve
from mipro_studio.optimizer_core.search.surrogates import Observation, tpe
from mipro_studio.optimizer_core.types import Status, TrialKind
from mipro_studio.storage import SqliteJournal, Store, study_path, study_url
from tests.optimizer_core.builders import ROOT
from tests.optimizer_core.crashing import Stage, live
from tests.optimizer_core.search.test_dspy_search import rows

QUICK = "tests/programs/quick.py:Desk"


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage() as stage:
        yield stage


def played(stage: Stage, folder: Path, **settings: Any) -> tuple[optuna.Study, list[Any]]:
    """(the study, the trials) of a whole run in a store."""
    config = stage.plain(program=QUICK, **settings)
    config = resolve(config, load_program(QUICK, ROOT), 60)
    store = Store(folder / "studio.db")
    facts: dict[str, Any] = {"plan": {}, "receipt": {}, "records": rows(12, 60, 4)}
    run = store.create_run(
        name="", optimizer=config.optimizer, seed=0, config=config.model_dump(mode="json"), **facts
    )
    assert store.claim(run, "worker", 600.0)
    journal = SqliteJournal(store, run, "worker")
    assert live(config, journal, timing=0).status is Status.COMPLETED
    copyist = Copyist(store.path, run)
    copyist.copy()
    study = optuna.load_study(study_name=run, storage=study_url(study_path(store.path, run)))
    return study, sorted(journal.trials(), key=lambda trial: trial.order)


def test_a_study_holds_what_tpe_was_told_in_its_variables(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Observation] = []
    original = tpe.ReplayedTpe.next

    def watched(self: Any, space: Any, observed: Any, number: int, seed: int) -> Any:
        told[:] = observed
        return original(self, space, observed, number, seed)

    monkeypatch.setattr(tpe.ReplayedTpe, "next", watched)
    study, trials = played(stage, tmp_path, optimizer="zero_shot_mipro", preset="light")
    assert "as TPE is told it" in study.user_attrs["values"]
    assert {name for trial in study.trials for name in trial.params} == {"queue: instruction", "tone: instruction"}
    known = [(trial.value, trial.user_attrs["candidate"]) for trial in study.trials][: len(told)]
    assert known == [(seen.told, seen.candidate.id) for seen in told]
    assert len(study.trials) == len(trials)
    for trial in study.trials:
        queue, tone = (trial.params[f"{name}: instruction"] for name in ("queue", "tone"))
        assert trial.user_attrs["candidate"] == f"{queue}d0-{tone}d0"


@pytest.mark.parametrize("optimizer", ["zero_shot_mipro_pp", "mipro_pp"])
def test_the_study_of_mipro_plus_has_the_switches(
    stage: Stage, tmp_path: Path, optimizer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[dict[str, Any], list[Any]]] = []
    from mipro_studio.optimizer_core.optimizers import zero_shot_mipro_pp

    def watched(space: Any, seen: Any, seed: int) -> Any:
        asked.append((dict(space), list(seen)))
        return suggest(space, seen, seed)

    monkeypatch.setattr(zero_shot_mipro_pp, "suggest", watched)
    search = {"trials": 8, "minibatch_size": 10, "full_eval_every": 3, "lag": 1, "candidates": 4, "threshold": 0.5}
    study, _ = played(stage, tmp_path, optimizer=optimizer, search=search)
    space, seen = asked[-1]
    told = [(trial.params, trial.value) for trial in study.trials if trial.params]
    assert [(dict(values), value) for values, value in seen] == told[: len(seen)]
    assert all(trial.distributions == space for trial in study.trials if trial.params)
    assert [trial.user_attrs["kind"] for trial in study.trials if not trial.params] == [TrialKind.BASELINE]
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}


def test_a_frozen_predictor_is_no_variable_of_the_study(stage: Stage, tmp_path: Path) -> None:
    search = {"trials": 3, "freeze": ["tone"], "candidates": 3, "threshold": 0.5}
    study, _ = played(stage, tmp_path, optimizer="mipro", search=search)
    assert all(trial.params.keys() == {"queue: instruction", "queue: demos"} for trial in study.trials)
