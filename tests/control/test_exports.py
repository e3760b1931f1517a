"""A real run's winner taken home: exported, loaded by the printed snippet, asked again, reported, packed, replayed.

One run of 30 trials against the loopback endpoint serves all tests. Its worker, and the processes that load the
program to take it home, are played inside this one; the printed snippet is run by a process of its own.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mipro_studio import cli
from mipro_studio.control import launcher, review, take_home
from mipro_studio.optimizer_core.errors import BadInput, IllegalMove
from mipro_studio.optimizer_core.types import CellKey, ChangeKind, Split, Status
from mipro_studio.storage import Reader, Store
from tests.inside import workers_inside
from tests.loopback import LoopbackEndpoint
from tests.programs import desk

pytestmark = pytest.mark.timeout(280)
ROOT = Path(__file__).resolve().parents[2]
ROWS = desk.rows(90)
KEY = "sk-live-0123456789abcdef"
FIVE_MB = 5_000_000


@dataclass(frozen=True)
class Home:
    store: Path
    run: str
    endpoint: LoopbackEndpoint


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    folder = tmp_path_factory.mktemp("home")
    data = folder / "rows.jsonl"
    data.write_text("\n".join(json.dumps(row) for row in ROWS))
    patch = pytest.MonkeyPatch()
    patch.setenv("DESK_KEY", KEY)
    with LoopbackEndpoint(responder="oracle", gold=desk.gold(ROWS), correlation=0.5) as endpoint, workers_inside():
        model = {"api_base": endpoint.base_url, "api_key_env": "DESK_KEY", "timeout_s": 30.0}
        config: dict[str, Any] = {
            "program": "tests/programs/desk.py",
            "data": {"data": str(data), "inputs": ["message"]},
            "threads": 8,
            "task_model": {"model": "openai/task", **model},
            "search": {"candidates": 4, "trials": 30, "minibatch_size": 10, "full_eval_every": 10},
        }
        store = folder / "studio.db"
        run = launcher.start(store, config)
        with Reader(store) as reader:
            assert reader.run(run).status is Status.COMPLETED
        yield Home(store, run, endpoint)
    patch.undo()


@pytest.fixture(scope="module")
def files(home: Home) -> dict[str, str]:
    return take_home.export_files(home.store, home.run)


def test_the_snippet_loads_the_program_and_it_gives_the_answers_of_the_run(
    home: Home, files: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "program.json").write_text(files["program"])
    with Reader(home.store) as reader:
        example = reader.examples(home.run, Split.TEST)[0]
        stored = reader.cell(home.run, CellKey(files["candidate"], Split.TEST, example.id)).prediction
    script = tmp_path / "load_program.py"
    asking = files["snippet"].replace('message="..."', f"message={example.inputs['message']!r}")
    script.write_text(asking.replace('"program.json"', repr(str(tmp_path / "program.json"))))
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "LITELLM_LOCAL_MODEL_COST_MAP": "true"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for name in ("queue", "tone"):
        assert repr(stored[name]) in done.stdout


def test_the_exported_program_and_the_plain_messages_agree_with_the_run(home: Home) -> None:
    found = take_home.verify(home.store, home.run, 6)
    assert (found["n"], found["split"]) == (6, "test")
    assert (found["program"]["asked"], found["program"]["agreed"]) == (6, 6)
    assert found["program"]["score_now"] == found["program"]["score_then"]
    assert [(part["predictor"], part["asked"], part["agreed"]) for part in found["plain"]] == [
        ("queue", 6, 6),
        ("tone", 6, 6),
    ]
    assert found["calls"] == 24


def test_a_model_that_answers_otherwise_is_seen(home: Home) -> None:
    home.endpoint.control(gold={row["message"]: {"queue": "none", "tone": "calm"} for row in ROWS})
    try:
        found = take_home.verify(home.store, home.run, 4)
    finally:
        home.endpoint.control(gold=desk.gold(ROWS))
    assert found["program"]["agreed"] < 4
    assert found["program"]["differ"][0]["expected"] != found["program"]["differ"][0]["got"]


def test_plain_messages_are_what_the_model_was_sent_with_placeholders(files: dict[str, str]) -> None:
    document = json.loads(files["messages"])
    assert [part["name"] for part in document["predictors"]] == ["queue", "tone"]
    for part in document["predictors"]:
        assert {message["role"] for message in part["messages"]} <= {"system", "user", "assistant"}
        assert "{{message}}" in part["messages"][-1]["content"]
        assert not any("{{message}}" in message["content"] for message in part["messages"][:-1])


def test_no_key_is_in_anything_that_is_taken_home(home: Home, files: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "run.mipro"
    with Store(home.store) as store:
        store.write_note(home.run, "run", f"An older studio let this through: {KEY}")
    take_home.pack(home.store, home.run, out)
    assert KEY.encode() not in out.read_bytes()
    assert not [part for part, text in files.items() if KEY in text]
    with Reader(out) as reader:
        assert KEY not in json.dumps(reader.config(home.run)) + json.dumps(reader.receipt(home.run))
        assert str(home.store.parent) not in json.dumps(reader.config(home.run)["base"])
        assert "An older studio let this through" in reader.notes(home.run)["run"].body


def test_report_and_replay_of_thirty_trials_are_small(home: Home, tmp_path: Path) -> None:
    runner, store = CliRunner(), str(home.store)
    for command, name in (("report", "r.html"), ("pack", "r.mipro")):
        out = tmp_path / name
        done = runner.invoke(cli.app, [command, home.run, "--out", str(out), "--store", store, "--json"])
        assert done.exit_code == 0, done.output
        assert json.loads(done.output.splitlines()[-1])["bytes"] == out.stat().st_size < FIVE_MB
    page = (tmp_path / "r.html").read_text()
    assert "examples that the search never saw" in page
    assert "://" not in page.replace(home.endpoint.base_url, ""), "it would ask another host"


def test_a_replay_opens_elsewhere_and_is_only_shown(home: Home, tmp_path: Path) -> None:
    pack, other = tmp_path / "run.mipro", tmp_path / "other" / "studio.db"
    take_home.pack(home.store, home.run, pack)
    done = CliRunner().invoke(cli.app, ["open", str(pack), "--store", str(other), "--json"])
    assert json.loads(done.output.splitlines()[-1]) == {"run_id": home.run, "origin": "run.mipro"}
    with Reader(home.store) as here, Reader(other) as there:
        assert there.run(home.run).origin == "run.mipro"
        arms = ("instructions", "demo_sets")
        for read in ("outcome", "trials_with_examples", "trial_times", *arms, "spent", "cells"):
            assert getattr(there, read)(home.run) == getattr(here, read)(home.run), read
    for trials in (None, 99):
        with pytest.raises(IllegalMove, match="came from a replay file"):
            launcher.resume(other, home.run, trials)
    with pytest.raises(BadInput, match="came from a replay file"):
        review.change(other, home.run, ChangeKind.WRITE, {"predictor": "queue", "text": "Sort it."})
    again = CliRunner().invoke(cli.app, ["open", str(pack), "--store", str(other)])
    assert "is here already" in again.output and "Opened" not in again.output
    with pytest.raises(BadInput, match="came from a replay file"):
        take_home.export_files(other, home.run)


def test_a_candidate_that_is_not_there_is_a_sentence(home: Home) -> None:
    with pytest.raises(BadInput, match="has no candidate 'i99d0-i0d0'"):
        take_home.export_files(home.store, home.run, "i99d0-i0d0")
