"""Starting from what an earlier run learned on another model: how many program runs it spares, and what it costs
where it says nothing.

    python -m benchmarks.carrying --seeds 6 --cache FILE

Two landscapes of a family are two models: the tables of the second are those of the first, times the correlation, and
tables of its own. The first is searched once with 1,890 program runs, as many as DSPy's MIPROv2 takes with 30 trials.
The second is searched from scratch with as many, and with a half, a quarter and an eighth, from what was learned on
the first. Scores are true scores as a share of the best possible.
"""

import argparse
import statistics
from pathlib import Path

from mipro_studio.benchmarks.landscapes.families import FAMILIES, Landscape
from mipro_studio.benchmarks.landscapes.jobs import DEFAULT, METHODS
from mipro_studio.benchmarks.landscapes.remember import Values, remembered
from mipro_studio.benchmarks.landscapes.simulate import Played, play
from mipro_studio.optimizer_core.analysis.learned import WON, worths
from mipro_studio.optimizer_core.config import parse_config
from mipro_studio.optimizer_core.parameters.arm_features import WORTH
from mipro_studio.optimizer_core.types import Arm, Author, Split

__all__ = ["Related", "carried_by", "measure"]

RUNS = 1890
SHARES = (1.0, 0.5, 0.25, 0.125)
OTHER = 10_000
"""The second model of seed s is drawn with seed s + OTHER."""


class Related(Landscape):
    """A landscape whose effects and rows correlate with those of `first` by `correlation`."""

    def __init__(self, first: Landscape, correlation: float) -> None:
        super().__init__(first.family, first.seed + OTHER)
        own = (1 - correlation**2) ** 0.5
        for name in ("instruction", "demos", "pair", "cross", "easiness"):
            setattr(self, name, correlation * getattr(first, name) + own * getattr(self, name))


def carried_by(played: Played) -> list[Arm]:
    """The arms of a search with what they were worth in it."""
    names = played.space.predictors
    worth = worths(len(names), played.table.scores(Split.VAL), {})
    return [
        Arm(names[place], kind, index, {}, Author.MODEL, {WORTH: value, WON: played.winner.arm(place, kind) == index})
        for (place, kind), of_arms in worth.items()
        for index, value in of_arms.items()
        if index
    ]


def measure(family: int, seed: int, correlation: float) -> Values:
    """True scores as shares of the best, from scratch and carried, by the share of the program runs."""
    first = Landscape(FAMILIES[family], seed)
    second = Related(first, correlation)
    carried = carried_by(_played(first, seed, RUNS))
    found: Values = {}
    for share in SHARES:
        runs = int(share * RUNS)
        found[f"scratch {share}"] = second.fraction(_played(second, seed, runs).winner)
        found[f"carried {share}"] = second.fraction(_played(second, seed, runs, carried).winner)
    return found


def _played(landscape: Landscape, seed: int, runs: int, carried: "list[Arm] | tuple[()]" = ()) -> Played:
    settings = {"program": "simulated", "seed": seed, "budget": {"max_program_runs": runs}}
    return play(landscape, parse_config({**METHODS[DEFAULT], **settings}), carried)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--correlations", default="0.7,0")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--cache", type=Path)
    said = parser.parse_args()
    correlations = [float(one) for one in said.correlations.split(",")]
    seeds = range(said.first, said.first + said.seeds)
    calls = {
        f"{family}|{seed}|{correlation}": (family, seed, correlation)
        for correlation in correlations
        for family in range(len(FAMILIES))
        for seed in seeds
    }
    found = remembered(measure, calls, said.processes, said.cache)
    for correlation in correlations:
        print(_table(correlation, [found[key] for key, call in calls.items() if call[2] == correlation]))


def _table(correlation: float, results: list[Values]) -> str:
    whole = statistics.mean(one["scratch 1.0"] for one in results)
    lines = [
        f"correlation {correlation:g}: {len(results)} pairs",
        "| program runs | from scratch | carried over | of the whole from scratch |",
        "|---|---:|---:|---:|",
    ]
    for share in SHARES:
        scratch, carried = (
            statistics.mean(one[f"{how} {share}"] for one in results) for how in ("scratch", "carried")
        )
        lines.append(f"| {share:.1%} of {RUNS} | {scratch:.3f} | {carried:.3f} | {carried / whole:.1%} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
