"""Does importance find what is there, and nothing where nothing is? Landscapes with one known effect or none."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

from scipy.special import expit, logit

from benchmarks.landscapes.families import Family, Landscape
from benchmarks.landscapes.simulate import play
from optimizer_core.config import parse_config
from optimizer_core.importance import INTERACTION, importance
from optimizer_core.types import Candidate, Split

__all__ = ["ARMS", "DESIGNS", "EFFECT", "Finding", "Planted", "find", "find_all"]

BASE, EFFECT = 0.4, 0.15
WHERE = ("p0", "demos")

ARMS = 6

DESIGNS: dict[str, dict[str, Any]] = {
    **{
        f"30 trials of 35 cells ({surrogate})": {"surrogate": surrogate, "schedule": "minibatch", "trials": 30}
        for surrogate in ("item_response", "tpe", "random")
    },
    "the default (item_response, a race of 100 small trials)": {},
}
"""In 30 trials of 35 cells, fANOVA on TPE's means named the right one of four variables of six arms in 17 of 20."""


class Planted(Landscape):
    """Two predictors, four variables of six arms; half of one variable's arms score `effect` more on average."""

    def __init__(self, seed: int, effect: float) -> None:
        super().__init__(Family("planted", 2, 0.0, 0.0, 0.0, "binary", ARMS), seed, flat=True)
        self._effect = effect
        # The logits at which the mean over examples is BASE, and BASE + effect.
        self._low, self._high = self._at(BASE), self._at(BASE + effect)

    def _at(self, score: float) -> float:
        low, high = float(logit(score)) - 3, float(logit(score)) + 3
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (middle, high) if float(expit(middle + self.easiness).mean()) < score else (low, middle)
        return low

    def logit(self, candidate: Candidate) -> float:
        return self._high if candidate.choices[0][1] % 2 else self._low


@dataclass(frozen=True)
class Finding:
    """What importance said of one landscape.

    Attributes:
        any_real: Some bar was called real.
        named: Of the four variables' bars, the planted one's stands first.
        real: Its bar stands first of all, interactions included, and is called real.
    """

    any_real: bool
    named: bool
    real: bool


def find(design: str, seed: int, effect: float) -> Finding:
    landscape = Planted(seed, effect)
    played = play(landscape, parse_config({"program": "simulated", "seed": seed, "search": DESIGNS[design]}))
    rows = importance(played.table.scores(Split.VAL), played.space, seed)
    where = [(row["predictor"], row["kind"]) for row in rows]
    named = next(place for place in where if place[1] != INTERACTION) == WHERE
    return Finding(any(row["real"] for row in rows), named, where[0] == WHERE and rows[0]["real"])


def find_all(design: str, seeds: range, effect: float, processes: int) -> list[Finding]:
    n = len(seeds)
    with ProcessPoolExecutor(processes) as pool:
        return list(pool.map(find, [design] * n, seeds, [effect] * n, chunksize=5))
