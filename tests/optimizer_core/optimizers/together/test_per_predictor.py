"""Weights of each predictor's own: tuned on its own calls, asked for by it alone, durable as any."""

import pytest

from mipro_studio.optimizer_core.finetuning.job import TrainingJob
from mipro_studio.optimizer_core.parameters.weights import all_weights
from mipro_studio.optimizer_core.types import Candidate, Status, TuningState
from tests.loopback import LoopbackEndpoint
from tests.optimizer_core.builders import live
from tests.optimizer_core.optimizers import small
from tests.optimizer_core.optimizers.together.test_better_together import prefixes, run, settings, tunings, whole_run
from tests.optimizer_core.optimizers.together.trainer import ScriptedTrainer
from tests.optimizer_core.runs.test_plan import assert_in, plan_of

OWN = {"owner": "predictor"}


def _owners(job: TrainingJob) -> set[str]:
    return {row.predictor for row in job.rows}


def _models_of(model: LoopbackEndpoint, predictor: str) -> set[str]:
    return {
        one["body"]["model"]
        for one in model.requests()
        if f"## {predictor} ##" in one["body"]["messages"][-1]["content"]
    }


def test_each_predictor_is_tuned_on_its_own_calls_and_answers_with_its_own_weights(
    model: LoopbackEndpoint, trainer: ScriptedTrainer
) -> None:
    model.reset()
    life = run(model, optimizer="bootstrap_finetune", finetune=OWN)
    assert life.ending.status is Status.COMPLETED, life.ending
    assert life.winner == "i0d0w1-i0d0w2"
    assert all_weights(Candidate.parse(life.winner)) == {0: 1, 1: 2}
    assert [_owners(job) for job in trainer.jobs.values()] == [{"queue"}, {"tone"}]
    assert [one.facts["predictor"] for one in tunings(life)] == ["queue", "tone"]
    assert life.journal.outcome().best_test["mean"] == 1.0
    assert {name for name in _models_of(model, "queue") if "tuned" in name} == {"tuned-1"}
    assert {name for name in _models_of(model, "tone") if "tuned" in name} == {"tuned-2"}
    bars = {one.name: one.arms for one in life.context.space.parameters if one.kind == "weights"}
    assert bars == {"queue: weights": (0, 1), "tone: weights": (0, 2)}


def test_a_step_of_prompts_begins_on_all_weights_and_a_second_tuning_goes_on_from_each(
    model: LoopbackEndpoint, trainer: ScriptedTrainer
) -> None:
    life = run(model, finetune={**OWN, "strategy": "w -> w -> p"})
    assert life.ending.status is Status.COMPLETED, life.ending
    found = [all_weights(Candidate.parse(one)) for one in prefixes(life).values()]
    assert found == [{}, {0: 1, 1: 2}, {0: 3, 1: 4}, {0: 3, 1: 4}]
    assert [job.begins_at for job in trainer.jobs.values()] == [None, None, "tuned-1", "tuned-2"]
    plan = plan_of(life.context.config)
    assert_in(plan, life)
    assert plan["tuning"]["tunings"] == 4
    assert max(len(one.rows) for one in tunings(life)) <= plan["tuning"]["rows"] == small.SIZES["train"]


def test_a_frozen_predictor_keeps_the_weights_that_the_model_came_with(
    model: LoopbackEndpoint, trainer: ScriptedTrainer
) -> None:
    life = run(model, optimizer="bootstrap_finetune", finetune=OWN, search={"freeze": ["queue"]})
    assert life.ending.status is Status.COMPLETED, life.ending
    assert [_owners(job) for job in trainer.jobs.values()] == [{"tone"}]
    assert {all_weights(Candidate.parse(trial.candidate)).get(0) for trial in life.trials} == {None}


@pytest.mark.parametrize("commits", [6, 18, 30, 34, 38, 42, 60])
def test_a_killed_run_loses_no_predictor_s_job_and_ends_alike(
    model: LoopbackEndpoint, trainer: ScriptedTrainer, commits: int
) -> None:
    config = settings(model, finetune={**OWN, "strategy": "p -> w -> p"})
    memory = small.journal()
    small.killed(config, memory, commits)
    jobs = {tuning.job for tuning in memory.tunings()}
    life = live(config, memory)
    assert life.ending.status is Status.COMPLETED, life.ending
    assert jobs <= trainer.jobs.keys()
    assert list(trainer.submitted.values()) == [1, 1], "a job a predictor, submitted once"
    whole = whole_run(model, **OWN, strategy="p -> w -> p")
    assert prefixes(life) == prefixes(whole)
    assert [one.rows for one in tunings(life)] == [one.rows for one in tunings(whole)]


def test_a_person_reads_the_rows_of_every_predictor(model: LoopbackEndpoint, trainer: ScriptedTrainer) -> None:
    memory = small.journal()
    config = settings(model, "bootstrap_finetune", review=True, finetune=OWN)
    for gate in (1, 2):
        life = live(config, memory, approved=gate - 1)
        assert life.ending.status is Status.AWAITING_REVIEW
        assert f"for weights {gate} (" in life.ending.reason
        assert len(trainer.jobs) == gate - 1
        assert [one.number for one in memory.tunings()] == [1, 2], "all are written down before any is trained on"
    assert live(config, memory, approved=2).ending.status is Status.COMPLETED


def test_one_predictor_s_job_that_fails_is_tried_again_and_the_other_is_not(
    model: LoopbackEndpoint, trainer: ScriptedTrainer
) -> None:
    trainer.fails = {1}
    memory = small.journal()
    assert run(model, memory, "bootstrap_finetune", finetune=OWN).ending.status is Status.FAILED
    assert [one.state for one in memory.tunings()] == [TuningState.TUNED, TuningState.FAILED]
    second = live(settings(model, "bootstrap_finetune", finetune=OWN), memory, failed_before=True)
    assert second.ending.status is Status.COMPLETED
    assert [_owners(job) for job in trainer.jobs.values()] == [{"queue"}, {"tone"}, {"tone"}]
