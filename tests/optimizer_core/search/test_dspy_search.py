"""MIPROv2's own search, told the scores of a run of ours, comes to the suggestions of that run."""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import dspy
import pytest
from dspy.teleprompt import MIPROv2

from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.data import example_id
from mipro_studio.optimizer_core.evaluation.journal import MemoryJournal
from mipro_studio.optimizer_core.programs.program import load_program
from mipro_studio.optimizer_core.runs.presets import resolve
from mipro_studio.optimizer_core.types import Candidate, Example, Split, Status, Trial, TrialKind
from tests.arms import demo_sets_of, instructions_of, of_pairs
from tests.optimizer_core.builders import ROOT
from tests.optimizer_core.crashing import Stage, live
from tests.programs import desk

QUICK = "tests/programs/quick.py"


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage() as stage:
        yield stage


class Program(dspy.Module):
    """Predictors that carry their arm in the instruction and in the first demo."""

    def __init__(self, predictors: int) -> None:
        super().__init__()
        for index in range(predictors):
            setattr(self, f"p{index}", dspy.Predict(dspy.Signature("question -> answer", "0")))


def arms_of(program: Any) -> list[tuple[int, int]]:
    return [
        (int(predictor.signature.instructions), predictor.demos[0]["arm"] if predictor.demos else 0)
        for predictor in program.predictors()
    ]


def rows(train: int, val: int, test: int) -> list[Example]:
    made = []
    data = iter(desk.rows(train + val + test))
    for split, count in ((Split.TRAIN, train), (Split.VAL, val), (Split.TEST, test)):
        for position in range(count):
            row = next(data)
            inputs, labels = {"message": row["message"]}, {"queue": row["queue"], "tone": row["tone"]}
            made.append(Example(example_id(inputs, labels), split, position, inputs, labels))
    return made


def active(arms: Any) -> list[list[int]]:
    """Indices of active arms by predictor, in order."""
    found: dict[str, list[int]] = {}
    for arm in arms:
        found.setdefault(arm.owner, []).extend([arm.index] if arm.active else [])
    return [sorted(found[name]) for name in ("queue", "tone") if name in found]


def dspys(config: RunConfig, journal: MemoryJournal, trials: Sequence[Trial]) -> list[tuple[str, Candidate]]:
    """(kind, candidate) of every evaluation that MIPROv2 makes, given the run's arms, seed, settings and scores."""
    instructions, sets = active(instructions_of(journal)), active(demo_sets_of(journal))
    demos, n_val, search = config.optimizer == "mipro", len(trials[0].examples), config.search
    told = iter(trials)
    made: list[tuple[str, Candidate]] = []

    def evaluate(program: Any, devset: Sequence[int], **_: Any) -> Any:
        chosen = enumerate(arms_of(program))
        choices = [(instructions[at][text], sets[at][demo] if demos else 0) for at, (text, demo) in chosen]
        made.append(("full" if len(devset) == n_val else "minibatch", of_pairs(choices)))
        mean = next(told).mean
        assert mean is not None
        return dspy.Prediction(score=round(100 * mean, 2), results=[])

    model = dspy.utils.DummyLM([])
    optimizer = MIPROv2(metric=lambda *_: 0, prompt_model=model, task_model=model, auto=None, num_candidates=6)
    optimizer._set_random_seeds(config.seed)
    optimizer._optimize_prompt_parameters(
        Program(len(instructions)),
        {place: [str(n) for n in range(len(found))] for place, found in enumerate(instructions)},
        [[[{"arm": n}] if n else [] for n in range(len(found))] for found in sets] if demos else None,
        evaluate,
        list(range(n_val)),
        search.trials,
        search.schedule == "minibatch",
        search.minibatch_size,
        search.full_eval_every,
        config.seed,
    )
    return made


def ours(trials: Sequence[Trial]) -> list[tuple[str, Candidate]]:
    words = {TrialKind.MINIBATCH: "minibatch"}
    return [(words.get(trial.kind, "full"), Candidate.parse(trial.candidate)) for trial in trials]


@pytest.mark.parametrize(
    ("optimizer", "preset", "program", "n_val", "seed"),
    [
        ("mipro", "light", "Desk", 60, 0),
        ("mipro", "light", "QueueOnly", 60, 0),
        ("mipro", "light", "QueueOnly", 60, 3),
        ("mipro", "medium", "Desk", 60, 3),
        ("mipro", "light", "QueueOnly", 24, 0),  # all in full: DSPy makes no minibatches of so few rows
        ("zero_shot_mipro", "medium", "Desk", 60, 3),
        ("mipro", "paper", "QueueOnly", 60, 0),
    ],
)
def test_the_search_is_miprov2s(
    stage: Stage, optimizer: str, preset: str, program: str, n_val: int, seed: int
) -> None:
    logging.getLogger("dspy").setLevel(logging.ERROR)
    config = stage.plain(program=f"{QUICK}:{program}", optimizer=optimizer, preset=preset, seed=seed)
    journal = MemoryJournal()
    journal.commit(rows(20, n_val, 4))
    assert live(config, journal, timing=seed).status is Status.COMPLETED
    trials = sorted(journal.trials(), key=lambda trial: trial.order)

    assert [trial.known for trial in trials] == [trial.order for trial in trials]
    resolved = resolve(config, load_program(config.program, ROOT), n_val)
    found = dspys(resolved, journal, trials)
    assert ours(trials) == found
    assert sum(kind == "full" for kind, _ in found) > 1
