"""The leader after each trial, against what it is by definition: all candidates looked at anew each time."""

import random
from collections.abc import Sequence

import pytest

from mipro_studio.optimizer_core.types import Trial, TrialKind
from mipro_studio.ui.result.leaders import PULL, leader_path, leading

N_VAL = 40
BASE = Trial(0, 0, TrialKind.BASELINE, "i0d0", (), True, 0.5, 20, 0, 20)


def some_trials(rng: random.Random, n: int) -> list[Trial]:
    """Of eight candidates, so that they come back; some under way, some full, some without a score."""
    found = [BASE]
    for order in range(1, n + 1):
        kind = TrialKind.FULL if rng.random() < 0.15 else TrialKind.MINIBATCH
        mean = rng.choice([0.0, 0.25, 0.5, 0.75, 1.0, None])
        done = rng.random() < 0.9
        told = (True, mean, rng.randint(1, 9)) if done else (False, None, 0)
        found.append(Trial(order, order, kind, f"i{rng.randint(1, 8)}d0", (), *told, 0, 20 + order))
    return found


def worth(candidate: str, trials: Sequence[Trial]) -> float:
    """How far a candidate is above the baseline, drawn to it by `PULL` rows."""
    own = [one for one in trials if one.candidate == candidate and one.done and one.mean is not None]
    whole = [at for at, one in enumerate(own) if one.kind is TrialKind.FULL]
    if whole:
        mean, n = own[whole[0]].mean or 0.0, own[whole[0]].n_ok
    else:
        mean, n = own[0].mean or 0.0, own[0].n_ok
        for one in own[1:]:
            mean = (mean * n + (one.mean or 0.0) * one.n_ok) / (n + one.n_ok)
            n = min(N_VAL, n + one.n_ok)
    return (mean - 0.5) * n / (n + PULL)


@pytest.mark.parametrize("seed", range(20))
def test_the_leader_after_each_trial_is_the_best_of_all_up_to_then(seed: int) -> None:
    trials = some_trials(random.Random(seed), 60)
    path = {one.number: one.candidate for one in leader_path(trials, N_VAL)}
    for count in range(1, len(trials) + 1):
        until = trials[:count]
        scored = [one for one in until[1:] if one.done and one.mean is not None]
        best = max(dict.fromkeys(one.candidate for one in scored), key=lambda one: worth(one, until), default=None)
        expected = best if best is not None and worth(best, until) > 0 else None
        lead = leading(until, N_VAL)
        assert (lead.candidate if lead else None) == expected
        last = until[-1]
        if last.done and last.mean is not None:
            assert path[last.number] == (expected or BASE.candidate)
