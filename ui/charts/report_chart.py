"""The search as an inline SVG: a report must open anywhere, and plotly.js alone weighs 4.8 MB.

It says what the chart of the pages says: dots as large as their rows are many, the leader as a line in its interval,
the best in gold. Only geometry is made here; the template draws it, so that every word passes its escaping.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mipro_studio.optimizer_core.types import Trial, TrialKind
from mipro_studio.ui.charts.figures import score_range, sized, trials_alt
from mipro_studio.ui.result.leaders import Belief, baseline_of, leader_path
from mipro_studio.ui.text.format import count, score

__all__ = ["Chart", "chart", "ticks"]

WIDTH, HEIGHT = 860, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 20, 14, 44
_BEST_PX = 18


@dataclass(frozen=True, slots=True)
class Chart:
    """Pixels from the upper left.

    `marks`: {kind, x, y, r, title}; `leader` and `band`: SVG paths, "" where there is none; ticks: (pixel, label).
    """

    width: int
    height: int
    marks: list[dict[str, Any]]
    leader: str
    band: str
    baseline_y: float | None
    baseline_label: str
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    left: int
    right: int
    bottom: int
    alt: str


@dataclass(frozen=True, slots=True)
class _Scale:
    """From program runs and scores to pixels; what lies beyond the axes is drawn at their ends."""

    end: int
    low: float
    high: float

    def x(self, runs: float) -> float:
        return round(_LEFT + runs / self.end * (WIDTH - _LEFT - _RIGHT), 1)

    def y(self, value: float) -> float:
        within = min(self.high, max(self.low, value))
        return round(_TOP + (self.high - within) / (self.high - self.low) * (HEIGHT - _TOP - _BOTTOM), 1)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers from `low` to `high`, steps of 1, 2 or 5 times a power of ten."""
    if not math.isfinite(high - low) or high <= low:
        return [low]
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * size for size in (1, 2, 5, 10) if power * size >= rough)
    first = math.ceil(low / step)
    return [i * step for i in range(first, math.floor(high / step) + 1)]


def chart(
    trials: Sequence[Trial], name: Callable[[str], str] = str, *, n_val: int = 0, gold: Trial | None = None
) -> Chart | None:
    """The finished trials with a score over program runs; None without one.

    Args:
        name: Of a candidate, by its id.
        n_val: Rows of the validation set; 0 where not known.
        gold: The mark of the winner or leader, see `figures.best_mark`.
    """
    done = [t for t in trials if t.done and t.value is not None and math.isfinite(t.value)]
    reach = score_range(done)
    if reach is None:
        return None
    scale = _Scale(max(max(trial.program_runs for trial in done), 1), *reach)
    baseline = baseline_of(done)
    path = leader_path(done, n_val, gold)
    return Chart(
        WIDTH, HEIGHT, _marks(done, name, n_val, gold, scale), _leader(path, scale), _band(path, scale),
        scale.y(baseline.value or 0.0) if baseline else None,
        f"baseline {score(baseline.value)}, n = {baseline.n_ok}" if baseline else "",
        [(scale.x(value), count(value)) for value in ticks(0, scale.end)],
        [(scale.y(value), score(value)) for value in ticks(scale.low, scale.high)],
        _LEFT, WIDTH - _RIGHT, HEIGHT - _BOTTOM, trials_alt(trials, gold),
    )  # fmt: skip


def _marks(
    done: Sequence[Trial], name: Callable[[str], str], n_val: int, gold: Trial | None, scale: _Scale
) -> list[dict[str, Any]]:
    """Minibatches first, so that a full evaluation is not hidden by one; the best last."""
    shown = [trial for trial in done if trial.kind is not TrialKind.BASELINE]
    shown.sort(key=lambda trial: trial.kind is TrialKind.FULL)
    marks = [
        _mark(trial.kind.value, trial, size, name, scale)
        for trial, size in zip(shown, sized(shown, n_val), strict=True)
    ]
    return marks if gold is None else [*marks, _mark("best", gold, _BEST_PX, name, scale)]


def _mark(kind: str, trial: Trial, size: float, name: Callable[[str], str], scale: _Scale) -> dict[str, Any]:
    return {
        "kind": kind,
        "x": scale.x(trial.program_runs),
        "y": scale.y(trial.value or 0.0),
        "r": round(size / 2, 1),
        "title": f"{name(trial.candidate)}: {score(trial.value)}, n = {trial.n_ok}, "
        f"after {count(trial.program_runs)} program runs",
    }


def _leader(path: Sequence[Belief], scale: _Scale) -> str:
    """Who leads, with what mean, to the end of the axis."""
    steps = [f"M{scale.x(path[0].program_runs)} {scale.y(path[0].mean)}"] if path else []
    steps += [f"H{scale.x(one.program_runs)} V{scale.y(one.mean)}" for one in path[1:]]
    return " ".join([*steps, f"H{scale.x(scale.end)}"]) if path else ""


def _band(path: Sequence[Belief], scale: _Scale) -> str:
    """The leader's interval: along its upper end, and back along its lower one."""
    known = [(scale.x(one.program_runs), one.low, one.high) for one in path if one.low is not None]
    if not known or len(known) != len(path):
        return ""
    ends = [*(x for x, _, _ in known[1:]), scale.x(scale.end)]
    up = [f"V{scale.y(high or 0.0)} H{end}" for (_, _, high), end in zip(known, ends, strict=True)]
    down = [f"V{scale.y(low or 0.0)} H{x}" for x, low, _ in reversed(known)]
    return " ".join([f"M{known[0][0]} {scale.y(known[0][2] or 0.0)}", *up, *down, "Z"])
