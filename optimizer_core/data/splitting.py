"""The split into train, validation and sealed test: repeats and groups stay together, labels are spread."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.seeds import generator

__all__ = ["Shares", "split_places", "units_of"]

MOST_STRATA = 200

Shares = tuple[float, float, float]
Unit = tuple[int, ...]
"""Places of rows that may not be torn apart."""


def units_of(questions: Sequence[Hashable], groups: Sequence[str] = ()) -> list[Unit]:
    """Rows that ask the same, or are of one group, as units, in the order of their first rows.

    Args:
        questions: What each row asks.
        groups: The group of each row, "" for none; empty when rows have no groups.
    """
    parent = list(range(len(questions)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for keys in (questions, groups):
        first: dict[Hashable, int] = {}
        for i, key in enumerate(keys):
            if key != "":
                one, other = sorted((root(first.setdefault(key, i)), root(i)))
                parent[other] = one
    units: dict[int, list[int]] = defaultdict(list)
    for i in range(len(questions)):
        units[root(i)].append(i)
    return [tuple(unit) for unit in units.values()]


def split_places(
    strata: Sequence[str], shares: Shares, seed: int, units: Sequence[Unit] | None = None
) -> tuple[list[int], list[int], list[int]]:
    """Places of rows in train, validation and test: shuffled units, large ones first, then stratum after stratum.

    Rows that stand alone go to the split that is furthest behind its share: unlike a split by class this needs no
    least count per class, and the sizes are off by at most one row. Where some hang together, each unit goes to the
    split that lacks most of its strata and of rows. Afterwards a stratum that a split lacks is swapped into it where
    another has two.

    Args:
        strata: Of each row; all the same where none are to keep their shares.
        units: Rows that stay together, by place; None = each for itself.

    Raises:
        BadInput: shares that are negative or do not sum to one.
    """
    if min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
        raise BadInput(f"The split {shares} must be three shares of at least 0 that sum to 1.")
    units = [(i,) for i in range(len(strata))] if units is None else units
    names = [[strata[i] for i in unit] for unit in units]
    rng = generator(seed, "split")
    order = list(range(len(units)))
    rng.shuffle(order)
    order.sort(key=lambda u: names[u][0] if len(names[u]) == 1 else Counter(names[u]).most_common(1)[0][0])
    order.sort(key=lambda u: -len(units[u]))
    alone = all(len(unit) == 1 for unit in units)
    dealt = _dealt_alone(order, shares) if alone else _dealt_whole(order, names, shares)
    _Spread(dealt, names).spread()
    parts: tuple[list[int], list[int], list[int]] = ([], [], [])
    for part, chosen in zip(parts, dealt, strict=True):
        part += [i for u in chosen for i in units[u]]
        rng.shuffle(part)  # the strata must not stand in blocks: bootstrapping walks the rows in order
    return parts


Dealt = tuple[list[int], list[int], list[int]]
"""Places of units, by split."""


def _dealt_alone(order: Sequence[int], shares: Shares) -> Dealt:
    dealt: Dealt = ([], [], [])
    for count, u in enumerate(order, start=1):
        behind = [share * count - len(part) for share, part in zip(shares, dealt, strict=True)]
        dealt[behind.index(max(behind))].append(u)
    return dealt


def _dealt_whole(order: Sequence[int], strata: Sequence[Sequence[str]], shares: Shares) -> Dealt:
    """Each unit to the split that lacks the largest part of its share of the unit's strata, and of all rows."""
    totals = Counter(name for names in strata for name in names)
    n_rows = sum(totals.values())
    dealt: Dealt = ([], [], [])
    held = [Counter[str]() for _ in shares]
    sizes = [0] * len(shares)

    def lacks(to: int, of: Mapping[str, int]) -> float:
        wanted = shares[to]
        of_strata = sum(count * (1 - held[to][name] / (wanted * totals[name])) for name, count in of.items())
        return of_strata / sum(of.values()) + 1 - sizes[to] / (wanted * n_rows)

    open_splits = [to for to, share in enumerate(shares) if share > 0]
    for u in order:
        of = Counter(strata[u])
        to = max(open_splits, key=lambda split: lacks(split, of))
        dealt[to].append(u)
        held[to].update(of)
        sizes[to] += len(strata[u])
    return dealt


@dataclass
class _Spread:
    """Swaps units of one size between splits, so that every split that can have a label has it."""

    dealt: Dealt
    strata: Sequence[Sequence[str]]

    def spread(self) -> None:
        self._has = [Counter(name for u in part for name in set(self.strata[u])) for part in self.dealt]
        in_all = sum(self._has, Counter())
        if len(in_all) > MOST_STRATA:  # nothing that could be spread, and long to try
            return
        for label, _ in sorted(in_all.items(), key=lambda item: (item[1], item[0])):
            for to, part in enumerate(self.dealt):
                if part and not self._has[to][label]:
                    self._bring(label, to)

    def _bring(self, label: str, to: int) -> None:
        """One unit with `label` from the split that has most of them, against one whose labels `to` has twice."""
        source = max(range(len(self.dealt)), key=lambda i: self._has[i][label])
        if self._has[source][label] < 2:
            return
        for given in (u for u in self.dealt[source] if label in self.strata[u]):
            taken = [u for u in self.dealt[to] if self._can_swap(given, source, u, to)]
            if taken:
                back = max(taken, key=lambda u: min(self._has[to][name] for name in set(self.strata[u])))
                self._swap(given, source, back, to)
                return

    def _can_swap(self, given: int, source: int, taken: int, to: int) -> bool:
        lost_there = set(self.strata[given]) - set(self.strata[taken])
        lost_here = set(self.strata[taken]) - set(self.strata[given])
        return (
            len(self.strata[given]) == len(self.strata[taken])
            and all(self._has[source][name] > 1 for name in lost_there)
            and all(self._has[to][name] > 1 for name in lost_here)
        )

    def _swap(self, given: int, source: int, taken: int, to: int) -> None:
        self.dealt[source][self.dealt[source].index(given)] = taken
        self.dealt[to][self.dealt[to].index(taken)] = given
        for unit, old, new in ((given, source, to), (taken, to, source)):
            labels = Counter(set(self.strata[unit]))
            self._has[old] -= labels
            self._has[new] += labels
