"""The item-response model's fit finds the mode of any table of scores."""

import json
import random
from collections.abc import Callable, Mapping

import numpy as np
import pytest
from scipy.special import expit

from mipro_studio.optimizer_core.parameters.arm_features import Feature, Features
from mipro_studio.optimizer_core.search.surrogates import laplace, newton
from mipro_studio.optimizer_core.search.surrogates.laplace import fit
from mipro_studio.optimizer_core.search.surrogates.posterior import Family, Floats, Posterior
from mipro_studio.optimizer_core.types import WHOLE, Candidate
from tests.optimizer_core.builders import ROOT

Table = dict[str, dict[str, float]]
SATURATED: Table = json.loads((ROOT / "tests/optimizer_core/saturated_table.json").read_text())


def table(score: Callable[[int, int, random.Random], float], candidates: int = 12, examples: int = 10) -> Table:
    """`score(candidate, example, rng)` at most cells, of candidates with two predictors."""
    rng = random.Random(0)
    names = [f"i{c % 4}d{c % 3}-i{c % 5}d{c % 2}" for c in range(candidates)]
    return {
        name: {f"e{e}": score(c, e, rng) for e in range(examples) if e < 3 or rng.random() < 0.7}
        for c, name in enumerate(names)
    }


TABLES: Mapping[str, Table] = {
    "saturated": SATURATED,
    "all right": table(lambda c, e, rng: 1.0),
    "all wrong": table(lambda c, e, rng: 0.0),
    "all equal in between": table(lambda c, e, rng: 0.4),
    "separated by candidate": table(lambda c, e, rng: float(c % 4 == 2), 60, 120),
    "separated by example": table(lambda c, e, rng: float(e % 2), 60, 120),
    "separated by both": table(lambda c, e, rng: float(c % 4 > e % 4), 60, 120),
    "nearly all right": table(lambda c, e, rng: float(rng.random() < 0.99), 60, 120),
    "graded": table(lambda c, e, rng: rng.random() ** (1 + c % 4), 40, 30),
    "hardly any noise": table(lambda c, e, rng: (c % 4) / 4 + e / 1000, 40, 30),
    "below zero": table(lambda c, e, rng: rng.gauss(-300, 100), 40, 30),
    "huge": table(lambda c, e, rng: 10.0 ** rng.randrange(12), 40, 30),
    "one row": {"i0d0": {f"e{n}": float(n % 2) for n in range(9)}},
    "one cell": {"i1d1": {"e0": 1.0}},
    "one column": table(lambda c, e, rng: float(c % 3 == 0), 12, 1),
    "with empty rows": {**table(lambda c, e, rng: float(e < 5)), "i3d9-i3d9": {}},
    "more candidates than the scales are learned from": {
        f"i{c % 20}d{c // 20}": {f"e{e}": float((c + e) % 7 > 0) for e in range(6 + c % 30)} for c in range(160)
    },
}


def slopes(found: Posterior) -> tuple[np.ndarray, np.ndarray]:
    """The log posterior's gradients in f and t, from its definition alone."""
    cells, scales = found.cells, found.scales
    chance = expit(found.mode[cells.row] + found.easiness[cells.column])
    residual = (cells.score - chance) / scales.dispersion
    kernel = sum(
        variance * (_of_arms(family) @ _of_arms(family).T)
        for family, variance in zip(found.families, scales.variances, strict=True)
    )
    before = sum(family.mean * _of_arms(family).sum(axis=1) for family in found.families)
    np.testing.assert_allclose(kernel @ found.pull + before, found.mode, atol=1e-6)
    in_f = np.bincount(cells.row, residual, cells.n_rows) - found.pull
    in_t = np.bincount(cells.column, residual, cells.n_columns) - found.easiness / scales.tau2
    return in_f, in_t


def _of_arms(family: Family) -> Floats:
    """[C, weights] what f has of each weight of a family."""
    basis = np.eye(len(family.codes)) if family.basis is None else family.basis
    return np.asarray(basis[family.group])


@pytest.mark.parametrize("final", [False, True])
@pytest.mark.parametrize("name", TABLES)
def test_the_gradient_is_small_at_the_end(name: str, final: bool) -> None:
    told = TABLES[name]
    found = fit([Candidate.parse(one) for one in told], list(told.values()), final=final)
    assert found is not None and found.converged
    for slope in slopes(found):
        assert np.abs(slope).max() < 1e-4
    assert np.abs(found.mode).max() < 40 and np.isfinite(found.covariance()).all()
    drawn, _ = found.draw(np.random.default_rng(0), 5)
    assert np.isfinite(drawn).all()


def test_no_cells_have_no_posterior() -> None:
    assert fit([], []) is None
    assert fit([Candidate.parse("i0d0")], [{}]) is None


def means(told: Table, found: Posterior) -> list[tuple[str, int, float, float]]:
    """(candidate, cells, measured, believed)."""
    believed = found.score(found.mode)
    return [
        (name, len(row), float(np.mean(list(row.values()))), float(one))
        for (name, row), one in zip(told.items(), believed, strict=True)
    ]


@pytest.mark.parametrize("final", [False, True])
def test_where_scores_saturate_beliefs_are_near_what_was_measured(final: bool) -> None:
    found = fit([Candidate.parse(one) for one in SATURATED], list(SATURATED.values()), final=final)
    assert found is not None and found.scales.tau2 < 20
    for name, n, measured, believed in means(SATURATED, found):
        assert abs(believed - measured) < (0.07 if n >= 18 else 0.12), name


def test_a_fit_that_fails_is_noticed_and_shrunken_means_take_its_place(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(newton, "MOST_STEPS", 0)
    found = fit([Candidate.parse(one) for one in SATURATED], list(SATURATED.values()))
    assert found is not None and not found.converged
    assert "Shrunken means" in caplog.text
    rows = means(SATURATED, found)
    middle = float(np.mean([score for row in SATURATED.values() for score in row.values()]))
    assert all(0.5 < believed < 1 for _, _, _, believed in rows)
    # Whoever did worse than the rest is believed to be worse, less so than measured.
    name, _, measured, believed = min(rows, key=lambda row: row[2] + 1 / row[1])
    assert measured < believed < middle, name


def test_the_scales_of_few_cells_stay_near_where_they_start() -> None:
    found = fit([Candidate.parse("i1d1")], [{"e0": 1.0}])
    assert found is not None
    for family, variance in zip(found.families, found.scales.variances, strict=True):
        assert 0.5 < variance / laplace.PRIOR[family.effect] < 2


def told_before(mean: float) -> Features:
    """What an earlier run said of the first predictor's instructions."""
    worth = np.array([0.0, 1.5, -1.0, 0.7])
    return {(0, "instruction"): [Feature("carried", (0, 1, 2, 3), worth[:, None], mean)]}


@pytest.mark.parametrize("name", ["saturated", "separated by candidate", "nearly all right", "graded", "one cell"])
def test_with_something_told_before_the_mode_is_found_around_it(name: str) -> None:
    told = TABLES[name]
    found = fit([Candidate.parse(one) for one in told], list(told.values()), features=told_before(0.6))
    assert found is not None and found.converged
    for slope in slopes(found):
        assert np.abs(slope).max() < 1e-4
    _, effects = found.draw(np.random.default_rng(0), 1, heat=0)
    summed = sum(each[family.group] for each, family in zip(effects, found.families, strict=True))
    np.testing.assert_allclose(np.asarray(summed)[:, 0], found.mode, atol=1e-6)


def test_what_was_told_before_counts_until_cells_say_otherwise() -> None:
    """Arms 1 and 2 were told to be good and bad; one cell of a third leaves it, many cells say the opposite."""

    def effects(rows: Table) -> dict[int, float]:
        found = fit([Candidate.parse(one) for one in rows], list(rows.values()), features=told_before(0.6))
        assert found is not None
        _, drawn = found.draw(np.random.default_rng(0), 1, heat=0)
        (carried,) = [at for at, family in enumerate(found.families) if family.mean]
        codes = [code[0] for code in found.families[carried].codes]
        return dict(zip(codes, drawn[carried][:, 0].tolist(), strict=True))

    little = effects({"i0d0": {"e0": 1.0}})
    assert little[1] == pytest.approx(0.9, abs=0.05) and little[2] == pytest.approx(-0.6, abs=0.05)
    against = {f"i{arm}d{n}": {f"e{e}": float(arm == 2) for e in range(20)} for arm in (1, 2) for n in range(5)}
    much = effects(against)
    assert much[1] < 0 < much[2]


def told_of_two_predictors() -> Features:
    """What an earlier run said of the instructions of both predictors, and how unsure it is that it holds."""
    worth = np.array([0.0, 1.5, -1.0, 0.7])[:, None]
    return {(place, "instruction"): [Feature("carried", (0, 1, 2, 3), worth, 0.5, mean_sd=0.4)] for place in (0, 1)}


@pytest.mark.parametrize("holds", [True, False])
def test_cells_of_one_predictors_arms_say_how_much_holds_of_all_that_was_told(holds: bool) -> None:
    told = {
        f"i{arm}d{n}-i0d0": {f"e{e}": float((e + n) % 10 < (8 if (arm == 1) == holds else 2)) for e in range(20)}
        for arm in (1, 2)
        for n in range(6)
    }
    found = fit(
        [Candidate.parse(one) for one in told], list(told.values()), features=told_of_two_predictors(), final=True
    )
    assert found is not None
    carried = [family for family in found.families if family.mean_sd]
    assert len(carried) == 2 and carried[0].mean == carried[1].mean
    assert carried[1].mean > 0.7 if holds else carried[1].mean < 0.4
    # At the mode the log posterior does not change with the mean that they share.
    x = sum(_of_arms(family).sum(axis=1) for family in carried)
    assert x @ found.pull == pytest.approx((carried[0].mean - 0.5) / 0.4**2, abs=1e-3)


def test_a_set_that_was_asked_on_the_rows_it_covers_is_not_taken_for_better() -> None:
    """Sets 1 and 2 are as good: each is right on its half of the rows; 1 was asked more of its own half."""
    names = [f"e{n}" for n in range(40)]
    share = np.array([0.0, 0.5, 0.5, 1.0])
    halves = [np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.0, 0.0, 1.0, 1.0])]
    by_row = {name: halves[n % 2] - share for n, name in enumerate(names)}
    covered = Feature("covered", (0, 1, 2, 3), (share - share.mean())[:, None], 0.0, by_row)
    asked = {0: names, 1: names[0:24:2] + names[1:8:2], 2: names[24:40:2] + names[9:25:2]}
    rng = np.random.default_rng(5)
    cells = {
        arm: {name: float(rng.random() < (0.9 if by_row[name][arm] + share[arm] else 0.1)) for name in of_arm}
        for arm, of_arm in asked.items()
    }
    args = [Candidate.of(1, {(0, "demos"): arm}) for arm in cells], list(cells.values())
    plain, told = fit(*args), fit(*args, features={(0, "demos"): [covered]})
    assert plain is not None and told is not None and told.converged
    assert told.cells.slopes[0] > 1
    assert plain.mode[1] - plain.mode[2] > 0.3 > abs(told.mode[1] - told.mode[2])
    assert told.mode[1] - told.mode[0] > 0.5
    _, effects = told.draw(np.random.default_rng(0), 1, heat=0)
    (at,) = [number for number, family in enumerate(told.families) if family.by_row]
    worth = dict(zip(told.families[at].codes, effects[at][:, 0].tolist(), strict=True))
    assert worth[3,] > worth[1,] > worth[0,], "a set that covers all rows is the best, before its first cell"


def test_nothing_told_before_changes_no_digit() -> None:
    told = TABLES["graded"]
    args = [Candidate.parse(one) for one in told], list(told.values())
    plain, empty = fit(*args), fit(*args, features={(0, "instruction"): []})
    assert plain is not None and empty is not None
    assert plain.mode.tolist() == empty.mode.tolist()


def test_a_kind_of_arm_that_only_a_poor_candidate_differs_in_is_part_of_the_fit() -> None:
    rich = [Candidate.parse(f"i{c % 20}d{c // 20}") for c in range(130)]
    poor = rich[0].having({(WHOLE, "weights"): 1})
    found = fit(
        [*rich, poor], [*({f"e{e}": float((c + e) % 3 > 0) for e in range(9)} for c in range(130)), {"e0": 0.0}]
    )
    assert found is not None and found.converged
    assert ("w", WHOLE) in {(family.letters, family.place) for family in found.families}
