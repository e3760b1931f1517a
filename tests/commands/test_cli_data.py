"""What the command line says about rows before anything is started, and its options about them."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.inside import Done, shell

PROGRAM = "chain_of_thought:text -> label: bool"
NOBODY = ["--task-model", "openai/none", "--api-base", "http://127.0.0.1:9/v1", "--metric", "exact_match"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    lines = ["text|label|reasoning|user", *(f"caf\u00e9 {n % 30}|{n % 30 % 2 == 0}|so|u{n % 6}" for n in range(36))]
    (tmp_path / "rows.csv").write_bytes("\n".join([*lines, "none||so|u1"]).encode("cp1252"))
    return tmp_path


def dry(*more: str) -> Done:
    return shell("run", PROGRAM, *NOBODY, "--dry-run", *more)


def facts(*more: str) -> dict[str, Any]:
    done = dry("--json", *more)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_dry_run_reports_on_the_rows() -> None:
    text = dry("--data", "rows.csv").stdout
    for expected in (
        "'rows.csv' is not UTF-8 (line 2) and is read as cp1252",
        "'rows.csv' is separated by pipe.",
        "1 row has no label 'label' and is left out.",
        "rows were drawn into",
        "stratified by 'label' (2 classes)",
        "exact_match scores 'label'. Kept beside it: 'reasoning' (what the model thinks on the way), 'user'",
        "exact_match gives the labels themselves 1.00",
    ):
        assert expected in text
    data = facts("--data", "rows.csv")["data"]
    assert (data["inputs"], data["labels"]) == (["text"], ["label"])
    assert data["report"]["sources"] == [
        {"name": "rows.csv", "format": "csv", "encoding": "cp1252", "delimiter": "pipe", "rows": 37}
    ]


def test_options_about_rows_reach_the_data() -> None:
    how = ["--data", "rows.csv", "--delimiter", "pipe", "--encoding", "cp1252", "--empty-is-answer"]
    found = facts(*how, "--labels", "label,reasoning", "--group", "user", "--stratify", "none")
    assert found["data"]["labels"] == ["label", "reasoning"]
    assert not [text for text in found["warnings"] if "rows.csv" in text or "left out" in text]
    sentence = found["data"]["report"]["sentences"][0]
    assert sentence.endswith("not stratified; the 6 groups of 'user' stay whole.")


def test_rows_may_come_from_a_python_file(folder: Path) -> None:
    (folder / "mine.py").write_text(
        "import dspy\n\n\ndef trainset():\n"
        "    return [dspy.Example(text=f't{n}', label=n % 2 == 0).with_inputs('text') for n in range(30)]\n"
    )
    data = facts("--data", "mine.py:trainset")["data"]
    assert data["splits"] == {"train": 12, "val": 12, "test": 6}
    assert data["report"]["sources"] == [{"name": "mine.py:trainset", "format": "python", "rows": 30}]


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--delimiter", "::"], "The delimiter '::' is not one character."),
        (["--encoding", "utf-9"], "There is no encoding 'utf-9'."),
        (["--stratify", "queue"], "There is no column 'queue' to stratify by."),
        (["--labels", "queue"], "The label 'queue' is no column."),
        (["--rename", "user=label"], "cannot be renamed to 'label'"),
    ],
)
def test_an_option_that_does_not_fit_the_rows_is_one_sentence(more: list[str], sentence: str) -> None:
    done = dry("--data", "rows.csv", *more)
    assert (done.returncode, done.stdout) == (2, "")
    assert sentence in done.stderr and len(done.stderr.splitlines()) == 1
