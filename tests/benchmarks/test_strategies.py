"""The table of strategies, from lines that runs have written."""

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from mipro_studio.benchmarks import strategies
from mipro_studio.optimizer_core.analysis.statistics import estimate
from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.types import Candidate, TrialKind
from tests.ui.factory import LiveRun


def line(strategy: str, seed: int, scores: list[float], task: str = "triage", **more: Any) -> dict[str, Any]:
    named = {f"row-{place}": score for place, score in enumerate(scores)}
    return {"task": task, "seed": seed, "strategy": strategy, "scores": named, "test": estimate(scores), **more}


LINES = [
    line("vanilla", 0, [0.0, 0.0, 1.0, 0.0], training=None),
    line("Π", 0, [1.0, 0.0, 1.0, 0.0], training=None),
    line("Π", 1, [0.0, 0.0, 1.0, 0.0], training=None),
    line("Π→Θ→Π", 0, [1.0, 1.0, 1.0, 0.0], training={"rows": 40, "waited_s": 61.2}),
    line("Π→Θ→Π", 1, [1.0, 1.0, 1.0, 0.0], training={"rows": 44, "waited_s": 70.0}),
    line("vanilla", 0, [1.0, 1.0], task="trec", training=None),
]


def test_a_row_of_the_test_counts_once_a_seed_and_is_paired_within_it() -> None:
    table = strategies.table(LINES)
    triage, trec = table.split("\ntrec, ")
    assert "triage, seeds 0, 1" in triage
    assert "| Π | 37.5 |" in triage and "| 50.0, 25.0 |" in triage
    assert "| Π→Θ→Π | 75.0 |" in triage and "| 40, 44 | 61, 70 |" in triage
    assert "| Π→Θ→Π against vanilla | +50.0 |" in triage, "seed 0 alone has the program as it came"
    assert "| Π→Θ→Π against Π | +37.5 |" in triage and "| 3, 0, 5 |" in triage
    assert "Θ→Π against Θ" not in triage, "nothing is said of what was not run"
    assert "| vanilla | 100.0 |" in trec


def test_a_strategy_took_what_all_its_trainings_took_and_what_its_answers_take() -> None:
    takes = {"calls": 2.0, "input_tokens": 211.0, "output_tokens": 7.5}
    trained = {"rows": 40, "waited_s": 61.2}
    lines = [
        line("Θ", 0, [1.0, 0.0], training=trained, takes=takes),
        line("Θ→Θ", 0, [1.0, 0.0], training={"rows": 50, "waited_s": 30.0}),
        line("Θ→Π", 0, [1.0, 1.0], training=None, takes={**takes, "input_tokens": 800.0}),
    ]
    rows = {row.split(" | ")[0]: row.split(" | ") for row in strategies.table(lines).splitlines()}
    assert rows["| Θ"][4:] == ["40", "61", "211", "8 |"]
    assert rows["| Θ→Θ"][4:6] == ["90", "91"], "the second training goes on from the first"
    assert rows["| Θ→Π"][4:7] == ["40", "61", "800"], "its weights are those of Θ"


def test_an_older_line_is_completed_from_the_store(tmp_path: Path) -> None:
    assert strategies._completed([{"run": "r"}], tmp_path / "none.db") == [{"run": "r"}]
    live = LiveRun(tmp_path / "studio.db", "together", age_s=60, config=RunConfig(program="sample:triage"))
    live.begin()
    live.baseline()
    live.evaluate(TrialKind.FULL, Candidate.parse("i0d1-i0d0"))
    live.write(live.outcome("best"))
    live.close()
    old, other = strategies._completed(
        [{"run": live.id, "candidate": "i0d0-i0d0"}, {"run": "of another store", "candidate": "i0d0-i0d0"}],
        tmp_path / "studio.db",
    )
    assert old["takes"] == {"calls": 2.0, "input_tokens": 270.0, "output_tokens": 22.0}
    assert "takes" not in other


def test_a_report_reads_what_pieces_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "found.jsonl"
    out.write_text("\n".join(map(json.dumps, LINES)), encoding="utf-8")
    assert strategies.main(["--out", str(out), "--report"]) == 0
    assert "| Π | 37.5 |" in capsys.readouterr().out


def test_entries_go_seed_after_seed_and_say_what_they_are(tmp_path: Path) -> None:
    asked = Namespace(tasks="triage,iris", seeds="0,1", strategy="all", finetune='{"sets": 3}', sizes="6/4/2")
    entries = list(strategies._entries(asked))
    assert [(one.seed, one.task) for one in entries] == [(0, "triage"), (0, "iris"), (1, "triage"), (1, "iris")]
    assert len({json.dumps(one.mark) for one in entries}) == 4
    config = entries[1].config(tmp_path)
    assert config["finetune"] == {"sets": 3, "strategy": "all"}
    assert len(Path(config["data"]["test"]).read_text().splitlines()) == 2
    assert config["data"]["inputs"] == ["petal_length", "petal_width", "sepal_length", "sepal_width"]
