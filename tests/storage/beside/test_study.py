import json
import threading
import urllib.request
from datetime import datetime
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

from mipro_studio.optimizer_core.errors import BadInput, StudioError
from mipro_studio.optimizer_core.types import Trial, TrialKind
from mipro_studio.storage import StudyMirror, study_path, study_url
from mipro_studio.storage.beside.study import SPARE_CHOICES
from tests.storage.samples import trial

optuna = pytest.importorskip("optuna")
optuna.logging.set_verbosity(optuna.logging.WARNING)

NAMES = {"answer: instruction": ["i0", "i1"], "answer: demos": ["d0", "d1", "d2"]}
RUN = "20261121-113015-k3f2"


def params(instruction: str = "i0", demos: str = "d0") -> dict[str, str]:
    return {"answer: instruction": instruction, "answer: demos": demos}


def done(order: int, mean: float | None = 0.5, **kwargs: object) -> Trial:
    return trial(order, mean=mean, **{"done": True, "n_ok": 2, "program_runs": 2 * order, **kwargs})


@pytest.fixture
def file(path: Path) -> Path:
    return study_path(path, RUN)


@pytest.mark.parametrize("folder", ["Größe #1", "who?", "50%41", "a {b} c", "x=1&mode=ro", "%", "'q'"])
def test_the_study_is_in_the_file_whatever_its_folder_is_called(tmp_path: Path, folder: str) -> None:
    file = study_path(tmp_path / folder / "studio.db", RUN)
    with StudyMirror(file, RUN, NAMES) as mirror:
        mirror.add(done(1), params())
    assert [one for one in tmp_path.rglob("*") if one.is_file()] == [file]
    assert file.parent.stat().st_mode & 0o777 == 0o700
    for read_only in (False, True):
        assert optuna.get_all_study_names(storage=optuna.storages.RDBStorage(study_url(file, read_only=read_only),
                                          skip_table_creation=read_only)) == [RUN]  # fmt: skip


def test_a_study_that_is_opened_for_reading_cannot_be_deleted(file: Path) -> None:
    StudyMirror(file, RUN, NAMES).close()
    shown = optuna.storages.RDBStorage(study_url(file, read_only=True), skip_table_creation=True)
    with pytest.raises(optuna.exceptions.StorageInternalError):
        optuna.delete_study(study_name=RUN, storage=shown)
    assert optuna.get_all_study_names(storage=shown) == [RUN]


def test_a_study_holds_the_finished_trials(file: Path) -> None:
    times = ("2026-11-21T11:30:15.000000+00:00", "2026-11-21T11:30:25.000000+00:00")
    with StudyMirror(file, RUN, NAMES) as mirror:
        assert mirror.add(done(0, 0.25, kind=TrialKind.BASELINE, number=0), params())
        assert mirror.add(done(1, 0.75, candidate="i1d2"), params("i1", "d2"), *times)
        assert mirror.add(done(2, None, n_ok=0, n_error=2), params("i1"))
        assert not mirror.add(trial(3), params())
        study = optuna.load_study(study_name=RUN, storage=mirror.url)
    assert study.direction.name == "MAXIMIZE"
    assert [found.state.name for found in study.trials] == ["COMPLETE", "COMPLETE", "FAIL"]
    best = study.best_trial
    assert (best.value, best.params) == (0.75, params("i1", "d2"))
    assert best.user_attrs == {
        "order": 1,
        "number": 1,
        "candidate": "i1d2",
        "kind": "minibatch",
        "cells": 2,
        "errors": 0,
        "program_runs": 2,
    }
    assert best.duration.total_seconds() == 10
    assert best.datetime_start == datetime.fromisoformat(times[0]).astimezone().replace(tzinfo=None)
    assert file.stat().st_mode & 0o777 == 0o600


def test_mirroring_again_adds_only_what_is_new(file: Path) -> None:
    rows = [(done(order), params(), None, None) for order in range(5)]
    with StudyMirror(file, RUN, NAMES) as mirror:
        assert mirror.sync(rows[:3]) == 3
        assert mirror.sync(rows[:3]) == 0
    with StudyMirror(file, RUN, NAMES) as mirror:
        assert mirror.sync(rows) == 2
        study = optuna.load_study(study_name=RUN, storage=mirror.url)
    assert [found.user_attrs["order"] for found in study.trials] == [0, 1, 2, 3, 4]


def test_arms_added_later_take_spare_choices_and_keep_them(file: Path) -> None:
    more = {**NAMES, "answer: instruction": ["i0", "i1", "i2"]}
    with StudyMirror(file, RUN, NAMES) as mirror:
        mirror.add(done(0), params())
        mirror.add_labels(more)
        mirror.add(done(1, 0.7), params("i2"))
    most = {**NAMES, "answer: instruction": ["i0", "i1", "i2", "i3"]}
    with StudyMirror(file, RUN, most) as mirror:
        mirror.add(done(2, 0.9), params("i3"))
        mirror.add(done(3, 0.6), params("i2"))
        study = optuna.load_study(study_name=RUN, storage=mirror.url)
    chosen = [found.params["answer: instruction"] for found in study.trials]
    assert chosen == ["i0", "spare-1", "spare-2", "spare-1"]
    arms = study.user_attrs["arms"]["answer: instruction"]
    assert arms == {"i0": "i0", "i1": "i1", "i2": "spare-1", "i3": "spare-2"}
    assert len({found.distributions["answer: instruction"] for found in study.trials}) == 1
    assert optuna.importance.get_param_importances(study).keys() == NAMES.keys()


def test_what_does_not_fit_is_refused_in_words(file: Path) -> None:
    with StudyMirror(file, RUN, NAMES) as mirror:
        with pytest.raises(BadInput, match="does not know 'i7'"):
            mirror.add(done(0), params("i7"))
        too_many = ["i0", "i1", *(f"j{n}" for n in range(len(SPARE_CHOICES) + 1))]
        with pytest.raises(BadInput, match="no choice left for 'j16'"):
            mirror.add_labels({**NAMES, "answer: instruction": too_many})
        with pytest.raises(BadInput, match="other parameters"):
            mirror.add_labels({"other: demos": ["d0"]})
        mirror.add(done(0), params())


def test_labels_may_be_anything(file: Path) -> None:
    with StudyMirror(file, RUN, {"p": ["مرحبا", "spare parts", "x" * 3000]}) as mirror:
        mirror.add(done(0), {"p": "مرحبا"})
        mirror.add(done(1), {"p": "x" * 3000})


def test_a_study_deleted_in_the_dashboard_is_an_error_of_ours(file: Path) -> None:
    with StudyMirror(file, RUN, NAMES) as mirror:
        mirror.add(done(0), params())
        optuna.delete_study(study_name=RUN, storage=mirror.url)
        with pytest.raises(StudioError, match="Trial 1 could not be written"):
            mirror.add(done(1), params())
    with StudyMirror(file, RUN, NAMES) as mirror:
        assert mirror.sync([(done(order), params(), None, None) for order in range(2)]) == 2


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


def test_the_dashboard_opens_it(file: Path) -> None:
    optuna_dashboard = pytest.importorskip("optuna_dashboard")
    with StudyMirror(file, RUN, NAMES) as mirror:
        mirror.sync([(done(order, order / 10), params("i1"), None, None) for order in range(4)])
        app = optuna_dashboard.wsgi(mirror.url)
        server = make_server("127.0.0.1", 0, app, handler_class=Quiet)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            address = f"http://127.0.0.1:{server.server_port}/api/studies"
            with urllib.request.urlopen(address, timeout=30) as reply:
                (summary,) = json.load(reply)["study_summaries"]
            with urllib.request.urlopen(f"{address}/{summary['study_id']}", timeout=30) as reply:
                detail = json.load(reply)
        finally:
            server.shutdown()
            server.server_close()
    assert summary["study_name"] == RUN
    assert [found["values"] for found in detail["trials"]] == [[0.0], [0.1], [0.2], [0.3]]
    assert {found["name"] for found in detail["union_search_space"]} == NAMES.keys()
