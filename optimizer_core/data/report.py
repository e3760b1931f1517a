"""What a person should see of their rows before anything is paid for."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from mipro_studio.optimizer_core.data.fields import is_missing
from mipro_studio.optimizer_core.data.loading import Dataset
from mipro_studio.optimizer_core.data.strata import is_categorical
from mipro_studio.optimizer_core.programs.values import shown, text_of
from mipro_studio.optimizer_core.types import Example, Split

__all__ = ["data_report"]

MOST_CLASSES = 20
"""Values of a label that are listed; the rest are counted together under `OTHERS`."""

_NULL_WORDS = frozenset({"nan", "none", "null", "nil", "n/a", "na", "<na>", "nat"})
"""What pandas, Python, SQL and people write for a value that is not there."""

OTHERS = "(others)"


def data_report(
    data: Dataset,
    metric: str,
    built_in: bool,
    of_labels: Mapping[str, Any] | None = None,
    misfits: Sequence[str] = (),
) -> dict[str, Any]:
    """{sentences, sources, columns, classes, repeats, label_score}, JSON values only.

    Args:
        metric: Name of the metric.
        built_in: It scores the label columns and nothing else.
        of_labels: What the metric gives the labels themselves; see `optimizer_core.metrics.label_score`.
        misfits: Sentences about labels that the program cannot put out; see there.

    Returns:
        sentences: What was done with the rows, for a person.
        sources: [{name, rows, format, encoding?, delimiter?}] of the files.
        columns: [{column, role, why, missing, distinct, longest}]: `missing` values in all rows that were read,
            `distinct` values and the `longest` (in characters) in those that are used.
        classes: {label: {value: {split: rows}}} of the labels that have few values.
        repeats: {same, asked, differing}, see `Repeats`.
        label_score: {mean, n, lowest} or None, as given.
    """
    found = [_Column(name, data) for name in data.columns]
    classes = {name: _classes(name, data) for name in _labels_with_classes(data)}
    return {
        "sentences": [
            *data.notes,
            _about_labels(data, metric, built_in),
            *_about_score(of_labels, metric),
            *misfits,
            *_about_null_words(data),
            *_about_classes(classes, data),
        ],
        "sources": [{"name": name, **how} for name, how in data.tables.items()],
        "columns": [one.facts() for one in found],
        "classes": classes,
        "repeats": {name: getattr(data.repeats, name) for name in ("same", "asked", "differing")},
        "label_score": dict(of_labels) if of_labels is not None else None,
    }


class _Column:
    def __init__(self, name: str, data: Dataset) -> None:
        self._name, self._data = name, data
        self._values = [value for row in data.examples if not is_missing(value := _value(row, name))]

    def facts(self) -> dict[str, Any]:
        texts = [text_of(value) for value in self._values]
        role, why = self._role()
        return {
            "column": self._name,
            "role": role,
            "why": why,
            "missing": self._data.missing.get(self._name, 0),
            "distinct": len(set(texts)),
            "longest": max(map(len, texts), default=0),
        }

    def _role(self) -> tuple[str, str]:
        roles = self._data.roles
        if self._name in roles.inputs:
            return "input", ""
        return ("label", "") if self._name in roles.labels else ("other", roles.others.get(self._name, ""))


def _value(row: Example, name: str) -> Any:
    return row.inputs[name] if name in row.inputs else row.labels.get(name)


def _labels_with_classes(data: Dataset) -> list[str]:
    rows = [row.labels for row in data.examples]
    by = [data.stratified_by] if data.stratified_by and data.stratified_by not in data.roles.labels else []
    return [name for name in data.roles.labels if is_categorical(rows, name)] + by


def _classes(name: str, data: Dataset) -> dict[str, dict[str, int]]:
    counts = Counter((_class(row, name), row.split.value) for row in data.examples)
    totals: Counter[str] = Counter()
    for (value, _), count in counts.items():
        totals[value] += count
    listed = [value for value, _ in sorted(totals.items(), key=lambda item: (-item[1], item[0]))[:MOST_CLASSES]]
    found = {value: {split.value: counts[value, split.value] for split in Split} for value in listed}
    if len(totals) > len(listed):
        rest = [value for value in totals if value not in found]
        found[OTHERS] = {split.value: sum(counts[value, split.value] for value in rest) for split in Split}
    return found


def _class(row: Example, name: str) -> str:
    value = _value(row, name)
    return "(none)" if is_missing(value) else text_of(value)[:80]


def _about_labels(data: Dataset, metric: str, built_in: bool) -> str:
    roles = data.roles
    aside = ", ".join(f"{name!r} ({why})" if why else repr(name) for name, why in roles.others.items())
    kept = f" Kept beside {'it' if len(roles.labels) == 1 else 'them'}: {aside}." if aside else ""
    if not roles.labels:
        scored = "whatever the program puts out" if built_in else "what it likes"
        return f"No column is named like an output of the program: {metric} scores {scored}.{kept}"
    names = ", ".join(repr(name) for name in roles.labels)
    told = f"{metric} scores {names}." if built_in else f"{names} {_is(roles.labels)}; {metric} is the program's own."
    return told + kept


def _is(labels: Sequence[str]) -> str:
    return "is the label" if len(labels) == 1 else "are the labels"


def _about_score(found: Mapping[str, Any] | None, metric: str) -> list[str]:
    if found is None:
        return []
    said = f"{metric} gives the labels themselves {found['mean']:.2f} (mean of {found['n']} rows)"
    if found["mean"] >= 1:
        return [f"{said}."]
    labels = json.dumps(shown(found["lowest"]["labels"]), ensure_ascii=False)
    lowest = f"{found['lowest']['score']:.2f}, of {labels[:200]}"
    return [f"{said}: the right answer is not always right by it. The lowest is {lowest}."]


def _about_null_words(data: Dataset) -> list[str]:
    """A file of text has no null: what programs write for it may also be an answer that is called so."""
    said = []
    for name in data.roles.labels:
        words = Counter(value for row in data.examples if isinstance(value := row.labels.get(name), str))
        for word, count in words.items():
            if word.strip().lower() in _NULL_WORDS:
                are = "label is" if count == 1 else "labels are"
                said.append(
                    f"{count} {are} the text {word!r} in {name!r}, an answer as any other: empty it if it is none."
                )
    return said


def _about_classes(classes: Mapping[str, Mapping[str, Mapping[str, int]]], data: Dataset) -> list[str]:
    """A sentence for each label of which a split has no example."""
    said = []
    there = [split.value for split in Split if data.of(split)]
    for name, counts in classes.items():
        for value, by_split in counts.items():
            lacking = [split for split in there if not by_split[split]]
            if lacking and value != OTHERS:
                shown = json.dumps(value, ensure_ascii=False)
                said.append(f"No row of {' and '.join(lacking)} has {name} = {shown}.")
    return said
