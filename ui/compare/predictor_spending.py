"""What each predictor takes in a program run: the price of a model of its own, beside what it brings."""

from collections.abc import Callable

import streamlit as st

from mipro_studio.optimizer_core.types import Usage
from mipro_studio.storage import Reader
from mipro_studio.ui.compare.compare_pickers import Picked
from mipro_studio.ui.text.format import UNKNOWN, count, duration, one_line, usd

__all__ = ["by_predictor"]


def by_predictor(reader: Reader, picked: Picked) -> None:
    """What each predictor's calls take in a program run, from the first candidate to the second."""
    before, after = (
        reader.spent_by_predictor(run_id, candidate, picked.split) if candidate is not None else {}
        for run_id, candidate in (picked.first, picked.second)
    )
    names = list(dict.fromkeys([*before, *after]))
    if len(names) < 2:
        return
    st.header("By predictor", anchor=False)
    rows = [{"predictor": one_line(name, 80), **_takes(before.get(name), after.get(name))} for name in names]
    st.dataframe(
        rows,
        hide_index=True,
        alt="Calls, tokens and cost of each predictor in a program run, from the first candidate to the second",
    )
    st.caption("Means over the program runs in which it was called: here a model of its own shows in cost and time.")


def _takes(before: tuple[int, Usage] | None, after: tuple[int, Usage] | None) -> dict[str, str]:
    def told(number: Callable[[Usage, int], str]) -> str:
        words = [UNKNOWN if side is None else number(side[1], side[0]) for side in (before, after)]
        return " → ".join(words)

    priced = any(side is not None and side[1].cost_usd is not None for side in (before, after))
    cost = told(lambda total, runs: usd(None if total.cost_usd is None else total.cost_usd / runs))
    return {
        "calls": told(lambda total, runs: f"{total.calls / runs:.3g}"),
        "tokens": told(lambda total, runs: count((total.input_tokens + total.output_tokens) / runs)),
        **({"cost": cost} if priced else {}),
        "model time": told(lambda total, runs: duration(total.lm_s / runs)),
    }
