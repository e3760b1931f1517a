"""The studio where DSPy expects one of its own optimizers."""

from pathlib import Path
from typing import Any

import dspy
import pytest
from dspy.teleprompt import BetterTogether, LabeledFewShot, Teleprompter

from mipro_studio import StudioOptimizer, worker
from mipro_studio.optimizer_core.errors import BadInput
from tests.inside import _NoMirror
from tests.python_call.scripted_lm import rows, sorter

SMALL: dict[str, Any] = {"max_program_runs": 60, "trials": 6, "display": "none", "threads": 4}


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(worker, "Mirror", _NoMirror)


def right(example: dspy.Example, prediction: dspy.Prediction, trace: Any = None) -> bool:
    return bool(example.parity == prediction.parity)


def student() -> dspy.Predict:
    made = dspy.Predict("number: int -> parity")
    made.set_lm(sorter())
    return made


def test_it_compiles_like_any_other() -> None:
    optimizer = StudioOptimizer(right, optimizer="bootstrap_rs", **SMALL)
    assert isinstance(optimizer, Teleprompter)
    seed = student()
    compiled = optimizer.compile(seed, trainset=rows(20), valset=rows(16, 100))
    assert compiled is not seed
    assert compiled(number=44).parity == "even"
    assert seed(number=44).parity == "odd"
    assert compiled.lm is seed.lm
    assert compiled.detailed_results is optimizer.result
    assert optimizer.result is not None
    assert optimizer.result.facts["optimizer"] == "bootstrap_rs"


@pytest.mark.parametrize("strategy", ["studio", "labels -> studio", "studio -> labels", "studio -> studio"])
def test_it_is_a_step_of_better_together(strategy: str) -> None:
    steps = {"studio": StudioOptimizer(right, **SMALL), "labels": LabeledFewShot(k=1)}
    together = BetterTogether(right, **steps)
    best = together.compile(student(), trainset=rows(40), valset=rows(12, 100), strategy=strategy, num_threads=1)
    assert not best.flag_compilation_error_occurred
    assert len(best.candidate_programs) == 1 + len(strategy.split(" -> "))
    assert best.candidate_programs[0]["score"] == 100.0
    assert "studio" in best.candidate_programs[0]["strategy"]


def test_arguments_of_one_step_reach_it() -> None:
    studio = StudioOptimizer(right, **SMALL)
    together = BetterTogether(right, p=studio)
    args = {"p": {"testset": rows(6, 300)}}
    together.compile(
        student(), trainset=rows(40), valset=rows(12, 100), strategy="p", num_threads=1, optimizer_compile_args=args
    )
    assert studio.result is not None
    assert studio.result.facts["test_examples"] == 6


def test_a_teacher_that_is_a_program_is_refused_with_what_to_do() -> None:
    with pytest.raises(BadInput, match=r"not a program.*dspy\.LM"):
        StudioOptimizer(right, **SMALL).compile(student(), trainset=rows(20), teacher=student())
