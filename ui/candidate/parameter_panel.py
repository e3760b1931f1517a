"""The panel that a click on a bar or a belief opens: one choice of the search, and all there was to choose from."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from mipro_studio.optimizer_core.parameters.demos import made_how
from mipro_studio.optimizer_core.parameters.registry import KINDS, OF_THE_PROGRAM, title
from mipro_studio.optimizer_core.types import DEMOS, PROGRAM, WHOLE, Arm
from mipro_studio.storage import Reader
from mipro_studio.ui.arms.arm_scores import ArmScore, arm_scores
from mipro_studio.ui.arms.arm_words import author_words, lineage, standing, winning_arm
from mipro_studio.ui.arms.candidate_names import Names, names_of
from mipro_studio.ui.arms.demo_rows import demo_row
from mipro_studio.ui.page.frame import INSTRUCTIONS, TRACES
from mipro_studio.ui.page.store import reading
from mipro_studio.ui.text.foreign_text import heading, line, paragraph
from mipro_studio.ui.text.format import UNKNOWN, one_line, plural, score
from mipro_studio.ui.text.wrapped import wrapped

__all__ = ["clicked_parameter", "open_parameter", "parameter_panel"]

BOTH = " x "
"""Between the kinds of an interaction."""


def clicked_parameter(mark: str) -> tuple[str, list[str], int | None]:
    """(owner, kinds, arm) of a mark's `[owner, kind]` or `[owner, kind, arm]`; both kinds of an interaction."""
    owner, kind, *arm = json.loads(mark)
    return owner, kind.split(BOTH), arm[0] if arm else None


def open_parameter(run_id: str, mark: str) -> None:
    """The panel over the page; Escape closes it."""
    st.dialog("One choice", width="large", icon=":material/tune:")(_opened)(run_id, mark)


def _opened(run_id: str, mark: str) -> None:
    with reading() as reader:
        if reader is not None:
            parameter_panel(reader, run_id, mark)
            _way_on(run_id, mark)


def _way_on(run_id: str, mark: str) -> None:
    owner, kinds, _ = clicked_parameter(mark)
    page = TRACES if kinds == [DEMOS] else INSTRUCTIONS
    st.page_link(page.path, label=f"All of them on the page {page.title}", icon=page.icon,
                 query_params={"run": run_id} | ({"predictor": owner} if owner != PROGRAM else {}))  # fmt: skip


def parameter_panel(reader: Reader, run_id: str, mark: str) -> None:
    """What there was to choose from, how each did, and one of them whole."""
    owner, kinds, arm = clicked_parameter(mark)
    names = names_of(reader, run_id)
    words = " and the ".join(f"{title(kind)}s" for kind in kinds)
    heading(f"The {words} of {owner or OF_THE_PROGRAM}", level=2, limit=200)
    for kind in kinds:
        _choices(reader, run_id, names, (owner, kind), arm)


def _choices(reader: Reader, run_id: str, names: Names, slot: tuple[str, str], chosen: int | None) -> None:
    owner, kind = slot
    arms = {index: arm for (whose, what, index), arm in sorted(names.arms.items()) if (whose, what) == slot}
    if not arms:
        st.caption("Nothing of it is recorded.")
        return
    place = WHOLE if owner == PROGRAM else names.predictors.index(owner)
    scores = arm_scores(reader, run_id, place, kind, reader.trials(run_id))
    won = winning_arm(reader.outcome(run_id), place, kind)
    ordered = sorted(arms, key=lambda index: -(_mean(scores.get(index)) or float("-inf")))
    st.dataframe(
        [_row(arms[index], scores.get(index), won) for index in ordered],
        hide_index=True, alt=f"Every {title(kind)}, the best mean first",
        column_config={"it says": st.column_config.TextColumn(width="large")},
    )  # fmt: skip
    st.caption("Means over validation rows of all candidates with it, which differ in other parts too.")
    first = chosen if chosen in arms else ordered[0]
    index = st.selectbox(
        f"Read one {title(kind)}", ordered, index=ordered.index(first), key=f"parameter_{kind}",
        format_func=lambda each: f"{each} · {_says(arms[each], 70)}",
    )  # fmt: skip
    _whole(arms[first if index is None else index])


def _mean(scored: ArmScore | None) -> float | None:
    return scored.mean if scored is not None else None


def _row(arm: Arm, scored: ArmScore | None, won: int | None) -> Mapping[str, Any]:
    return {
        "no.": arm.index,
        "it says": _says(arm, 200),
        "mean": score(_mean(scored)) if scored else UNKNOWN,
        "n": scored.estimate["n"] if scored and scored.estimate else 0,
        "standing": standing(arm, won=arm.index == won, tried=scored.n_candidates if scored else 0),
        "by": author_words(arm),
    }


def _says(arm: Arm, limit: int) -> str:
    if arm.kind != DEMOS:
        return one_line(KINDS[arm.kind].describe(arm), limit) or UNKNOWN
    kind = one_line(made_how(arm)).replace("_", " ")
    return f"{plural(len(arm.demos), 'demo')}, {kind}" if arm.demos else "no demos"


def _whole(arm: Arm) -> None:
    line(lineage(arm), muted=True)
    if arm.kind != DEMOS:
        paragraph(KINDS[arm.kind].describe(arm))
        return
    shown: Sequence[Mapping[str, Any]] = [demo_row(demo) for demo in arm.demos]
    if shown:
        st.dataframe(shown, hide_index=True, height="content", alt=f"Demos of set {arm.index}", **wrapped(shown))
    else:
        st.caption("No demos are shown to the model.")
