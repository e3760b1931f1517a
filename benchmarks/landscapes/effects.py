"""Does importance find what is there, and nothing where nothing is? Landscapes with one known effect or none."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scipy.special import expit, logit

from mipro_studio.benchmarks.landscapes.families import Family, Landscape
from mipro_studio.benchmarks.landscapes.remember import remembered
from mipro_studio.benchmarks.landscapes.simulate import play
from mipro_studio.benchmarks.suggest_time import random_contents
from mipro_studio.optimizer_core.analysis.importance import ERROR, importance
from mipro_studio.optimizer_core.config import parse_config
from mipro_studio.optimizer_core.parameters.arm_features import features_of
from mipro_studio.optimizer_core.parameters.registry import KINDS
from mipro_studio.optimizer_core.types import DEMOS, Candidate, Split

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
        return self._high if candidate.arm(0, DEMOS) % 2 else self._low


@dataclass(frozen=True)
class Finding:
    """What importance said of one landscape.

    Attributes:
        least: The smallest p-value of all bars.
        named: Of the four variables' bars, the planted one's stands first.
        p_value: That bar's.
    """

    least: float
    named: bool
    p_value: float

    @property
    def any_real(self) -> bool:
        """Whether some bar was called real."""
        return self.least <= ERROR

    @property
    def real(self) -> bool:
        """Whether the planted variable was named and called real."""
        return self.named and self.p_value <= ERROR


def find(design: str, seed: int, effect: float, described: bool = False) -> Finding:
    """One search and what importance says of it.

    Args:
        described: The arms have contents, drawn at random, which the search and importance are told of.
    """
    landscape = Planted(seed, effect)
    names = [f"p{place}" for place in range(landscape.family.predictors)]
    features = features_of(dict.fromkeys(names, ("answer",)), random_contents(names, ARMS, seed)) if described else {}
    config = parse_config({"program": "simulated", "seed": seed, "search": DESIGNS[design]})
    played = play(landscape, config, features=features)
    rows = importance(played.table.scores(Split.VAL), played.space, seed)
    mains = {(row["predictor"], row["kind"]): row for row in rows if row["kind"] in KINDS}
    return Finding(min(row["p_value"] for row in rows), next(iter(mains)) == WHERE, mains[WHERE]["p_value"])


def find_all(
    design: str, seeds: range, effect: float, processes: int, cache: Path | None = None, described: bool = False
) -> list[Finding]:
    """`find` for every seed; see `remember.remembered` for the cache."""
    contents = "|described" if described else ""
    calls = {f"importance|{design}|{effect}|{seed}{contents}": (design, seed, effect, described) for seed in seeds}
    return [Finding(**values) for values in remembered(_values, calls, processes, cache).values()]


def _values(design: str, seed: int, effect: float, described: bool) -> dict[str, Any]:
    return asdict(find(design, seed, effect, described))
