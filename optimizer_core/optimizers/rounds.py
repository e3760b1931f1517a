"""What optimizers share that write new instructions in every round: rounds, histories, and the best so far."""

from collections.abc import Callable, Mapping, Sequence

from mipro_studio.optimizer_core.optimizers.context import RunContext
from mipro_studio.optimizer_core.search.surrogates import Observation
from mipro_studio.optimizer_core.types import INSTRUCTION, Candidate

__all__ = ["HISTORY_LENGTH", "best_of", "candidate_of_round", "history", "means", "put_in", "round_index"]

HISTORY_LENGTH = 5
"""Instructions in a meta-prompt (DSPy's MAX_INSTRUCT_IN_HISTORY; the paper gives no number)."""


def round_index(context: RunContext, number: int) -> int:
    """Arm index of the instructions of trial `number`: the first one free in all predictors, or theirs if written.

    A killed run may have written the arms and not the trial; it must find them, not write others.
    """
    taken = 0
    for arms in context.arms.instructions.values():
        for arm in arms.values():
            if arm.provenance.get("round") == number:
                return arm.index
            taken = max(taken, arm.index)
    return taken + 1


def mean_of(scores: Sequence[float]) -> float:
    return sum(scores) / len(scores)


def means(observed: Sequence[Observation]) -> dict[Candidate, float]:
    """Mean score by candidate, in the order first tried; of several means the one over most cells, the latest."""
    return {seen.candidate: seen.mean for seen in observed}


def best_of(context: RunContext, observed: Sequence[Observation]) -> Candidate:
    """The best candidate so far; of equals the first tried, the baseline when nothing is known."""
    scores = {candidate: mean for candidate, mean in means(observed).items() if context.allows(candidate)}
    return max(scores, key=lambda candidate: scores[candidate]) if scores else context.baseline


def history(
    context: RunContext,
    predictor: str,
    observed: Sequence[Observation],
    credit: Callable[[Sequence[float]], float] = mean_of,
) -> list[tuple[str, float]]:
    """The best few instructions of `predictor` by the scores of the programs they were in, worst first.

    Module-level credit (MIPRO section 4.2, F.3): a program's score counts for each of its instructions. An
    instruction that was in several programs is shown once. What a person has rejected is not shown.

    Args:
        credit: The score of an instruction, given those of its programs; the mean, as DSPy's helper has it.
    """
    place = context.arms.names.index(predictor)
    scores: dict[str, list[float]] = {}
    for candidate, mean in means(observed).items():
        arm = context.arms.instructions[predictor][candidate.arm(place, INSTRUCTION)]
        if arm.active:
            scores.setdefault(arm.text, []).append(mean)
    credited = [(text, credit(of_text)) for text, of_text in scores.items()]
    return sorted(credited, key=lambda pair: pair[1])[-HISTORY_LENGTH:]


def put_in(context: RunContext, base: Candidate, instructions: Mapping[str, int]) -> Candidate:
    """`base` with other instructions in the predictors named."""
    names = context.arms.names
    return base.having({(names.index(name), INSTRUCTION): index for name, index in instructions.items()})


def candidate_of_round(context: RunContext, base: Candidate, index: int) -> Candidate:
    """`base` with instruction `index` in every free predictor; where none was written, `base` keeps its own."""
    usable = {info.name: context.usable(info.name, index) for info in context.free}
    return put_in(context, base, {name: found for name, found in usable.items() if found is not None})
