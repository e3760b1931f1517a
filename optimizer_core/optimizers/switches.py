"""The proposer's switches as a search space (0-Shot MIPRO++, card 10; MIPRO section 4.4)."""

from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import TrialState, create_trial

from mipro_studio.optimizer_core.analysis.importance import importance
from mipro_studio.optimizer_core.optimizers.context import RunContext
from mipro_studio.optimizer_core.parameters.arms import Arms
from mipro_studio.optimizer_core.parameters.space import Parameter, SearchSpace
from mipro_studio.optimizer_core.proposers.proposer import Recipe
from mipro_studio.optimizer_core.proposers.switch_variables import SHOWN, TEMPERATURES, SwitchRow, rows_of
from mipro_studio.optimizer_core.types import SEED_ARM, Candidate, Json

__all__ = ["recipes", "suggest", "switch_importance", "switch_rows"]

LEVELS = 3
"""Parts of equal width that a temperature is put into, to be compared like a choice."""


def recipes(context: RunContext, values: Mapping[str, Any]) -> dict[str, Recipe]:
    """What `values` of the switches ask the proposer for, by free predictor."""
    settings = context.config.proposer
    tip = values.get("tip", settings.tips[0] if settings.tips else "none")
    return {
        info.name: Recipe(
            tip,
            values.get("temperature", settings.temperature),
            values.get(f"{info.name}: {SHOWN}", SEED_ARM),
            neighbours=f"{info.name}: {SHOWN}" not in values,
            dataset_summary=values.get("dataset_summary", True),
            program_summary=values.get("program_summary", True),
        )
        for info in context.free
    }


def suggest(
    space: Mapping[str, BaseDistribution],
    seen: Sequence[tuple[Mapping[str, Any], float | None]],
    seed: int,
) -> dict[str, Any]:
    """Values for the next trial by multivariate TPE.

    Args:
        seen: (values, mean score) of earlier trials in order; None where the trial is under way.
    """
    sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    for values, mean in seen:
        known = {name: values[name] for name in space if _allows(space[name], values.get(name))}
        if known.keys() == space.keys():
            state = TrialState.RUNNING if mean is None else TrialState.COMPLETE
            study.add_trial(create_trial(state=state, value=mean, params=known, distributions=dict(space)))
    return dict(study.ask(dict(space)).params)


def _allows(distribution: BaseDistribution, value: Any) -> bool:
    """Whether `value` can still be chosen; arms may have come and gone since it was."""
    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    return value is not None and distribution.low <= value <= distribution.high


def switch_rows(arms: Arms) -> list[SwitchRow]:
    """The trials of the switches, from the provenance of the arms, in order."""
    return rows_of(arms.names, arms.instructions)


class _SwitchSpace(SearchSpace):
    """The switches as parameters; an arm is the place of a value among the `values` of its switch."""

    def __init__(self, values: Mapping[str, Sequence[Any]], rows: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__((), {})
        self._values = values
        self._rows = rows
        self.parameters = tuple(
            Parameter(*_in_words(name), tuple(range(len(found)))) for name, found in values.items() if len(found) > 1
        )

    def values(self, candidate: Candidate) -> dict[str, int]:
        row = self._rows[candidate.id]
        places = {": ".join(_in_words(name)): found.index(row[name]) for name, found in self._values.items()}
        return {parameter.name: places[parameter.name] for parameter in self.parameters}


def switch_importance(scores: Mapping[str, Mapping[str, float]], arms: Arms, seed: int) -> list[Json]:
    """Which switch the score depended on: rows as `importance` gives them, each arm with the `label` of its value.

    The paper's Appendix D asks this and shows figures only; its estimator is not named. Here it is the main effect
    of each switch on the cells of the instructions that were written with it, the baseline left out.
    """
    rows = {row.candidate: _levels(row.values) for row in switch_rows(arms) if row.candidate}
    common = set.intersection(*(set(row) for row in rows.values())) if rows else set()
    values = {name: sorted({row[name] for row in rows.values()}) for name in sorted(common)}
    space = _SwitchSpace(values, rows)
    labels = {": ".join(_in_words(name)): found for name, found in values.items()}
    written = {name: found for name, found in scores.items() if name in rows}
    return [
        {**row, "arms": [{**arm, "label": str(labels[row["parameter"]][arm["arm"]])} for arm in row["arms"]]}
        for row in importance(written, space, seed)
    ]


def _levels(values: Mapping[str, Any]) -> dict[str, Any]:
    if "temperature" not in values:  # a person said it
        return dict(values)
    low, high = TEMPERATURES
    width = (high - low) / LEVELS
    place = min(int((values["temperature"] - low) / width), LEVELS - 1)
    edges = f"{low + place * width:.1f} to {low + (place + 1) * width:.1f}"
    return {**values, "temperature": edges}


def _in_words(name: str) -> tuple[str, str]:
    """(whose, what) of a variable's name: the proposer's own switches carry no owner in it."""
    whose, separator, what = name.partition(": ")
    return (whose, what) if separator else ("proposer", name.replace("_", " "))
