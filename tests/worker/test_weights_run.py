"""Runs that tune weights, with real workers and the real trainer: killed, taken home, and once in earnest."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from mipro_studio.control import exports, launcher
from mipro_studio.optimizer_core.finetuning.embedded_trainer import JobFolder
from mipro_studio.optimizer_core.types import Split, Status, Tuning, TuningState
from mipro_studio.sample_programs import CATALOG
from mipro_studio.storage import Reader, tunings_folder
from tests.inside import workers_inside
from tests.optimizer_core.finetuning.tiny import write_tiny_model

pytestmark = [pytest.mark.embedded, pytest.mark.usefixtures("weights"), pytest.mark.timeout(300)]
SMALL = {"train": 8, "val": 5, "test": 3}
TUNED, OWN = "i0d0-i0d0-w1", "i0d0w1-i0d0w2"


@pytest.fixture(scope="module")
def tiny_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny") / "tiny.gguf"
    write_tiny_model(path)
    return path


@pytest.fixture
def tiny(tiny_file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The embedded model is a random network of two layers, in this test and in no other."""
    monkeypatch.setenv("MIPRO_STUDIO_GGUF", str(tiny_file))
    monkeypatch.setenv("MIPRO_STUDIO_EMBEDDED_IDLE_S", "3")
    return tiny_file


def settings(folder: Path, sizes: dict[str, int], **finetune: Any) -> dict[str, Any]:
    """Triage on its first rows; every answer of a random network is one to learn from."""
    rows = CATALOG["triage"].rows()[:: 324 // sum(sizes.values())]
    data: dict[str, Any] = {"inputs": ["message"]}
    for name, size in sizes.items():
        part, rows = rows[:size], rows[size:]
        data[name] = str(folder / f"{name}.jsonl")
        Path(data[name]).write_text("\n".join(map(json.dumps, part)), encoding="utf-8")
    return {"program": "sample:triage", "optimizer": "bootstrap_finetune", "data": data, "finetune": finetune}


class Watched:
    """A run with a real worker: its pids, and what is on record."""

    def __init__(self, store: Path, config: dict[str, Any], patch: pytest.MonkeyPatch) -> None:
        self.store, self.pids = store, []
        spawn = launcher.spawn
        patch.setattr(launcher, "spawn", lambda *given: self.pids.append(spawn(*given)))
        self.id = launcher.start(store, config)

    @property
    def tunings(self) -> list[Tuning]:
        with Reader(self.store) as reader:
            return reader.tunings(self.id)

    @property
    def status(self) -> Status:
        with Reader(self.store) as reader:
            return reader.run(self.id).status

    @property
    def jobs(self) -> list[JobFolder]:
        folder = tunings_folder(self.store, self.id)
        return [JobFolder(one) for one in sorted(folder.iterdir())] if folder.is_dir() else []

    def until(self, reached: Callable[[Watched], bool], seconds_s: float = 120) -> None:
        deadline = time.monotonic() + seconds_s
        while not reached(self):
            assert time.monotonic() < deadline, (self.status, self.tunings)
            time.sleep(0.02)

    def kill(self, trainer: bool) -> None:
        """The worker, and the training process too."""
        victims = [self.pids[-1]]
        if trainer:
            victims += [job.read("process.json")["pid"] for job in self.jobs if job.read("process.json")]
        for pid in victims:
            with suppress(ProcessLookupError):  # a trainer that is done
                os.kill(pid, signal.SIGKILL)

    def resume(self) -> None:
        self.until(lambda run: run.status is Status.LOST, 240)
        launcher.resume(self.store, self.id)


def sent(run: Watched) -> bool:
    return any(tuning.state is TuningState.SENT for tuning in run.tunings)


def training(run: Watched) -> bool:
    """Or over already."""
    return any(job.checkpoint.exists() for job in run.jobs) or tuned(run)


def tuned(run: Watched) -> bool:
    return any(tuning.state is TuningState.TUNED for tuning in run.tunings)


def test_a_killed_run_ends_with_the_one_job_that_it_began(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed with its trainer when the job may have been sent and amid the training, and when it is to be served."""
    config = settings(tmp_path, SMALL, epochs=40, batch_size=4, learning_rate=0.01, rank=4)
    config["search"] = {"threshold": 0.0}
    run = Watched(tmp_path / "studio.db", config, monkeypatch)
    for reached, trainer in ((sent, True), (training, True), (tuned, False)):
        run.until(lambda run, reached=reached: reached(run) and run.status is Status.RUNNING)
        before = run.tunings
        run.kill(trainer)
        run.resume()
        assert [one.job for one in run.tunings] == [one.job for one in before]
    run.until(lambda run: run.status is Status.COMPLETED)
    (tuning,) = run.tunings
    (job,) = run.jobs
    assert (tuning.job, tuning.facts["tuned"]) == (job.folder.name, str(job.adapter))
    found = tuning.facts["yield"]
    assert len(tuning.rows) == found["rows"] == 2 * found["cells"] - found["duplicates"]
    assert len(tuning.facts["losses"]) == tuning.facts["steps"] == 40 * -(-len(tuning.rows) // 4)
    assert tuning.facts["losses"][-1] < tuning.facts["losses"][0]
    assert job.read("starts.json")["count"] <= 3
    with Reader(run.store) as reader:
        trials = reader.trials(run.id)
        assert [trial.candidate for trial in trials] == ["i0d0-i0d0", TUNED]
        assert {row.key.candidate for row in reader.cells(run.id, split=Split.TEST)} == {"i0d0-i0d0", TUNED}
    _taken_home(run.store, run.id, tmp_path / "home" / "better.json")


def _taken_home(store: Path, run_id: str, out: Path) -> None:
    """Program and adapter as files; loaded anew they answer as they did."""
    exports.export(store, run_id, out, TUNED)
    assert out.with_suffix(".gguf").stat().st_mode & 0o777 == 0o600
    made = exports.files(store, run_id, TUNED)
    assert 'embedded_lm(weights="program.gguf")' in made["snippet"]
    assert made["weights"].keys() == {"program.gguf"}
    checked = exports.verified(store, run_id, 3, TUNED)
    assert checked["program"]["agreed"] >= 2, checked["program"]
    Path(made["weights"]["program.gguf"]).unlink()
    with pytest.raises(exports.BadInput, match="not there any more"):
        exports.export(store, run_id, out, TUNED)


def test_each_predictor_answers_with_its_own_adapter_and_both_are_taken_home(tiny: Path, tmp_path: Path) -> None:
    own = {"owner": "predictor", "epochs": 10, "batch_size": 4, "learning_rate": 0.02, "rank": 4}
    config = settings(tmp_path, SMALL, **own)
    config["search"] = {"threshold": 0.0}
    store = tmp_path / "studio.db"
    with workers_inside():
        run_id = launcher.start(store, config)
    with Reader(store) as reader:
        assert reader.run(run_id).status is Status.COMPLETED, reader.run(run_id).reason
        tunings = reader.tunings(run_id)
    assert [{row["predictor"] for row in one.rows} for one in tunings] == [{"queue"}, {"tone"}]
    found = exports.files(store, run_id, OWN)
    assert list(found["weights"].values()) == [one.facts["tuned"] for one in tunings]
    assert 'weights="program.tone.gguf", among=adapters)' in found["snippet"]
    checked = exports.verified(store, run_id, 3, OWN)
    assert checked["program"]["agreed"] >= 2, checked["program"]
    written = exports.export(store, run_id, tmp_path / "home" / "better.json", OWN, merged=True)
    assert [path.name for path in written[1:]] == [
        *(f"better.{name}.gguf" for name in ("queue", "tone")),
        *(f"better.{name}.merged.gguf" for name in ("queue", "tone")),
    ]
    with pytest.raises(exports.BadInput, match="no tuned weights"):
        exports.export(store, run_id, tmp_path / "home" / "plain.json", "i0d0-i0d0", merged=True)


@pytest.mark.timeout(900)  # on a busy machine the trainer and the server get little of it
def test_a_real_tuning_of_the_last_layers_learns_its_rows_and_is_compared(tmp_path: Path) -> None:
    """How much is gained on so few rows depends on which answers happened to pass; that they are learned does not."""
    sizes = {"train": 8, "val": 3, "test": 3}
    store = tmp_path / "studio.db"
    with workers_inside():
        run_id = launcher.start(store, settings(tmp_path, sizes, first_layer=25, epochs=12, batch_size=4))
    with Reader(store) as reader:
        run, (tuning,) = reader.run(run_id), reader.tunings(run_id)
        tested = {row.key.candidate for row in reader.cells(run_id, split=Split.TEST)}
    assert run.status is Status.COMPLETED, run.reason
    assert tuning.state is TuningState.TUNED, tuning.facts
    assert tuning.facts["losses"][-1] < tuning.facts["losses"][0] / 2
    assert tested == {"i0d0-i0d0", TUNED}
