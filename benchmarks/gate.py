"""What the gate's sequential test keeps of its promise: `python -m benchmarks.gate`.

Pairs of programs whose answers on a row are right or wrong: the same score for both, and a candidate that is 5 points
worse. Every pair is judged by the test that `mipro-studio gate` uses, and by a test of fixed size on the same rows.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import mean, median
from typing import Any

import numpy as np
from scipy.special import stdtrit

from mipro_studio.optimizer_core.analysis.sequential import Decision, SequentialTest, Verdict, fixed_size, run

ALPHA, MARGIN = 0.1, 0.05


@dataclass(frozen=True)
class Told:
    """One line of the table: how often each test was wrong, and the rows that it read."""

    loss: float
    differing: float
    wrong: float
    undecided: float
    rows_mean: float
    rows_median: float
    rows_p90: float
    fixed_rows: int
    fixed_wrong: float


def differences(rng: np.random.Generator, n: int, loss: float, differing: float) -> Any:
    """`n` paired differences in {-1, 0, 1}: a share of `differing` rows differ, and the mean is -`loss`."""
    worse, better = (differing + loss) / 2, (differing - loss) / 2
    return rng.choice([-1.0, 0.0, 1.0], size=n, p=[worse, 1 - differing, better])


def simulate(pairs: int, loss: float, differing: float, rows: int, seed: int) -> Told:
    """`pairs` pairs of programs with `rows` rows each."""
    rng = np.random.default_rng([seed, round(loss * 1000), round(differing * 1000)])
    fixed = fixed_size(differing - loss**2, MARGIN, ALPHA)
    bad = Decision.PASS if loss >= MARGIN else Decision.FAIL
    verdicts: list[Verdict] = []
    fixed_wrong = 0
    for _ in range(pairs):
        seen = differences(rng, max(rows, fixed), loss, differing)
        verdicts.append(run(SequentialTest(-MARGIN, 0.0, ALPHA, 1.0), seen[:rows].tolist()))
        fixed_wrong += passes_fixed(seen[:fixed]) is (loss >= MARGIN)
    read = [verdict.rows for verdict in verdicts]
    return Told(
        loss,
        differing,
        mean(verdict.decision is bad for verdict in verdicts),
        mean(verdict.decision is Decision.UNDECIDED for verdict in verdicts),
        mean(read),
        median(read),
        float(np.quantile(read, 0.9)),
        fixed,
        fixed_wrong / pairs,
    )


def passes_fixed(seen: Any) -> bool:
    """Non-inferiority by Student's one-sided interval on a fixed number of rows."""
    half = float(stdtrit(len(seen) - 1, 1 - ALPHA)) * seen.std(ddof=1) / np.sqrt(len(seen))
    return bool(seen.mean() - half > -MARGIN)


def table(told: Iterator[Told]) -> Iterator[str]:
    yield (
        "| true difference | rows that differ | wrong, of at most 10 % | undecided | rows read: mean, median, 90 % "
        "| fixed size | its errors |"
    )
    yield "|---:|---:|---:|---:|---:|---:|---:|"
    for one in told:
        kind = "misses" if one.loss else "false alarms"
        yield (
            f"| {0.0 - one.loss:.2f} | {one.differing:.0%} | {one.wrong:.1%} {kind} | {one.undecided:.1%} | "
            f"{one.rows_mean:.0f}, {one.rows_median:.0f}, {one.rows_p90:.0f} | {one.fixed_rows} "
            f"| {one.fixed_wrong:.1%} |"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--rows", type=int, default=2000, help="rows that there are for each pair")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    cases = [(loss, differing) for differing in (0.1, 0.2, 0.3) for loss in (0.0, MARGIN)]
    told = (simulate(given.pairs, loss, differing, given.rows, given.seed) for loss, differing in cases)
    for line in table(told):
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
