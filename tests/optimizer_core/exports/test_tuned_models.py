"""A program whose candidate has tuned weights is asked of them, whoever runs it."""

from pathlib import Path
from typing import Any

import dspy
import pytest

from mipro_studio.optimizer_core.config import RunConfig, parse_config
from mipro_studio.optimizer_core.exports.export import put_tuned_models
from mipro_studio.optimizer_core.parameters.seed_program import seed_program
from mipro_studio.optimizer_core.parameters.weights import tuned_of
from mipro_studio.optimizer_core.programs.module_copies import copy_module
from mipro_studio.optimizer_core.types import Candidate, Tuning, TuningState
from tests.optimizer_core.builders import ROOT

ENDPOINT = {"model": "openai/task", "api_base": "http://127.0.0.1:9/v1"}
TUNINGS = [
    Tuning(number, TuningState.TUNED, f"job-{number}", "i0d0-i0d0", facts={"tuned": f"tuned-{number}"})
    for number in (1, 2)
]


def put(candidate: str, **settings: Any) -> dict[str, dspy.BaseLM | None]:
    config: RunConfig = parse_config({"program": "tests/programs/desk.py", "task_model": ENDPOINT, **settings})
    program = seed_program(config, ROOT)
    module = copy_module(program.module)
    names = [info.name for info in program.predictors]
    put_tuned_models(module, config, program, tuned_of(Candidate.parse(candidate), names, TUNINGS))
    return {name: predictor.lm for name, predictor in module.named_predictors()}


def names_of(models: dict[str, dspy.BaseLM | None]) -> dict[str, str | None]:
    return {name: None if lm is None else lm.model for name, lm in models.items()}


@pytest.mark.parametrize(
    ("candidate", "expected"),
    [
        ("i0d0-i0d0", {"queue": None, "tone": None}),
        ("i0d0-i0d0-w1", {"queue": "openai/tuned-1", "tone": "openai/tuned-1"}),
        ("i0d0w1-i0d0w2", {"queue": "openai/tuned-1", "tone": "openai/tuned-2"}),
        ("i0d0-i0d0w2", {"queue": None, "tone": "openai/tuned-2"}),
    ],
)
def test_predictors_are_asked_of_the_weights_that_the_candidate_has(
    candidate: str, expected: dict[str, str | None]
) -> None:
    assert names_of(put(candidate)) == expected


def test_a_model_that_was_chosen_for_a_predictor_stays_beside_the_program_s_weights() -> None:
    larger = {"models": {"tone": {**ENDPOINT, "model": "openai/larger"}}}
    assert names_of(put("i0d0-i0d0-w1", **larger)) == {"queue": "openai/tuned-1", "tone": None}


def test_adapters_of_several_predictors_are_held_by_one_server() -> None:
    found = put("i0d0w1-i0d0w2", task_model={"model": "embedded"})
    engines = [lm.engine for lm in found.values() if lm is not None]
    assert [engine.adapters for engine in engines] == [(Path("tuned-1"), Path("tuned-2"))] * 2
    assert [engine.adapter for engine in engines] == [0, 1]
