"""What a run has come to, drawn: the headline, the prompt before and after, and one click below how sure it is."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from mipro_studio.optimizer_core.parameters import registry
from mipro_studio.optimizer_core.parameters.registry import OF_THE_PROGRAM
from mipro_studio.optimizer_core.types import DEMOS, INSTRUCTION, Outcome
from mipro_studio.ui.arms.candidate_names import Names, Part
from mipro_studio.ui.page.frame import COMPARE, PRESENT, Page, run_in_url
from mipro_studio.ui.result.evidence import Block, Evidence
from mipro_studio.ui.result.headline import doubt, headline, in_common, statistics
from mipro_studio.ui.text.foreign_text import heading, line, paragraph
from mipro_studio.ui.text.format import clean, delta, delta_range, interval, one_line, plural, score

__all__ = ["how_sure", "verdict"]

Estimate = Mapping[str, Any]
_TEXT_SHOWN = 900


def verdict(
    found: Evidence, names: Names, outcome: Outcome | None, *, texts: bool = True, ways: Sequence[Page] = ()
) -> None:
    """The headline; of a run with a winner or a leader also what changed in the program.

    Args:
        ways: Pages to go on to once the run in the URL has its outcome.
    """
    with st.container(border=True, gap="small"):
        heading(headline(found, names.of(found.best)), level=2, limit=400)
        beside = doubt(found)
        if beside:
            st.text(beside)
        if outcome is not None and found.best is None and outcome.reason:
            st.text(clean(outcome.reason))
        if texts and found.best is not None:
            _before_and_after(names, found.best)
        if ways and found.final:
            _ways_on(ways, found)
        if found.best is not None or found.tested:
            with st.expander(_how_sure_title(found), icon=":material/query_stats:"):
                how_sure(found)


def _how_sure_title(found: Evidence) -> str:
    """With the interval of a gain that is final and was measured on rows the search never saw."""
    pair = (found.test.paired if found.final and found.best is not None and found.tested else None) or {}
    low, high, level = pair.get("low"), pair.get("high"), pair.get("level")
    if low is None or high is None or level is None:
        return "How sure this is, and how it was computed"
    return f"How sure this is: the gain lies between {delta_range(low, high, 'and')} ({level * 100:.0f} %)"


def _ways_on(ways: Sequence[Page], found: Evidence) -> None:
    """What people want of a result: its examples, to show it, to have it."""
    asked = {"run": run_in_url() or ""}
    with st.container(horizontal=True, gap="medium", key="verdict_ways"):
        for page in ways:
            if page is PRESENT:
                st.page_link(page.path, label="Present it", icon=page.icon, query_params=asked)
            elif found.best is not None and page is COMPARE:
                st.page_link(page.path, label="Example by example", icon=page.icon, query_params=asked)
            elif found.best is not None:
                st.page_link(page.path, label="Take it home", icon=page.icon, query_params={**asked, "make": "1"})


def _before_and_after(names: Names, best: str) -> None:
    """The prompt before and after, of the predictors that changed."""
    pairs = zip(names.parts(None), names.parts(best), strict=True)
    changed = [(before, after, after.owner or OF_THE_PROGRAM) for before, after in pairs if after.words]
    for place, (before, after, owner) in enumerate(changed):
        left, right = st.columns(2)
        alone = len(names.predictors) == 1
        with left:
            _part("Before" if alone else f"Before · {owner}", before)
        with right:
            _part(f"After · {after.words}" if alone else f"After · {owner}: {after.words}", after)
        if place == 1 and len(changed) > 2:
            rest = ", ".join(one_line(owner, 40) for _, _, owner in changed[2:])
            line(f"Changed as well: {rest}. The tab “Best candidate” has all texts.", muted=True)
            break


def _text(text: str) -> None:
    paragraph(text if len(text) <= _TEXT_SHOWN else f"{text[:_TEXT_SHOWN].rstrip()}…")


def _part(title: str, part: Part) -> None:
    line(title, bold=True, limit=120)
    if part.instruction is not None:
        _text(part.instruction.text)
    elif INSTRUCTION in part.arms:
        st.caption("Its instruction is not recorded yet.")
    for kind, arm in part.arms.items():
        if arm is not None and kind not in (INSTRUCTION, DEMOS):
            st.caption(f"{registry.title(kind).capitalize()} {arm.index}")
            _text(registry.KINDS[kind].describe(arm))
    if DEMOS not in part.arms:
        return
    n = len(part.demo_set.demos) if part.demo_set is not None else 0
    st.caption(f"With {plural(n, 'demo')}." if n else "Without demos.")


def how_sure(found: Evidence) -> None:
    """The estimates with their intervals, by split, and what they say about chance."""
    titles = (("The sealed test, never seen by the search", found.test),) if found.tested else ()
    for title, block in (*titles, ("Validation, by which the search chose", found.val)):
        if block.before is not None:
            st.caption(title)
            _numbers(block, found)
    for said in statistics(found):
        st.text(said)
    st.caption(
        "The ranges hold the true mean in nine cases of ten (Wilson's interval for scores of 0 and 1, Student's "
        "otherwise); the difference is taken example by example, its p-value from flipping signs."
    )


def _numbers(block: Block, found: Evidence) -> None:
    after = block.after if found.best is not None else None
    pair = block.paired if found.best is not None and block.paired else {}
    with st.grid(3, min_column_width=160):
        for title, estimate in (("As it came", block.before), ("Winner" if found.final else "Leader", after)):
            if estimate:
                with st.container(gap="xsmall"):
                    st.metric(title, score(estimate.get("mean")))
                    st.caption(interval(estimate))
        if pair.get("difference") is not None:
            with st.container(gap="xsmall"):
                st.metric("Difference", delta(pair["difference"]))
                st.caption(in_common(pair, block) + _spread(pair))


def _spread(pair: Estimate) -> str:
    low, high = pair.get("low"), pair.get("high")
    level = f" ({pair['level'] * 100:.0f} %)" if pair.get("level") else ""
    spread = f"{delta_range(low, high)}{level}, " if low is not None and high is not None else ""
    return f"{spread}{pair['won']} won, {pair['lost']} lost, {pair['tied']} tied"
