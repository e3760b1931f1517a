"""What is in an arm, as numbers that its effect may be learned from.

A feature is a matrix of an owner's arms: a row an arm, a column a property. The surrogate gives every feature one
variance of its own and lets the cells say how much it matters (`surrogates.laplace`), so columns are centred over the
arms and scaled such that the mean arm has length one. An arm that was never tried has a row like any other: that is
what makes its first estimate better than nothing.
"""

import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from mipro_studio.optimizer_core.parameters.registry import KINDS
from mipro_studio.optimizer_core.types import PROGRAM, SEED_ARM, WHOLE, Arm, Example

__all__ = [
    "FEATURES",
    "WORTH",
    "Feature",
    "Features",
    "RowClasses",
    "carried_feature",
    "demo_features",
    "features_of",
    "instruction_features",
    "row_classes",
    "text_features",
]

Floats = NDArray[np.float64]
T = TypeVar("T", bound=Hashable)

FEATURES = {"demos": ("answers", "last", "rows", "number"), "instruction": ("lineage", "tip", "text")}
TRIED = {
    "demos": (*FEATURES["demos"], "origin"),
    "instruction": (*FEATURES["instruction"], "author", "length"),
}
"""The features by kind of arm, which `docs/landscapes.md` has the figures of; others were tried and dropped."""

WORTH = "worth"
"""Key in the provenance of an arm of an earlier run: what it was worth there beyond the seed's arm (logit)."""
CARRIED, CARRIED_SD = 0.6, 0.4
"""Share of an arm's worth in an earlier run that is expected again, and how unsure that is: the cells of all arms say
how large it is, for all of them."""

FEW_ANSWERS = 12
"""An output with more different answers among the demos is no class: its answers say nothing of a set."""
SHORT = 60
"""Characters of the longest answer that may be a class."""
HASHED = 64
"""Columns that the words of instructions are hashed into."""


@dataclass(frozen=True, eq=False)
class Feature:
    """`basis` [arms, columns]: the rows belong to the indices `arms`, in their order.

    Attributes:
        mean: What the weights of the columns are thought to be before any cell.
        mean_sd: How unsure that is: features with one have one mean between them, which the cells change.
        by_row: Of a feature of one column that an arm has on some rows of data and not on others: by the row's id,
            [arms] by how much it is more there than `basis` before that was centred.
    """

    name: str
    arms: tuple[int, ...]
    basis: Floats
    mean: float = 0.0
    by_row: Mapping[str, Floats] = field(default_factory=dict)
    mean_sd: float = 0.0


@dataclass(frozen=True)
class RowClasses:
    """What rows of data are labelled with, where that is a class: by the row's id.

    Attributes:
        shown: Of the rows that demos are made of.
        asked: Of the validation rows.
    """

    shown: Mapping[str, str] = field(default_factory=dict)
    asked: Mapping[str, str] = field(default_factory=dict)


NO_CLASSES = RowClasses()
Features = Mapping[tuple[int, str], Sequence[Feature]]
"""By (place of the owner in a candidate, kind of arm)."""


def features_of(
    outputs: Mapping[str, Sequence[str]],
    by_kind: Mapping[str, Mapping[str, Mapping[int, Arm]]],
    classes: RowClasses = NO_CLASSES,
) -> Features:
    """The features of all arms.

    They do not depend on the order in which arms came in, as draws from the model do on that of its columns.

    Args:
        outputs: By predictor, in program order.
        by_kind: kind -> owner -> index -> arm.
        classes: What the rows are labelled with.
    """
    owners = [*enumerate(outputs), (WHOLE, PROGRAM)]
    return {
        (place, kind.name): kind.features([arms[index] for index in sorted(arms)], outputs.get(owner, ()), classes)
        for place, owner in owners
        for kind in KINDS.values()
        if (arms := by_kind.get(kind.name, {}).get(owner))
    }


def demo_features(
    sets: Sequence[Arm],
    outputs: Sequence[str],
    only: Sequence[str] = FEATURES["demos"],
    row_classes: RowClasses = NO_CLASSES,
) -> list[Feature]:
    """The features of one predictor's demo sets.

    Args:
        outputs: The predictor's outputs; which answers to them a set shows is what matters most.
        only: Names of the features wanted.
        row_classes: What the rows are labelled with.
    """
    arms = tuple(one.index for one in sets)
    shown = [[_answers(demo.fields, outputs) for demo in one.demos] for one in sets]
    classes = _classes(shown)
    answers = [[[one for one in demo if one[0] in classes] for demo in one] for one in shown]
    rows = [[demo.example_id for demo in one.demos if demo.example_id] for one in sets]
    traced = [sum(demo.augmented for demo in one.demos) / max(len(one.demos), 1) for one in sets]
    found = {
        "answers": _one_hot([{each for demo in one for each in demo} for one in answers]),
        "last": _one_hot([set(one[-1]) if one else set() for one in answers]),
        "rows": _one_hot([set(one) for one in rows]),
        "number": _numbers([len(one.demos) for one in sets]),
        "origin": _column(traced),
    }
    return [*_features(arms, found, only), *_covering(sets, row_classes), *carried_feature(sets)]


def _numbers(sizes: Sequence[int]) -> Floats:
    """The logarithms of how many demos sets have. The empty set is no point of that line: it stands in its middle."""
    known = [math.log(size) for size in sizes if size]
    usual = sum(known) / max(len(known), 1)
    return _column([math.log(size) if size else usual for size in sizes])


def _covering(sets: Sequence[Arm], classes: RowClasses) -> list[Feature]:
    """On which rows a set shows one of the same class: the share of all rows, and row by row."""
    if not classes.asked:
        return []
    inside = [{classes.shown.get(demo.example_id) for demo in one.demos} for one in sets]
    shows = {kind: np.array([kind in one for one in inside], dtype=float) for kind in {*classes.asked.values()}}
    share = np.mean([shows[kind] for kind in classes.asked.values()], axis=0)
    if share.max() - share.min() < 1e-9:
        return []
    by_row = {row: shows[kind] - share for row, kind in classes.asked.items()}
    return [Feature("covered", tuple(one.index for one in sets), (share - share.mean())[:, None], 0.0, by_row)]


def row_classes(train: Sequence[Example], val: Sequence[Example]) -> RowClasses:
    """The classes of rows; nothing where their labels are none."""
    names = sorted(_classes([[_answers(row.labels, list(row.labels))] for row in train]))
    shown, asked = ({row.id: json.dumps(_answers(row.labels, names)) for row in rows} for rows in (train, val))
    return RowClasses(shown, asked) if names else NO_CLASSES


def instruction_features(instructions: Sequence[Arm], only: Sequence[str] = FEATURES["instruction"]) -> list[Feature]:
    """The features of one predictor's instructions: whose children they are, by which tip, and their words."""
    arms = tuple(one.index for one in instructions)
    parents = {one.index: _parents(one) for one in instructions}
    found = {
        "lineage": _one_hot([_line(index, parents) for index in arms]),
        "tip": _one_hot([{str(one.provenance.get("tip", ""))} for one in instructions]),
        "author": _one_hot([{one.author.value} for one in instructions]),
        "length": _column([math.log1p(len(one.text)) for one in instructions]),
        "text": _words([one.text for one in instructions]),
    }
    return [*_features(arms, found, only), *carried_feature(instructions)]


def text_features(arms: Sequence[Arm], texts: Sequence[str]) -> list[Feature]:
    """The features of arms that are words: whose children they are, by which tip, and the words.

    Args:
        texts: What the arms say, in their order.
    """
    parents = {one.index: _parents(one) for one in arms}
    indices = tuple(one.index for one in arms)
    found = {
        "lineage": _one_hot([_line(index, parents) for index in indices]),
        "tip": _one_hot([{str(one.provenance.get("tip", ""))} for one in arms]),
        "text": _words(texts),
    }
    return [*_features(indices, found, tuple(found)), *carried_feature(arms)]


def carried_feature(arms: Sequence[Arm]) -> list[Feature]:
    """What arms were worth in an earlier run, beyond its seed's: new arms are as good as the others on average."""
    known = {one.index: float(one.provenance[WORTH]) for one in arms if WORTH in one.provenance}
    if not known:
        return []
    usual = sum(known.values()) / (len(known) + 1)
    worth = {SEED_ARM: 0.0, **known}
    basis = _column([worth.get(one.index, usual) - usual for one in arms])
    return [Feature("carried", tuple(one.index for one in arms), basis, CARRIED, mean_sd=CARRIED_SD)]


def _features(arms: tuple[int, ...], found: Mapping[str, Floats], only: Sequence[str]) -> list[Feature]:
    return [Feature(name, arms, basis) for name in only if (basis := _scaled(found[name])) is not None]


def _scaled(columns: Floats) -> Floats | None:
    """Centred, and of mean squared length one; None where all arms are the same."""
    if not columns.size:
        return None
    centred = columns - columns.mean(axis=0)
    length = float((centred**2).sum(axis=1).mean()) ** 0.5
    return None if length < 1e-9 else np.asarray(centred / length)


def _column(values: Sequence[float]) -> Floats:
    return np.array(values, dtype=float)[:, None]


def _one_hot(having: Sequence[set[T]]) -> Floats:
    """[arms, different things]: whether an arm has it."""
    things = {
        thing: place for place, thing in enumerate(dict.fromkeys(t for one in having for t in sorted(one, key=str)))
    }
    table = np.zeros((len(having), len(things)))
    for row, one in enumerate(having):
        table[row, [things[thing] for thing in one]] = 1.0
    return table


def _answers(fields: Mapping[str, object], outputs: Sequence[str]) -> list[tuple[str, str]]:
    return [(name, json.dumps(fields[name], sort_keys=True, default=str)) for name in outputs if name in fields]


def _classes(shown: Sequence[Sequence[Sequence[tuple[str, str]]]]) -> set[str]:
    """The outputs whose answers are classes."""
    given: dict[str, Counter[str]] = {}
    for one in shown:
        for demo in one:
            for name, answer in demo:
                given.setdefault(name, Counter())[answer] += 1
    return {
        name
        for name, answers in given.items()
        if len(answers) <= FEW_ANSWERS and max(map(len, answers)) <= SHORT and len(answers) < sum(answers.values())
    }


def _parents(arm: Arm) -> list[int]:
    named = arm.provenance.get("parents", ())
    edited = arm.provenance.get("edited_from")
    return [int(one) for one in named] + ([int(edited)] if edited is not None else [])


def _line(index: int, parents: Mapping[int, Sequence[int]]) -> set[str]:
    """An arm and all that it comes from."""
    line: set[int] = set()
    waiting = [index]
    while waiting:
        one = waiting.pop()
        if one not in line:
            line.add(one)
            waiting += parents.get(one, ())
    return {str(one) for one in line}


def _words(texts: Sequence[str]) -> Floats:
    """Words and pairs of words, hashed; an instruction is as long as any other."""
    table = np.zeros((len(texts), HASHED))
    for row, text in enumerate(texts):
        words = re.findall(r"\w+", text.lower())
        for token in [*words, *(" ".join(pair) for pair in itertools.pairwise(words))]:
            code = crc32(token.encode())
            table[row, code % HASHED] += 1.0 if code & 0x10000 else -1.0
        length = float(np.linalg.norm(table[row]))
        table[row] /= length or 1.0
    return table
