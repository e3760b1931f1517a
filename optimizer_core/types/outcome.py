"""What a run came to."""

from dataclasses import dataclass

from mipro_studio.optimizer_core.types.values import Json

__all__ = ["Outcome"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the run came to: the winner on the evidence of its full evaluation, and the sealed test, scored once.

    Every estimate is a mapping {mean, low, high, level, n, n_error}; `paired` is {difference, low, high,
    level, n, won, lost, tied, p_value}; `corrected` is the winner's score with the winner's curse taken into account
    (`optimizer_core.analysis.winner`). `objective`, where it is not the score: {text, baseline_val, best_val,
    baseline_test, best_test, paired_val, paired_test, corrected, over_val, over_test}, the same estimates of what the
    search maximized, and how many of the winner's program runs were over a limit. `steps`, of an optimizer that
    goes in steps: {strategy, candidate, val, test, paired_test} of what each ended with, paired with the baseline; to
    be looked at, not chosen from. Parts not reached yet are None.
    """

    winner: str | None
    reason: str
    baseline_val: Json | None = None
    best_val: Json | None = None
    baseline_test: Json | None = None
    best_test: Json | None = None
    paired_val: Json | None = None
    paired_test: Json | None = None
    importance: tuple[Json, ...] = ()
    corrected: Json | None = None
    objective: Json | None = None
    steps: tuple[Json, ...] = ()
