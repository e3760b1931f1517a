"""The real search on simulated landscapes: its caps, its determinism, and what importance says of nothing."""

from benchmarks.landscapes.effects import DESIGNS, find
from benchmarks.landscapes.families import FAMILIES, Landscape
from benchmarks.landscapes.simulate import N_EXAMPLES, Played, play
from optimizer_core.config import parse_config
from optimizer_core.types import Candidate, Split, TrialKind


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
    everything = [landscape.true(Candidate(((i, d),))) for i in range(10) for d in range(10)]
    assert abs(max(everything) - landscape.optimum) < 1e-9


def test_nothing_is_hardly_ever_called_real() -> None:
    design = next(name for name in DESIGNS if "item_response" in name)
    assert sum(find(design, seed, 0.0).any_real for seed in range(300, 308)) <= 2
