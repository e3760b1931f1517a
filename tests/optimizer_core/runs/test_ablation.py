"""A completed run's winner without each of its parts: beside the run, under no cap, whatever interrupts it."""

import asyncio
from copy import deepcopy
from typing import Any

import pytest

from mipro_studio.optimizer_core.errors import RunPaused, StopRequested
from mipro_studio.optimizer_core.runs.assembly import Assembled
from mipro_studio.optimizer_core.types import Candidate, CellKey, Role, Split, Status
from tests.loopback import LoopbackEndpoint
from tests.optimizer_core.builders import Life, live, make_config

pytestmark = pytest.mark.timeout(310)


def cells_without(life: Life) -> set[CellKey]:
    """Those that say what each part of the winner brings."""
    assert life.winner is not None
    examples = [example.id for example in life.context.examples[Split.VAL]]
    without = Candidate.parse(life.winner).without_each().values()
    return {CellKey(one.id, Split.VAL, example) for one in without for example in examples}


def ablated(endpoint: LoopbackEndpoint, before: Life, meanwhile: Any = None, **changes: Any) -> Life:
    config = make_config(endpoint, ablate=True, **changes)
    return live(config, before.journal, completed=before.ending, meanwhile=meanwhile)


def test_only_the_parts_arms_differ() -> None:
    whole = Candidate.of(2, {(0, "instruction"): 2, (1, "demos"): 3, (-1, "tools"): 1})
    assert {one.id for one in whole.without_each().values()} == {"i0d0-i0d3-t1", "i2d0-i0d0-t1", "i2d0-i0d3"}
    assert Candidate.baseline(2).without_each() == {}


def test_the_winner_is_scored_without_each_part_beyond_a_cap_on_calls_and_the_run_stays_as_it_was(
    endpoint: LoopbackEndpoint,
) -> None:
    cap = {"max_lm_calls": 260}
    first = live(make_config(endpoint, budget=cap, search={"trials": 40}))
    assert first.ending.capped
    told, calls = deepcopy(first.decisions), {spent.role: spent.usage.calls for spent in first.journal.spent()}
    after = ablated(endpoint, first, budget=cap, search={"trials": 40})
    assert after.ending == first.ending
    assert len(Candidate.parse(str(after.winner)).arms) >= 2
    new = after.scores.keys() - told["scores"].keys()
    assert cells_without(after) <= after.scores.keys()
    assert new == cells_without(after) - told["scores"].keys()
    for name in ("trials", "winner", "arms", "prompts"):
        assert after.decisions[name] == told[name], name
    spent = {one.role: one.usage.calls for one in after.journal.spent()}
    assert {role for role in spent if spent[role] != calls.get(role, 0)} == {Role.TEST}
    again = ablated(endpoint, after, budget=cap, search={"trials": 40})
    assert {one.role: one.usage.calls for one in again.journal.spent()} == spent


def cut(reason: Any) -> Any:
    """Ends the life while the first of its cells are there."""

    async def when_some_are_there(assembled: Assembled) -> None:
        before = len(list(assembled.context.journal.cells()))
        while len(list(assembled.context.journal.cells())) < before + 3:
            await asyncio.sleep(0.002)
        assembled.run.request(reason)

    return when_some_are_there


def test_what_interrupts_it_changes_nothing_of_the_run_and_it_goes_on(endpoint: LoopbackEndpoint) -> None:
    first = live(make_config(endpoint))
    endpoint.control(latency_s=0.02)
    stopped = ablated(endpoint, first, cut(StopRequested("Stopped by a person.")), threads=2)
    assert stopped.ending == first.ending
    paused = ablated(endpoint, first, cut(RunPaused("Paused by a person.")), threads=2)
    assert paused.ending.status is Status.PAUSED
    assert not cells_without(paused) <= paused.scores.keys()
    endpoint.control(latency_s=0.0)
    whole = ablated(endpoint, first)
    assert whole.ending == first.ending and cells_without(whole) <= whole.scores.keys()


def test_more_trials_decide_as_if_nobody_had_asked(endpoint: LoopbackEndpoint) -> None:
    plain, asked = live(make_config(endpoint)), live(make_config(endpoint))
    ablated(endpoint, asked)
    more = {"search": {"trials": 10}}
    plain, asked = (live(make_config(endpoint, **more), life.journal) for life in (plain, asked))
    assert [trial.candidate for trial in asked.trials] == [trial.candidate for trial in plain.trials]
    assert asked.winner == plain.winner
    assert max(trial.number for trial in asked.trials) == 10
