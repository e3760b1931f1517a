"""Schedules: who is evaluated in full and when, and which examples a trial asks for."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from mipro_studio.optimizer_core.search.schedules import Full, Minibatch, Racing, State
from mipro_studio.optimizer_core.search.surrogates import Observation
from mipro_studio.optimizer_core.types import Candidate, Trial, TrialKind

EXAMPLES = tuple(f"e{n:02}" for n in range(20))
BASELINE, FIRST, SECOND, THIRD = (Candidate.parse(f"i{arm}d0") for arm in range(4))


def saw(candidate: Candidate, scores: Sequence[float], **more: Any) -> Observation:
    mean = sum(scores) / len(scores)
    by_example = dict(zip(EXAMPLES, scores, strict=False))
    return Observation(candidate, mean, len(scores), by_example, own=mean, **more)


def state(
    *observed: Observation,
    number: int = 0,
    kind: TrialKind = TrialKind.MINIBATCH,
    exhausted: Sequence[Candidate] = (BASELINE,),
    asked: Any = None,
    **more: Any,
) -> State:
    last = Trial(number, number, kind, observed[-1].candidate.id if observed else BASELINE.id, ())
    full = frozenset(candidate.id for candidate in exhausted)
    seen = {one.candidate.id: tuple(one.scores) for one in observed} if asked is None else asked
    return State(EXAMPLES, observed, seen, full, last, **{"over": False, "room": None, "seed": 0, **more})


def test_every_few_trials_the_best_mean_of_minibatches_is_evaluated_in_full() -> None:
    schedule = Minibatch(5, every=3)
    observed = (saw(FIRST, [1, 0, 0, 0]), saw(SECOND, [1, 1, 1, 0]), saw(THIRD, [1, 1, 0, 0]))
    assert schedule.finish(state(*observed, number=3)) == SECOND
    assert schedule.finish(state(*observed, number=2)) is None
    assert schedule.finish(state(*observed, number=3, exhausted=(BASELINE, SECOND))) == THIRD
    assert schedule.finish(state(*observed, number=3, kind=TrialKind.FULL)) is None, "after trials alone"
    assert schedule.finish(state(*observed, number=2, over=True)) == SECOND, "the last trials get theirs too"
    equals = (saw(FIRST, [1, 0]), saw(SECOND, [0, 1]))
    assert schedule.finish(state(*equals, number=3)) == FIRST


def test_a_minibatch_is_drawn_for_each_trial_and_is_the_same_again() -> None:
    schedule = Minibatch(6, every=5)
    drawn = [schedule.batch(state(), FIRST, number) for number in range(1, 9)]
    assert all(len(set(batch)) == 6 and set(batch) <= set(EXAMPLES) for batch in drawn)
    assert len({tuple(batch) for batch in drawn}) == len(drawn)
    assert [schedule.batch(state(), SECOND, number) for number in range(1, 9)] == drawn
    assert [schedule.batch(state(seed=1), FIRST, number) for number in range(1, 9)] != drawn
    assert sorted(Minibatch(99, 5).batch(state(), FIRST, 1)) == list(EXAMPLES)


def test_a_race_asks_for_the_examples_that_were_asked_for_least() -> None:
    schedule = Racing(step=4)
    asked: dict[str, tuple[str, ...]] = {BASELINE.id: tuple(EXAMPLES)}
    for number in range(1, 13):
        candidate = Candidate.of(1, {(0, "instruction"): number})
        batch = schedule.batch(state(asked=asked, exhausted=(BASELINE,)), candidate, number)
        asked[candidate.id] = tuple(batch)
        times = Counter(name for key, names in asked.items() if key != BASELINE.id for name in names)
        assert len(batch) == 4 and max(times.values()) - min(times[name] for name in EXAMPLES) <= 1


def test_for_a_surrogate_that_compares_means_candidates_of_one_stage_share_their_examples() -> None:
    schedule = Racing(step=4, grows=True)
    first = schedule.batch(state(), FIRST, 1)
    assert len(first) == 4
    assert schedule.batch(state(), SECOND, 2) == first
    asked = {FIRST.id: tuple(first)}
    more = schedule.batch(state(asked=asked), FIRST, 7)
    assert len(more) == 4 and not set(more) & set(first), "as many again as it has"
    asked[FIRST.id] += tuple(more)
    assert len(schedule.batch(state(asked=asked), FIRST, 8)) == 8
    asked[FIRST.id] = tuple(EXAMPLES[:9])
    assert set(schedule.batch(state(asked=asked), FIRST, 9)) == set(EXAMPLES[9:]), "the rest would be too little"
    assert list(first) != schedule.batch(state(seed=1), FIRST, 1)


def test_a_race_ends_with_full_evaluations_of_the_likely_winners_alone() -> None:
    schedule = Racing(step=4, finalists=2)
    good, poor = saw(FIRST, [1.0] * 12), saw(SECOND, [0.0] * 12)
    baseline = saw(BASELINE, [0.0, 1.0] * 10)
    ended = {"number": 9, "over": True}
    assert schedule.finish(state(baseline, good, poor, number=9)) is None, "not before the end"
    assert schedule.finish(state(baseline, good, poor, **ended)) == FIRST
    assert schedule.finish(state(baseline, good, poor, **ended, exhausted=(BASELINE, FIRST))) is None
    hopeless = schedule.finish(state(baseline, poor, **ended))
    assert hopeless == SECOND, "one candidate is evaluated in full, so that there is one to compare with"
    twin = saw(THIRD, [1.0] * 12)
    assert schedule.finish(state(baseline, good, twin, **ended, exhausted=(BASELINE, FIRST))) == THIRD
    many = (BASELINE, FIRST, SECOND)
    assert schedule.finish(state(baseline, good, twin, **ended, exhausted=many)) is None, "there are finalists enough"


@pytest.mark.parametrize("number", [1, 2])
def test_every_second_trial_of_a_race_may_grow_the_likeliest_winner(number: int) -> None:
    observed = (saw(BASELINE, [0.0] * 20), saw(FIRST, [1.0] * 8), saw(SECOND, [0.0] * 8))
    grown = Racing(step=4, grows=True).grow(state(*observed, number=number))
    assert grown == (FIRST if number == 1 else None)
    assert Racing(step=4).grow(state(*observed, number=number)) is None


def test_what_a_last_full_evaluation_may_need_is_kept_back() -> None:
    asked = {BASELINE.id: EXAMPLES, FIRST.id: EXAMPLES[:8]}
    known = state(asked=asked)
    assert Racing(step=4).reserve(known, SECOND, EXAMPLES[:4]) == 12, "of the one that is furthest along"
    assert Racing(step=4).reserve(known, FIRST, EXAMPLES[8:16]) == 4
    assert Minibatch(6, 5).reserve(known, FIRST, EXAMPLES[:6]) == 14
    assert Full().reserve(known, FIRST, EXAMPLES) == 0


def test_full_evaluations_ask_for_everything_and_for_nothing_in_between() -> None:
    known = state(saw(FIRST, [1.0] * 20), number=5, over=True)
    assert Full().batch(known, SECOND, 6) == EXAMPLES
    assert (Full().finish(known), Full().grow(known), Full().waits(known.last)) == (None, None, False)
