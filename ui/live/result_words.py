"""What a finished run came to, in plain words. Pure, no Streamlit."""

from collections.abc import Mapping
from typing import Any

from mipro_studio.optimizer_core.types import Outcome
from mipro_studio.ui.live.evidence import no_gain
from mipro_studio.ui.text.format import UNKNOWN, plural, score

__all__ = ["curse", "objective_words", "sentences"]

Estimate = Mapping[str, Any]


def sentences(outcome: Outcome) -> list[str]:
    """The sealed test in words for people who have never heard of a confidence interval."""
    before, after, paired = outcome.baseline_test, outcome.best_test, outcome.paired_test
    if not before or not after or not after.get("n"):
        return []
    if no_gain(outcome):
        n = plural(int(before.get("n") or 0), "example")
        return [
            f"The program stays as it is. On {n} that the search never saw it scores {score(before.get('mean'))}."
        ]
    words = [
        f"On {plural(int(after.get('n') or 0), 'example')} that the search never saw, the winner scores "
        f"{score(after.get('mean'))} and the baseline {score(before.get('mean'))}."
    ]
    if paired and paired.get("n"):
        words.append(
            f"Example by example the winner is better on {paired['won']}, worse on {paired['lost']} "
            f"and the same on {paired['tied']}."
        )
        words.append(_chance(paired))
    return words


def curse(outcome: Outcome) -> str:
    """What the winner's validation score is worth without the luck of having been chosen; "" when unknown."""
    found = outcome.corrected
    if not found or no_gain(outcome):
        return ""
    tried = plural(int(found["n_candidates"]), "candidate")
    between = f"between {score(found['low'])} and {score(found['high'])}"
    sure = f"({found['level'] * 100:.0f} %)"
    if found["optimism"] <= 0:
        return f"Chosen from {tried}, the winner is expected to score {between} on examples like these {sure}."
    return (
        f"The best of {tried} tried was partly lucky: its validation mean of {score(found['observed'])} "
        f"(n = {found['n']}) is expected to flatter by {score(found['optimism'])}, and its score on examples like "
        f"these lies {between} {sure}."
    )


def objective_words(outcome: Outcome) -> str:
    """What the search maximized, where that is not the score, of winner and baseline; "" where it is."""
    found = outcome.objective
    if not found:
        return ""
    parts = []
    for split, word in (("val", "on validation"), ("test", "on the sealed test")):
        before, after = found.get(f"baseline_{split}"), found.get(f"best_{split}")
        if before and after:
            parts.append(f"{score(after.get('mean'))} {word} (baseline {score(before.get('mean'))})")
    over = found.get("over_test")
    broken = f" {plural(over, 'program run')} of the sealed test went over a limit." if over else ""
    return f"The search maximized the objective {found['text']}: {', '.join(parts) or UNKNOWN}.{broken}"


def _chance(paired: Estimate) -> str:
    p, gained = paired.get("p_value"), paired.get("difference") or 0.0
    if p is None:
        return ""
    said = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
    if p > 0.1:
        return f"A difference like this comes up by chance often ({said}): do not count on it."
    if gained < 0:
        return f"It is worse than the baseline beyond what chance would do ({said}): do not use it."
    return f"If both were equally good, a difference this large would be rare ({said})."
