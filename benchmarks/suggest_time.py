"""How long choosing the next candidate takes: 4 predictors, 40 x 40 arms each, 5,000 cells.

Run `python -m benchmarks.suggest_time`; with `--answers` every cell has an answer of each predictor, which the
surrogate of `studio` learns from (`surrogates.credit`).
"""

import argparse
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace

from mipro_studio.optimizer_core.parameters.arm_features import features_of
from mipro_studio.optimizer_core.parameters.demos import demos_arm
from mipro_studio.optimizer_core.parameters.instruction import instruction_arm
from mipro_studio.optimizer_core.parameters.space import SearchSpace
from mipro_studio.optimizer_core.search.surrogates import ItemResponse, Observation, Surrogate, TpeSurrogate
from mipro_studio.optimizer_core.types import DEMOS, INSTRUCTION, Arm, Author, Demo

Tables = dict[str, dict[str, dict[int, Arm]]]
"""kind -> predictor -> index -> arm."""

__all__ = ["measure", "observations", "random_contents"]

PREDICTORS = ("a", "b", "c", "d")
ARMS = 40
ANSWERS = ("billing", "technical", "shipping", "account", "other")
CANDIDATES = (25, 50, 100, 120, 150, 200, 250, 300, 350, 400)


def observations(space: SearchSpace, n_candidates: int, n_cells: int, seed: int = 0) -> list[Observation]:
    """`n_candidates` random candidates that share `n_cells` cells, on the first of 200 examples."""
    rng = random.Random(seed)
    found = []
    for index in range(n_candidates):
        n = n_cells // n_candidates + (index < n_cells % n_candidates)
        scores = {f"e{example}": float(rng.random() < 0.5) for example in range(n)}
        found.append(Observation(space.random(rng), sum(scores.values()) / n, n, scores))
    return found


def random_contents(names: Sequence[str], n: int, seed: int = 0) -> Tables:
    """`n` instructions of fifty words and sets of four demos of thirty rows, of every predictor."""
    rng = random.Random(seed)
    words = [f"word{index}" for index in range(300)]
    rows = [Demo({"answer": rng.choice(ANSWERS)}, False, f"r{index}") for index in range(30)]
    written = [
        instruction_arm(name, index, " ".join(rng.choices(words, k=50)), Author.MODEL, {"tip": index % 5})
        for name in names
        for index in range(n)
    ]
    sets = [demos_arm(name, index, "shuffled", rng.sample(rows, 4)) for name in names for index in range(n)]
    tables: Tables = {}
    for arm in (*written, *sets):
        tables.setdefault(arm.kind, {}).setdefault(arm.owner, {})[arm.index] = arm
    return tables


def answered(observed: Sequence[Observation], seed: int = 1) -> list[Observation]:
    """`observed` with answers of all predictors on every cell: right where the row passed, else in three of five."""
    rng = random.Random(seed)
    found = []
    for one in observed:
        answers = {
            row: tuple(
                (place, "right" if score or rng.random() < 0.6 else rng.choice("abcd"))
                for place in range(len(PREDICTORS))
            )
            for row, score in one.scores.items()
        }
        found.append(replace(one, answers=answers))
    return found


def measure(surrogate: Surrogate, n_candidates: int, repeats: int = 9, answers: bool = False) -> tuple[float, float]:
    """Median (wall, processor) seconds of one suggestion."""
    space = SearchSpace(
        PREDICTORS, {kind: {name: range(ARMS) for name in PREDICTORS} for kind in (INSTRUCTION, DEMOS)}
    )
    space.features = features_of(dict.fromkeys(PREDICTORS, ("answer",)), random_contents(PREDICTORS, ARMS))
    observed = observations(space, n_candidates, 5_000)
    observed = answered(observed) if answers else observed
    surrogate.suggest(space, observed, [], frozenset(), 0)
    wall, cpu = [], []
    for seed in range(repeats):
        start, start_cpu = time.perf_counter(), time.thread_time()
        surrogate.suggest(space, observed, [], frozenset(), seed)
        wall.append(time.perf_counter() - start)
        cpu.append(time.thread_time() - start_cpu)
    return statistics.median(wall), statistics.median(cpu)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", action="store_true", help="cells with answers in between")
    said = parser.parse_args()
    for n_candidates in CANDIDATES:
        for surrogate in (ItemResponse(), TpeSurrogate()):
            wall, cpu = measure(surrogate, n_candidates, answers=said.answers)
            name = type(surrogate).__name__
            print(
                f"{name:14} {n_candidates:4} candidates  {1000 * wall:6.1f} ms wall  {1000 * cpu:6.1f} ms processor"
            )


if __name__ == "__main__":
    main()
