"""Weights as a kind of arm: what the task model was tuned to, for the program as a whole or for one predictor."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.plurals import plural
from mipro_studio.optimizer_core.types import DEMOS, PROGRAM, SEED_ARM, WHOLE, Arm, Author, Candidate, Json, Tuning

if TYPE_CHECKING:
    from mipro_studio.optimizer_core.parameters.arm_features import Feature, RowClasses
    from mipro_studio.optimizer_core.programs.program import Program

__all__ = [
    "WEIGHTS",
    "WeightsKind",
    "all_weights",
    "tuned_of",
    "weights_arms",
    "weights_of",
    "with_demo_set",
    "with_weights",
    "with_weights_of",
]

WEIGHTS = "weights"
_TOLD = ("strategy", "base_model", "trainer", "demos", "yield", "settings", "steps", "waited_s", "cost_usd")


def weights_arms(tuning: Tuning) -> list[Arm]:
    """The arm that a tuning came to, behind that of the weights which the model came with."""
    told = {name: tuning.facts[name] for name in _TOLD if name in tuning.facts}
    owner = tuning.facts.get("predictor", PROGRAM)
    provenance = {"job": tuning.job, "program": tuning.program, "rows": len(tuning.rows), **told}
    return [
        Arm(owner, WEIGHTS, SEED_ARM, {"tuned": None}, Author.SEED),
        Arm(owner, WEIGHTS, tuning.number, {"tuned": tuning.facts["tuned"]}, Author.MODEL, provenance),
    ]


class WeightsKind:
    """The content is {"tuned"}: the file of an adapter or a provider's model id; None for the model as it came.

    A model is no part of the program that weights could be put into: whoever runs it asks `ArmContents.tuned`.
    """

    name = WEIGHTS
    title = "weights"

    def seeds(self, program: "Program") -> Sequence[Arm]:
        return []  # only a run that tunes any has them

    def apply(self, module: Any, contents: Mapping[str, Json], program: "Program", folders: Sequence[Path]) -> None:
        pass

    def describe(self, arm: Arm) -> str:
        if arm.content["tuned"] is None:
            return "The weights that the model came with."
        made = arm.provenance
        settings = made.get("settings") or {}
        demos = "with" if made.get("demos") else "without"
        lines = [
            f"{made.get('base_model', 'the task model')}, tuned on {plural(made.get('rows', 0), 'row')}, "
            f"prompts {demos} demos",
            f"step: {made.get('strategy', '')}",
            *(f"{name}: {settings[name]}" for name in ("epochs", "batch_size", "learning_rate") if name in settings),
            *_what_is_tuned(settings),
            f"job: {made.get('job', '')}",
        ]
        return "\n".join(lines)

    def why_not_edited(self, seed: Arm) -> str:
        return "Weights are tuned, not written."

    def edited(self, text: str, seed: Arm) -> Json:
        raise BadInput(self.why_not_edited(seed))

    def loading(self, arm: Arm, seed: Arm) -> Sequence[str]:
        return []  # the snippet names them with the model

    def features(self, arms: Sequence[Arm], outputs: Sequence[str], classes: "RowClasses") -> "Sequence[Feature]":
        return []


def _what_is_tuned(settings: Mapping[str, Any]) -> list[str]:
    if settings.get("full"):
        return ["all weights are tuned"]
    found = (settings.get("lora") or {}).items()
    return [f"{name}: {', '.join(value) if isinstance(value, list | tuple) else value}" for name, value in found]


def weights_of(candidate: Candidate, place: int = WHOLE) -> int:
    """Number of the tuning whose weights the program, or the predictor at `place`, has; 0 for those it came with."""
    return candidate.arm(place, WEIGHTS)


def all_weights(candidate: Candidate) -> dict[int, int]:
    """Place, or `WHOLE` -> number of the tuning, where the weights are not those that the model came with."""
    return {place: number for place, letter, number in candidate.arms if letter == WEIGHTS[0]}


def tuned_of(candidate: Candidate, names: Sequence[str], tunings: Iterable[Tuning]) -> dict[str, str]:
    """What serves the candidate's tuned weights, by owner; see `ArmContents.tuned`.

    Args:
        names: The program's predictors in order.

    Raises:
        KeyError: a tuning is not among them, or came to nothing.
    """
    known = {tuning.number: tuning for tuning in tunings}
    return {
        PROGRAM if place == WHOLE else names[place]: str(known[number].facts["tuned"])
        for place, number in all_weights(candidate).items()
    }


def with_weights(candidate: Candidate, number: int, place: int = WHOLE) -> Candidate:
    """The same prompts on the weights of a tuning, for the whole program or the predictor at `place`."""
    return candidate.having({(place, WEIGHTS): number})


def with_weights_of(candidate: Candidate, other: Candidate) -> Candidate:
    """The prompts of `candidate` on all the weights of `other`."""
    return candidate.having({(place, WEIGHTS): number for place, number in all_weights(other).items()})


def with_demo_set(candidate: Candidate, index: int, places: Collection[int]) -> Candidate:
    """The same with the demo set `index` for the predictors at `places` in the program."""
    return candidate.having({(place, DEMOS): index for place in places})
