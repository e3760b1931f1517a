"""The review gate with whole workers on a store: what a person asked is searched, what they rejected is not."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mipro_studio.control import launcher, review
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.types import INSTRUCTION, Author, Candidate, ChangeKind, Status
from mipro_studio.storage import Reader
from tests.inside import workers_inside
from tests.loopback import LoopbackEndpoint
from tests.loopback.inprocess import InProcessEndpoint
from tests.optimizer_core.builders import DESK, ROWS
from tests.programs import desk

pytestmark = pytest.mark.timeout(240)
ROOT = Path(__file__).resolve().parents[2]
GOOD = "Find the queue. q=1.0"


@pytest.fixture
def endpoint() -> Iterator[LoopbackEndpoint]:
    with InProcessEndpoint(responder="oracle", gold=desk.gold(ROWS), correlation=0.5) as running, workers_inside():
        yield running


def start(store: Path, folder: Path, endpoint: LoopbackEndpoint, **changes: object) -> str:
    """A small run of the desk that stops at the gate."""
    rows = folder / "rows.json"
    rows.write_text(json.dumps(ROWS))
    model = {"model": "openai/task", "api_base": endpoint.base_url, "timeout_s": 20.0}
    config = {
        "program": str(ROOT / DESK),
        "name": "desk, with review",
        "review": True,
        "data": {"data": str(rows), "inputs": ["message"]},
        "task_model": model,
        "search": {"candidates": 3, "trials": 5, "minibatch_size": 8, "max_bootstrapped": 2},
        **changes,
    }
    return launcher.start(store, config)


def status(store: Path, run_id: str) -> Status:
    with Reader(store) as reader:
        return reader.run(run_id).status


def test_the_gate_takes_up_what_a_person_asked(tmp_path: Path, endpoint: LoopbackEndpoint) -> None:
    store = tmp_path / "studio.db"
    run_id = start(store, tmp_path, endpoint)
    assert status(store, run_id) is Status.AWAITING_REVIEW
    queue = {"predictor": "queue"}
    review.change(store, run_id, ChangeKind.WRITE, {**queue, "text": GOOD, "reason": "better"})
    review.change(store, run_id, ChangeKind.EDIT, {**queue, "index": 1, "text": "Find it. q=0.9", "keep": False})
    review.change(store, run_id, ChangeKind.REJECT, {**queue, "kind": "instruction", "index": 2, "reason": "no"})
    with pytest.raises(BadInput, match="the baseline that all is compared with"):
        review.change(store, run_id, ChangeKind.REJECT, {**queue, "kind": "instruction", "index": 0})
    launcher.approve(store, run_id)
    assert status(store, run_id) is Status.COMPLETED
    with Reader(store) as reader:
        arms = {arm.index: arm for arm in reader.instructions(run_id) if arm.owner == "queue"}
        tried = [Candidate.parse(trial.candidate).arm(0, INSTRUCTION) for trial in reader.trials(run_id)]
        assert [one.settled.refused for one in reader.changes(run_id) if one.settled] == ["", "", ""]
        assert reader.run(run_id).trials_done == reader.run(run_id).trials_planned
    assert (arms[3].text, arms[3].author, arms[4].provenance["edited_from"]) == (GOOD, Author.PERSON, 1)
    assert (arms[1].active, arms[2].reason) == (False, "rejected: no")
    assert tried[1:3] == [3, 4]
    assert not {1, 2} & set(tried)
    with pytest.raises(BadInput, match="Resume it with more trials"):
        review.change(store, run_id, ChangeKind.WRITE, {**queue, "text": "Too late."})


def test_more_are_written_at_the_gate_and_the_gate_stays_shut(tmp_path: Path, endpoint: LoopbackEndpoint) -> None:
    store = tmp_path / "studio.db"
    run_id = start(store, tmp_path, endpoint)
    assert status(store, run_id) is Status.AWAITING_REVIEW
    review.change(store, run_id, ChangeKind.ASK, {"predictor": "tone", "hint": "Be brief.", "count": 2})
    with Reader(store) as reader:
        assert (reader.run(run_id).status, reader.run(run_id).lives) == (Status.AWAITING_REVIEW, 2)
        more = [arm for arm in reader.instructions(run_id) if arm.provenance.get("hint") == "Be brief."]
        assert [arm.index for arm in more] == [3, 4]
        assert len(reader.trials(run_id)) == 1


def test_a_key_that_is_typed_into_a_change_is_blacked_out(
    tmp_path: Path, endpoint: LoopbackEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "sk-very-secret-0123456789")
    store = tmp_path / "studio.db"
    run_id = start(store, tmp_path, endpoint)
    assert status(store, run_id) is Status.AWAITING_REVIEW
    text = "Use the key sk-very-secret-0123456789 to answer."
    review.change(store, run_id, ChangeKind.WRITE, {"predictor": "queue", "text": text})
    review.write_note(store, run_id, "run", text)
    with Reader(store) as reader:
        assert "very-secret" not in str(reader.changes(run_id)) + str(reader.notes(run_id))
