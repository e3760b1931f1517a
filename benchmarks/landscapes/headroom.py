"""How well the early verdict tells landscapes with something to gain from those without.

    python -m benchmarks.landscapes.headroom [--fit]

Each of ten families, two seeds, with its effects and without: 40 runs of the default search, looked at after a tenth
of its trials. `--fit` prints the logistic function for other seeds (100 to 109).
"""

import argparse
from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize

from mipro_studio.benchmarks.landscapes.families import FAMILIES, Landscape
from mipro_studio.benchmarks.landscapes.simulate import play
from mipro_studio.optimizer_core.analysis.headroom import chance_of_gain, spread, verdict_after
from mipro_studio.optimizer_core.config import parse_config
from mipro_studio.optimizer_core.types import Split

__all__ = ["area", "measure"]

TRIALS = 100


def measure(seeds: Sequence[int]) -> list[tuple[str, bool, float]]:
    """(family, whether it has effects, z) of every family and seed."""
    found = []
    number = verdict_after(TRIALS)
    for family in FAMILIES:
        for seed in seeds:
            for flat in (False, True):
                settings = {"program": "simulated", "seed": seed, "search": {"trials": number, "made": 0}}
                played = play(Landscape(family, seed, flat), parse_config(settings))
                asked: dict[str, dict[str, None]] = {}
                for trial in played.trials:
                    if trial.number <= number and (trial.number == 0 or trial.kind.value == "minibatch"):
                        asked.setdefault(trial.candidate, {}).update(dict.fromkeys(trial.examples))
                rows = [
                    {name: played.table.row(candidate, Split.VAL)[name].score or 0.0 for name in names}
                    for candidate, names in asked.items()
                ]
                z = spread(rows)
                assert z is not None
                found.append((family.name, not flat, z))
    return found


def area(found: Sequence[tuple[str, bool, float]]) -> float:
    """Area under the curve: how often a landscape with effects has the higher z of two."""
    yes, no = ([z for _, gain, z in found if gain is wanted] for wanted in (True, False))
    return float(np.mean([(a > b) + 0.5 * (a == b) for a in yes for b in no]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fit", action="store_true")
    said = parser.parse_args()
    found = measure(range(100, 110) if said.fit else range(2))
    print(f"AUC {area(found):.3f} on {len(found)} runs")
    if said.fit:
        z, y = np.array([one[2] for one in found]), np.array([one[1] for one in found])
        loss = lambda w: float(np.logaddexp(0, -(2 * y - 1) * (w[0] + w[1] * z)).sum())  # noqa: E731
        print("AT_ZERO, SLOPE =", minimize(loss, np.zeros(2)).x.round(3).tolist())
        return
    chances = np.array([chance_of_gain(one[2]) for one in found])
    truth = np.array([one[1] for one in found])
    for low, high in ((0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.01)):
        inside = (chances >= low) & (chances < high)
        if inside.any():
            print(
                f"said {low:.2f} to {min(high, 1):.2f}: {inside.sum()} runs, {truth[inside].mean():.2f} with effects"
            )


if __name__ == "__main__":
    main()
