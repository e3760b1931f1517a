"""DSPy's own optimizers of weights, with the embedded trainer plugged in, on a very small network."""

from pathlib import Path
from typing import Any

import dspy
import pytest

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.finetuning.dspy_provider import EmbeddedProvider, FinetuneAdapter, finetunable_lm
from mipro_studio.optimizer_core.finetuning.embedded_trainer import JobFolder
from mipro_studio.optimizer_core.models.embedded import CompactAdapter
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


def test_a_model_that_is_no_adapter_is_not_tuned_further(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no adapter's file"):
        EmbeddedProvider(tmp_path).finetune(None, "adapter.gguf", [], None)
