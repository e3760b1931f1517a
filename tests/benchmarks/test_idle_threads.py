"""Idle threads in simulated time, which no machine changes."""

from dataclasses import replace

import pytest

from mipro_studio.benchmarks.utilization.idle_threads import simulated
from mipro_studio.optimizer_core.search.schedules import Racing


def test_the_end_of_a_race_that_waits_for_no_trial_takes_less_time_and_comes_to_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hurrying = simulated("exponential", 0, trials=12, n_val=60)
    monkeypatch.setattr(Racing, "hurries", False)
    waiting, again = (simulated("exponential", 0, trials=12, n_val=60) for _ in range(2))
    assert waiting == again, "decisions and times depend on the seed alone"
    assert hurrying.utilization > waiting.utilization and hurrying.seconds < waiting.seconds
    assert hurrying.most < 1.0
    assert replace(hurrying, utilization=0, most=0, seconds=0) == replace(waiting, utilization=0, most=0, seconds=0)
