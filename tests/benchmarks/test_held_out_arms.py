"""Arms that were never tried are foretold from what is in them, and from nothing else."""

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mipro_studio.benchmarks.embedded.tables import drawn
from mipro_studio.benchmarks.held_out_arms import (
    Table,
    features_with,
    held_out,
    left_out,
    main,
    noise,
    read,
    read_run,
)
from mipro_studio.control import take_home
from mipro_studio.optimizer_core.parameters.arm_features import demo_features
from mipro_studio.optimizer_core.types import DEMOS, INSTRUCTION, Candidate
from tests.optimizer_core.builders import ROOT

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
    features = {(0, "demos"): demo_features(found.arms, ["answer"])}
    known, blind = held_out(found, features, 8), held_out(found, {}, 8)
    assert known.r2 > 0.5 > blind.r2 + 0.3
    assert known.log_loss < blind.log_loss


def test_features_that_say_nothing_cost_nearly_nothing(tmp_path: Path) -> None:
    found = table(tmp_path / "t.json", matters=False)
    known = held_out(found, {(0, "demos"): demo_features(found.arms, ["answer"])}, 8)
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


def test_of_two_predictors_each_isleft_out_in_its_turn_and_the_seeds_arms_stay(tmp_path: Path) -> None:
    single = table(tmp_path / "t.json", matters=True)
    other = [replace(arm, owner="q") for arm in single.arms]
    pairs = [Candidate.of(2, {(0, DEMOS): k, (1, DEMOS): (7 * k) % 32}) for k in range(32)]
    both = Table(pairs, single.rows, [*single.arms, *other], {"p": ("answer",), "q": ("answer",)})
    left = [at for fold in left_out(both, 40, 0) for at in fold]
    assert sorted(left) == sorted([at for at in range(32) if at] * 2)
    features = features_with(both, {DEMOS: ("answers",)})
    assert set(features) == {(0, DEMOS), (1, DEMOS)}
    assert held_out(both, features, 8).r2 > held_out(both, {}, 8).r2 + 0.3


def test_the_noise_is_what_a_mean_of_so_few_rows_has() -> None:
    rows = [{f"e{at}": float(at % 2) for at in range(n)} for n in (100, 25)]
    found = noise(Table([Candidate.of(1, {}), Candidate.of(1, {(0, DEMOS): 1})], rows))
    assert found == pytest.approx(100 * ((100 * 0.25 / 99 + 12 * 13 / 25 / 24) / 125) ** 0.5)


def test_a_run_in_a_store_is_a_table(tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    found = read_run(store, take_home.open_replay(store, ROOT / "docs" / "runs" / "triage.mipro"))
    assert found.outputs == {"queue": ("queue",), "tone": ("tone",)}
    assert {kind for _, kind in found.tried} == {DEMOS, INSTRUCTION}
    assert len(found.candidates) > 20
    assert max(map(len, found.rows)) == 65


def test_instructions_with_one_sentence_more_than_their_parents_are_a_table(tmp_path: Path) -> None:
    arms = drawn("trec", INSTRUCTION, 24, [])
    assert [arm["index"] for arm in arms] == list(range(24))
    assert len({arm["text"] for arm in arms}) == 24
    assert all(arms[arm["parents"][0]]["text"] in arm["text"] for arm in arms[1:])
    rng = random.Random(0)
    good = "Look at the first word"
    for arm in arms:
        arm["scores"] = {f"e{e}": float(rng.random() < (0.8 if good in arm["text"] else 0.3)) for e in range(40)}
    (tmp_path / "t.json").write_text(json.dumps({"instructions": arms}))
    found = read(tmp_path / "t.json")
    features = features_with(found, {INSTRUCTION: ("lineage", "text")})
    assert held_out(found, features, 8).r2 > held_out(found, {}, 8).r2 + 0.2


def test_drawn_demo_sets_are_of_different_rows_and_the_first_is_empty() -> None:
    rows = [{"id": f"r{index}", "answer": "a"} for index in range(30)]
    sets = [[demo["row"] for demo in arm["demos"]] for arm in drawn("sst2", DEMOS, 9, rows)]
    assert sets[0] == []
    assert all(len(set(one)) == 4 for one in sets[1:])
