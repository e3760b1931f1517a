"""What `cli.py review` prints of a run's arms."""

from pathlib import Path

import pytest

from mipro_studio.commands.output import print_review, review_facts
from mipro_studio.optimizer_core.parameters.demos import demos_arm
from mipro_studio.optimizer_core.parameters.instruction import instruction_arm
from mipro_studio.optimizer_core.types import Arm, Author, Demo
from mipro_studio.storage import Reader, SqliteJournal, Store
from tests.storage.samples import WORKER, running


def test_all_kinds_of_arms_are_printed_with_their_authors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "studio.db"
    told = {"look_up": {"description": "Looks it up.", "arguments": {"number": ""}}}
    with Store(path) as store:
        run = running(store)
        SqliteJournal(store, run, WORKER).commit(
            [
                instruction_arm("answer", 0, "Answer.", Author.SEED),
                demos_arm("answer", 1, "shuffled", [Demo({"q": "?"}, True, "r1")]),
                Arm("answer", "tools", 1, {"tools": told}, Author.MODEL, {}, False, "rejected by a person"),
            ]
        )
        with Reader(path) as reader:
            facts = review_facts(reader, run)
    (written,) = facts["instructions"]
    assert (written["predictor"], written["index"], written["text"]) == ("answer", 0, "Answer.")
    assert facts["demo_sets"][0]["made"] == "shuffled" and facts["demo_sets"][0]["demos"][0]["example_id"] == "r1"
    print_review(facts)
    printed = capsys.readouterr().out
    assert "answer, instruction 0, by seed\nAnswer." in printed
    assert "answer, tool descriptions 1, by model, not searched: rejected by a person\n# look_up" in printed
