"""A run in the cell of a notebook: how far it is, what leads, the search as a chart; and what it came to."""

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mipro_studio import ROOT
from mipro_studio.optimizer_core.parameters.registry import OF_THE_PROGRAM
from mipro_studio.storage import LiveView, Reader, RunSummary
from mipro_studio.ui.arms.candidate_names import Names, names_of
from mipro_studio.ui.charts.gold import gold_of
from mipro_studio.ui.charts.report_chart import chart
from mipro_studio.ui.result.evidence import Block, Evidence, evidence_of
from mipro_studio.ui.result.headline import doubt, headline
from mipro_studio.ui.text.format import clean, cost_of, count, duration, interval, one_line, plural, score
from mipro_studio.ui.text.status import ACTIVE, LOOKS, phase_line, progress

__all__ = ["live_html", "live_text", "result_html", "result_text"]

_LONGEST = 600
_BAR = 24


def live_html(reader: Reader, run_id: str) -> str:
    """The run as HTML without a script: everything in it is escaped."""
    return _rendered(reader, run_id, "")


def live_text(reader: Reader, run_id: str) -> str:
    """The same in a line or two."""
    view = reader.live(run_id)
    run = view.summary
    full = round(progress(run) * _BAR)
    bar = "" if run.status in _ENDED else f"[{'#' * full}{'.' * (_BAR - full)}] "
    said = _said(_known(reader, view), names_of(reader, run_id))[0]
    return f"{bar}{_state(run)} | {said} | {count(view.total_spent.calls)} LM calls | run {run.id}"


def result_html(store: Path, run_id: str) -> str:
    """What the run came to, with its chart and the winner's instructions."""
    with Reader(store) as reader:
        return _rendered(reader, run_id, "result")


def result_text(store: Path, run_id: str) -> str:
    """The evidence in lines."""
    with Reader(store) as reader:
        view = reader.live(run_id)
        found, names = _known(reader, view), names_of(reader, run_id)
    return "\n".join([f"Run {run_id}: {_state(view.summary)}", *_said(found, names), *_numbers(found)])


def _rendered(reader: Reader, run_id: str, kind: str) -> str:
    with reader.snapshot():
        view = reader.live(run_id)
        found, names = _known(reader, view), names_of(reader, run_id)
        arms = _winning(names, view) if kind == "result" else []
    run = view.summary
    page: str = _template().render(
        name=one_line(run.name, 120),
        run_id=run.id,
        state=_state(run),
        percent=round(100 * progress(run)),
        working=run.status not in _ENDED,
        said=_said(found, names),
        spent=f"{count(view.total_spent.calls)} LM calls, {cost_of(view.total_spent)}, {duration(run.wall_s)}",
        chart=chart(view.trials, names.of, n_val=found.n_val, gold=gold_of(found, view.trials)),
        numbers=_numbers(found) if kind == "result" else [],
        arms=arms,
    )
    return page


@cache
def _template() -> Any:
    folders = FileSystemLoader([Path(__file__).parent, ROOT / "ui" / "charts"])
    made = Environment(
        loader=folders, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return made.get_template("cell.html.j2")


_ENDED = frozenset(look for look in LOOKS if look.value in ("completed", "stopped", "failed"))


def _state(run: RunSummary) -> str:
    words = phase_line(run) if run.status in ACTIVE else clean(run.reason)
    return f"{LOOKS[run.status].word}. {words}".strip()


def _known(reader: Reader, view: LiveView) -> Evidence:
    return evidence_of(reader, view.summary.id, view.trials, view.outcome)


def _said(found: Evidence, names: Names) -> list[str]:
    """The headline that all pages show, and what must not be left out beside it."""
    return [clean(word) for word in (headline(found, names.of(found.best)), doubt(found)) if word]


def _numbers(found: Evidence) -> list[str]:
    """A line a split; nothing before the run is over."""
    blocks = (("validation", found.val), ("sealed test", found.test)) if found.final else ()
    return [f"{split}: {_means(block, found.best)}" for split, block in blocks if block.before]


def _means(block: Block, best: str | None) -> str:
    """One mean where the program stays as it came."""
    before, after, pair = block.before or {}, block.after, block.paired
    if best is None or not after:
        return f"{score(before.get('mean'))}, {interval(before)}"
    said = f"{score(before.get('mean'))} -> {score(after.get('mean'))}, {interval(after)}"
    return said + (f"; {pair['won']} won, {pair['lost']} lost, {pair['tied']} tied" if pair else "")


def _winning(names: Names, view: LiveView) -> list[dict[str, str]]:
    if view.outcome is None or not view.outcome.winner:
        return []
    return [
        {
            "predictor": part.owner or OF_THE_PROGRAM,
            "text": clean(part.instruction.text)[:_LONGEST] if part.instruction else part.words,
            "demos": plural(len(part.demo_set.demos) if part.demo_set else 0, "demo"),
        }
        for part in names.parts(view.outcome.winner)
    ]
