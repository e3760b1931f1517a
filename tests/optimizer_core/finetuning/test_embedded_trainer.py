"""Jobs of the embedded trainer, in real processes, on a very small network served by the real server."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from mipro_studio.optimizer_core.finetuning.batch import TokenRow, pack, segments
from mipro_studio.optimizer_core.finetuning.embedded_trainer import MOST_STARTS, EmbeddedTrainer, JobFolder
from mipro_studio.optimizer_core.finetuning.gradients import Tuned, answers
from mipro_studio.optimizer_core.finetuning.job import JobPhase, JobStatus, TrainerRefused, TrainingJob, TrainingRow
from mipro_studio.optimizer_core.finetuning.lora import LoraSettings, read_adapter
from mipro_studio.optimizer_core.finetuning.network import load_network
from mipro_studio.optimizer_core.finetuning.training import TrainingSettings
from mipro_studio.optimizer_core.models.embedded.connection import connect
from mipro_studio.optimizer_core.models.embedded.engine import EmbeddedEngine
from mipro_studio.optimizer_core.models.embedded.tokens import Tokenizer
from tests.optimizer_core.finetuning.tiny import write_tiny_model

pytestmark = pytest.mark.embedded
ANSWERS = ("billing", "delivery", "returns")


def rows(n: int = 9) -> tuple[TrainingRow, ...]:
    return tuple(
        TrainingRow(
            ({"role": "system", "content": "Decide."}, {"role": "user", "content": f"Message {number}"}),
            ANSWERS[number % 3],
            "decide",
            str(number),
        )
        for number in range(n)
    )


SETTINGS = TrainingSettings(epochs=20, batch_size=3, learning_rate=0.02, lora=LoraSettings(rank=4))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("tiny") / "tiny.gguf"
    write_tiny_model(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIPRO_STUDIO_GGUF", str(path))
        patch.setenv("MIPRO_STUDIO_EMBEDDED_IDLE_S", "2")
        yield path


def waited(
    trainer: EmbeddedTrainer, job: TrainingJob, until: Callable[[JobStatus], bool] = lambda status: status.phase.over
) -> JobStatus:
    deadline = time.monotonic() + 120
    while not until(status := trainer.status(job)):
        assert time.monotonic() < deadline, status
        time.sleep(0.05)
    return status


def test_a_job_is_trained_and_served_as_it_was_trained(tiny: Path, tmp_path: Path) -> None:
    trainer, job = EmbeddedTrainer(tmp_path), TrainingJob("job-1", "tiny", rows(), SETTINGS)
    assert trainer.status(job).phase is JobPhase.UNSENT
    trainer.submit(job)
    trainer.submit(job)
    status = waited(trainer, job)
    assert status.phase is JobPhase.SUCCEEDED, status
    assert (status.step, status.steps, len(status.losses)) == (60, 60, 60)
    assert np.mean(status.losses[-3:]) < np.mean(status.losses[:3]) - 1
    assert Path(status.tuned).stat().st_mode & 0o777 == 0o600
    _served_as_trained(tiny, Path(status.tuned), job)


def _served_as_trained(weights: Path, adapter: Path, job: TrainingJob) -> None:
    """The server's first token with and without the adapter is the one of our own forward pass."""
    connection = connect(adapters=[adapter])
    tokenizer = Tokenizer(connection)
    network = load_network(weights)
    pairs, _ = read_adapter(adapter)
    for place, held in ((None, {}), (0, pairs)):
        engine = EmbeddedEngine(max_tokens=1, adapters=[adapter], adapter=place)
        tuned = Tuned(network, held, job.settings.lora.scale)
        agreed = 0
        for row in job.rows:
            prompt = tokenizer.prompt(row.messages)
            logits = answers(tuned, pack(segments([TokenRow(prompt, (0,))])))
            agreed += tokenizer.answer(_first_token(engine, row))[0] == int(logits[0].argmax())
        assert agreed >= 8, (place, agreed)
    connection.close()


def _first_token(engine: EmbeddedEngine, row: TrainingRow) -> str:
    from dspy import lm15

    asked = lm15.Request(
        model="tiny",
        messages=(lm15.Message.user(row.messages[1]["content"]),),
        system=row.messages[0]["content"],
        config=lm15.Config(max_tokens=1),
    )
    return engine.complete(asked).text


def test_a_job_whose_process_is_killed_ends_at_the_same_adapter(tiny: Path, tmp_path: Path) -> None:
    trainer = EmbeddedTrainer(tmp_path)
    whole = TrainingJob("whole", "tiny", rows(), SETTINGS)
    killed = TrainingJob("killed", "tiny", rows(), SETTINGS)
    trainer.submit(whole)
    trainer.submit(killed)
    waited(trainer, killed, lambda status: status.step >= 4)
    os.kill(JobFolder(tmp_path / "killed").read("process.json")["pid"], signal.SIGKILL)
    ends = [waited(EmbeddedTrainer(tmp_path), job) for job in (whole, killed)]
    assert ends[0].losses == ends[1].losses
    first, second = (read_adapter(Path(end.tuned))[0] for end in ends)
    assert all((first[key].a == second[key].a).all() and (first[key].b == second[key].b).all() for key in first)


def test_a_job_goes_on_from_the_adapter_of_another(tiny: Path, tmp_path: Path) -> None:
    trainer, first = EmbeddedTrainer(tmp_path), TrainingJob("first", "tiny", rows(), SETTINGS)
    trainer.submit(first)
    end = waited(trainer, first)
    second = TrainingJob("second", "tiny", rows(), SETTINGS, end.tuned)
    trainer.submit(second)
    assert JobFolder(tmp_path / "second").load_job() == second
    assert np.mean(waited(trainer, second).losses[:3]) < np.mean(end.losses[:3]) - 1
    lost = TrainingJob("lost", "tiny", rows(), SETTINGS, str(tmp_path / "gone.gguf"))
    with pytest.raises(TrainerRefused, match="not there any more"):
        trainer.submit(lost)
    assert trainer.status(lost).phase is JobPhase.UNSENT


def test_a_cancelled_job_ends_without_a_result(tiny: Path, tmp_path: Path) -> None:
    trainer, job = EmbeddedTrainer(tmp_path), TrainingJob("job", "tiny", rows(), SETTINGS)
    trainer.submit(job)
    trainer.cancel(job)
    assert trainer.status(job).phase is JobPhase.CANCELLED
    trainer.submit(job)
    assert trainer.status(job).phase is JobPhase.CANCELLED


def test_what_cannot_be_trained_is_refused_or_fails_in_words(tiny: Path, tmp_path: Path) -> None:
    trainer = EmbeddedTrainer(tmp_path)
    with pytest.raises(TrainerRefused, match="no rows"):
        trainer.submit(TrainingJob("empty", "tiny", (), SETTINGS))
    with pytest.raises(TrainerRefused, match="cannot be called"):
        trainer.submit(TrainingJob("../job", "tiny", rows(), SETTINGS))
    wrong = SETTINGS.model_copy(update={"lora": LoraSettings(first_layer=9)})
    job = TrainingJob("wrong", "tiny", rows(), wrong)
    trainer.submit(job)
    status = waited(trainer, job)
    assert status.phase is JobPhase.FAILED
    assert "none of 2 layers" in status.message


def test_a_process_that_dies_over_and_over_ends_as_a_failure(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "mipro_studio.optimizer_core.finetuning.embedded_trainer.command", lambda *arguments: ["false"]
    )
    trainer, job = EmbeddedTrainer(tmp_path), TrainingJob("job", "tiny", rows(), SETTINGS)
    trainer.submit(job)
    assert f"ended {MOST_STARTS} times" in waited(trainer, job).message
