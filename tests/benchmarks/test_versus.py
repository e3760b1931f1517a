"""One optimizer against the others: only pairs that all have, tasks count alike, signs are coins."""

from pathlib import Path
from typing import Any

import pytest

from mipro_studio.benchmarks.grid.results import Measured
from mipro_studio.benchmarks.grid.saved_results import load_results, save_results
from mipro_studio.benchmarks.grid.versus import asked_for, flips_p, markdown, versus
from mipro_studio.optimizer_core.errors import BadInput
from tests.benchmarks.test_tables import measured

BOTH = ("studio", "dspy.MIPROv2")


def result(optimizer: str, task: str, seed: int, test: list[float]) -> Measured:
    more: dict[str, Any] = {"task": task, "group": task}
    return measured(optimizer, seed, test, **more)


RESULTS = [
    result("studio", "triage", 0, [1, 1]),
    result("studio", "triage", 1, [1, 0]),
    result("studio", "trec", 0, [0, 1]),
    result("studio", "trec", 1, [1, 1]),
    result("dspy.MIPROv2", "triage", 0, [1, 0]),
    result("dspy.MIPROv2", "triage", 1, [0, 0]),
    result("dspy.MIPROv2", "trec", 0, [0, 1]),
]


def test_a_pair_that_one_has_no_result_for_is_left_out_and_tasks_count_alike() -> None:
    (found,) = versus(asked_for(RESULTS, ("triage", "trec"), BOTH), BOTH)
    assert set(found.scores["studio"]) == {("triage", 0), ("triage", 1), ("trec", 0)}
    assert found.mean("studio", "triage") == 0.75
    assert found.mean("studio") == pytest.approx((0.75 + 0.5) / 2)
    assert found.examples["studio"]["triage/e1"] == 0.5
    said = markdown(found, "studio")
    assert "300 program runs, 3 pairs" in said
    assert "| dspy.MIPROv2 | 0.500 | 0.250 | 0.375 | +0.250 | " in said
    assert "| 2, 1, 0 |" in said


def test_tasks_and_optimizers_that_were_not_asked_for_are_none_of_it() -> None:
    asked = asked_for(RESULTS, ("triage",), ("studio",))
    (found,) = versus(asked, ("studio",))
    assert set(found.examples) == {"studio"}
    assert {one.mark["task"] for one in asked} == {"triage"}
    assert asked_for(RESULTS, ("iris",), BOTH) == []


def test_results_that_were_saved_give_the_same_table_and_the_store_is_counted_before_them(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    save_results(RESULTS, file)
    assert all(one in RESULTS for one in load_results(file))
    assert len(load_results(file)) == len(RESULTS)
    newer = result("studio", "triage", 0, [0, 0])
    (found,) = versus(asked_for([newer, *load_results(file)], ("triage",), BOTH), BOTH)
    assert found.scores["studio"] == {("triage", 0): 0.0, ("triage", 1): 0.5}


def test_another_file_is_no_saved_results(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    with pytest.raises(BadInput, match="cannot be read"):
        load_results(file)
    file.write_text('{"run_id": 1}\n')
    with pytest.raises(BadInput, match="no saved results"):
        load_results(file)


def test_signs_are_coins() -> None:
    assert flips_p([0.1, 0.2, 0.3]) == 0.25
    assert flips_p([0.1, -0.1]) == 1.0
    assert flips_p([0.1] * 10) == pytest.approx(2 / 1024)
    assert flips_p([0.1, 0.12] * 10) < 0.001
