"""From stored runs to a table: means, intervals, ratios, the paired test, Markdown and plot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from mipro_studio.benchmarks.grid.report import figure, markdown, write_report
from mipro_studio.benchmarks.grid.results import Failure, Measured
from mipro_studio.benchmarks.grid.tables import groups, overall, wilcoxon_p
from mipro_studio.ui.benchmarks.benchmark_view import curves_figure


def measured(optimizer: str, seed: int, test: list[float], group: str = "g", **more: Any) -> Measured:
    mark = {
        "group": group,
        "task": more.pop("task", "triage"),
        "optimizer": optimizer,
        "seed": seed,
        "max_program_runs": 300,
        "sizes": [40, 40, 4],
        "task_model": "embedded",
        "prompt_model": "embedded",
    }
    given: dict[str, Any] = {
        "run_id": f"{optimizer}-{seed}",
        "capped": False,
        "reason": "",
        "baseline_test": {f"e{i}": 0.0 for i in range(len(test))},
        "curve": ((40, 0.5), (120, 0.75)),
        "program_runs": 200,
        "lm_calls": 400,
        "search_s": 10.0,
    }
    scores = {f"e{i}": score for i, score in enumerate(test)}
    return Measured(mark=mark, test=scores, **{**given, **more})


RESULTS = [
    measured("mipro", 0, [1, 1, 1, 0], lm_calls=200, search_s=5.0),
    measured("mipro", 1, [1, 1, 0, 0], lm_calls=200, search_s=5.0),
    measured("dspy.MIPROv2", 0, [1, 0, 0, 0], capped=True),
    measured("dspy.MIPROv2", 1, [0, 1, 0, 0]),
]


def test_means_intervals_and_ratios_by_hand() -> None:
    (group,) = groups(RESULTS)
    ours, theirs = group.lines
    assert (ours.optimizer, ours.score, ours.seeds, ours.n_test) == ("mipro", 0.625, 2, 4)
    # Two seeds, 0.75 and 0.5: t at one degree of freedom times the standard error of 0.125.
    half = stats.t.ppf(0.975, 1) * 0.125
    assert half > 1
    assert (ours.low, ours.high) == (0.0, 1.0)  # a share is not below 0 or above 1
    (closer,) = groups([*RESULTS, *(measured("mipro", seed, [1, 1, 1, 0]) for seed in range(2, 9))])
    half = stats.t.ppf(0.975, 8) * np.std([0.75] * 8 + [0.5], ddof=1) / 3
    assert (closer.lines[0].low, closer.lines[0].high) == pytest.approx((6.5 / 9 - half, 6.5 / 9 + half))
    assert (ours.calls_ratio, ours.time_ratio) == (0.5, 0.5)
    assert (theirs.calls_ratio, theirs.capped, theirs.score) == (1.0, 1, 0.25)
    assert ours.p_best is None
    assert theirs.p_best is not None


def test_one_seed_has_no_interval_and_no_reference_means_no_ratio() -> None:
    (group,) = groups(RESULTS[:1])
    (line,) = group.lines
    assert (line.low, line.high, line.calls_ratio, line.time_ratio) == (None, None, None, None)


def test_runs_of_other_settings_never_share_a_table() -> None:
    found = groups([*RESULTS, measured("mipro", 0, [0, 0, 0, 0], group="other")])
    assert [len(group.runs) for group in found] == [4, 1]


def test_the_mean_over_tasks_is_of_tasks_and_its_test_of_all_their_examples() -> None:
    second = [
        measured("mipro", 0, [1, 1, 1, 1], "h", task="iris"),
        measured("dspy.MIPROv2", 0, [1, 1], "h", task="iris"),
    ]
    alone = measured("dspy.COPRO", 0, [1, 1, 1, 1], "h", task="iris")
    ((tasks, (ours, theirs)),) = overall(groups([*RESULTS, *second, alone]))
    assert tasks == ("triage", "iris")
    assert (ours.optimizer, ours.score, ours.difference) == (
        "mipro",
        (0.625 + 1) / 2,
        (0.625 + 1) / 2 - (0.25 + 1) / 2,
    )
    # By example, each a mean over seeds: 1, 1, .5, 0 against .5, .5, 0, 0, and two more that are equal.
    assert ours.p == pytest.approx(stats.wilcoxon([0.5, 0.5, 0.5, 0, 0, 0]).pvalue)
    assert (theirs.optimizer, theirs.difference, theirs.p) == ("dspy.MIPROv2", None, None)
    assert "| mipro | 0.812 | +0.188 |" in markdown(groups([*RESULTS, *second, alone]))
    assert overall(groups(RESULTS)) == []


def test_a_run_that_failed_is_no_result_and_is_said() -> None:
    failed = Failure({**RESULTS[0].mark, "optimizer": "dspy.COPRO"}, "dspy.COPRO raised `X`.")
    (group,) = groups(RESULTS, [failed, Failure({**failed.mark, "group": "other"}, "")])
    assert group.failures == (failed,)
    assert "dspy.COPRO" not in {line.optimizer for line in group.lines}
    assert "- dspy.COPRO, seed 0: `dspy.COPRO raised 'X'.`" in markdown([group])


def test_the_paired_test_is_scipys_on_shared_examples() -> None:
    one = {f"e{i}": value for i, value in enumerate([0.2, 0.4, 0.6, 0.8, 1.0, 0.0])}
    other = {f"e{i}": 0.0 for i in range(5)} | {"not in one": 1.0}
    assert wilcoxon_p(one, other) == pytest.approx(stats.wilcoxon([0.2, 0.4, 0.6, 0.8, 1.0]).pvalue)
    assert wilcoxon_p(one, one) == 1.0


def test_equal_differences_have_one_rank_whatever_the_last_bit_of_a_third() -> None:
    steps = [(0, 1), (1, 2), (2, 3)] * 5
    one = {f"up{i}": high / 3 for i, (_, high) in enumerate(steps)} | {f"down{i}": 0.0 for i in range(len(steps))}
    other = {f"up{i}": low / 3 for i, (low, _) in enumerate(steps)} | {f"down{i}": 1 / 3 for i in range(len(steps))}
    assert len({one[name] - other[name] for name in one if name.startswith("up")}) > 1
    assert wilcoxon_p(one, other) == pytest.approx(1.0)


def test_markdown_and_plot_hold_the_numbers(tmp_path: Path) -> None:
    found = groups(RESULTS)
    text = markdown(found)
    row = next(line for line in text.splitlines() if line.startswith("| mipro "))
    assert "0.625 [" in row
    assert "| best | 200 | 200 | 0.50 | 5 | 0.50 |" in row
    assert {trace.name for trace in figure(found).data} == {"mipro", "dspy.MIPROv2"}
    assert [path.name for path in write_report(found, tmp_path) if path.stat().st_size] == [
        "benchmark.md",
        "benchmark.html",
    ]


def test_the_pages_curve_ends_where_the_budget_was_spent() -> None:
    (group,) = groups(RESULTS)
    traces = curves_figure(group)["data"]
    assert len(traces) == 4
    assert (traces[0]["x"], traces[0]["y"]) == ([40, 120, 200], [0.5, 0.75, 0.75])
    assert sum(trace["showlegend"] for trace in traces) == 2


def test_the_page_reads_results_without_importing_dspy() -> None:
    loaded = "import sys, benchmarks.grid.results, benchmarks.grid.tables"
    code = f"{loaded}; assert not {{'dspy', 'optuna'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).resolve().parents[2], check=True, timeout=120)
