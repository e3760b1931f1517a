"""Whether there is anything to gain, said early: do candidates differ by more than rows and luck explain?

Each candidate's cells are compared with what is usual on their rows. r[c] is the sum of its residuals and v[c] their
variance if all candidates were alike; then z = (sum r^2 / v - C) / sqrt(2 C) is near 0, and large where arms differ.
The probability is a logistic function of z, fitted on simulated landscapes with and without effects
(`python -m benchmarks.landscapes.headroom`).
"""

import math
from collections.abc import Mapping, Sequence

__all__ = ["chance_of_gain", "spread", "verdict", "verdict_after"]

USUAL = 3.0
"""Cells that a row's mean is drawn towards the mean of all by."""
AT_ZERO, SLOPE = -2.25, 1.13
"""Of the logistic function."""
LEAST, MOST = 4, 10
"""Trials that the verdict waits for at least and at most: a tenth of all between them."""
WORDS = (
    (0.75, "There is something to gain"),
    (0.4, "There may be something to gain"),
    (0.0, "There may be nothing to gain"),
)


def verdict_after(trials: int) -> int:
    """Number of the trial after which the verdict is said."""
    return max(LEAST, min(MOST, trials // 10))


def spread(rows: Sequence[Mapping[str, float]]) -> float | None:
    """z of the candidates' scores by row; None where there is too little to say anything."""
    rows = [row for row in rows if row]
    values = [score for row in rows for score in row.values()]
    if len(rows) < LEAST or not values or max(values) == min(values):
        return None
    low, width = min(*values, 0.0), max(*values, 1.0) - min(*values, 0.0)
    scaled = [{name: (score - low) / width for name, score in row.items()} for row in rows]
    mean = math.fsum(score for row in scaled for score in row.values()) / len(values)
    usual = _usual(scaled, mean)
    squares, expected = 0.0, 0.0
    phi = _dispersion(scaled, usual)
    for row in scaled:
        residual = math.fsum(score - usual[name] for name, score in row.items())
        variance = phi * math.fsum(usual[name] * (1 - usual[name]) for name in row)
        squares += residual**2 / max(variance, 1e-9)
        expected += 1
    return (squares - expected) / math.sqrt(2 * expected)


def _usual(rows: Sequence[Mapping[str, float]], mean: float) -> dict[str, float]:
    """The mean of every row of the data, drawn towards that of all."""
    scores: dict[str, list[float]] = {}
    for row in rows:
        for name, score in row.items():
            scores.setdefault(name, []).append(score)
    usual = {name: (math.fsum(found) + USUAL * mean) / (len(found) + USUAL) for name, found in scores.items()}
    return {name: min(max(value, 0.02), 0.98) for name, value in usual.items()}


def _dispersion(rows: Sequence[Mapping[str, float]], usual: Mapping[str, float]) -> float:
    """How much cells scatter, as a share of what coins would."""
    squares = [
        (score - usual[name]) ** 2 / (usual[name] * (1 - usual[name])) for row in rows for name, score in row.items()
    ]
    return max(math.fsum(squares) / len(squares), 0.02)


def chance_of_gain(z: float) -> float:
    """The probability that arms differ."""
    return 1 / (1 + math.exp(-(AT_ZERO + SLOPE * z)))


def verdict(rows: Sequence[Mapping[str, float]]) -> tuple[float, str] | None:
    """The probability that there is something to gain, and the sentence that says so."""
    z = spread(rows)
    if z is None:
        return None
    chance = chance_of_gain(z)
    words = next(said for least, said in WORDS if chance >= least)
    cells = sum(map(len, rows))
    return (
        chance,
        f"{words}: after {cells} cells the probability that candidates differ by more than luck is {chance:.0%}.",
    )
