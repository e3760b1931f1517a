"""What every trainer at a provider must do, with faults at every request."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mipro_studio.optimizer_core.config import RunConfig, parse_config
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.finetuning.job import (
    JobPhase,
    Trainer,
    TrainerRefused,
    TrainerUnavailable,
    TrainingJob,
    TrainingRow,
)
from mipro_studio.optimizer_core.finetuning.providers.openai import OpenAITrainer
from mipro_studio.optimizer_core.finetuning.trainers import (
    PROVIDERS,
    TRAINERS,
    TrainerChoice,
    trainer_choice,
    trainer_for,
)
from mipro_studio.optimizer_core.finetuning.training import TrainingSettings
from tests.optimizer_core.finetuning.providers import KEY, ON_LOOPBACK, Provider

ROWS = (TrainingRow(({"role": "user", "content": "Où?"},), "ici", "where", "1"),)
JOB = TrainingJob("run-7-stage-2", "some/base-model", ROWS, TrainingSettings())


@dataclass
class Case:
    provider: Provider
    make: Callable[[str], Trainer]

    @property
    def trainer(self) -> Trainer:
        return self.make(KEY)


@pytest.fixture(params=list(PROVIDERS))
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    name = request.param
    with ON_LOOPBACK[name]() as provider:
        model = {"model": f"{PROVIDERS[name].prefix}/some/base-model", "api_key_env": "SOME_KEY"}
        told = {"trainer": name, "account": "me", "api_base": provider.url}
        config = parse_config({"program": "a:b", "task_model": model, "finetune": told})
        assert trainer_choice(config).base_model == JOB.base_model
        yield Case(provider, lambda key: PROVIDERS[name].make(config, key))


def test_the_setting_allows_every_trainer() -> None:
    for name in TRAINERS:
        assert parse_config({"program": "a:b", "finetune": {"trainer": name}}).finetune.trainer == name


def test_rows_and_key_go_to_openai_or_to_the_model_s_own_endpoint_and_to_nobody_unasked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SOME_KEY", KEY)
    model = {"model": "openai/gpt-x", "api_key_env": "SOME_KEY"}

    def config(api_base: str | None, trainer: str) -> RunConfig:
        task = {**model, "api_base": api_base}
        return parse_config({"program": "a:b", "task_model": task, "finetune": {"trainer": trainer}})

    assert trainer_choice(config(None, "auto")) == TrainerChoice("openai", "OpenAI", "gpt-x")
    with pytest.raises(BadInput, match="cannot be tuned here"):
        trainer_choice(config("http://127.0.0.1:9/v1", "auto"))
    for api_base, expected in (
        (None, "https://api.openai.com/v1/"),
        ("http://127.0.0.1:9/v1", "http://127.0.0.1:9/v1/"),
    ):
        made = trainer_for(config(api_base, "openai"), tmp_path)
        assert isinstance(made, OpenAITrainer)
        assert str(made._api._client.base_url) == expected


def test_a_job_goes_from_unsent_to_its_model(case: Case) -> None:
    trainer = case.trainer
    assert trainer.status(JOB).phase is JobPhase.UNSENT
    trainer.submit(JOB)
    assert trainer.status(JOB).phase is JobPhase.RUNNING
    case.provider.state = "completed"
    status = trainer.status(JOB)
    assert status.phase is JobPhase.SUCCEEDED
    assert status.tuned is not None and status.tuned.endswith(JOB.id)


def test_the_rows_travel_as_chat_lines(case: Case) -> None:
    case.trainer.submit(JOB)
    (content,) = case.provider.files.values()
    (line,) = content.decode().splitlines()
    assert json.loads(line)["messages"] == [*ROWS[0].messages, {"role": "assistant", "content": "ici"}]
    (job,) = case.provider.jobs.values()
    assert "some/base-model" in json.dumps(job["request"])


@pytest.mark.parametrize("fault", [429, 500, 503, "lost"])
def test_a_failure_at_any_request_begins_no_second_job(case: Case, fault: int | str) -> None:
    """Each submit fails one request later than the one before; whoever asks again finds what was done."""
    for n in range(8):
        case.provider.faults = [*([None] * n), fault]
        try:
            case.trainer.submit(JOB)
            break
        except TrainerUnavailable:
            continue
    else:
        raise AssertionError("it was never submitted")
    case.provider.faults = []
    case.trainer.submit(JOB)
    assert case.provider.submitted == len(case.provider.jobs) == 1
    assert case.trainer.status(JOB).phase is JobPhase.RUNNING


def test_a_job_among_many_is_found_again_by_another_process(case: Case) -> None:
    others = [replace(JOB, id=f"run-7-stage-{number}") for number in range(4)]
    for other in others:
        case.trainer.submit(other)
    case.trainer.submit(JOB)
    assert case.provider.submitted == 4, "the job is one of them"
    case.provider.state = "completed"
    assert {case.trainer.status(other).tuned for other in others} == {
        case.trainer.status(other).tuned for other in reversed(others)
    }
    assert len({case.trainer.status(other).tuned for other in others}) == 4


def test_a_job_may_go_on_from_what_an_earlier_one_came_to(case: Case) -> None:
    case.trainer.submit(replace(JOB, begins_at="me/earlier"))
    (job,) = case.provider.jobs.values()
    asked = job["request"]
    named = [asked.get(name) for name in ("from_checkpoint", "warmStartFrom", "model")]
    assert "me/earlier" in named
    assert not ("baseModel" in asked and "warmStartFrom" in asked)


def test_a_lost_poll_says_so_and_loses_nothing(case: Case) -> None:
    case.trainer.submit(JOB)
    for fault in (500, "lost"):
        case.provider.faults = [fault]
        with pytest.raises(TrainerUnavailable):
            case.trainer.status(JOB)
    assert case.trainer.status(JOB).phase is JobPhase.RUNNING


def test_a_failed_job_says_why(case: Case) -> None:
    case.trainer.submit(JOB)
    case.provider.state = "error"
    status = case.trainer.status(JOB)
    assert (status.phase, status.message) == (JobPhase.FAILED, "the loss is not a number")


def test_a_cancelled_job_stays_cancelled(case: Case) -> None:
    trainer = case.trainer
    trainer.submit(JOB)
    trainer.cancel(JOB)
    trainer.cancel(JOB)
    assert trainer.status(JOB).phase is JobPhase.CANCELLED


def test_a_wrong_key_is_final_and_not_shown(case: Case) -> None:
    with pytest.raises(TrainerRefused, match="401: wrong key") as refused:
        case.make("another-key").submit(JOB)
    assert "another-key" not in str(refused.value)
    assert case.provider.submitted == 0
