"""What a finished run came to, drawn."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from mipro_studio.optimizer_core.types import Outcome
from mipro_studio.ui.live.evidence import no_gain
from mipro_studio.ui.live.result_words import curse, objective_words, sentences
from mipro_studio.ui.text.format import clean, delta, interval, score

__all__ = ["verdict"]

Estimate = Mapping[str, Any]


def verdict(outcome: Outcome) -> None:
    """The result of a finished run, or that the sealed test was not scored."""
    said = sentences(outcome)
    with st.container(border=True, gap="small"):
        if no_gain(outcome):
            st.subheader("No candidate was shown to beat the baseline", anchor=False)
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
        if told := objective_words(outcome):
            st.text(clean(told))
        if worth := curse(outcome):
            st.text(worth)


def _pair(before: Estimate, after: Estimate, paired: Estimate) -> None:
    with st.grid(3, min_column_width=160):
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
