"""Arms that were never tried are foretold from what is in them, and from nothing else."""

import json
import random
from pathlib import Path

import numpy as np

from mipro_studio.benchmarks.held_out_arms import Table, held_out, main, read
from mipro_studio.optimizer_core.parameters.arm_features import demo_features

ANSWERS = ("a", "b", "c", "d")
GOOD = {"a": 1.5, "b": 0.0, "c": -1.5, "d": 0.5}


def table(path: Path, matters: bool, n: int = 32) -> Table:
    rng = random.Random(1)
    rows = [{"row": f"r{index}", "answer": rng.choice(ANSWERS)} for index in range(20)]
    sets = []
    for index in range(n):
        demos = rng.sample(rows, 3)
        effect = sum(GOOD[one] for one in {demo["answer"] for demo in demos}) if matters else rng.gauss(0, 1)
        chance = 1 / (1 + np.exp(-effect + 0.5))
        sets.append(
            {"set": index, "demos": demos, "scores": {f"e{e}": float(rng.random() < chance) for e in range(30)}}
        )
    path.write_text(json.dumps({"sets": sets}))
    return read(path)


def test_a_set_is_foretold_by_its_answers(tmp_path: Path) -> None:
    found = table(tmp_path / "t.json", matters=True)
    features = {(0, "demos"): demo_features(found.sets, ["answer"])}
    known, blind = held_out(found, features, 8), held_out(found, {}, 8)
    assert known.r2 > 0.5 > blind.r2 + 0.3
    assert known.log_loss < blind.log_loss


def test_features_that_say_nothing_cost_nearly_nothing(tmp_path: Path) -> None:
    found = table(tmp_path / "t.json", matters=False)
    known = held_out(found, {(0, "demos"): demo_features(found.sets, ["answer"])}, 8)
    assert known.log_loss < held_out(found, {}, 8).log_loss + 0.02


def test_the_command_prints_a_table(tmp_path: Path, monkeypatch, capsys) -> None:  # type: ignore[no-untyped-def]
    table(tmp_path / "small.json", matters=True, n=8)
    monkeypatch.setattr("sys.argv", ["held_out_arms", str(tmp_path / "small.json"), "--folds", "2"])
    main()
    said = capsys.readouterr().out
    assert "small: 8 candidates, 240 cells" in said
    assert {"none", "answers alone", "all", "all but answers"} <= {
        line.split("|")[1].strip() for line in said.splitlines() if line.startswith("|")
    }
