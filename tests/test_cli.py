"""The command line as scripts use it: what it prints, its exit codes, and that bad input leaves nothing behind."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mipro_studio import cli
from mipro_studio.optimizer_core.optimizers import OPTIMIZERS
from mipro_studio.optimizer_core.types import Split
from mipro_studio.storage import Reader
from tests.programs import desk
from tests.working import arguments, endpoint, last_object, write_rows
from tests.working import cli as shell

pytestmark = pytest.mark.timeout(290)

Done = subprocess.CompletedProcess[str]
PROMISED = {
    "run_id", "status", "optimizer", "seed", "baseline_val", "best_val", "baseline_test", "best_test",
    "test_examples", "program_runs", "lm_calls", "cells", "wall_s", "error",
}  # fmt: skip
CAP = 70

PROGRAMS = {
    "raising.py": "def metric(example, prediction, trace=None):\n    raise RuntimeError('first\\nsecond')\n",
    "wordy.py": "def metric(example, prediction, trace=None):\n    return 'very good'\n",
    "broken.py": "import dspy\nimport no_such_package_at_all\n",
    "other.py": "import dspy\n\nclass Other(dspy.Module):\n    def __init__(self):\n        super().__init__()\n"
    "        self.step = dspy.Predict('review -> verdict')\n\n    def forward(self, review):\n"
    "        return self.step(review=review)\n\n\ndef metric(example, prediction, trace=None):\n    return 1.0\n",
    "empty.py": "import dspy\n\nclass Nothing(dspy.Module):\n    def forward(self, message):\n        return None\n",
}

BAD: Mapping[str, tuple[list[str], list[str]]] = {
    "a missing file": (["--data", "{here}/nowhere.jsonl"], ["There is no file", "nowhere.jsonl"]),
    "an empty file": (["--data", "{here}/empty.jsonl"], ["'empty.jsonl' has no rows"]),
    "a line that is not JSON": (["--data", "{here}/bad.jsonl"], ["'bad.jsonl' line 3 is not JSON"]),
    "no such column": (["--inputs", "message,letter"], ["'letter'"]),
    "a metric that raises": (["--metric", "{here}/raising.py:metric"], ["raised RuntimeError", "first second"]),
    "a metric that returns text": (["--metric", "{here}/wordy.py:metric"], ["'very good'", "not a number"]),
    "a program that does not import": (
        ["PROGRAM", "{here}/broken.py"],
        ["does not import", "no_such_package_at_all"],
    ),
    "a program without predictors": (["PROGRAM", "{here}/empty.py"], ["predictor"]),
    "a model the endpoint does not have": (["--task-model", "openai/other"], ["does not know the model", "other"]),
    "a key variable that is not set": (["--api-key-env", "NOT_SET_ANYWHERE"], ["'NOT_SET_ANYWHERE'", "not set"]),
    "an input that the program does not take": (
        ["PROGRAM", "{here}/other.py"],
        ["does not take 'message'", "its inputs are review"],
    ),
    "a renaming that is none": (["--rename", "message"], ["--rename 'message'"]),
    "a setting that is not allowed": (["--schedule", "sometimes"], ["schedule", "'sometimes'"]),
}
"""What is wrong -> what to add to a good request, and what the sentence must say."""


@dataclass(frozen=True)
class Shell:
    """What became of commands that were run side by side, because each spends seconds on imports."""

    folder: Path
    done: Mapping[str, Future[Done]]

    def store(self, name: str) -> Path:
        return self.folder / name.replace(" ", "_") / "studio.db"

    def __getitem__(self, name: str) -> Done:
        return self.done[name].result()


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    folder = tmp_path_factory.mktemp("cli")
    rows = write_rows(folder)
    (folder / "empty.jsonl").write_text("\n")
    lines = rows.read_text().splitlines()
    (folder / "bad.jsonl").write_text("\n".join([*lines[:2], '{"message": ', *lines[2:]]))
    for name, text in PROGRAMS.items():
        (folder / name).write_text(text)
    futures: dict[str, Future[Done]] = {}
    made = Shell(folder, futures)
    with endpoint() as running, ThreadPoolExecutor(3) as pool:

        def send(name: str, more: list[str]) -> None:
            given = arguments(rows, running.base_url, "--store", str(made.store(name)), "--json")
            if more[0] == "PROGRAM":
                given[1], more = more[1], []
            futures[name] = pool.submit(shell, *given, *more)

        send("completed", ["--seed", "3", "--name", "a small one"])
        send("capped", ["--max-program-runs", str(CAP)])
        send("renamed", ["--rename", "queue=team", "--dry-run", "--metric", "exact_match"])
        send("shrunk", ["--schedule", "minibatch", "--minibatch-size", "99", "--dry-run"])
        for name, (more, _) in BAD.items():
            send(name, [part.format(here=folder) for part in more])
        yield made


def in_process(*given: str) -> Any:
    return CliRunner().invoke(cli.app, given)


def test_run_prints_one_object_with_all_that_was_promised(commands: Shell) -> None:
    done = commands["completed"]
    assert done.returncode == 0, done.stderr
    facts = last_object(done)
    assert facts.keys() >= PROMISED
    assert facts["lm_calls"].keys() == {"task", "prompt", "teacher"}
    assert facts["cells"].keys() == {"ok", "error"}
    assert (facts["status"], facts["optimizer"], facts["seed"], facts["error"]) == ("completed", "mipro", 3, None)
    assert (facts["test_examples"], facts["cells"]["error"]) == (10, 0)
    # The two sealed evaluations are cells too, and no program runs of the search.
    assert facts["cells"]["ok"] == facts["program_runs"] + 2 * facts["test_examples"]
    assert all(0 <= facts[name] <= 1 for name in ("baseline_val", "best_val", "baseline_test", "best_test"))
    assert facts["best_val"] >= facts["baseline_val"]
    assert facts["wall_s"] > 0


def test_a_cap_ends_with_a_winner_and_exit_code_3(commands: Shell) -> None:
    done = commands["capped"]
    assert done.returncode == 3, done.stderr
    facts = last_object(done)
    assert (facts["status"], facts["capped"]) == ("completed", True)
    assert facts["reason"].startswith(f"The cap of {CAP} program runs ")
    assert facts["winner"]
    assert 0 < facts["program_runs"] <= CAP
    with Reader(commands.store("capped")) as reader:
        counted = [cell for cell in reader.cells(facts["run_id"]) if cell.key.split is not Split.TEST]
    assert len(counted) == facts["program_runs"]


def test_a_minibatch_larger_than_the_validation_set_shrinks_and_says_so(commands: Shell) -> None:
    done = commands["shrunk"]
    assert done.returncode == 0, done.stderr
    plan = last_object(done)["plan"]
    assert plan["minibatch_size"] == 20
    assert "The minibatch shrinks from 99 to 20: the validation set has no more rows." in plan["notes"]


def test_a_column_can_be_renamed(commands: Shell) -> None:
    found = last_object(commands["renamed"])
    assert "team" in found["data"]["columns"] and "queue" not in found["data"]["columns"]


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_sentence_and_creates_nothing(commands: Shell, name: str) -> None:
    done = commands[name]
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert [words for words in BAD[name][1] if words not in done.stderr] == [], done.stderr
    assert not commands.store(name).parent.exists()


def test_show_and_list_say_what_run_said(commands: Shell) -> None:
    facts, store = last_object(commands["completed"]), str(commands.store("completed"))
    shown = in_process("show", facts["run_id"], "--store", store, "--json")
    assert (shown.exit_code, json.loads(shown.stdout)) == (0, facts)
    text = in_process("show", facts["run_id"], "--store", store).stdout
    assert facts["run_id"] in text and facts["winner"] in text and f"{facts['best_val']:.3f}" in text

    listed = json.loads(in_process("list", "--store", store, "--json").stdout)["runs"]
    assert [(run["id"], run["name"], run["best_val"]) for run in listed] == [
        (facts["run_id"], "a small one", facts["best_val"])
    ]
    said = in_process("list", "--store", store).stdout
    assert "completed" in said and facts["run_id"] in said, "whole, to be copied"


def test_optimizers_are_listed_by_name(commands: Shell) -> None:
    shown = in_process("optimizers")
    assert [line.split()[0] for line in shown.stdout.splitlines()] == list(OPTIMIZERS)


def test_the_exported_winner_loads_back(commands: Shell, tmp_path: Path) -> None:
    facts, store = last_object(commands["completed"]), commands.store("completed")
    out = tmp_path / "winner.json"
    done = in_process("export", facts["run_id"], "--out", str(out), "--store", str(store), "--json")
    assert json.loads(done.stdout) == {"run_id": facts["run_id"], "out": str(out)}
    program = desk.Desk()
    program.load(out)
    with Reader(store) as reader:
        arms = {(arm.predictor, arm.index): arm.text for arm in reader.instructions(facts["run_id"])}
        sets = {(arm.predictor, arm.index): arm.demos for arm in reader.demo_sets(facts["run_id"])}
    for (name, predictor), choice in zip(program.named_predictors(), facts["winner"].split("-"), strict=True):
        instruction, demos = (int(number) for number in choice.removeprefix("i").split("d"))
        assert predictor.signature.instructions == arms[name, instruction]
        assert [demo["message"] for demo in predictor.demos] == [demo.fields["message"] for demo in sets[name, demos]]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("show", "2001"), "2001"),
        (("export", "2001", "--out", "x.json"), "2001"),
        (("resume", "{run}"), "is completed. Resume it with --trials N for more trials."),
        (("stop", "{run}"), "completed"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_command_that_cannot_be_obeyed_is_one_sentence(
    commands: Shell,
    given: tuple[str, ...],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run, store = last_object(commands["completed"])["run_id"], str(commands.store("completed"))
    monkeypatch.setattr("sys.argv", ["cli.py", *(part.format(run=run) for part in given), "--store", store])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    printed = capsys.readouterr()
    assert (ended.value.code, printed.out, len(printed.err.splitlines())) == (2, "", 1)
    assert said in printed.err


def test_looking_at_no_store_creates_none(tmp_path: Path) -> None:
    store = tmp_path / "none" / "studio.db"
    assert json.loads(in_process("list", "--store", str(store), "--json").stdout) == {"runs": []}
    assert list(tmp_path.iterdir()) == []
