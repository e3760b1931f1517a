"""The command `gate`: two saved programs on the same rows, its exit code and what it writes for CI."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import dspy
import pytest

from tests.inside import Done, shell
from tests.python_call.scripted_lm import rows
from tests.working import ROOT, last_object

PROGRAM = f"{ROOT}/tests/programs/parity.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Saved programs and rows: `good.json` has demos and is always right, `plain.json` is right on odd numbers."""
    made = tmp_path_factory.mktemp("gate")
    program = dspy.Predict("number: int -> parity")
    program.save(made / "plain.json")
    program.demos = rows(2)
    program.save(made / "good.json")
    for name, count in (("rows", 200), ("few", 8)):
        lines = [json.dumps(dict(row.items())) for row in rows(count, 1000)]
        (made / f"{name}.jsonl").write_text("\n".join(lines))
    return made


def held(folder: Path, candidate: str, baseline: str, *more: str, data: str = "rows", program: str = PROGRAM) -> Done:
    files = ["--candidate", str(folder / candidate), "--baseline", str(folder / baseline)]
    return shell("gate", "--program", program, *files, "--data", str(folder / f"{data}.jsonl"), *more, "--json")


def test_a_worse_program_fails_before_all_rows_are_read(folder: Path) -> None:
    done = held(folder, "plain.json", "good.json")
    found = last_object(done)
    assert (done.returncode, found["decision"]) == (1, "fail")
    assert found["used"] < 60
    assert found["means"] == {"baseline": 1.0, "candidate": pytest.approx(0.5, abs=0.3)}
    assert found["paired"]["won"] == 0
    assert found["lost"][0]["candidate"]["answer"] == {"parity": "odd"}


def test_the_same_program_passes_and_a_better_one_does_under_both_rules(folder: Path) -> None:
    assert held(folder, "good.json", "good.json").returncode == 0
    assert held(folder, "good.json", "plain.json").returncode == 0
    done = held(folder, "good.json", "plain.json", "--rule", "improvement")
    assert (done.returncode, last_object(done)["decision"]) == (0, "pass")
    assert held(folder, "good.json", "good.json", "--rule", "improvement").returncode == 1


def test_the_baseline_is_the_program_as_it_stands_where_none_is_named(folder: Path) -> None:
    data = str(folder / "rows.jsonl")
    done = shell(
        "gate",
        "--program",
        PROGRAM,
        "--candidate",
        str(folder / "good.json"),
        "--data",
        data,
        "--rule",
        "improvement",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("PASS: the candidate may go out.")
    assert "as it stands" in done.stdout


@pytest.mark.parametrize(("undecided", "code"), [("3", 3), ("pass", 0), ("fail", 1)])
def test_too_few_rows_are_undecided_and_the_exit_code_is_as_asked(folder: Path, undecided: str, code: int) -> None:
    done = held(folder, "good.json", "good.json", "--undecided", undecided, data="few")
    assert (done.returncode, last_object(done)["decision"]) == (code, "undecided")
    assert last_object(done)["reason"] == "8 rows are too few to tell."


def test_the_decision_does_not_depend_on_threads(folder: Path) -> None:
    one, many = (
        last_object(held(folder, "plain.json", "good.json", "--set", f"threads={threads}")) for threads in (1, 16)
    )
    assert {**one, "calls": 0} == {**many, "calls": 0}


def test_a_program_that_raises_where_the_other_answers_loses_the_row(folder: Path) -> None:
    done = held(folder, "good.json", "plain.json", "--metric", f"{PROGRAM}:picky")
    found = last_object(done)
    assert (done.returncode, found["decision"]) == (1, "fail")
    assert found["errors"]["candidate"]["metric"] == found["paired"]["lost"]
    assert found["errors"]["baseline"] == {}


def test_what_neither_program_answers_is_no_evidence(folder: Path) -> None:
    done = held(folder, "good.json", "good.json", "--metric", f"{PROGRAM}:picky")
    found = last_object(done)
    assert (done.returncode, found["decision"]) == (3, "undecided")
    assert "could not be compared" in found["reason"] or "even numbers" in found["reason"]


def test_other_ranges_of_scores(folder: Path) -> None:
    ranked = ["--metric", f"{PROGRAM}:ranked"]
    refused = held(folder, "plain.json", "good.json", *ranked)
    assert refused.returncode == 2
    assert "--range LOW,HIGH" in refused.stderr
    done = held(folder, "plain.json", "good.json", *ranked, "--range", "-10,10", "--margin", "1")
    assert (done.returncode, last_object(done)["used"]) == (
        1,
        last_object(held(folder, "plain.json", "good.json"))["used"],
    )


def test_comment_and_test_report(folder: Path) -> None:
    comment, report = folder / "gate.md", folder / "gate.xml"
    held(
        folder,
        "good.json",
        "plain.json",
        "--metric",
        f"{PROGRAM}:picky",
        "--markdown",
        str(comment),
        "--junit",
        str(report),
    )
    text = comment.read_text()
    assert text.startswith("### ❌ Prompt gate: fail")
    assert "````text" in text  # a fence that the error's own backticks do not end
    outside = "".join(part for number, part in enumerate(text.split("````")) if number % 2 == 0)
    assert "@everyone" not in outside
    suite = ElementTree.parse(report).getroot()
    assert suite.attrib["failures"] == "1"
    failure = suite.find(".//failure")
    assert failure is not None
    assert "must not go out" in failure.attrib["message"]
    held(folder, "good.json", "good.json", "--junit", str(report))
    assert ElementTree.parse(report).getroot().attrib["failures"] == "0"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--data", "{here}/rows.jsonl"], "either --run RUN or --program"),
        (["--program", PROGRAM], "rows that no search has seen"),
        (["--program", PROGRAM, "--data", "{here}/rows.jsonl"], "--candidate"),
        (["--program", PROGRAM, "--data", "{here}/none.jsonl", "--candidate", "{here}/good.json"], "none.jsonl"),
        (["--program", PROGRAM, "--data", "{here}/rows.jsonl", "--candidate", "{here}/rows.jsonl"], "no JSON"),
        (["--program", PROGRAM, "--data", "{here}/rows.jsonl", "--candidate", "i0d0"], "no file here"),
        (
            ["--program", PROGRAM, "--data", "{here}/rows.jsonl", "--candidate", "{here}/other.json"],
            "no saved program",
        ),
        (
            ["--program", PROGRAM, "--data", "{here}/rows.jsonl", "--candidate", "{here}/good.json", "--margin", "0"],
            "margin",
        ),
        (
            ["--program", PROGRAM, "--data", "{here}/rows.jsonl", "--candidate", "{here}/good.json", "--range", "1"],
            "--range",
        ),
        (["--run", "2026", "--data", "{here}/rows.jsonl", "--store", "{here}/none.db"], "no store"),
    ],
)
def test_what_cannot_be_held_is_said_in_one_sentence(given: list[str], said: str, folder: Path) -> None:
    (folder / "other.json").write_text('{"answer": {"demos": []}}')
    done = shell("gate", *(part.format(here=folder) for part in given))
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_run_brings_its_program_metric_model_and_winner(folder: Path, tmp_path: Path) -> None:
    store = str(tmp_path / "studio.db")
    small = ["--max-program-runs", "400", "--trials", "6", "--store", store, "--json"]
    ran: Any = last_object(shell("run", PROGRAM, "--data", str(folder / "rows.jsonl"), *small))
    assert ran["best_val"] == 1.0
    common = ["--run", ran["run_id"], "--store", store, "--json"]
    done = shell("gate", *common, "--rule", "improvement", "--data", str(folder / "rows.jsonl"))
    found = last_object(done)
    assert (done.returncode, found["candidate"]) == (0, ran["winner"])
    assert "flatter the candidate" in found["notes"][0]
    done = shell(
        "gate",
        *common,
        "--candidate",
        "i0d0",
        "--baseline",
        str(folder / "good.json"),
        "--data",
        str(folder / "rows.jsonl"),
    )
    assert done.returncode == 1


def test_a_cap_leaves_it_undecided_and_says_so(folder: Path) -> None:
    done = held(folder, "good.json", "good.json", "--set", "budget.max_lm_calls=20")
    found = last_object(done)
    assert (done.returncode, found["decision"]) == (3, "undecided")
    assert "cap of 20" in found["reason"]
    assert sum(found["calls"].values()) <= 20
