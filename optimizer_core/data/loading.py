"""Rows of a run as examples: cleaned, split, and every choice that was made on the way said."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mipro_studio.optimizer_core.config import DataSpec
from mipro_studio.optimizer_core.data.cleaning import columns_of, labelled, renamed, require_inputs
from mipro_studio.optimizer_core.data.fields import Columns, Fields, is_missing, sort_columns
from mipro_studio.optimizer_core.data.gathering import Gathered
from mipro_studio.optimizer_core.data.lines import Line, Question, line_of
from mipro_studio.optimizer_core.data.splitting import Shares, split_places, units_of
from mipro_studio.optimizer_core.data.strata import classes_in, stratum
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.plurals import noun, plural
from mipro_studio.optimizer_core.types import Example, Split

__all__ = ["Dataset", "Repeats", "load_dataset"]

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
    tagged: list[tuple[Split | None, Row]] = [(split, row) for split, part in found.parts.items() for row in part]
    tagged = tagged or [(None, row) for row in found.pool]
    if not tagged:
        raise BadInput("There is no data.", "Name a file with --data, or files with --train and --val.")
    rows = renamed([row for _, row in tagged], spec.columns)
    columns = columns_of(rows)
    require_inputs(rows, fields, columns)
    roles = sort_columns(columns, fields, spec.labels)
    kept, warnings = labelled(rows, roles, fields, empty_is_answer=spec.empty_is_answer, needed=labels_needed)
    pairs = zip(kept, (split for split, _ in tagged), strict=True)
    lines = [line_of(row, split, roles, spec.group) for row, split in pairs if row is not None]
    unique, repeats = _once_each(lines, roles)
    plan = _Plan(spec, roles, columns, seed, found.told)
    by_split, stratified, notes = plan.split(unique)
    warnings = [*found.notes, *warnings, *_said(repeats, bool(found.parts)), *plan.warnings]
    warnings += _leaks(by_split, spec.group)
    return Dataset(
        tuple(_as_examples(by_split)), columns, tuple(warnings), stratified, roles, tuple(notes),
        found.tables, repeats, {name: sum(is_missing(row.get(name)) for row in rows) for name in columns},
    )  # fmt: skip


BySplit = Mapping[Split, Sequence[Line]]


def _once_each(lines: Sequence[Line], roles: Columns) -> tuple[list[Line], Repeats]:
    """Rows without those that stand in their split already."""
    unique: dict[tuple[Split | None, str], Line] = {}
    for line in lines:
        unique.setdefault((line.split, line.id), line)
    kept = list(unique.values())
    asked: dict[Question, list[Line]] = defaultdict(list)
    for line in kept:
        asked[line.question].append(line)
    again = [same for same in asked.values() if len(same) > 1]
    differing = sum(len({repr([line.row.get(name) for name in roles.labels]) for line in same}) > 1 for same in again)
    further = sum(len(same) - len({line.split for line in same}) for same in again)
    return kept, Repeats(len(lines) - len(kept), further, differing)


def _said(repeats: Repeats, parted: bool) -> list[str]:
    said = []
    if repeats.same:
        where = " in the same split" if parted else ""
        one = noun(repeats.same, "is", "are")
        said.append(f"{plural(repeats.same, 'row')} stood twice{where} and {one} used once.")
    if repeats.differing:
        said.append(f"The same inputs stand with different labels {plural(repeats.differing, 'time')}.")
    return said


class _Plan:
    """How the rows come into three splits, and what to say about it."""

    def __init__(self, spec: DataSpec, roles: Columns, columns: Sequence[str], seed: int, told: bool) -> None:
        for name, what in ((spec.group, "group"), (spec.stratify, "stratify")):
            if name is not None and name not in columns and (what, name) != ("stratify", "none"):
                raise BadInput(f"There is no column {name!r} to {what} by.", f"The data has: {', '.join(columns)}.")
        self.spec, self.roles, self.seed, self.told = spec, roles, seed, told
        self.warnings: list[str] = []

    def split(self, lines: Sequence[Line]) -> tuple[BySplit, str | None, list[str]]:
        """(rows by split, the column that was stratified by, sentences)."""
        parts: dict[Split | None, list[Line]] = defaultdict(list)
        for line in lines:
            parts[line.split].append(line)
        by_split = {split: part for split, part in parts.items() if split is not None}
        if None in parts:
            return self._deal(parts[None], self.spec.split, list(Split), "")
        if Split.VAL in by_split:
            return by_split, None, ["The rows name their splits." if self.told else "The files are the splits."]
        halves, stratified, notes = self._deal(by_split[Split.TRAIN], _HALVES, [Split.TRAIN, Split.VAL], "training ")
        self.warnings.append("No validation file: half of the training rows, drawn at random, became it.")
        return {**by_split, **halves}, stratified, notes

    def _deal(
        self, lines: list[Line], shares: Shares, to: Sequence[Split], what: str
    ) -> tuple[BySplit, str | None, list[str]]:
        rows = [line.row for line in lines]
        by = None if self.told else stratum(rows, self.roles, self.spec.stratify)
        units = units_of([line.question for line in lines], [line.group for line in lines])
        strata = ["" if by is None else str(row.get(by)) for row in rows]
        dealt = dict(zip(Split, split_places(strata, shares, self.seed, units), strict=True))
        for split, share in zip(Split, shares, strict=True):
            if share and not dealt[split] and self.spec.group and len(rows) >= len(to):
                raise BadInput(
                    f"Grouped by {self.spec.group!r} no rows are left for {split}: there "
                    f"{noun(len(units), 'is one group', f'are {len(units)} groups')}.",
                    "Group by a column with more values, or name a file for each split.",
                )
        sizes = ", ".join(f"{len(dealt[split])} {split}" for split in to)
        sentence = f"{len(rows)} {what}rows were drawn into {sizes} (seed {self.seed}), {classes_in(rows, by)}"
        together = sum(len(unit) for unit in units if len(unit) > 1)
        if self.spec.group:
            sentence += f"; the {plural(len(units), 'group')} of {self.spec.group!r} stay whole"
        elif together:
            sentence += f"; {together} rows with the inputs of another stay with it in one split"
        return {split: [lines[i] for i in dealt[split]] for split in to}, by, [f"{sentence}."]


def _leaks(by_split: BySplit, group: str | None) -> list[str]:
    """Sentences about rows of one split that another has seen, which only splits that were given can hold."""
    keys: list[tuple[str, Callable[[Line], Question | str]]] = [("with the same inputs", lambda line: line.question)]
    if group is not None:
        keys.append((f"of the same {group!r}", lambda line: line.group))
    said = []
    for what, key in keys:
        home: dict[Question | str, Split] = {}
        shared: Counter[tuple[Split, Split]] = Counter()
        for split in Split:
            for line in by_split.get(split, ()):
                if (found := key(line)) and (first := home.setdefault(found, split)) is not split:
                    shared[first, split] += 1
        said += [
            f"{plural(count, 'row')} {what} {noun(count, 'stands', 'stand')} in both {first} and {second}: "
            f"scores on {second} flatter."
            for (first, second), count in shared.items()
        ]
    return said


def _as_examples(by_split: BySplit) -> list[Example]:
    return [
        Example(line.id, split, position, line.inputs, line.labels)
        for split in Split
        for position, line in enumerate(by_split.get(split, ()))
    ]
