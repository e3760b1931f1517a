"""The benchmark's figures as a Markdown table and an SVG."""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from mipro_studio.benchmarks.landscapes.effects import ARMS, EFFECT, Finding
from mipro_studio.benchmarks.landscapes.families import FAMILIES
from mipro_studio.benchmarks.landscapes.jobs import DEFAULT, DSPY, METHODS, Result, default_share

__all__ = ["effects_table", "figure", "report"]

Results = Mapping[tuple[str, int, int, int | None], Result]

COLOURS = (
    "#1f77b4",
    "#d62728",
    "#2ca02c",
    "#9467bd",
    "#ff7f0e",
    "#8c564b",
    "#17becf",
    "#e377c2",
    "#bcbd22",
    "#7f7f7f",
)
WIDTH, HEIGHT, PER_ROW, KEY_PX = 300, 210, 5, 18
LEAST = 0.3
"""Of the plots' vertical axis."""


def _of(results: Results, method: str, family: int, share: float = 1.0, seeds: int | None = None) -> list[Result]:
    """One result a seed (the first `seeds`): DSPy's, or the method's under that share of DSPy's program runs."""
    found = []
    some = sorted({seed for _, _, seed, _ in results})[:seeds]
    for (name, where, seed, cap), result in results.items():
        if name == method and where == family and seed in some:
            budget = results[DSPY, family, seed, None].runs
            if cap is None or cap == int(budget * share):
                found.append(result)
    return found


def _mean(found: Sequence[Result]) -> float:
    return float(np.mean([one.fraction for one in found]))


def _difference(mine: Sequence[Result], theirs: Sequence[Result]) -> str:
    """Mean over seeds, which are in the same order in both, with its standard error."""
    gains = [one.fraction - other.fraction for one, other in zip(mine, theirs, strict=True)]
    error = np.std(gains, ddof=1) / len(gains) ** 0.5 if len(gains) > 1 else float("nan")
    return f"{np.mean(gains):+.3f} ± {error:.3f}"


def report(results: Results, n_seeds: int, other_seeds: int, methods: Sequence[str]) -> str:
    """Every family's mean fraction of the best possible score, and how often the winner's interval holds.

    Args:
        other_seeds: The first so many of the `n_seeds` have all methods, the others the default and DSPy's.
    """
    runs = [one.runs for family in range(len(FAMILIES)) for one in _of(results, DSPY, family)]
    lines = [
        "# Landscapes",
        "",
        "Searches against each other on simulated programs of which the best possible score is known. Made by "
        f"`python -m benchmarks.landscapes`; {n_seeds} seeds a family, 120 validation examples, 10 instructions and 10 "  # noqa: E501
        "demo sets a predictor. Only the model is simulated: the search is the studio's own and DSPy's own.",
        "",
        "Numbers are the mean over seeds of the returned candidate's true score as a share of the best possible. All "
        f"methods may use as many program runs as DSPy's MIPROv2 with 30 trials ({min(runs)} to {max(runs)}); the "
        "default also a third of them (half with a single predictor). Differences are to MIPROv2 on the same seeds, "
        "with their standard error.",
        "",
        "![Mean share of the best possible score by program runs](landscapes.svg)",
        "",
        "| family | DSPy MIPROv2 | default, at a share of the runs | difference | default, equal runs | difference |",
        "|---|---|---|---|---|---|",
    ]
    for family, what in enumerate(FAMILIES):
        theirs, share = _of(results, DSPY, family), default_share(family)
        early, equal = (_of(results, DEFAULT, family, part) for part in (share, 1.0))
        lines.append(
            f"| {what.name} | {_mean(theirs):.3f} | {_mean(early):.3f} (1/{round(1 / share)}) "
            f"| {_difference(early, theirs)} | {_mean(equal):.3f} | {_difference(equal, theirs)} |"
        )
    others = [DSPY, *methods]
    lines += ["", "## All methods at equal program runs", "", f"The first {other_seeds} seeds of every family.", ""]
    left_out = [method for method in METHODS if method not in methods]
    if left_out:
        lines += [f"Left out of this call: {', '.join(left_out)}.", ""]
    lines.append("| method | " + " | ".join(what.name for what in FAMILIES) + " | mean |")
    lines.append("|---" * (len(FAMILIES) + 2) + "|")
    for method in others:
        means = [_mean(_of(results, method, family, seeds=other_seeds)) for family in range(len(FAMILIES))]
        lines.append(f"| {method} | " + " | ".join(f"{one:.3f}" for one in (*means, np.mean(means))) + " |")
    return "\n".join([*lines, *_coverage(results), ""])


def _coverage(results: Results) -> list[str]:
    lines = [
        "",
        "## The winner's interval",
        "",
        "How often the 90 % interval of the winner's score holds its true score, and by how much the plain validation "  # noqa: E501
        "mean flatters it, over all runs of the default.",
        "",
        "| family | runs | interval holds | plain mean minus true score |",
        "|---|---|---|---|",
    ]
    everything: list[bool] = []
    for family, what in enumerate(FAMILIES):
        own = [one for (name, where, _, _), one in results.items() if name == DEFAULT and where == family]
        held = [one.interval[0] <= one.interval[2] <= one.interval[1] for one in own if one.interval]
        flattery = float(np.mean([one.gain for one in own if one.gain is not None]))
        everything += held
        lines.append(f"| {what.name} | {len(held)} | {np.mean(held):.0%} | {flattery:+.3f} |")
    return [*lines, f"| all | {len(everything)} | {np.mean(everything):.0%} | |"]


def effects_table(planted: Mapping[str, tuple[Sequence[Finding], Sequence[Finding]]]) -> str:
    """Importance where there is nothing to find, and where one of four variables moves the score."""
    lines = [
        "",
        "## Importance",
        "",
        f"Two predictors, four variables of {ARMS} arms. Nothing matters; or half of one variable's arms add "
        f"{EFFECT:g}. Named: of the four variables' bars the right one stands first (by chance in a quarter of the "
        "runs). Real: it is also told from noise. A race asks for more cells of what scored well and drops the rest, "
        "which finds good candidates and leaves less to compare arms by; its row shows what that costs.",
        "",
        "| design | no effect: runs with any bar called real | effect: right one named | effect: right one real |",
        "|---|---|---|---|",
    ]
    for design, (none, some) in planted.items():
        false = sum(one.any_real for one in none)
        lines.append(
            f"| {design} | {false} of {len(none)} ({false / len(none):.1%}) "
            f"| {sum(one.named for one in some)} of {len(some)} | {sum(one.real for one in some)} of {len(some)} |"
        )
    return "\n".join([*lines, ""])


def figure(results: Results, n_seeds: int, methods: Sequence[str]) -> str:
    """Small multiples, one a family: mean true score, as a share of the best possible, by program runs."""
    names = [DSPY, *methods]
    rows = -(-len(FAMILIES) // PER_ROW)
    height = rows * HEIGHT + KEY_PX * (len(names) + 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {PER_ROW * WIDTH} {height}" font-family="sans-serif" '
        'font-size="12"><rect width="100%" height="100%" fill="white"/>'
    ]
    for family, what in enumerate(FAMILIES):
        left, top = family % PER_ROW * WIDTH, family // PER_ROW * HEIGHT
        parts.append(_panel(results, family, names, (left, top)))
        parts.append(f'<text x="{left + 40}" y="{top + 16}" font-weight="bold">{escape(what.name)}</text>')
    for index, name in enumerate(names):
        y = rows * HEIGHT + KEY_PX * (index + 1)
        parts.append(
            f'<line x1="40" x2="64" y1="{y - 4}" y2="{y - 4}" stroke="{COLOURS[index % len(COLOURS)]}" '
            f'stroke-width="{_thickness(name)}"/><text x="72" y="{y}">{escape(name)}</text>'
        )
    parts.append(
        f'<text x="480" y="{rows * HEIGHT + KEY_PX}">true score as a share of the best possible, by program runs; '
        f"mean of {n_seeds} seeds; dots: the default when it is capped there</text></svg>"
    )
    return "\n".join(parts)


def _thickness(name: str) -> float:
    return 3 if name in (DSPY, DEFAULT) else 1.2


def _panel(results: Results, family: int, names: Sequence[str], corner: tuple[int, int]) -> str:
    budget = max(one.runs for one in _of(results, DSPY, family))
    left, top = corner

    def x(runs: float) -> float:
        return left + 40 + (WIDTH - 60) * runs / budget

    def y(share: float) -> float:
        return top + HEIGHT - 30 - (HEIGHT - 60) * (share - LEAST) / (1 - LEAST)

    parts = []
    for share in (0.4, 0.6, 0.8, 1.0):
        parts.append(f'<line x1="{x(0)}" x2="{x(budget)}" y1="{y(share)}" y2="{y(share)}" stroke="#ddd"/>')
        parts.append(f'<text x="{x(0) - 6}" y="{y(share) + 4}" text-anchor="end" fill="#555">{share:g}</text>')
    for runs in (0, budget // 2, budget):
        parts.append(f'<text x="{x(runs)}" y="{top + HEIGHT - 12}" text-anchor="middle" fill="#555">{runs}</text>')
    grid = np.linspace(0, budget, 64)
    for index, name in enumerate(names):
        colour = COLOURS[index % len(COLOURS)]
        curves = np.array([_at(one.curve, grid.tolist()) for one in _of(results, name, family)])
        points = [
            f"{x(runs):.1f},{y(max(value, LEAST)):.1f}"
            for runs, value in zip(grid, curves.mean(axis=0), strict=True)
            if np.isfinite(value)
        ]
        parts.append(
            f'<polyline fill="none" stroke="{colour}" stroke-width="{_thickness(name)}" points="{" ".join(points)}"/>'
        )
        if name == DEFAULT:
            parts += [
                f'<circle cx="{x(share * budget):.1f}" cy="{y(_mean(found)):.1f}" r="5" fill="{colour}"/>'
                for share in (default_share(family), 1.0)
                if (found := _of(results, name, family, share))
            ]
    return "\n".join(parts)


def _at(curve: Sequence[tuple[int, float]], grid: Sequence[float]) -> list[float]:
    """What the search would have returned at each number of program runs; NaN before its first full evaluation."""
    return [next((value for runs, value in reversed(curve) if runs <= at), float("nan")) for at in grid]
