"""The real search on simulated landscapes: its caps, its determinism, and what importance says of nothing."""

from pathlib import Path
from typing import Any

import pytest

from mipro_studio.benchmarks.landscapes.effects import DESIGNS, EFFECT, find
from mipro_studio.benchmarks.landscapes.families import FAMILIES, Landscape
from mipro_studio.benchmarks.landscapes.jobs import DEFAULT, DSPY, Result, default_share
from mipro_studio.benchmarks.landscapes.remember import remembered
from mipro_studio.benchmarks.landscapes.report import figure, report
from mipro_studio.benchmarks.landscapes.simulate import N_EXAMPLES, Played, play
from mipro_studio.optimizer_core.config import parse_config
from mipro_studio.optimizer_core.types import Split, TrialKind
from tests.arms import of_pairs


def played(cap: int | None = None, seed: int = 0, **search: object) -> Played:
    config = {"program": "simulated", "seed": seed, "search": search, "budget": {"max_program_runs": cap}}
    return play(Landscape(FAMILIES[0], seed), parse_config(config))


def test_the_default_races_and_ends_with_a_full_evaluation() -> None:
    found = played(trials=30)
    rows = {name: len(found.table.row(name, Split.VAL)) for name in found.table.candidates(Split.VAL)}
    assert rows[found.winner.id] == N_EXAMPLES
    assert found.trials[1].kind is TrialKind.MINIBATCH
    assert len(found.trials[1].examples) == 6
    assert sum(n == N_EXAMPLES for n in rows.values()) <= 8 < len(rows)


def test_the_same_seed_gives_the_same_trials() -> None:
    assert played(trials=25).trials == played(trials=25).trials


def test_a_cap_holds_and_still_leaves_a_full_evaluation() -> None:
    for cap in (260, 400):
        found = played(cap, trials=1_000)
        assert found.runs <= cap
        assert sum(trial.kind is TrialKind.FULL for trial in found.trials) >= 1


def test_a_race_with_another_surrogate_grows_its_leaders() -> None:
    found = played(trials=30, surrogate="random")
    counts = sorted(len(found.table.row(name, Split.VAL)) for name in found.table.candidates(Split.VAL))
    assert sum(6 < n < N_EXAMPLES for n in counts) >= 1


def test_the_optimum_is_no_worse_than_any_candidate() -> None:
    landscape = Landscape(FAMILIES[4], 3)
    everything = [landscape.true(of_pairs([(i, d)])) for i in range(10) for d in range(10)]
    assert abs(max(everything) - landscape.optimum) < 1e-9


def designs(*surrogates: str) -> list[str]:
    return [next(name for name in DESIGNS if f"({surrogate})" in name) for surrogate in surrogates]


def test_nothing_is_hardly_ever_called_real() -> None:
    found = [find(design, seed, 0.0) for design in designs("item_response", "tpe") for seed in range(300, 306)]
    assert sum(one.any_real for one in found) <= 2  # 5 % are expected; 3 or more of 12 come in 1 of 50 such tests


@pytest.mark.timeout(120)
def test_a_race_without_an_effect_names_nothing() -> None:
    # Fits of one parameter at a time call something real in four of five such races.
    race = next(name for name in DESIGNS if "default" in name)
    assert sum(find(race, seed, 0.0).any_real for seed in range(300, 304)) <= 1


@pytest.mark.parametrize("design", designs("item_response", "tpe"))
def test_thirty_trials_name_the_one_variable_that_matters(design: str) -> None:
    # 17 and 20 of 20 are measured; at 0.85, fewer than 6 of 8 come in 1 of 10, and by chance 6 or more in 4 of 1,000.
    assert sum(find(design, seed, EFFECT).named for seed in range(300, 308)) >= 6


def _noted(path: Path, word: str) -> dict[str, Any]:
    with path.open("a") as lines:
        lines.write(word + "\n")
    return {"word": word}


def test_what_was_finished_before_is_not_done_again(tmp_path: Path) -> None:
    done, cache = tmp_path / "done", tmp_path / "cache"
    assert remembered(_noted, {"a": (done, "one")}, 1, cache) == {"a": {"word": "one"}}
    assert remembered(_noted, {"b": (done, "two"), "a": (done, "one")}, 1, cache) == {
        "b": {"word": "two"},
        "a": {"word": "one"},
    }
    assert done.read_text().split() == ["one", "two"]


def test_the_report_compares_methods_on_the_seeds_that_all_have() -> None:
    def result(fraction: float, runs: int) -> Result:
        return Result(fraction, runs, [(120, fraction)], (0.4, 0.6, 0.5), 0.1, 0.0)

    results = {}
    for family in range(len(FAMILIES)):
        for seed, theirs in enumerate((0.8, 0.6)):
            early = int(300 * default_share(family))
            results[DSPY, family, seed, None] = result(theirs, 300)
            results[DEFAULT, family, seed, early] = result(0.75, early)
            results[DEFAULT, family, seed, 300] = result(0.9, 300)
        results["bootstrap_rs", family, 0, 300] = result(0.7, 300)
    text = report(results, 2, 1, [DEFAULT, "bootstrap_rs"])
    assert "| additive, binary | 0.700 | 0.750 (1/3) | +0.050 ± 0.100 | 0.900 | +0.200 ± 0.100 |" in text
    assert "| single, graded | 0.700 | 0.750 (1/2) | +0.050 ± 0.100 | 0.900 | +0.200 ± 0.100 |" in text
    assert f"| {DSPY} | 0.800 |" in text and "| bootstrap_rs | 0.700 |" in text
    assert "| all | 40 | 100% | |" in text
    assert "bootstrap_rs" in figure(results, 2, [DEFAULT, "bootstrap_rs"])
