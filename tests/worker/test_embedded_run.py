"""One whole run on the embedded model, from the command line to an exported program that answers again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mipro_studio.sample_programs import CATALOG
from mipro_studio.storage import Reader
from tests.agreement import LEAST, agreement
from tests.ui.browser import ROOT

pytestmark = [pytest.mark.embedded, pytest.mark.usefixtures("weights"), pytest.mark.timeout(600)]
TRAIN, VAL, TEST = 8, 5, 4


def cli(*arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "cli.py", *arguments, "--json"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def test_triage_from_start_to_an_exported_program(tmp_path: Path) -> None:
    rows = CATALOG["triage"].rows()[:: 324 // (TRAIN + VAL + TEST)]
    parts = {"train": rows[:TRAIN], "val": rows[TRAIN : TRAIN + VAL], "test": rows[TRAIN + VAL : TRAIN + VAL + TEST]}
    for name, part in parts.items():
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, part)), encoding="utf-8")
    files = [word for name in parts for word in (f"--{name}", str(tmp_path / f"{name}.jsonl"))]
    store = str(tmp_path / "studio.db")
    small = ["--trials", "2", "--candidates", "2", "--max-bootstrapped", "1", "--max-labeled", "3", "--no-summary"]
    done = cli("run", "sample:triage", *files, "--inputs", "message", *small, "--store", store)
    assert done["status"] == "completed", done
    assert done["test_examples"] == TEST
    assert done["cells"]["error"] == 0
    assert done["lm_calls"]["prompt"] > 0
    out = tmp_path / "better.json"
    cli("export", done["run_id"], "--out", str(out), "--store", store)
    with Reader(Path(store)) as reader:
        assert agreement(out, reader, done["run_id"]) >= LEAST
