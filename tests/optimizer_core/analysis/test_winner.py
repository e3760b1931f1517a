"""The corrected score of a winner: pulled back where many were tried, and never further than the data go."""

import random

import numpy as np

from mipro_studio.optimizer_core.analysis.winner import corrected
from mipro_studio.optimizer_core.evaluation.score_table import ScoreTable
from mipro_studio.optimizer_core.types import Candidate, Split, Trial, TrialKind
from tests.optimizer_core.builders import scored

BASELINE = Candidate.baseline(1)


def equals(n_candidates: int, seed: int, n_cells: int = 40) -> tuple[ScoreTable, Candidate]:
    """Candidates that are all right on half of the examples, and the luckiest of them."""
    rng, table = random.Random(seed), ScoreTable()
    names = [Candidate.parse(f"i{arm}d0") for arm in range(n_candidates)]
    for candidate in names:
        for example in range(n_cells):
            table.put(scored(candidate.id, f"e{example}", float(rng.random() < 0.5)))
    return table, max(names, key=lambda one: table.mean(one.id, Split.VAL).mean or 0.0)


def test_the_luckiest_of_equals_is_pulled_back_and_the_interval_holds_the_truth() -> None:
    found = []
    for seed in range(20):
        table, winner = equals(20, seed)
        known = corrected(table, winner, BASELINE, seed)
        assert known is not None
        assert known["low"] < known["mean"] < known["high"]
        assert (known["n"], known["n_candidates"], known["n_cells"]) == (40, 20, 800)
        assert known["optimism"] == known["observed"] - known["mean"] > 0
        found.append(known)
    assert sum(one["low"] <= 0.5 <= one["high"] for one in found) >= 15
    before, after = (np.mean([one[key] for one in found]) - 0.5 for key in ("observed", "mean"))
    assert 0 <= after < 0.6 * before


def race(seed: int) -> tuple[ScoreTable, Candidate, list[Trial]]:
    """Thirty equals race: of those that were right most often on six rows the best three get sixty in all."""
    rng, table, trials = random.Random(seed), ScoreTable(), []
    names = [f"i{arm}d0" for arm in range(30)]

    def ask(name: str, rows: range) -> None:
        examples = tuple(f"e{row}" for row in rows)
        trials.append(Trial(len(trials), len(trials), TrialKind.MINIBATCH, name, examples))
        for example in examples:
            table.put(scored(name, example, float(rng.random() < 0.5)))

    for name in names:
        ask(name, range(6))
    best = sorted(names, key=lambda name: table.mean(name, Split.VAL).mean or 0.0)[-3:]
    for name in best:
        ask(name, range(6, 60))
    return table, Candidate.parse(max(best, key=lambda name: table.mean(name, Split.VAL).mean or 0.0)), trials


def test_cells_by_which_a_candidate_was_let_on_do_not_count_for_it() -> None:
    told, blind = [], []
    for seed in range(12):
        table, winner, trials = race(seed)
        for found, known in ((told, trials), (blind, [])):
            one = corrected(table, winner, BASELINE, seed, trials=known)
            assert one is not None and one["n"] == 60
            found.append(one["mean"] - 0.5)
    assert 0 <= np.mean(told) < np.mean(blind) - 0.01


def test_the_interval_is_no_narrower_than_what_the_winners_own_cells_say() -> None:
    for seed in range(5):
        table, winner = equals(20, seed, 100)
        known = corrected(table, winner, BASELINE, seed)
        assert known is not None and known["high"] - known["low"] > 0.9 * 2 * 1.645 * (0.25 / 100) ** 0.5


def test_the_baseline_as_winner_is_compared_with_nothing() -> None:
    table, _ = equals(3, 0)
    known = corrected(table, BASELINE, BASELINE, 0)
    assert known is not None
    assert (known["difference"], known["chance_better"]) == (None, None)


def test_a_winner_that_is_better_is_likely_better() -> None:
    table = ScoreTable()
    winner = Candidate.parse("i1d0")
    for example in range(60):
        table.put(scored(BASELINE.id, f"e{example}", float(example % 4 == 0)))
        table.put(scored(winner.id, f"e{example}", float(example % 4 != 1)))
    known = corrected(table, winner, BASELINE, 0)
    assert known is not None
    assert known["difference_low"] > 0.1
    assert known["chance_better"] > 0.99


def test_without_a_score_there_is_nothing_to_say() -> None:
    table, _ = equals(3, 0)
    assert corrected(table, Candidate.parse("i9d0"), BASELINE, 0) is None
