"""The command `take`: a saved program's instructions and demos as arms of a run that waits at its review gate."""

from pathlib import Path
from typing import Any

import dspy
import pytest
from dspy.teleprompt.utils import save_candidate_program

from mipro_studio.storage import Reader
from tests.inside import shell
from tests.programs import desk
from tests.working import arguments, endpoint, last_object, write_rows

DEMOS = [
    dspy.Example(message="late again!", tone="angry", augmented=True),
    dspy.Example(message="thanks", tone="calm"),
]


def waiting(folder: Path, url: str) -> str:
    given = arguments(write_rows(folder), url, "--store", str(folder / "studio.db"), "--review", "--json")
    facts: Any = last_object(shell(*given))
    assert facts["status"] == "awaiting_review", facts["reason"]
    return str(facts["run_id"])


def test_the_arms_of_a_saved_program_are_tried_and_may_win(tmp_path: Path) -> None:
    made = desk.Desk()
    made.queue.signature = made.queue.signature.with_instructions("Which queue? Think of who can help.")
    made.tone.demos = list(DEMOS)
    made.save(tmp_path / "saved.json")
    store = str(tmp_path / "studio.db")
    with endpoint() as running:
        run_id = waiting(tmp_path, running.base_url)
        done = shell("take", run_id, str(tmp_path / "saved.json"), "--store", store, "--json")
        assert done.returncode == 0, done.stderr
        assert len(last_object(done)["changes"]) == 2  # the tone's instruction and the queue's demos are known
        shell("approve", run_id, "--store", store)
    with Reader(Path(store)) as reader:
        (written,) = [arm for arm in reader.instructions(run_id) if arm.author == "person"]
        (given,) = [arm for arm in reader.demo_sets(run_id) if arm.author == "person"]
        tried = {trial.candidate for trial in reader.trials(run_id)}
    assert (written.owner, written.text) == ("queue", "Which queue? Think of who can help.")
    assert [dict(demo.fields) for demo in given.demos] == [
        {"message": "late again!", "tone": "angry"},
        {"message": "thanks", "tone": "calm"},
    ]
    assert [demo.augmented for demo in given.demos] == [True, False]
    assert written.provenance["reason"] == "taken from saved.json"
    assert any(f"i{written.index}" in candidate for candidate in tried)


def test_all_that_a_log_folder_holds_is_taken_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    for trial in range(3):
        made = desk.Desk()
        made.queue.signature = made.queue.signature.with_instructions(f"Which queue? Try {trial % 2}.")
        save_candidate_program(made, str(log), trial)
    store = str(tmp_path / "studio.db")
    with endpoint() as running:
        run_id = waiting(tmp_path, running.base_url)
        done = shell("take", run_id, str(log), "--store", store, "--json")
        assert done.returncode == 0, done.stderr
    with Reader(Path(store)) as reader:
        asked = [one.change.payload["text"] for one in reader.changes(run_id)]
    assert asked == ["Which queue? Try 0.", "Which queue? Try 1."]


OTHER = '{"other": {"signature": {"instructions": "x"}, "demos": []}}'


@pytest.mark.parametrize(("content", "said"), [(OTHER, "It holds other"), ("{}", "no predictor")])
def test_a_program_of_another_kind_is_refused(content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text(content)
    with endpoint() as running:
        run_id = waiting(tmp_path, running.base_url)
        done = shell("take", run_id, str(tmp_path / "other.json"), "--store", str(tmp_path / "studio.db"))
    assert done.returncode == 2
    assert said in done.stderr
