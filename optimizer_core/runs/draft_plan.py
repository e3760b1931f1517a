"""The plan of a request whose program and data were looked at before: no import, no file, no model."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from mipro_studio.optimizer_core.config import RunConfig, parse_config
from mipro_studio.optimizer_core.programs.program import SAMPLE_PREFIX, PredictorInfo
from mipro_studio.optimizer_core.runs.fit_cap import fit_cap
from mipro_studio.optimizer_core.runs.plan import make_plan
from mipro_studio.optimizer_core.runs.presets import merge, most_rows, preset_rows, resolve
from mipro_studio.sample_programs import CATALOG

__all__ = ["Facts", "draft", "facts_of"]


@dataclass(frozen=True)
class Facts:
    """What a plan depends on beside the settings.

    Attributes:
        sizes: Rows by split, before a preset trims them.
        row_chars, instruction_chars: Means, for the estimate of tokens.
        fields: Names of the program's own inputs and outputs, which need not be those of a predictor.
    """

    predictors: tuple[PredictorInfo, ...]
    sizes: Mapping[str, int]
    row_chars: float
    instruction_chars: float
    fields: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Outline:
    """As much of a program as presets ask about."""

    predictors: tuple[PredictorInfo, ...]


def facts_of(values: Mapping[str, Any]) -> Facts:
    """The inverse of `asdict(facts)` after JSON."""
    predictors = tuple(
        PredictorInfo(**{**info, "inputs": tuple(info["inputs"]), "outputs": tuple(info["outputs"])})
        for info in values["predictors"]
    )
    means = values["row_chars"], values["instruction_chars"]
    return Facts(predictors, values["sizes"], *means, values.get("fields", {}))


def draft(values: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    """{plan, presets, settings}: what `values` would mean, in trials, program runs and calls.

    Raises:
        BadInput: a setting cannot be, or the optimizer does not work on this program.
    """
    sample = CATALOG.get(str(values.get("program", "")).removeprefix(SAMPLE_PREFIX))
    config = parse_config(merge(sample.defaults, values) if sample is not None else dict(values))
    outline: Any = _Outline(facts.predictors)
    most = most_rows(config)[0] or facts.sizes["val"]
    sizes = {**facts.sizes, "val": min(facts.sizes["val"], most)}
    resolved, sizes, left_out = fit_cap(
        resolve(config, outline, sizes["val"], values), sizes, len(facts.predictors), values
    )
    plan = make_plan(resolved, sizes, len(facts.predictors), facts.row_chars, facts.instruction_chars)
    return {
        "plan": {**plan, "notes": [*([left_out] if left_out else []), *plan["notes"]]},
        "presets": preset_rows(config, outline, facts.sizes, values),
        "settings": asdict_of(resolved),
        "facts": asdict(facts),
    }


def asdict_of(config: RunConfig) -> dict[str, Any]:
    """The settings that a preset or an optimizer may fill in, as JSON."""
    whole = config.model_dump(mode="json")
    return {name: whole[name] for name in ("search", "proposer")}
