"""Rows are dealt to three splits: what hangs together stays together, and labels are spread."""

import json
import random
from collections import Counter
from typing import Any

import pytest

from mipro_studio.optimizer_core.data import split_places
from mipro_studio.optimizer_core.data import units_of as units_of_keys
from mipro_studio.optimizer_core.data.lines import group_of, question_of
from mipro_studio.optimizer_core.errors import BadInput

USUAL = (0.4, 0.4, 0.2)


Rows = list[dict[str, Any]]


def split_rows(
    rows: Rows, shares: tuple[float, float, float], stratify: str | None, seed: int, units: Any = None
) -> tuple[Rows, Rows, Rows]:
    strata = ["" if stratify is None else str(row[stratify]) for row in rows]
    first, second, third = split_places(strata, shares, seed, units)
    return [rows[i] for i in first], [rows[i] for i in second], [rows[i] for i in third]


def units_of(rows: Rows, inputs: list[str], group: str | None) -> list[tuple[int, ...]]:
    groups = [group_of(row, group) for row in rows] if group is not None else []
    return units_of_keys([question_of(row, inputs) for row in rows], groups)


def rows_of(count: int, classes: int = 3) -> list[dict[str, Any]]:
    return [{"text": f"text {n}", "label": f"class {n % classes}"} for n in range(count)]


@pytest.mark.parametrize("stratify", [None, "label"])
def test_split_sizes_are_off_by_at_most_one_row(stratify: str | None) -> None:
    draw = random.Random(0)
    for _ in range(300):
        raw = [draw.random() for _ in range(3)]
        shares = (raw[0] / sum(raw), raw[1] / sum(raw), 0.0)
        shares = (shares[0], shares[1], 1 - shares[0] - shares[1])
        rows = rows_of(draw.randint(1, 60), draw.randint(1, 7))
        parts = split_rows(rows, shares, stratify, draw.randint(0, 9))
        assert sorted(row["text"] for part in parts for row in part) == sorted(row["text"] for row in rows)
        for part, share in zip(parts, shares, strict=True):
            assert abs(len(part) - share * len(rows)) <= 1


def test_a_share_of_0_gets_no_row() -> None:
    for seed in range(20):
        assert split_rows(rows_of(31), (0.5, 0.5, 0.0), "label", seed)[2] == []


def test_strata_keep_their_shares() -> None:
    rows = [{"text": str(n), "label": "rare" if n % 10 == 0 else "common"} for n in range(200)]
    for seed in range(5):
        for part, share in zip(split_rows(rows, USUAL, "label", seed), USUAL, strict=True):
            assert abs(Counter(row["label"] for row in part)["rare"] - 20 * share) <= 1
            # In order of drawing, not stratum after stratum: bootstrapping walks the rows as they stand.
            assert part != sorted(part, key=lambda row: row["label"])


def test_every_split_that_can_have_a_label_has_it() -> None:
    draw = random.Random(1)
    for seed in range(200):
        counts = [draw.choice([1, 2, 3, 4, 9, 30]) for _ in range(draw.randint(2, 6))]
        rows = [{"text": f"{c}/{n}", "label": str(c)} for c, count in enumerate(counts) for n in range(count)]
        parts = split_rows(rows, USUAL, "label", seed)
        sizes = [len(part) for part in split_rows(rows, USUAL, None, seed)]
        room = min(len(part) for part in parts)
        for c, count in enumerate(counts):
            has = sum(any(row["label"] == str(c) for row in part) for part in parts)
            if room >= 2 * len(counts):
                assert has == min(count, 3), (seed, counts)
        assert [len(part) for part in parts] == sizes


def test_the_split_of_rows_that_need_no_spreading_is_what_it_was() -> None:
    """Figures of the samples stand in the README: their rows must stay where they are."""
    parts = split_rows(rows_of(12), USUAL, "label", 0)
    assert [[int(row["text"][5:]) for row in part] for part in parts] == [[11, 4, 2, 3, 9], [5, 10, 8, 1, 6], [7, 0]]


def test_rows_that_ask_the_same_are_never_in_two_splits() -> None:
    draw = random.Random(2)
    for seed in range(100):
        rows = [{"text": f"q{draw.randint(0, 25)}", "label": str(draw.randint(0, 2)), "id": i} for i in range(40)]
        units = units_of(rows, ["text"], None)
        parts = split_rows(rows, USUAL, draw.choice([None, "label"]), seed, units)
        homes = [{row["text"] for row in part} for part in parts]
        assert not (homes[0] & homes[1] | homes[0] & homes[2] | homes[1] & homes[2])
        assert sum(map(len, parts)) == 40


def test_groups_stay_whole_and_the_shares_are_kept_as_far_as_they_allow() -> None:
    draw = random.Random(3)
    for seed in range(50):
        rows = [{"text": str(n), "label": draw.choice("ab"), "user": f"u{draw.randint(0, 30)}"} for n in range(200)]
        units = units_of(rows, ["text"], "user")
        parts = split_rows(rows, USUAL, "label", seed, units)
        users = [{row["user"] for row in part} for part in parts]
        assert not (users[0] & users[1] or users[0] & users[2] or users[1] & users[2])
        largest = max(map(len, units))
        in_all = sum(row["label"] == "a" for row in rows) / 200
        for part, share in zip(parts, USUAL, strict=True):
            assert abs(len(part) - share * 200) <= largest
            assert abs(sum(row["label"] == "a" for row in part) / len(part) - in_all) < 0.1


@pytest.mark.parametrize("other", ["What is it? ", "what  is IT?", "What\nis it?"])
def test_case_and_blanks_make_no_other_question(other: str) -> None:
    rows = [{"q": "What is it?"}, {"q": "x"}, {"q": other}]
    assert units_of(rows, ["q"], None) == [(0, 2), (1,)]


def test_units_join_over_questions_and_groups() -> None:
    rows = [
        {"q": "a", "g": 1},
        {"q": "b", "g": 1},
        {"q": "b", "g": 2},
        {"q": "c", "g": None},
        {"q": "d", "g": None},
        {"q": "e", "g": ""},
    ]
    assert units_of(rows, ["q"], "g") == [(0, 1, 2), (3,), (4,), (5,)]
    assert units_of([{"q": {"x": [1, 2]}}, {"q": {"x": [1, 2]}}, {"q": {"x": [2, 1]}}], ["q"], None) == [(0, 1), (2,)]


def test_the_split_depends_on_the_seed_and_0_is_one() -> None:
    parts = [json.dumps(split_rows(rows_of(40), USUAL, None, seed)) for seed in (0, 0, 1, 2)]
    assert parts[0] == parts[1]
    assert len(set(parts)) == 3


@pytest.mark.parametrize("shares", [(0.5, 0.5, 0.5), (-0.1, 0.6, 0.5), (0.0, 0.0, 0.0)])
def test_shares_that_are_no_shares_are_refused(shares: tuple[float, float, float]) -> None:
    with pytest.raises(BadInput, match="sum to 1"):
        split_rows(rows_of(9), shares, None, 0)


def test_many_rows_are_split_in_no_time() -> None:
    rows = [{"text": f"t{n % 60_000}", "label": str(n % 150)} for n in range(100_000)]
    parts = split_rows(rows, USUAL, "label", 0, units_of(rows, ["text"], None))
    assert sum(map(len, parts)) == 100_000
