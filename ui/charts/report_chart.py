"""The search as an inline SVG: a report must open anywhere, and plotly.js alone weighs 4.8 MB.

Only geometry is made here; the template draws it, so that every word passes its escaping.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mipro_studio.optimizer_core.types import Trial, TrialKind
from mipro_studio.ui.charts.figures import best_full, trials_alt
from mipro_studio.ui.text.format import count, score

__all__ = ["Chart", "chart", "ticks"]

WIDTH, HEIGHT = 860, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 20, 14, 44


@dataclass(frozen=True, slots=True)
class Chart:
    """Pixels from the upper left. `marks`: {kind, x, y, title}; `best_line`: SVG path; ticks: (pixel, label)."""

    width: int
    height: int
    marks: list[dict[str, Any]]
    best_line: str
    baseline_y: float | None
    baseline_label: str
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    left: int
    right: int
    bottom: int
    alt: str


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers from `low` to `high`, steps of 1, 2 or 5 times a power of ten."""
    if not math.isfinite(high - low) or high <= low:
        return [low]
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * size for size in (1, 2, 5, 10) if power * size >= rough)
    first = math.ceil(low / step)
    return [i * step for i in range(first, math.floor(high / step) + 1)]


def chart(trials: Sequence[Trial], name: Callable[[str], str] = str) -> Chart | None:
    """The finished trials with a score over program runs; None without one. `name`: of a candidate, by its id."""
    done = [t for t in trials if t.done and t.value is not None and math.isfinite(t.value)]
    if not done:
        return None
    means = [trial.value or 0.0 for trial in done]
    span = (max(means) - min(means)) or max(abs(means[0]), 1.0) * 0.2
    low, high = min(means) - 0.08 * span, max(means) + 0.08 * span
    end = max(max(trial.program_runs for trial in done), 1)

    def x(runs: float) -> float:
        return round(_LEFT + runs / end * (WIDTH - _LEFT - _RIGHT), 1)

    def y(mean: float) -> float:
        return round(_TOP + (high - mean) / (high - low) * (HEIGHT - _TOP - _BOTTOM), 1)

    baseline = next((trial for trial in done if trial.kind is TrialKind.BASELINE), None)
    lead = best_full(done)
    leads = lead is not None and (baseline is None or (lead.value or 0.0) > (baseline.value or 0.0))
    marks = [
        {
            "kind": "best" if leads and trial is lead else trial.kind.value,
            "x": x(trial.program_runs),
            "y": y(trial.value or 0.0),
            "title": f"{name(trial.candidate)}: {score(trial.value)}, n = {trial.n_ok}, "
            f"after {count(trial.program_runs)} program runs",
        }
        for trial in done
        if trial.kind is not TrialKind.BASELINE
    ]
    marks.sort(key=lambda mark: mark["kind"] != "minibatch")
    return Chart(
        WIDTH, HEIGHT, marks, _line([t for t in done if t.kind is not TrialKind.MINIBATCH], x, y, end),
        y(baseline.value or 0.0) if baseline else None,
        f"baseline {score(baseline.value)}, n = {baseline.n_ok}" if baseline else "",
        [(x(value), count(value)) for value in ticks(0, end)],
        [(y(value), score(value)) for value in ticks(low, high)],
        _LEFT, WIDTH - _RIGHT, HEIGHT - _BOTTOM, trials_alt(trials),
    )  # fmt: skip


def _line(fulls: Sequence[Trial], x: Any, y: Any, end: int) -> str:
    """Best full evaluation so far as a staircase."""
    path, best = "", -math.inf
    for trial in fulls:
        mean = trial.value if trial.value is not None else -math.inf
        height = y(max(best, mean))
        path += f"{'H' if path else 'M'}{x(trial.program_runs)}" + (f" V{height} " if path else f" {height} ")
        best = max(best, mean)
    return f"{path}H{x(end)}" if path else ""
