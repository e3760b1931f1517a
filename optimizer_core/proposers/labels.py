"""Labelled rows as demos, which cost no program run.

Where rows label all that a predictor puts out, a trace adds nothing to them but a bias: a weak model gets right the
rows whose answer it gives anyway, and its demos repeat that answer (docs/decisions/0008).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mipro_studio.optimizer_core.types import Demo, Example

__all__ = ["labeled_demos", "labels_tell_all", "spread_answers"]


def labels_tell_all(rows: Sequence[Example], predictors: Iterable[tuple[Sequence[str], Sequence[str]]]) -> bool:
    """Whether every row holds all (inputs, outputs) of all `predictors`: a trace of one has nothing to add."""
    wanted = {name for inputs, outputs in predictors for name in (*inputs, *outputs)}
    return bool(rows) and all(wanted <= row.inputs.keys() | row.labels.keys() for row in rows)


def spread_answers(
    rows: Sequence[Example], outputs: Sequence[str], n: int, shown: Sequence[Demo] = ()
) -> list[Example]:
    """Up to `n` of `rows`, each the first whose answers came least so far, in `shown` or before.

    Args:
        rows: In the order in which equals are preferred; those without an answer are passed over.
        outputs: Fields that are answers.
        shown: Demos that stand beside them and count as come before.
    """

    def answers(fields: Mapping[str, Any]) -> list[str]:
        return [f"{name}={fields[name]!r}" for name in outputs if name in fields]

    left = [(row, answers({**row.inputs, **row.labels})) for row in rows]
    left = [(row, given) for row, given in left if given]
    times = Counter(answer for demo in shown for answer in answers(demo.fields))
    chosen: list[Example] = []
    while left and len(chosen) < n:
        at = min(range(len(left)), key=lambda place: sum(times[answer] for answer in left[place][1]))
        row, given = left.pop(at)
        times.update(given)
        chosen.append(row)
    return chosen


def labeled_demos(rows: Sequence[Example], inputs: Sequence[str], outputs: Sequence[str]) -> list[Demo]:
    """Rows as demos of one predictor, for those that hold at least one of its outputs."""
    demos = []
    for row in rows:
        fields = {**row.inputs, **row.labels}
        if any(name in fields for name in outputs):
            shown = {name: fields[name] for name in (*inputs, *outputs) if name in fields}
            demos.append(Demo(shown, augmented=False, example_id=row.id))
    return demos
