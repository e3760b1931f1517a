"""DSPy's own MIPROv2 search on a landscape: its `_optimize_prompt_parameters`, given the instructions and demos.

The program is a `dspy.Module` whose predictors carry their arm in the instruction and in the demos, as any DSPy
program does; only `dspy.Evaluate` is replaced, by a function that reads the arms off the program, looks the scores
up and counts the program runs.
"""

import logging
from typing import Any

import dspy
from dspy.teleprompt import MIPROv2

from mipro_studio.benchmarks.landscapes.families import ARMS, N_EXAMPLES, Landscape
from mipro_studio.optimizer_core.types import DEMOS, INSTRUCTION, Candidate

__all__ = ["play_dspy"]


class _Program(dspy.Module):  # type: ignore[misc]
    def __init__(self, predictors: int) -> None:
        super().__init__()
        for index in range(predictors):
            setattr(self, f"p{index}", dspy.Predict(dspy.Signature("question -> answer", "0")))


def read_candidate(program: Any) -> Candidate:
    """The arms that a program carries: the instruction's text, and the number in its first demo."""
    chosen: dict[tuple[int, str], int] = {}
    for place, predictor in enumerate(program.predictors()):
        chosen[place, INSTRUCTION] = int(predictor.signature.instructions)
        chosen[place, DEMOS] = predictor.demos[0]["arm"] if predictor.demos else 0
    return Candidate.of(len(program.predictors()), chosen)


def play_dspy(landscape: Landscape, trials: int = 30) -> tuple[list[tuple[int, float]], int]:
    """(curve as in `Played`, program runs) of MIPROv2 with minibatches of 35, a full evaluation every 5 trials."""
    logging.getLogger("dspy").setLevel(logging.ERROR)
    predictors = landscape.family.predictors
    runs = 0
    best = float("-inf")
    curve: list[tuple[int, float]] = []

    def evaluate(program: Any, devset: list[int], **_: Any) -> Any:
        nonlocal runs, best
        candidate = read_candidate(program)
        runs += len(devset)
        score = 100 * float(landscape.row(candidate)[devset].mean())
        if len(devset) == N_EXAMPLES and score > best:
            best = score
            curve.append((runs, landscape.fraction(candidate)))
        return dspy.Prediction(score=score, results=[])

    model = dspy.utils.DummyLM([])
    optimizer = MIPROv2(
        metric=lambda *_: 0, prompt_model=model, task_model=model, auto=None, num_candidates=ARMS, seed=landscape.seed
    )
    optimizer._set_random_seeds(landscape.seed)
    optimizer._optimize_prompt_parameters(
        _Program(predictors),
        {index: [str(arm) for arm in range(ARMS)] for index in range(predictors)},
        [[[{"arm": arm}] if arm else [] for arm in range(ARMS)] for _ in range(predictors)],
        evaluate,
        list(range(N_EXAMPLES)),
        trials,
        True,
        35,
        5,
        landscape.seed,
    )
    return curve, runs
