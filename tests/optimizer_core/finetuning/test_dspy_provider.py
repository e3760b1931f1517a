"""DSPy's own optimizers of weights, with the embedded trainer plugged in, on a very small network."""

from pathlib import Path
from typing import Any

import dspy
import pytest

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.finetuning import dspy_provider
from mipro_studio.optimizer_core.finetuning.dspy_provider import EmbeddedProvider, FinetuneAdapter, finetunable_lm
from mipro_studio.optimizer_core.finetuning.embedded_trainer import EmbeddedTrainer, JobFolder
from mipro_studio.optimizer_core.finetuning.job import JobPhase, JobStatus, TrainerUnavailable
from mipro_studio.optimizer_core.models.embedded import LM_NAME, CompactAdapter
from tests.optimizer_core.finetuning.tiny import write_tiny_model
from tests.programs import desk

KWARGS = {"epochs": 20, "batch_size": 4, "learning_rate": 0.02, "lora": {"rank": 4}}
ROWS = [dspy.Example(**row).with_inputs("message") for row in desk.rows(8)]


def test_rows_are_written_as_the_embedded_model_is_asked() -> None:
    ours, plain = FinetuneAdapter(), CompactAdapter()
    made = ours.format_finetune_data(desk.Queue, [], {"message": "a"}, {"queue": "billing"})["messages"]
    assert made[:-1] == plain.format(desk.Queue, [], {"message": "a"})
    assert made[-1] == {"role": "assistant", "content": "billing"}
    assert ours.parse(desk.Queue, made[-1]["content"]) == {"queue": "billing"}


@pytest.mark.embedded
@pytest.mark.usefixtures("weights")
def test_dspy_s_bootstrap_finetune_and_better_together_tune_the_embedded_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tiny_model(tmp_path / "tiny.gguf")
    monkeypatch.setenv("MIPRO_STUDIO_GGUF", str(tmp_path / "tiny.gguf"))
    monkeypatch.setenv("MIPRO_STUDIO_EMBEDDED_IDLE_S", "2")
    lm = finetunable_lm(tmp_path / "jobs")

    def passes(example: Any, prediction: Any, trace: Any = None) -> float:
        return 1.0

    with dspy.context(lm=lm, adapter=FinetuneAdapter()):
        student = desk.Desk()
        student.set_lm(lm)
        tuned = dspy.BootstrapFinetune(metric=passes, train_kwargs=KWARGS, num_threads=2).compile(
            student, trainset=ROWS
        )
        models = {predictor.lm.model for predictor in tuned.predictors()}
        assert len(models) == 1 and Path(models.pop()).is_file()
        assert tuned(message="a parcel").queue in desk.QUEUES
        again = desk.Desk()
        again.set_lm(lm)
        weights = dspy.BootstrapFinetune(metric=passes, train_kwargs=KWARGS, num_threads=2)
        both = dspy.BetterTogether(metric=desk.metric, w=weights)
        found = both.compile(
            again, trainset=ROWS, valset=ROWS[:4], strategy="w -> w", shuffle_trainset_between_steps=False
        )
    assert not found.flag_compilation_error_occurred
    assert [one["strategy"] for one in found.candidate_programs].count("w") == 1
    jobs = [JobFolder(one).load_job() for one in (tmp_path / "jobs").iterdir()]
    (first,) = (job for job in jobs if job.begins_at is None)  # the same rows and settings are the same job
    (second,) = (job for job in jobs if job.begins_at is not None)
    assert second.begins_at == str(tmp_path / "jobs" / first.id / "adapter.gguf"), "it goes on from what it has"


@pytest.mark.embedded
@pytest.mark.usefixtures("weights")
@pytest.mark.parametrize(("lost", "survives"), [(3, True), (10**9, False)])
def test_what_dspy_s_optimizers_do_when_polls_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: int, survives: bool
) -> None:
    """A few lost polls are asked again by the provider. A trainer that stays silent is an error of DSPy's
    BootstrapFinetune, and no error of its BetterTogether: that gives back the program as it came, with a flag."""
    write_tiny_model(tmp_path / "tiny.gguf")
    monkeypatch.setenv("MIPRO_STUDIO_GGUF", str(tmp_path / "tiny.gguf"))
    monkeypatch.setenv("MIPRO_STUDIO_EMBEDDED_IDLE_S", "2")
    monkeypatch.setattr(dspy_provider, "POLL_S", 0.001)
    polls = iter([TrainerUnavailable("no answer")] * min(lost, 10_000))

    def status(trainer: EmbeddedTrainer, job: Any) -> JobStatus:
        if (failure := next(polls, None)) is not None:
            raise failure
        return JobStatus(JobPhase.SUCCEEDED, tuned=str(tmp_path / "adapter.gguf"))

    monkeypatch.setattr(EmbeddedTrainer, "submit", lambda trainer, job: None)
    monkeypatch.setattr(EmbeddedTrainer, "status", status)
    lm = finetunable_lm(tmp_path / "jobs")
    weights = dspy.BootstrapFinetune(metric=lambda *given, **more: 1.0, num_threads=2)
    with dspy.context(lm=lm, adapter=FinetuneAdapter()):
        student = desk.Desk()
        student.set_lm(lm)
        if survives:
            tuned = weights.compile(student, trainset=ROWS[:2])
            assert {predictor.lm.model for predictor in tuned.predictors()} == {str(tmp_path / "adapter.gguf")}
            return
        with pytest.raises(Exception, match=r"no answer|failed"):
            weights.compile(student.deepcopy(), trainset=ROWS[:2])
        both = dspy.BetterTogether(metric=desk.metric, w=weights)
        found = both.compile(student, trainset=ROWS[:2], valset=ROWS[2:4], strategy="w")
    assert found.flag_compilation_error_occurred
    assert {predictor.lm.model for predictor in found.predictors()} == {lm.model}


@pytest.mark.parametrize(
    ("kwargs", "says"),
    [({"n_epochs": 3}, "n_epochs = 3 is not"), ({"lora": {"rank": 0}}, "lora.rank"), ({"full": True}, "only")],
)
def test_what_the_trainer_is_not_told_is_said_in_a_sentence(
    tmp_path: Path, kwargs: dict[str, Any], says: str
) -> None:
    with pytest.raises(BadInput, match=says):
        EmbeddedProvider(tmp_path).finetune(None, LM_NAME, [], None, kwargs)


def test_a_model_that_is_no_adapter_is_not_tuned_further(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no adapter's file"):
        EmbeddedProvider(tmp_path).finetune(None, "adapter.gguf", [], None)
