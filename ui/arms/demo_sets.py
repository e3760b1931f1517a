"""Demo sets of one predictor, as DSPy builds them: what is in each, how it did, and a new one made from it."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from mipro_studio.optimizer_core.parameters.demos import BY_A_PERSON, made_how
from mipro_studio.optimizer_core.types import SEED_ARM, Arm, ChangeKind, Example
from mipro_studio.storage import AskedChange, RunSummary
from mipro_studio.ui.arms.arm_scores import ArmScore
from mipro_studio.ui.arms.arm_words import set_names, standing
from mipro_studio.ui.arms.demo_rows import demo_row
from mipro_studio.ui.arms.review_forms import send, take_out
from mipro_studio.ui.text.foreign_text import line
from mipro_studio.ui.text.format import UNKNOWN, one_line, plural, score
from mipro_studio.ui.text.wrapped import WRAPPED_PX, wrapped

__all__ = ["Pins", "answer_counts", "answer_words", "largest_made", "row_name", "set_form", "set_panel", "sets_list"]

VIEWS = ("Table", "Side by side")
MOST_SHOWN, MOST_CARDS = 50, 24
_LONG = 40
_SHORT = 16
"""Characters of an answer that is shown among a set's; longer ones are counted."""
_MANY = 3


@dataclass(frozen=True, slots=True)
class Pins:
    """The traces that may become demos.

    Attributes:
        words: By row, what to call each.
        weak: Rows whose score is below the threshold of a demo.
        most: Demos in the largest set that the run built itself.
    """

    words: Mapping[str, str]
    weak: Collection[str]
    most: int


def row_place(row: str, rows: Mapping[str, Example]) -> str:
    """`row 12`; the id of a row that is not among `rows`."""
    example = rows.get(row)
    return f"row {example.position + 1}" if example is not None else one_line(row, 40) or "the program's own"


def row_name(row: str, rows: Mapping[str, Example]) -> str:
    """`row 12: the first words of its inputs`, for lists."""
    example = rows.get(row)
    if example is None:
        return row_place(row, rows)
    words = " · ".join(one_line(value, 70) for value in example.inputs.values())
    return f"{row_place(row, rows)}: {one_line(words, 80)}"


def answer_counts(demo_set: Arm, rows: Mapping[str, Example]) -> Counter[str]:
    """How often its demos give each answer, as far as `rows` have a label for it."""
    labels = sorted({name for row in rows.values() for name in row.labels})
    given = (
        " · ".join(one_line(demo.fields[name], _LONG) for name in labels if name in demo.fields)
        for demo in demo_set.demos
    )
    return Counter(answer for answer in given if answer)


def answer_words(given: Counter[str]) -> str:
    """`3 positive, 1 negative`, the most frequent first; only how many there are where answers are texts."""
    if not given:
        return UNKNOWN
    if max(map(len, given)) > _SHORT:
        return f"{len(given)} different" if len(given) > 1 else "all the same"
    return ", ".join(f"{times} {answer}" for answer, times in given.most_common())


def sets_list(
    sets: Mapping[int, Arm], scores: Mapping[int, ArmScore], asked: Sequence[AskedChange], won: int | None,
    rows_of: Mapping[str, Example],
) -> None:  # fmt: skip
    """The sets as a table, or whole and side by side. `won` is the winner's; demos come from `rows_of`."""
    view = st.segmented_control("View", VIEWS, default=VIEWS[0], key="tr_view", required=True) or VIEWS[0]
    if view == VIEWS[0]:
        _table(sets, scores, asked, won, rows_of)
    else:
        _side_by_side(sets, scores, won)


def _side_by_side(sets: Mapping[int, Arm], scores: Mapping[int, ArmScore], won: int | None) -> None:
    """What the model is shown in each set, in its order; the sets with the best means first."""
    names = set_names(sets.values())

    def mean(index: int) -> float:
        known = scores[index].mean if index in scores else None
        return float("-inf") if known is None else known

    ordered = sorted(sets, key=lambda index: -mean(index))
    with st.grid(2, min_column_width=420):
        for index in ordered[:MOST_CARDS]:
            with st.container(border=True, height="stretch", gap="xsmall"):
                tried = scores[index].words if index in scores else "not tried yet"
                line(f"{index} · {names[index]}{' · ★ in the winner' if index == won else ''}", bold=True)
                line(f"Validation {tried}", muted=True)
                if sets[index].demos:
                    shown = [demo_row(demo) for demo in sets[index].demos]
                    st.dataframe(shown, hide_index=True, key=f"tr_card_{index}", alt=f"Demos of set {index}",
                                 **wrapped(shown))  # fmt: skip
                else:
                    st.text("No demos: the instruction alone (zero-shot).")
    if len(ordered) > MOST_CARDS:
        st.caption(f"The {MOST_CARDS} with the best means, of {len(ordered)}. The table has all.")


def _table(
    sets: Mapping[int, Arm],
    scores: Mapping[int, ArmScore],
    asked: Sequence[AskedChange],
    won: int | None,
    rows_of: Mapping[str, Example],
) -> None:
    """One row a set. `won` is the winner's; `rows_of` are the examples that demos come from."""
    names = set_names(sets.values())
    rows = []
    for index, demo_set in sets.items():
        scored = scores.get(index)
        taught = sum(demo.augmented for demo in demo_set.demos)
        rows.append(
            {
                "no.": index,
                "set": names[index],
                "demos": len(demo_set.demos),
                "by the teacher": taught,
                "answers": answer_words(answer_counts(demo_set, rows_of)),
                "standing": standing(demo_set, asked, won=index == won, tried=scored.n_candidates if scored else 0),
                "mean": score(scored.mean) if scored else UNKNOWN,
                "n": scored.estimate["n"] if scored and scored.estimate else 0,
                "candidates": scored.n_candidates if scored else 0,
            }
        )
    # Together as wide as a page of 1024 is, so that no column is cut there; wider pages add to all of them.
    widths = {"no.": 40, "set": 112, "standing": 108, "mean": 52, "n": 40, "candidates": 82, "demos": 56,
              "by the teacher": 100, "answers": 122}  # fmt: skip
    long = any(len(str(row["answers"])) > _SHORT for row in rows)
    st.dataframe(
        rows, hide_index=True, key="tr_sets", alt="Demo sets of this predictor", column_order=tuple(widths),
        column_config={name: st.column_config.Column(width=width) for name, width in widths.items()},
        **({"row_height": WRAPPED_PX} if long else {}),
    )  # fmt: skip


def largest_made(sets: Iterable[Arm]) -> int:
    """Most demos in a set that no person made."""
    return max((len(one.demos) for one in sets if made_how(one) != BY_A_PERSON), default=0)


def set_panel(demo_set: Arm, rows: Mapping[str, Example], values: Mapping[str, float | None]) -> None:
    """The demos of one set, in the order the model sees them."""
    if not demo_set.demos:
        st.text("No demos: the instruction alone (zero-shot).")
        return
    shown = [
        {
            "place": place,
            **demo_row(demo),
            "metric": score(values.get(demo.example_id)) if demo.augmented else UNKNOWN,
            "source": row_place(demo.example_id, rows),
        }
        for place, demo in enumerate(demo_set.demos[:MOST_SHOWN])
    ]
    st.dataframe(shown, hide_index=True, key="tr_demos", alt="Demos of this set, in their order", **wrapped(shown))
    given = answer_counts(demo_set, rows)
    if len(given) == 1 and given.total() >= _MANY:
        st.caption(
            f":material/warning: All {given.total()} demos give one answer, and the model imitates what it sees."
        )
    facts = demo_set.provenance
    if facts.get("edited_from") is not None:
        pinned = len(facts.get("pinned") or ())
        st.text(f"Made by a person from set {facts['edited_from']}, {plural(pinned, 'trace')} pinned.")
        if facts.get("reason"):
            st.text(f"Why: {one_line(facts['reason'], 300)}")


def set_form(
    run: RunSummary,
    demo_set: Arm,
    pins: Pins,
    rows: Mapping[str, Example],
    asked: Sequence[AskedChange],
) -> None:
    """A new set from this one: drop demos, pin traces."""
    make, reject = st.tabs(["Change it", "Reject it" if demo_set.active else "Take it back"])
    prefix = f"tr_{demo_set.owner}_{demo_set.index}"
    with make:
        places = range(len(demo_set.demos))
        st.multiselect(
            "Drop", places, key=f"{prefix}_drop", disabled=not demo_set.demos,
            format_func=lambda place: f"{place} · {row_name(demo_set.demos[place].example_id, rows)}",
        )  # fmt: skip
        st.multiselect(
            "Pin traces", list(pins.words), key=f"{prefix}_pin", disabled=not pins.words,
            format_func=lambda row: pins.words.get(row, row),
            help="Each becomes a demo of the new set, before the others.",
        )  # fmt: skip
        _caution(demo_set, prefix, pins)
        st.text_input("Why (kept with it)", key=f"{prefix}_why")
        st.checkbox(
            "Instead of this set", key=f"{prefix}_replace", disabled=demo_set.index == SEED_ARM,
            help="No new candidate uses this one any more.",
        )  # fmt: skip
        st.button(
            "Make a new set", key="tr_make", icon=":material/library_add:",
            help="It gets a trial of its own, in the candidate that leads.",
            on_click=_make, args=(run.id, demo_set, prefix),
        )  # fmt: skip
    with reject:
        take_out(run, demo_set, asked)


def _caution(demo_set: Arm, prefix: str, pins: Pins) -> None:
    """What a person may do, and should know that they do."""
    held: Any = st.session_state
    pinned = held.get(f"{prefix}_pin") or []
    poor = sum(row in pins.weak for row in pinned)
    if poor:
        words = plural(poor, "pinned trace")
        st.caption(f":material/warning: {words} scored below the threshold, and the model imitates what it is shown.")
    size = len(demo_set.demos) - len(held.get(f"{prefix}_drop") or []) + len(pinned)
    if pinned and size > pins.most:
        words = f"{plural(size, 'demo')}. The run's own sets have at most {pins.most}; prompts get longer."
        st.caption(f":material/warning: {words}")


def _make(run_id: str, demo_set: Arm, prefix: str) -> None:
    held: Any = st.session_state
    dropped = set(held[f"{prefix}_drop"])
    payload = {
        "predictor": demo_set.owner,
        "index": demo_set.index,
        "keep": [place for place in range(len(demo_set.demos)) if place not in dropped],
        "pin": [{"example": row, "call": -1} for row in held[f"{prefix}_pin"]],
        "replace": bool(held[f"{prefix}_replace"]),
        "reason": held[f"{prefix}_why"],
    }
    send(
        run_id,
        ChangeKind.DEMOS,
        payload,
        {f"{prefix}_drop": [], f"{prefix}_pin": [], f"{prefix}_why": "", f"{prefix}_replace": False},
    )
