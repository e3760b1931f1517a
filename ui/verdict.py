"""What a finished run came to, in plain words. `sentences` is pure; `verdict` draws it."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from optimizer_core.types import Outcome
from ui.evidence import no_gain
from ui.format import clean, delta, interval, plural, score

__all__ = ["curse", "sentences", "verdict"]

Estimate = Mapping[str, Any]


def sentences(outcome: Outcome) -> list[str]:
    """The sealed test in words for people who have never heard of a confidence interval."""
    before, after, paired = outcome.baseline_test, outcome.best_test, outcome.paired_test
    if not before or not after:
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
    """What the winner's validation score is worth once the luck of having been chosen is taken off; "" when unknown."""  # noqa: E501
    found = outcome.corrected
    if not found or no_gain(outcome):
        return ""
    return (
        f"The best of {plural(int(found['n_candidates']), 'candidate')} tried was partly lucky: its validation mean of "  # noqa: E501
        f"{score(found['observed'])} (n = {found['n']}) is expected to flatter by {score(found['optimism'])}, and its "  # noqa: E501
        f"score on examples like these lies between {score(found['low'])} and {score(found['high'])} "
        f"({found['level'] * 100:.0f} %)."
        if found["optimism"] > 0
        else f"Chosen from {plural(int(found['n_candidates']), 'candidate')}, the winner is expected to score between "  # noqa: E501
        f"{score(found['low'])} and {score(found['high'])} on examples like these ({found['level'] * 100:.0f} %)."
    )


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


def verdict(outcome: Outcome) -> None:
    """The result of a finished run, or that the sealed test was not scored."""
    said = sentences(outcome)
    with st.container(border=True, gap="small"):
        if no_gain(outcome):
            st.subheader("No candidate beat the baseline", anchor=False)
        else:
            st.subheader("Result on the sealed test" if said else "Result on validation", anchor=False)
        if said and not no_gain(outcome):
            _pair(outcome.baseline_test or {}, outcome.best_test or {}, outcome.paired_test or {})
            st.text(" ".join(word for word in said if word))
        elif said:
            st.text(" ".join(said))
        else:
            st.text("The sealed test was not scored, so nothing here is free of the search's own luck.")
        if outcome.reason:
            st.text(clean(outcome.reason))
        if worth := curse(outcome):
            st.text(worth)


def _pair(before: Estimate, after: Estimate, paired: Estimate) -> None:
    with st.grid(3, min_column_width=200):
        for title, estimate in (("Baseline", before), ("Winner", after)):
            with st.container(gap="xsmall"):
                st.metric(title, score(estimate.get("mean")))
                st.caption(interval(estimate))
        if paired.get("difference") is not None:
            with st.container(gap="xsmall"):
                st.metric("Difference", delta(paired["difference"]))
                low, high = paired.get("low"), paired.get("high")
                level = f" ({paired['level'] * 100:.0f} %)" if paired.get("level") else ""
                spread = f"{delta(low)} to {delta(high)}{level}, " if low is not None and high is not None else ""
                st.caption(f"{spread}{paired['won']} won, {paired['lost']} lost, {paired['tied']} tied")
