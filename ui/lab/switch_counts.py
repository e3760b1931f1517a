"""Which switch, tip and temperature of the proposer did how well, counted over the trials that searched them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mipro_studio.optimizer_core.types import Arm, Trial, TrialKind
from mipro_studio.ui.text.format import plural

__all__ = ["SwitchCount", "ahead", "switch_counts"]

_WARM, _HOT = 0.6, 1.0


@dataclass(frozen=True, slots=True)
class SwitchCount:
    """Trials with one setting of one switch.

    `mean` is over their `cells`; low and high are the 90 % interval of the trials' means, None below three trials.
    """

    switch: str
    setting: str
    trials: int
    cells: int
    mean: float
    low: float | None
    high: float | None


def switch_counts(instructions: Sequence[Arm], trials: Sequence[Trial]) -> list[SwitchCount]:
    """One row a setting, switch by switch. A trial counts with its own cells, once, whatever came later."""
    values: dict[int, Mapping[str, Any]] = {}
    for arm in instructions:
        if "values" in arm.provenance and "round" in arm.provenance:
            values[int(arm.provenance["round"])] = arm.provenance["values"]
    found: dict[tuple[str, str], list[tuple[float, int]]] = {}
    counted: set[int] = set()
    for trial in trials:
        own = trial.kind is not TrialKind.BASELINE and trial.number not in counted
        if own and trial.done and trial.mean is not None and trial.number in values:
            counted.add(trial.number)
            for switch, value in values[trial.number].items():
                key = (switch.replace("_", " "), _setting(value))
                found.setdefault(key, []).append((trial.mean, trial.n_ok))
    return [_count(*key, seen) for key, seen in sorted(found.items())]


def _setting(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"up to {_WARM}" if value <= _WARM else f"{_WARM} to {_HOT}" if value <= _HOT else f"over {_HOT}"
    return str(value).replace("_", " ")


def _count(switch: str, setting: str, seen: Sequence[tuple[float, int]]) -> SwitchCount:
    from mipro_studio.optimizer_core.analysis.statistics import estimate  # numpy, and only here

    cells = sum(n for _, n in seen)
    mean = sum(score * n for score, n in seen) / max(cells, 1)
    around = estimate([score for score, _ in seen]) if len(seen) > 2 else {}
    return SwitchCount(switch, setting, len(seen), cells, mean, around.get("low"), around.get("high"))


def ahead(counts: Sequence[SwitchCount]) -> list[str]:
    """A sentence a switch: which setting has the highest mean, and whether its interval stands apart."""
    said = []
    for switch in dict.fromkeys(count.switch for count in counts):
        ranked = sorted((count for count in counts if count.switch == switch), key=lambda count: -count.mean)
        if len(ranked) < 2:
            continue
        first, second = ranked[:2]
        if first.low is None or second.high is None:
            verdict = "too few trials to tell it from the next"
        elif first.low > second.high:
            verdict = "its interval stands apart"
        else:
            verdict = "not told apart from the next: the intervals meet"
        trials = plural(first.trials, "trial")
        said.append(f"{switch}: {first.setting} leads after {trials}; {verdict}.")
    return said
