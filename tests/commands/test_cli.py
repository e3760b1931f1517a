"""The command line as scripts use it: what it prints, its exit codes, and that bad input leaves nothing behind.

One run and one refusal are made by real processes, everything else inside this one.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from mipro_studio.optimizer_core.optimizers.registry import OPTIMIZERS
from mipro_studio.optimizer_core.types import Split
from mipro_studio.storage import Reader
from tests.inside import Done, shell
from tests.programs import desk
from tests.working import arguments, endpoint, last_object, write_rows
from tests.working import cli as process

pytestmark = pytest.mark.timeout(290)

PROMISED = {
    "run_id", "status", "optimizer", "seed", "baseline_val", "best_val", "baseline_test", "best_test",
    "test_examples", "program_runs", "lm_calls", "cells", "wall_s", "error",
}  # fmt: skip
CAP = 70

PROGRAMS = {
    "raising.py": "def metric(example, prediction, trace=None):\n    raise RuntimeError('first\\nsecond')\n",
    "tenth.py": "def metric(example, prediction, trace=None):\n"
    "    assert int(example.message.split()[1]) % 10 == 0, 'no score for this one'\n"
    "    return float(example.queue == prediction.queue)\n",
    "wordy.py": "def metric(example, prediction, trace=None):\n    return 'very good'\n",
    "broken.py": "import dspy\nimport no_such_package_at_all\n",
    "other.py": "import dspy\n\nclass Other(dspy.Module):\n    def __init__(self):\n        super().__init__()\n"
    "        self.step = dspy.Predict('review -> verdict')\n\n    def forward(self, review):\n"
    "        return self.step(review=review)\n\n\ndef metric(example, prediction, trace=None):\n    return 1.0\n",
    "empty.py": "import dspy\n\nclass Nothing(dspy.Module):\n    def forward(self, message):\n        return None\n",
}

NO_IMPORT = "a program that does not import"
BAD: Mapping[str, tuple[list[str], list[str]]] = {
    "a missing file": (["--data", "{here}/nowhere.jsonl"], ["There is no file", "nowhere.jsonl"]),
    "an empty file": (["--data", "{here}/empty.jsonl"], ["'empty.jsonl' has no rows"]),
    "a line that is not JSON": (["--data", "{here}/bad.jsonl"], ["'bad.jsonl' line 3 is not JSON"]),
    "no such column": (["--inputs", "message,letter"], ["'letter'"]),
    "a metric that raises": (["--metric", "{here}/raising.py:metric"], ["raised RuntimeError", "first second"]),
    "a metric that returns text": (["--metric", "{here}/wordy.py:metric"], ["'very good'", "not a number"]),
    NO_IMPORT: (
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
    """A folder of good and bad files, stores of the tests beside them, and an endpoint."""

    folder: Path
    url: str

    def store(self, name: str) -> Path:
        return self.folder / name.replace(" ", "_") / "studio.db"

    def given(self, name: str, *more: str) -> list[str]:
        """`run` with something added, in a store of its own."""
        rows = self.folder / "rows.jsonl"
        given = arguments(rows, self.url, "--store", str(self.store(name)), "--json")
        if more[0] == "PROGRAM":
            given[1], more = more[1], ()
        return [*given, *more]

    def bad(self, name: str) -> list[str]:
        return self.given(name, *(part.format(here=self.folder) for part in BAD[name][0]))


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    folder = tmp_path_factory.mktemp("cli")
    rows = write_rows(folder)
    (folder / "empty.jsonl").write_text("\n")
    lines = rows.read_text().splitlines()
    (folder / "bad.jsonl").write_text("\n".join([*lines[:2], '{"message": ', *lines[2:]]))
    for name, text in PROGRAMS.items():
        (folder / name).write_text(text)
    with endpoint() as running:
        yield Shell(folder, running.base_url)


@pytest.fixture(scope="module")
def completed(bench: Shell) -> Done:
    """A run by a process of the command line, which starts one to look at the request and one for the run."""
    return process(*bench.given("completed", "--seed", "3", "--name", "a small one"))


def test_run_prints_one_object_with_all_that_was_promised(completed: Done) -> None:
    done = completed
    assert done.returncode == 0, done.stderr
    facts = last_object(done)
    assert facts.keys() >= PROMISED
    assert facts["lm_calls"].keys() == {"task", "prompt", "teacher"}
    assert facts["cells"].keys() == {"ok", "error"}
    assert (facts["status"], facts["optimizer"], facts["seed"], facts["error"]) == ("completed", "studio", 3, None)
    assert (facts["test_examples"], facts["cells"]["error"]) == (10, 0)
    # The two sealed evaluations are cells too, and no program runs of the search.
    assert facts["cells"]["ok"] == facts["program_runs"] + 2 * facts["test_examples"]
    assert all(0 <= facts[name] <= 1 for name in ("baseline_val", "best_val", "baseline_test", "best_test"))
    assert facts["best_val"] >= facts["baseline_val"]
    assert facts["wall_s"] > 0


def test_a_run_in_which_nearly_everything_fails_stands_still_says_why_and_goes_on_all_the_same(bench: Shell) -> None:
    done = shell(*bench.given("tenth", "--metric", f"{bench.folder}/tenth.py:metric", "--start-anyway"))
    facts = last_object(done)
    assert (done.returncode, facts["status"], facts["error"]) == (3, "paused", None), done.stderr
    assert "program runs failed, all of them alike (metric). One of them, " in facts["reason"]
    assert f"The run is paused. {facts['reason']}" in done.stderr, "the log says it too"
    store = ["--store", str(bench.store("tenth"))]
    shown = shell("show", facts["run_id"], *store)
    said = " ".join(shown.stdout.split())
    assert "Mend it, then resume" in said and "resume --despite-errors" in said
    went_on = shell("resume", facts["run_id"], "--despite-errors", "--json", *store)
    assert (went_on.returncode, last_object(went_on)["status"]) == (0, "completed"), went_on.stderr
    assert last_object(went_on)["cells"]["error"] >= facts["cells"]["error"]


@pytest.mark.parametrize("command", ["pack", "report", "export"])
def test_a_file_that_cannot_be_written_is_one_sentence(bench: Shell, completed: Done, command: str) -> None:
    run, store = last_object(completed)["run_id"], str(bench.store("completed"))
    for out in (bench.folder, bench.folder / "rows.jsonl" / "below a file.json"):
        done = shell(command, run, "--out", str(out), "--store", store)
        assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
        assert any(part in done.stderr for part in out.parts[-2:]), done.stderr
    assert bench.folder.is_dir() and not list(bench.folder.glob(".*"))


def test_a_cap_ends_with_a_winner_and_exit_code_3(bench: Shell) -> None:
    done = shell(*bench.given("capped", "--max-program-runs", str(CAP)))
    assert done.returncode == 3, done.stderr
    facts = last_object(done)
    assert (facts["status"], facts["capped"]) == ("completed", True)
    assert facts["reason"].startswith(f"The cap of {CAP} program runs ")
    assert facts["winner"]
    assert 0 < facts["program_runs"] <= CAP
    with Reader(bench.store("capped")) as reader:
        counted = [cell for cell in reader.cells(facts["run_id"]) if cell.key.split is not Split.TEST]
    assert len(counted) == facts["program_runs"]


def test_a_minibatch_larger_than_the_validation_set_shrinks_and_says_so(bench: Shell) -> None:
    done = shell(*bench.given("shrunk", "--schedule", "minibatch", "--minibatch-size", "99", "--dry-run"))
    assert done.returncode == 0, done.stderr
    plan = last_object(done)["plan"]
    assert plan["minibatch_size"] == 20
    assert "The minibatch shrinks from 99 to 20: the validation set has no more rows." in plan["notes"]


def test_a_judge_is_told_its_criteria(bench: Shell) -> None:
    given = bench.given("judged", "--criteria", "It names a queue.", "--criteria", "It is short.", "--dry-run")
    found = last_object(shell(*given, "--judge-model", "openai/task"))
    assert found["plan"]["lm_calls"]["judge"][0] >= 2 * found["plan"]["program_runs"]["baseline"]
    assert {spent["role"]: spent["usage"]["calls"] for spent in found["rehearsal"]["burns"]}["judge"] >= 4


def test_a_column_can_be_renamed(bench: Shell) -> None:
    given = bench.given("renamed", "--rename", "queue=team", "--dry-run", "--metric", "exact_match")
    found = last_object(shell(*given))
    assert "team" in found["data"]["columns"] and "queue" not in found["data"]["columns"]


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_sentence_and_creates_nothing(bench: Shell, name: str) -> None:
    refused(shell(*bench.bad(name)), bench, name)


def test_a_refusal_comes_through_from_a_real_process(bench: Shell) -> None:
    refused(process(*bench.bad(NO_IMPORT)), bench, NO_IMPORT)


def refused(done: Done, bench: Shell, name: str) -> None:
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert [words for words in BAD[name][1] if words not in done.stderr] == [], done.stderr
    assert not bench.store(name).parent.exists()


def test_show_and_list_say_what_run_said(bench: Shell, completed: Done) -> None:
    facts, store = last_object(completed), str(bench.store("completed"))
    shown = shell("show", facts["run_id"], "--store", store, "--json")
    assert (shown.returncode, json.loads(shown.stdout)) == (0, facts)
    text = shell("show", facts["run_id"], "--store", store).stdout
    assert facts["run_id"] in text and facts["winner"] in text and facts["headline"] in text

    listed = json.loads(shell("list", "--store", store, "--json").stdout)["runs"]
    assert [(run["id"], run["name"], run["best_val"]) for run in listed] == [
        (facts["run_id"], "a small one", facts["best_val"])
    ]
    said = shell("list", "--store", store).stdout
    assert "completed" in said and facts["run_id"] in said, "whole, to be copied"


def test_a_store_that_cannot_be_is_not_one_without_runs(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for impossible in (tmp_path / "gone" / "studio.db", tmp_path / "file" / "studio.db"):
        done = shell("list", "--store", str(impossible))
        assert done.returncode == 2 and f"There is no folder {str(impossible.parent)!r}" in done.stderr
    assert shell("list", "--store", str(tmp_path / "studio.db"), "--json").stdout == '{"runs": []}\n'


def test_optimizers_are_listed_by_name() -> None:
    shown = shell("optimizers")
    assert [line.split()[0] for line in shown.stdout.splitlines()] == list(OPTIMIZERS)


def test_the_exported_winner_loads_back(bench: Shell, completed: Done, tmp_path: Path) -> None:
    facts, store = last_object(completed), bench.store("completed")
    out = tmp_path / "winner.json"
    done = shell("export", facts["run_id"], "--out", str(out), "--store", str(store), "--json")
    assert last_object(done) == {"run_id": facts["run_id"], "out": str(out), "written": [str(out)]}
    program = desk.Desk()
    program.load(out)
    with Reader(store) as reader:
        arms = {(arm.owner, arm.index): arm.text for arm in reader.instructions(facts["run_id"])}
        sets = {(arm.owner, arm.index): arm.demos for arm in reader.demo_sets(facts["run_id"])}
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
    bench: Shell, completed: Done, given: tuple[str, ...], said: str
) -> None:
    run, store = last_object(completed)["run_id"], str(bench.store("completed"))
    done = shell(*(part.format(run=run) for part in given), "--store", store)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert said in done.stderr


def test_looking_at_no_store_creates_none(tmp_path: Path) -> None:
    store = tmp_path / "studio.db"
    assert json.loads(shell("list", "--store", str(store), "--json").stdout) == {"runs": []}
    done = shell("list", "--store", str(tmp_path / "none" / "studio.db"), "--json")
    assert (done.returncode, done.stdout) == (2, "") and "There is no folder" in done.stderr
    assert list(tmp_path.iterdir()) == []
