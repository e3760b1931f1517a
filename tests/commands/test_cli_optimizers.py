"""Optimizers and presets from the terminal, before anything is started."""

import json
from pathlib import Path

import pytest

from mipro_studio.optimizer_core.catalogue import OPTIMIZERS as LISTED
from mipro_studio.optimizer_core.optimizers.registry import OPTIMIZERS
from mipro_studio.optimizer_core.runs.presets import PRESETS
from tests.inside import shell


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which commands must leave so."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_optimizers_has_a_line_each() -> None:
    lines = shell("optimizers").stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(OPTIMIZERS)
    assert json.loads(shell("optimizers", "--json").stdout)["optimizers"] == {
        name: listed.summary for name, listed in LISTED.items()
    }


def test_a_dry_run_shows_every_preset_and_starts_nothing(folder: Path) -> None:
    arguments = [
        "run",
        "sample:triage",
        "--preset",
        "light",
        "--schedule",
        "minibatch",
        "--freeze",
        "tone",
        "--dry-run",
    ]
    done = shell(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout.splitlines()[-1])
    # One free predictor, two variables: light is 10 trials of 35 rows, 3 instructions, 6 demo sets.
    assert (shown["plan"]["trials"], shown["plan"]["minibatch_size"]) == (10, 35)
    assert (shown["search"]["instructions"], shown["search"]["candidates"]) == (3, 6)
    assert (shown["search"]["schedule"], shown["search"]["freeze"]) == ("minibatch", ["tone"])
    assert [row["preset"] for row in shown["presets"]] == list(PRESETS)
    assert all(row["program_runs"][1] > 0 and row["trials"] > 0 for row in shown["presets"])

    text = shell(*arguments).stdout
    assert "preset light" in text and "program runs" in text and all(name in text for name in PRESETS)
    assert list(folder.iterdir()) == []


def test_an_optimizer_that_does_not_fit_is_one_sentence_and_creates_nothing(folder: Path) -> None:
    store = folder / "studio.db"
    done = shell("run", "sample:triage", "--optimizer", "opro", "--store", str(store), "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.strip() == (
        "OPRO optimizes one instruction, and this program has 2 free predictors (queue, tone). "
        "Use module_opro, or freeze all but one."
    )
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("optimizer", [[], ["--optimizer", "mipro"]])
def test_a_strategy_that_nobody_would_follow_is_refused_before_anything_is_stored(
    optimizer: list[str], folder: Path
) -> None:
    done = shell("run", "sample:triage", *optimizer, "--strategy", "p -> w", "--store", str(folder / "studio.db"))
    assert done.returncode == 2
    assert "The strategy 'p -> w' is for the optimizer better_together" in done.stderr
    assert list(folder.iterdir()) == []
