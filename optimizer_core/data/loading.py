"""Rows of a run as examples: cleaned, split, and every choice that was made on the way said."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mipro_studio.optimizer_core.config import DataSpec
from mipro_studio.optimizer_core.data.cleaning import columns_of, labelled, renamed, require_inputs
from mipro_studio.optimizer_core.data.fields import Columns, Fields, is_missing, sort_columns
from mipro_studio.optimizer_core.data.gathering import Gathered
from mipro_studio.optimizer_core.data.splitting import Shares, asked_key, group_key, split_rows, units_of
from mipro_studio.optimizer_core.data.strata import classes_in, stratum
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.types import Example, Split

__all__ = ["Dataset", "Repeats", "example_id", "load_dataset"]

Row = dict[str, Any]
_HALVES: Shares = (0.5, 0.5, 0.0)


@dataclass(frozen=True)
class Repeats:
    """Rows that say again what another says.

    Attributes:
        same: Rows that are the same as another of their split, and are used once.
        asked: Further rows that ask what another asks, with another label or other metadata.
        differing: Questions that stand with more than one label.
    """

    same: int = 0
    asked: int = 0
    differing: int = 0


@dataclass(frozen=True)
class Dataset:
    """Rows of a run.

    Attributes:
        warnings: What a person should know before starting.
        notes: What was done with the rows, in sentences.
        stratified_by: The column that took effect.
        roles: Which column is what.
        tables: Name of each file -> how it was read.
        missing: Column -> rows, of all that were read, that have no value in it.
    """

    examples: tuple[Example, ...]
    columns: tuple[str, ...]
    warnings: tuple[str, ...]
    stratified_by: str | None
    roles: Columns = field(default_factory=Columns)
    notes: tuple[str, ...] = ()
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    repeats: Repeats = Repeats()
    missing: Mapping[str, int] = field(default_factory=dict)

    def of(self, split: Split) -> list[Example]:
        return [example for example in self.examples if example.split is split]


def example_id(inputs: Mapping[str, Any], labels: Mapping[str, Any]) -> str:
    """Content hash of a row: the same row has the same id in every split, run and machine."""
    text = json.dumps([dict(inputs), dict(labels)], sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def load_dataset(
    spec: DataSpec, found: Gathered, fields: Fields, seed: int, *, labels_needed: bool = True
) -> Dataset:
    """The rows of `found` as examples of three splits.

    Args:
        fields: What the program says of its fields.
        seed: Of the split.
        labels_needed: Leave out rows without a label. A judge needs none.

    Raises:
        BadInput: there are no rows, a column is missing, or the shares are none.
    """
    tagged: list[Tagged] = [(split, row) for split, part in found.parts.items() for row in part]
    tagged = tagged or [(None, row) for row in found.pool]
    if not tagged:
        raise BadInput("There is no data.", "Name a file with --data, or files with --train and --val.")
    rows = renamed([row for _, row in tagged], spec.columns)
    columns = columns_of(rows)
    require_inputs(rows, fields, columns)
    roles = sort_columns(columns, fields, spec.labels)
    kept, warnings = labelled(rows, roles, fields, empty_is_answer=spec.empty_is_answer, needed=labels_needed)
    splits = [split for split, _ in tagged]
    whole = [(split, row) for split, row in zip(splits, kept, strict=True) if row is not None]
    unique, repeats = _once_each(whole, roles)
    plan = _Plan(spec, roles, columns, seed, found.told)
    by_split, stratified, notes = plan.split(unique)
    warnings = [*found.notes, *warnings, *_said(repeats, bool(found.parts)), *plan.warnings]
    warnings += _leaks(by_split, roles, spec.group)
    return Dataset(
        tuple(_as_examples(by_split, roles)), columns, tuple(warnings), stratified, roles, tuple(notes),
        found.tables, repeats, {name: sum(is_missing(row.get(name)) for row in rows) for name in columns},
    )  # fmt: skip


Tagged = tuple[Split | None, Row]


def _parted(row: Row, roles: Columns) -> tuple[Row, Row]:
    """(inputs, everything else) of a row."""
    inputs = {name: row[name] for name in roles.inputs if name in row}
    return inputs, {name: value for name, value in row.items() if name not in roles.inputs}


def _once_each(rows: Sequence[Tagged], roles: Columns) -> tuple[list[Tagged], Repeats]:
    """Rows without those that stand in their split already."""
    unique: dict[tuple[Split | None, str], Tagged] = {}
    answers: dict[str, set[str]] = defaultdict(set)
    asked: Counter[tuple[Split | None, str]] = Counter()
    for split, row in rows:
        inputs, labels = _parted(row, roles)
        key = (split, example_id(inputs, labels))
        if key in unique:
            continue
        unique[key] = (split, row)
        question = asked_key(row, roles.inputs)
        asked[split, question] += 1
        answers[question].add(json.dumps([row.get(name) for name in roles.labels], default=str))
    differing = sum(len(found) > 1 for found in answers.values())
    further = sum(count - 1 for count in asked.values())
    return list(unique.values()), Repeats(len(rows) - len(unique), further, differing)


def _said(repeats: Repeats, parted: bool) -> list[str]:
    said = []
    if repeats.same:
        where = " in the same split" if parted else ""
        said.append(f"{repeats.same} rows stood twice{where} and are used once.")
    if repeats.differing:
        said.append(f"The same inputs stand with different labels {repeats.differing} times.")
    return said


class _Plan:
    """How the rows come into three splits, and what to say about it."""

    def __init__(self, spec: DataSpec, roles: Columns, columns: Sequence[str], seed: int, told: bool) -> None:
        for name, what in ((spec.group, "group"), (spec.stratify, "stratify")):
            if name is not None and name not in columns and (what, name) != ("stratify", "none"):
                raise BadInput(f"There is no column {name!r} to {what} by.", f"The data has: {', '.join(columns)}.")
        self.spec, self.roles, self.seed, self.told = spec, roles, seed, told
        self.warnings: list[str] = []

    def split(self, rows: Sequence[Tagged]) -> tuple[dict[Split, list[Row]], str | None, list[str]]:
        """(rows by split, the column that was stratified by, sentences)."""
        parts: dict[Split | None, list[Row]] = defaultdict(list)
        for split, row in rows:
            parts[split].append(row)
        by_split = {split: part for split, part in parts.items() if split is not None}
        if None in parts:
            return self._deal(parts[None], self.spec.split, list(Split), "")
        if Split.VAL in by_split:
            return by_split, None, ["The rows name their splits." if self.told else "The files are the splits."]
        halves, stratified, notes = self._deal(by_split[Split.TRAIN], _HALVES, [Split.TRAIN, Split.VAL], "training ")
        self.warnings.append("No validation file: half of the training rows, drawn at random, became it.")
        return {**by_split, **halves}, stratified, notes

    def _deal(
        self, rows: list[Row], shares: Shares, to: Sequence[Split], what: str
    ) -> tuple[dict[Split, list[Row]], str | None, list[str]]:
        by = None if self.told else stratum(rows, self.roles, self.spec.stratify)
        units = units_of(rows, self.roles.inputs, self.spec.group)
        dealt = dict(zip(Split, split_rows(rows, shares, by, self.seed, units), strict=True))
        for split, share in zip(Split, shares, strict=True):
            if share and not dealt[split] and self.spec.group and len(rows) >= len(to):
                raise BadInput(
                    f"Grouped by {self.spec.group!r} no rows are left for {split}: there are {len(units)} groups.",
                    "Group by a column with more values, or name a file for each split.",
                )
        sizes = ", ".join(f"{len(dealt[split])} {split}" for split in to)
        sentence = f"{len(rows)} {what}rows were drawn into {sizes} (seed {self.seed}), {classes_in(rows, by)}"
        together = sum(len(unit) for unit in units if len(unit) > 1)
        if self.spec.group:
            sentence += f"; the {len(units)} groups of {self.spec.group!r} stay whole"
        elif together:
            sentence += f"; {together} rows with the inputs of another stay with it in one split"
        return {split: dealt[split] for split in to}, by, [f"{sentence}."]


def _leaks(by_split: Mapping[Split, Sequence[Row]], roles: Columns, group: str | None) -> list[str]:
    """Sentences about rows of one split that another has seen, which only splits that were given can hold."""
    keys: dict[str, Callable[[Row], str]] = {"with the same inputs": lambda row: asked_key(row, roles.inputs)}
    if group is not None:
        keys[f"of the same {group!r}"] = lambda row: group_key(row, group)
    said = []
    for what, key in keys.items():
        home: dict[str, Split] = {}
        shared: Counter[tuple[Split, Split]] = Counter()
        for split in Split:
            for row in by_split.get(split, ()):
                if (found := key(row)) and (first := home.setdefault(found, split)) is not split:
                    shared[first, split] += 1
        said += [
            f"{count} rows {what} stand in both {first} and {second}: scores on {second} flatter."
            for (first, second), count in shared.items()
        ]
    return said


def _as_examples(by_split: Mapping[Split, Sequence[Row]], roles: Columns) -> list[Example]:
    examples: list[Example] = []
    for split in Split:
        for position, row in enumerate(by_split.get(split, ())):
            inputs, labels = _parted(row, roles)
            examples.append(Example(example_id(inputs, labels), split, position, inputs, labels))
    return examples
