"""What a cell says of each predictor alone."""

from collections.abc import Mapping
from random import Random

import numpy as np

from mipro_studio.optimizer_core.search.surrogates import Observation
from mipro_studio.optimizer_core.search.surrogates.credit import RIGHT, with_credit
from mipro_studio.optimizer_core.search.surrogates.laplace import fit
from mipro_studio.optimizer_core.types import WHOLE, Candidate
from tests.optimizer_core.search import credit_cell_by_cell as cell_by_cell

Answers = Mapping[str, tuple[tuple[int, str], ...]]


def candidate(first: int, second: int) -> Candidate:
    return Candidate.of(2, {(0, "instruction"): first, (1, "instruction"): second})


def observation(one: Candidate, rows: Mapping[str, tuple[str, float]]) -> Observation:
    """`rows`: what the first predictor said, and the score."""
    scores = {name: score for name, (_, score) in rows.items()}
    answers = {name: ((0, said), (1, f"{score}")) for name, (said, score) in rows.items()}
    return Observation(one, sum(scores.values()) / len(scores), len(scores), scores, answers=answers)


def first_alone(index: int) -> Candidate:
    others = {(1, "instruction"): RIGHT, (1, "demos"): RIGHT}
    return Candidate.of(2, {(0, "instruction"): index, **others})


def second_alone(index: int) -> Candidate:
    others = {(0, "instruction"): RIGHT, (0, "demos"): RIGHT}
    return Candidate.of(2, {(1, "instruction"): index, **others})


def known(*seen: Observation) -> dict[Candidate, dict[str, float]]:
    candidates, rows = with_credit(seen)
    assert candidates[: len(seen)] == [one.candidate for one in seen]
    return {one: dict(row) for one, row in zip(candidates[len(seen) :], rows[len(seen) :], strict=True)}


USUAL = {f"u{n}": ("x", float(n < 4)) for n in range(8)}
"""Rows on which the answers that agree pass now and then."""


def test_an_answer_that_passed_with_other_arms_is_right_and_another_is_wrong() -> None:
    found = known(
        observation(candidate(1, 1), {"a": ("x", 1.0), "b": ("y", 1.0)} | {f"u{n}": ("x", 1.0) for n in range(8)}),
        observation(candidate(2, 2), {"a": ("x", 0.0), "b": ("z", 0.0)} | USUAL),
        observation(candidate(3, 3), {f"u{n}": (f"{n}", 0.0) for n in range(8)}),
    )
    assert {name: found[first_alone(2)][name] for name in "ab"} == {"a": 1.0, "b": 0.0}
    assert "a" not in found[first_alone(1)], "nobody else passed on it"
    assert found[second_alone(2)] == {"a": 0.0} | {name: score for name, (_, score) in USUAL.items()}
    assert set(found[first_alone(3)].values()) == {0.0} and second_alone(3) not in found


def test_arms_differ_in_the_predictor_that_answers() -> None:
    passes = observation(candidate(1, 1), {"a": ("x", 1.0), "b": ("y", 0.0)})
    others = [observation(candidate(3, 3), {"a": ("z", 0.0)}), observation(candidate(4, 4), {"a": ("w", 0.0)})]
    alone = known(passes, observation(candidate(1, 2), {"a": ("x", 1.0)}), *others)
    assert alone == {first_alone(3): {"a": 0.0}, first_alone(4): {"a": 0.0}}
    found = known(passes, observation(candidate(2, 2), {"a": ("x", 1.0)}), *others)
    assert found[first_alone(1)] == {"a": 1.0} and found[second_alone(1)] == {"a": 1.0}


def test_where_other_answers_pass_as_often_nothing_is_concluded() -> None:
    same = observation(candidate(1, 1), dict.fromkeys("abcdef", ("x", 1.0)))
    other = observation(candidate(2, 2), dict.fromkeys("abcdef", ("y", 1.0)))
    assert known(same, other) == {}


def test_scores_that_are_not_shares_and_cells_without_answers_give_no_credit() -> None:
    assert known(*(Observation(candidate(one, one), 0.5, 2, {"a": 1.0, "b": 0.0}) for one in (1, 2))) == {}
    rows = {"a": ("x", 50.0), "b": ("y", 0.0)}
    assert known(observation(candidate(1, 1), rows), observation(candidate(2, 2), rows)) == {}


def test_the_model_finds_the_better_first_predictor_where_the_second_seldom_passes() -> None:
    def gap(credit: bool, seed: int) -> float:
        rng = Random(seed)
        seen = []
        for first, second in [(1, 1), (2, 1), (1, 2), (2, 2), (1, 3), (2, 3), (3, 1), (3, 2), (3, 3)]:
            rows = {}
            for row in range(12):
                right = rng.random() < {1: 0.9, 2: 0.4, 3: 0.4}[first]
                passes = right and rng.random() < 0.35
                rows[f"r{row}"] = ("right" if right else f"wrong {first}", float(passes))
            seen.append(observation(candidate(first, second), rows))
        told = with_credit(seen) if credit else ([one.candidate for one in seen], [one.scores for one in seen])
        posterior = fit(*told)
        assert posterior is not None
        values = posterior.mode[: len(seen)]
        better = [value for one, value in zip(seen, values, strict=True) if one.candidate.arm(0, "instruction") == 1]
        others = [value for one, value in zip(seen, values, strict=True) if one.candidate.arm(0, "instruction") != 1]
        spread = float(np.std(others)) + 0.05
        return float(np.mean(better) - np.mean(others)) / spread

    gaps = [(gap(True, seed), gap(False, seed)) for seed in range(8)]
    assert np.mean([with_ > without for with_, without in gaps]) >= 0.6
    assert all(with_ > 0 for with_, _ in gaps)


def played(rng: Random) -> list[Observation]:
    """Candidates of one to four predictors with cells of all kinds: branches, graded scores, free answers."""
    n, free, whole = rng.choice((1, 2, 3, 4)), rng.random() < 0.2, rng.random() < 0.2
    seen = {}
    for _ in range(rng.randint(1, 40)):
        chosen = {(place, kind): rng.randrange(4) for place in range(n) for kind in ("instruction", "demos")}
        one = Candidate.of(n, chosen | ({(WHOLE, "weights"): rng.randrange(3)} if whole else {}))
        scores = {f"r{row}": rng.choice((0.0, 1.0, 1.0, 0.5)) for row in rng.sample(range(15), rng.randint(1, 12))}
        answers = {}
        for row, score in scores.items():
            order = rng.sample(range(n), n)[: rng.randint(1, n)] if rng.random() < 0.1 else range(n)
            agrees = not free and (score == 1 or rng.random() < 0.5)
            if rng.random() < 0.9:
                answers[row] = tuple((place, row if agrees else rng.choice("abcde")) for place in order)
        seen[one] = Observation(one, 0.0, len(scores), scores, answers=answers)
    return list(seen.values())


def test_arrays_give_the_credit_that_is_found_cell_by_cell_in_the_same_order() -> None:
    told = 0
    for seed in range(150):
        seen = played(Random(seed))
        (candidates, rows), (others, as_rows) = with_credit(seen), cell_by_cell.with_credit(seen)
        assert candidates == others and [[*row.items()] for row in rows] == [[*row.items()] for row in as_rows]
        told += len(candidates) > len(seen)
    assert told > 50
