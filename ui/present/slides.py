"""A run as five slides for people who were not there: one set of facts for the page and for the file. No Streamlit.

The facts are the report's, so that no number on a slide differs from it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mipro_studio.optimizer_core.types import Usage
from mipro_studio.storage import Reader
from mipro_studio.ui.export.report import report_facts
from mipro_studio.ui.result.evidence import Evidence
from mipro_studio.ui.result.headline import figure, two_figures
from mipro_studio.ui.text.format import clean, clip, cost_of, count, interval, one_line
from mipro_studio.ui.text.labels import wanted

__all__ = ["SLIDES", "Facts", "presentation_html", "slide_facts", "slide_html"]

SLIDES = ("result", "changed", "mattered", "examples", "cost")
"""Macros of `slides.html.j2`, in their order."""

Facts = Mapping[str, Any]
Estimate = Mapping[str, Any]
_LONGEST, _LINE = 700, 160
"""Characters of one text on a slide, and of one line."""


def presentation_html(reader: Reader, run_id: str) -> str:
    """All slides as one file: opens offline, holds no script, prints a slide a page.

    Raises:
        StudioError: there is no such run, or it is damaged.
    """
    page: str = _templates().get_template("presentation.html.j2").render(slide_facts(reader, run_id), slides=SLIDES)
    return page


def slide_facts(reader: Reader, run_id: str) -> Facts:
    """What the slides of a run show, in whatever state it is.

    Raises:
        StudioError: there is no such run, or it is damaged.
    """
    with reader.snapshot():
        run = reader.run(run_id)
        reader.require_whole(run.id)
        facts = report_facts(reader, run, datetime.now(UTC))
        spent = sum(reader.spent(run.id).values(), Usage())
    shown = {side: [_with_wanted(row) for row in facts[side]] for side in ("won", "lost")}
    total = {"calls": count(spent.calls), "cost": cost_of(spent)}
    return {**facts, **shown, "total": total, "sides": _sides(facts["evidence"])}


def _with_wanted(row: Facts) -> dict[str, Any]:
    return {**row, "wanted": wanted(row["labels"], row["after"])}


def slide_html(facts: Facts, name: str) -> str:
    """One slide with its style, everything foreign in it escaped."""
    page: str = _templates().get_template("one_slide.html.j2").render(facts, name=name)
    return page


@cache
def _templates() -> Environment:
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters["line"] = lambda value: one_line(value, _LINE)
    made.filters["text"] = lambda value: clean(clip(value, _LONGEST))
    return made


def _sides(found: Evidence) -> list[dict[str, Any]]:
    """Before and after as large figures; one alone where nothing has beaten the program as it came."""
    block = found.test if found.tested else found.val
    if block.before is None:
        return []
    if found.best is None or block.after is None:
        return [_side("As it came", figure(block.before, found.shares), block.before, found.shares)]
    before, after = two_figures(block.before, block.after, found.shares)
    return [
        _side("As it came", before, block.before, found.shares),
        _side("Optimized" if found.final else "Leads, not final", after, block.after, found.shares),
    ]


def _side(title: str, words: str, estimate: Estimate, shares: bool) -> dict[str, Any]:
    """A figure with its interval, in per cent of a bar's width where the metric gives shares."""
    low, high = estimate.get("low"), estimate.get("high")
    bar = None
    if shares and low is not None and high is not None:
        bar = {"low": round(100 * low, 1), "width": round(100 * (high - low), 1)}
        bar["mean"] = round(100 * float(estimate["mean"]), 1)
    return {"title": title, "figure": words, "note": interval(estimate), "bar": bar}
