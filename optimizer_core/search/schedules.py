"""Schedules: which cells to ask for next.

A schedule has no state of its own: it decides from what finished trials showed and from what was asked for, so a
resumed run decides the same again. It answers three questions, in this order, whenever a trial can begin.
"""

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from mipro_studio.optimizer_core.config import SearchSettings
from mipro_studio.optimizer_core.parameters.arm_features import Features
from mipro_studio.optimizer_core.search.stages import next_stage
from mipro_studio.optimizer_core.search.surrogates.base import Observation, by_candidate
from mipro_studio.optimizer_core.search.surrogates.credit import with_credit
from mipro_studio.optimizer_core.search.surrogates.laplace import fit
from mipro_studio.optimizer_core.search.surrogates.posterior import Floats
from mipro_studio.optimizer_core.seeds import derive_seed, generator
from mipro_studio.optimizer_core.types import Candidate, Trial, TrialKind

__all__ = ["Full", "Minibatch", "Racing", "Schedule", "State", "make_schedule"]


@dataclass(frozen=True)
class State:
    """What a schedule may know.

    Attributes:
        examples: Ids of the validation set in its order.
        observed: Settled trials in order.
        asked: Examples asked for by candidate, trials under way included, in order of asking.
        exhausted: Candidates with a full evaluation, finished or under way.
        last: The latest trial asked for.
        over: No more suggestions: everything asked for is finished.
        room: Cells that may still be asked for under the cap; None = no cap.
        seed: The run's.
        ruled_out: Candidates that cannot win, whatever more is asked of them; none of them is in `observed`.
        features: What is in the arms.
    """

    examples: Sequence[str]
    observed: Sequence[Observation]
    asked: Mapping[str, Collection[str]]
    exhausted: frozenset[str]
    last: Trial
    over: bool
    room: int | None
    seed: int
    ruled_out: frozenset[str] = frozenset()
    features: Features = field(default_factory=dict)


class Schedule(Protocol):
    """Which (candidate, examples) comes next.

    Attributes:
        adds_up: A candidate whose trials together asked for every example is fully evaluated.
        hurries: The first full evaluation of the end, one of several, does not wait for the latest trials.
    """

    adds_up: bool
    hurries: bool

    def waits(self, last: Trial) -> bool:
        """Whether what comes after the trial `last` depends on the results of everything under way."""

    def finish(self, state: State) -> Candidate | None:
        """A candidate to evaluate on the whole validation set now; None to go on."""

    def grow(self, state: State) -> Candidate | None:
        """A candidate that was seen and should have more cells before anything new is suggested; None to go on."""

    def batch(self, state: State, candidate: Candidate, number: int) -> Sequence[str]:
        """Examples that trial `number`, of `candidate`, asks for; all of them make it a full evaluation."""

    def reserve(self, state: State, candidate: Candidate, batch: Sequence[str]) -> int:
        """Cells that the last full evaluation may still need after `candidate` has been asked for `batch`."""


class Full:
    """Every trial is a full evaluation (BootstrapFewShotWithRandomSearch, OPRO)."""

    adds_up = True
    hurries = False

    def waits(self, last: Trial) -> bool:
        return False

    def finish(self, state: State) -> Candidate | None:
        return None

    def grow(self, state: State) -> Candidate | None:
        return None

    def batch(self, state: State, candidate: Candidate, number: int) -> Sequence[str]:
        return state.examples

    def reserve(self, state: State, candidate: Candidate, batch: Sequence[str]) -> int:
        return 0


class Minibatch:
    """The paper's: random minibatches, and every `every` trials a full evaluation of the best mean so far.

    The mean of a candidate is that of its minibatches' means; of equals the one tried first is best (DSPy).
    """

    adds_up = False
    hurries = False

    def __init__(self, size: int, every: int) -> None:
        self._size = size
        self._every = every

    def waits(self, last: Trial) -> bool:
        return last.kind is TrialKind.MINIBATCH and last.number % self._every == 0

    def finish(self, state: State) -> Candidate | None:
        due = self.waits(state.last)
        if not (due or (state.over and state.last.kind is TrialKind.MINIBATCH)):
            return None
        means: dict[Candidate, list[float]] = {}
        for seen in state.observed:
            if not seen.full and seen.candidate.id not in state.exhausted:
                means.setdefault(seen.candidate, []).append(seen.told)
        return max(means, key=lambda one: math.fsum(means[one]) / len(means[one]), default=None)

    def grow(self, state: State) -> Candidate | None:
        return None

    def batch(self, state: State, candidate: Candidate, number: int) -> Sequence[str]:
        size = min(self._size, len(state.examples))
        return generator(state.seed, "minibatch", number).sample(list(state.examples), size)

    def reserve(self, state: State, candidate: Candidate, batch: Sequence[str]) -> int:
        return max(len(state.examples) - self._size, 0)


class Racing:
    """Candidates race over the examples; who is unlikely to win gets no more cells.

    A trial asks for further cells of its candidate: `step` at first, then as many again as it has. Examples take
    turns: those that were asked for least come first, so that arms that happen to be right on the first few are not
    liked best; how hard an example is the model of the cells (`surrogates.laplace`) tells. For a surrogate that
    compares means, candidates of one stage share their examples instead, in one fixed order. The whole validation set
    is finished only for candidates whose chance to be the best of those seen is at least `chance`.

    Args:
        step: Cells of a candidate's first trial.
        grows: Every second trial goes to the likeliest winner that is not finished. Not for a surrogate that comes
            back to its best candidates by itself, as Thompson sampling does.
        finalists: When so many candidates have a full evaluation, the end adds none.
    """

    adds_up = True
    hurries = True

    def __init__(self, step: int, grows: bool = False, chance: float = 0.1, finalists: int = 3) -> None:
        self._step = step
        self._grows = grows
        self._chance = chance
        self._finalists = finalists

    def waits(self, last: Trial) -> bool:
        return False

    def finish(self, state: State) -> Candidate | None:
        """At the end: the likely winners, one after the other."""
        if not state.over:
            return None
        full = len(state.exhausted - state.ruled_out)  # the baseline is one of them, if it may win
        chances = _chances(state)
        open_ = {key: chance for key, chance in chances.items() if key not in state.exhausted}
        if not open_:
            return None
        # Where none fits under the cap the best is asked for all the same: then the run says that the cap ended it.
        open_ = {key: chance for key, chance in open_.items() if _fits(state, key)} or open_
        best = max(open_, key=lambda key: open_[key])
        wanted = full <= 1 or (open_[best] >= self._chance and full <= self._finalists)
        return Candidate.parse(best) if wanted else None

    def grow(self, state: State) -> Candidate | None:
        if not self._grows or state.last.number % 2 == 0:
            return None
        chances = {key: chance for key, chance in _chances(state).items() if key not in state.exhausted}
        best = max(chances, key=lambda key: chances[key], default=None)
        return Candidate.parse(best) if best is not None and chances[best] >= self._chance else None

    def batch(self, state: State, candidate: Candidate, number: int) -> Sequence[str]:
        order = list(state.examples)
        generator(state.seed, "racing").shuffle(order)
        known = set(state.asked.get(candidate.id, ()))
        rest = [name for name in order if name not in known]
        if not self._grows:  # sorting is stable: of rows that were asked for as often, the first in the order
            often = Counter(
                name for key, asked in state.asked.items() if key not in state.exhausted for name in asked
            )
            rest.sort(key=lambda name: often[name])
        return rest[: next_stage(len(known), len(order), self._step)]

    def reserve(self, state: State, candidate: Candidate, batch: Sequence[str]) -> int:
        """What the candidate that is furthest along would need; it is further along because it may win."""
        known = {name: len(asked) for name, asked in state.asked.items() if name not in state.exhausted}
        known[candidate.id] = known.get(candidate.id, 0) + len(batch)
        return max(len(state.examples) - max(known.values()), 0)


def _fits(state: State, candidate: str) -> bool:
    """Whether the cap leaves room for the rest of the candidate's full evaluation."""
    return state.room is None or len(state.examples) - len(state.asked[candidate]) <= state.room


def _chances(state: State) -> dict[str, float]:
    """Each seen candidate's chance to be the best of those seen, over draws from the posterior."""
    seen = {key: one for key, one in by_candidate(state.observed).items() if one.scores}
    posterior = fit(*with_credit(list(seen.values())), features=state.features) if seen else None
    if posterior is None:
        return {}
    rng = np.random.default_rng(derive_seed(state.seed, "chances", state.last.order))
    drawn: Floats = posterior.draw(rng, 200)[0][: len(seen)]
    wins = np.bincount(drawn.argmax(axis=0), minlength=len(seen))
    return dict(zip(seen, (wins / 200).tolist(), strict=True))


def make_schedule(settings: SearchSettings) -> Schedule:
    """The schedule that `settings` ask for."""
    match settings.schedule:
        case "full":
            return Full()
        case "minibatch":
            return Minibatch(settings.minibatch_size, settings.full_eval_every)
        case _:
            return Racing(settings.step, settings.surrogate != "item_response", finalists=settings.finalists)
