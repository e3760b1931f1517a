"""The variables of MIPRO++: the proposer's switches and the bootstrap's, and the trials of them.

Imports no model library: the search draws values from these, and the run's Optuna study shows them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from mipro_studio.optimizer_core.config import ProposerSettings
from mipro_studio.optimizer_core.parameters.duplicates import usable_index
from mipro_studio.optimizer_core.parameters.space import candidate_of
from mipro_studio.optimizer_core.types import DEMOS, INSTRUCTION, Arm

__all__ = [
    "NUMBER",
    "SEED",
    "SHOWN",
    "TEMPERATURES",
    "SwitchRow",
    "bootstrap_space",
    "rows_of",
    "switch_space",
]

TEMPERATURES = (0.2, 1.4)
"""The paper gives no range. Below, fresh instructions repeat themselves; above, small models lose the thread."""

SHOWN = "demos shown"
NUMBER = "bootstrap: number of demos"
SEED = "bootstrap: seed"


def switch_space(
    settings: ProposerSettings,
    demo_sets: Mapping[str, Mapping[int, Arm]],
    shown: Sequence[int] | None = None,
) -> dict[str, BaseDistribution]:
    """Variable -> values. What a person has switched off is no variable, nor is a choice of one.

    Args:
        demo_sets: By predictor that is not frozen.
        shown: Demo sets that may be shown to the proposer; None = all that hold a bootstrapped demo.
    """
    space: dict[str, BaseDistribution] = {}
    for name in ("dataset_summary", "program_summary"):
        if getattr(settings, name):
            space[name] = CategoricalDistribution([False, True])
    if settings.vary_temperature is not False:
        space["temperature"] = FloatDistribution(*TEMPERATURES)
    if len(settings.tips) > 1:
        space["tip"] = CategoricalDistribution(list(settings.tips))
    for predictor, sets in demo_sets.items() if settings.demos else ():
        choices = [
            index
            for index in sorted(sets)
            if (shown is None or index in shown) and any(demo.augmented for demo in sets[index].demos)
        ]
        if len(choices) > 1:
            space[f"{predictor}: {SHOWN}"] = CategoricalDistribution(choices)
    return space


def bootstrap_space(largest: int, seeds: int) -> dict[str, BaseDistribution]:
    """The number of demos, 0 to `largest`, and the bootstrap's seed, one of `seeds`."""
    space: dict[str, BaseDistribution] = {}
    if largest:
        space[NUMBER] = IntDistribution(0, largest)
    if largest and seeds > 1:
        space[SEED] = IntDistribution(1, seeds)
    return space


@dataclass(frozen=True, slots=True)
class SwitchRow:
    """One trial of the switches: what was asked for, and the id of the candidate that came of it.

    The candidate's cells are its row of the score table, so the importance of a switch is a question to the table.
    `candidate` is empty when the prompt model failed: nothing can be learned about the switches from that.
    """

    number: int
    candidate: str
    values: Mapping[str, Any]


def rows_of(names: Sequence[str], instructions: Mapping[str, Mapping[int, Arm]]) -> list[SwitchRow]:
    """The trials of the switches, from the provenance of the arms, in order."""
    rounds: dict[int, dict[str, Arm]] = {}
    for name in names:
        for arm in instructions[name].values():
            if "values" in arm.provenance:
                rounds.setdefault(arm.provenance["round"], {})[name] = arm
    rows = []
    for number in sorted(rounds):
        written = rounds[number]
        facts = next(iter(written.values())).provenance
        found = {name: usable_index(instructions[name], arm.index) for name, arm in written.items()}
        used = {name: index for name, index in found.items() if index is not None}
        shown = {(name, DEMOS): index for name, index in zip(names, facts["demo_sets"], strict=True)}
        candidate = candidate_of(names, {(name, INSTRUCTION): index for name, index in used.items()} | shown)
        rows.append(SwitchRow(number, candidate.id if len(used) == len(found) else "", facts["values"]))
    return rows
