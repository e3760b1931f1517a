"""The check runs the real program, gives its answer to the real metric, and pays for nothing twice."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from mipro_studio.control import new_runs
from mipro_studio.optimizer_core.checks import check_rehearsal
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.inspection import inspect_request
from mipro_studio.optimizer_core.types import Cell, ErrorClass, Event, Example, Role, Spent, Split, Status
from tests.loopback import LoopbackEndpoint
from tests.optimizer_core.builders import ROOT, fresh_journal, live, make_config, make_examples

HEAD = """
import enum, sqlite3, threading, time
import dspy
from typing import Literal
from pydantic import BaseModel

class Level(enum.Enum):
    LOW = "low"
    HIGH = "high"

class Item(BaseModel):
    name: str
    count: int
"""
TYPED = """
class Order(dspy.Signature):
    text: str = dspy.InputField()
    item: Item = dspy.OutputField()
    level: Level = dspy.OutputField()

program = dspy.Predict(Order)

def metric(example, pred, trace=None):
    return pred.item.count == example.item["count"] and pred.level.value == example.level
"""
RENAMED = """
program = dspy.Predict("text -> rating: int")

def metric(example, pred, trace=None):
    return 1 - abs(pred.rating - example.gold) / 4
"""
STEP = """
class Program(dspy.Module):
    def __init__(self):
        super().__init__()
        self.step = dspy.Predict("text -> answer")
        self.made()

    def made(self):
        pass

    def forward(self, text):
        return self.look(self.step(text=text))

    def look(self, found):
        return found

def metric(example, pred, trace=None):
    return float(example.answer == pred.answer)
"""


def replies(messages: list[dict[str, Any]], body: dict[str, Any]) -> str:
    text = str(messages[-1]["content"])
    number = text.split("number ")[-1].split()[0]
    wanted = text[text.rfind("Respond with") :]
    fields = {
        "item": f'{{"name": "bolt", "count": {number}}}',
        "level": "high",
        "rating": "3",
        "answer": "yes",
        "met": "yes",
    }
    given = (f"[[ ## {name} ## ]]\n{value}\n\n" for name, value in fields.items() if f"[[ ## {name} ## ]]" in wanted)
    return "".join(given) + "[[ ## completed ## ]]"


class Desk:
    """A folder with a program and rows, inspected in this process."""

    def __init__(self, folder: Path, endpoint: LoopbackEndpoint) -> None:
        self.folder = folder
        self.endpoint = endpoint
        endpoint.control(responder=replies)

    def check(self, source: str, rows: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
        name = f"prog_{time.monotonic_ns()}"
        (self.folder / f"{name}.py").write_text(HEAD + source)
        made = rows or [{"text": f"number {n} here", "answer": "yes"} for n in range(10)]
        (self.folder / "rows.jsonl").write_text("\n".join(map(json.dumps, made)))
        values = {
            "program": f"{name}.py",
            "data": {"data": "rows.jsonl"},
            "task_model": {"model": "openai/task", "api_base": self.endpoint.base_url, "timeout_s": 5.0},
            "retries": 0,
            **more,
        }
        return json.loads(json.dumps(inspect_request(values, self.folder), default=str))  # type: ignore[no-any-return]


@pytest.fixture
def desk(tmp_path: Path, endpoint: LoopbackEndpoint) -> Desk:
    return Desk(tmp_path, endpoint)


def cells_of(found: dict[str, Any]) -> list[Cell]:
    return [record for record in new_runs.records_of(found) if isinstance(record, Cell)]


# -- What works ---------------------------------------------------------------------------------


def test_a_metric_over_typed_outputs_is_given_what_the_program_answers(desk: Desk) -> None:
    rows = [{"text": f"number {n} here", "item": {"name": "bolt", "count": n}, "level": "high"} for n in range(10)]
    found = desk.check(TYPED, rows)
    assert found["refusal"] is None
    assert [cell.score for cell in cells_of(found)] == [1.0, 1.0]


def test_an_output_may_be_called_otherwise_than_its_label(desk: Desk) -> None:
    found = desk.check(RENAMED, [{"text": f"number {n} here", "gold": 3} for n in range(10)])
    assert [cell.score for cell in cells_of(found)] == [1.0, 1.0]


def test_the_run_takes_its_cells_and_what_they_cost_over(desk: Desk) -> None:
    found = desk.check(STEP)
    records = new_runs.records_of(found)
    train = [row for row in records if isinstance(row, Example) and row.split is Split.TRAIN]
    cells = cells_of(found)
    assert [cell.key.example for cell in cells] == [row.id for row in train[:2]]
    assert {(cell.key.candidate, cell.key.split) for cell in cells} == {("i0d0", Split.TRAIN)}
    assert [cell.prediction for cell in cells] == [{"answer": "yes"}] * 2
    (spent,) = [record for record in records if isinstance(record, Spent)]
    assert (spent.role, spent.usage.calls) == (Role.TASK, 2)
    assert desk.endpoint.stats()["total"] == 2  # and no call beside them: the task model was heard of
    assert found["plan"]["program_runs"]["rehearsal"] == 2


def test_a_run_that_gets_them_asks_for_none_of_them_again(desk: Desk, endpoint: LoopbackEndpoint) -> None:
    found = desk.check(STEP, optimizer="gepa", search={"trials": 1})
    journal = fresh_journal([])
    journal.commit(new_runs.records_of(found))
    config = make_config(endpoint, **{**found["config"], "executor": "threads"})
    life = live(config.model_copy(update={"base": str(desk.folder)}), journal, base=desk.folder)
    assert life.ending.status is Status.COMPLETED, life.ending.reason
    paid = sum(cell.usage.calls for cell in journal.cells())
    prompts = len(list(journal.prompt_calls()))
    assert desk.endpoint.stats()["total"] == paid + prompts
    assert {cell.key: cell for cell in journal.cells()}.keys() >= {cell.key for cell in cells_of(found)}


def test_a_judge_is_part_of_it_and_is_not_called_apart(desk: Desk) -> None:
    judge = {"criteria": ["It says yes."], "model": {"model": "openai/judge", "api_base": desk.endpoint.base_url}}
    found = desk.check(STEP, metric="judge", judge=judge)
    cells = cells_of(found)
    assert [cell.score for cell in cells] == [1.0, 1.0]
    spending = found["rehearsal"]["burns"]
    assert {spent["role"]: spent["usage"]["calls"] for spent in spending} == {"task": 2, "judge": 2}
    assert desk.endpoint.stats()["total"] == 4


def test_a_model_that_takes_no_part_gets_its_one_call(desk: Desk) -> None:
    desk.endpoint.control(keep_requests=True)
    prompt = {"model": "openai/prompt", "api_base": desk.endpoint.base_url}
    found = desk.check(STEP, prompt_model=prompt)
    assert [entry["model"] for entry in desk.endpoint.requests()] == ["prompt", "task", "task"]
    assert [spent["role"] for spent in found["rehearsal"]["burns"]] == ["task"]


def test_a_cap_on_program_runs_holds_for_it(desk: Desk) -> None:
    found = desk.check(STEP, budget={"max_program_runs": 1})
    assert len(cells_of(found)) == 1


# -- What does not ------------------------------------------------------------------------------


def test_a_metric_that_fails_is_told_by_its_line_and_can_be_overruled(desk: Desk) -> None:
    found = desk.check(STEP.replace("float(example.answer == pred.answer)", "pred.colour == example.answer"))
    refusal = found["refusal"]
    assert "The metric 'metric' raised AttributeError" in refusal["message"]
    assert [line.split(": ")[1] for line in refusal["frames"][:1]] == ["return pred.colour == example.answer"]
    with pytest.raises(BadInput, match=r"raised AttributeError.*--start-anyway") as refused:
        new_runs.require_working(found)
    assert list(refused.value.frames) == refusal["frames"]
    new_runs.require_working(found, anyway=True)
    said = [record.data["text"] for record in new_runs.records_of(found) if isinstance(record, Event)]
    assert any(text.startswith("Started all the same: The metric") for text in said)


@pytest.mark.parametrize("returned", ["pred.answer", "None", "(1.0, 'fine')", "float('nan')"])
def test_a_metric_that_returns_no_number_is_refused(desk: Desk, returned: str) -> None:
    found = desk.check(STEP.replace("float(example.answer == pred.answer)", returned))
    assert "The metric returned" in found["refusal"]["message"]


@pytest.mark.parametrize(
    ("compared", "sentence"),
    [
        ("e.label == p.answer", "Rows have: text, answer. Rename a column (--rename COLUMN=label; in the form"),
        ("e.answer == p.label", "The program puts out: answer."),
    ],
)
def test_a_metric_that_asks_for_another_name_is_told_those_that_there_are(
    desk: Desk, compared: str, sentence: str
) -> None:
    program = "program = dspy.Predict('text -> answer')\n"
    found = desk.check(f"{program}def metric(e, p, trace=None):\n    return {compared}\n")
    assert sentence in found["refusal"]["message"]


def test_a_program_that_fails_is_told_by_its_lines(desk: Desk) -> None:
    found = desk.check(STEP.replace("return found\n", "return found.colour.upper()\n"))
    refusal = found["refusal"]
    assert refusal["message"].startswith("The program failed: AttributeError: ")
    assert [frame.split(", ")[2].split(":")[0] for frame in refusal["frames"][:2]] == ["in forward", "in look"]


def test_a_program_that_fails_on_one_row_only_is_a_warning(desk: Desk) -> None:
    seen = "if not hasattr(Program, 'seen'):\n            Program.seen = 1\n"
    once = f"{seen}            raise ValueError('first')\n        return found\n"
    found = desk.check(STEP.replace("return found\n", once))
    assert found["refusal"] is None
    assert any(
        "1 of 2 training rows tried had no score (program): ValueError: first" in text for text in found["warnings"]
    )


@pytest.mark.parametrize(
    ("forward", "is_said"),
    [
        ("return dspy.Prediction(answer='yes')", True),
        ("self.step.lm = dspy.settings.lm.copy(cache=True)\n        return self.step(text='always the same')", False),
        ("return dspy.Predict('text -> answer')(text=text)", False),
    ],
    ids=["asks nobody", "is answered by a cache", "asks what it made for the row"],
)
def test_a_program_that_asks_no_model_is_said(desk: Desk, forward: str, is_said: bool) -> None:
    found = desk.check(STEP.replace("return self.look(self.step(text=text))", forward))
    assert any("asked no model" in text for text in found["warnings"]) is is_said


def test_a_program_bound_to_its_thread_is_found(desk: Desk) -> None:
    bound = STEP.replace("        pass\n", "        self.db = sqlite3.connect(':memory:')\n")
    found = desk.check(bound.replace("return found\n", "self.db.execute('select 1')\n        return found\n"))
    assert "can only be used in that same thread" in found["refusal"]["message"]
    assert "open such things where they are used" in found["refusal"]["message"]


def test_a_program_that_holds_a_lock_is_fine(desk: Desk) -> None:
    found = desk.check(STEP.replace("        pass\n", "        self.lock = threading.Lock()\n"))
    assert found["refusal"] is None


def test_a_program_that_cannot_be_saved_is_said(desk: Desk) -> None:
    unsaved = STEP.replace(
        "    def look(", "    def dump_state(self, **more):\n        raise TypeError('no state')\n\n    def look("
    )
    found = desk.check(unsaved)
    assert found["refusal"] is None
    assert any("cannot be saved and loaded again: TypeError: no state" in text for text in found["warnings"])


def test_an_answer_that_cannot_be_read_is_a_warning_with_the_answer(desk: Desk) -> None:
    desk.endpoint.control(responder=lambda messages, body: "I would rather not.")
    found = desk.check(RENAMED, [{"text": f"number {n} here", "gold": 3} for n in range(10)])
    assert found["refusal"] is None
    assert any(
        "2 of 2 training rows tried had no score (parse)" in text and "rather not" in text
        for text in found["warnings"]
    )


def test_an_endpoint_that_is_down_is_a_warning(desk: Desk) -> None:
    desk.endpoint.control(down=True)
    found = desk.check(STEP)
    assert found["refusal"] is None
    (said,) = [text for text in found["warnings"] if "did not answer just now" in text]
    assert "'openai/task'" in said and "A run would pause until it does" in said


def test_a_wrong_key_is_bad_input_that_names_role_and_variable(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TASK_KEY", "wrong")
    desk.endpoint.control(require_key="right")
    model = {"model": "openai/task", "api_base": desk.endpoint.base_url, "api_key_env": "MY_TASK_KEY"}
    with pytest.raises(BadInput, match=r"refuses the key for 'openai/task' \(task model\).*variable 'MY_TASK_KEY'"):
        desk.check(STEP, task_model=model)


def test_a_judges_wrong_key_names_the_judge(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_JUDGE_KEY", "wrong")
    with type(desk.endpoint)(responder=replies, require_key="right") as other:
        model = {"model": "openai/strict", "api_base": other.base_url, "api_key_env": "MY_JUDGE_KEY"}
        with pytest.raises(BadInput, match=r"refuses the key for 'openai/strict' \(judge\).*'MY_JUDGE_KEY'"):
            desk.check(STEP, metric="judge", judge={"criteria": ["It says yes."], "model": model})


def test_a_model_nobody_knows_is_bad_input(desk: Desk) -> None:
    desk.endpoint.control(models=["another"])
    with pytest.raises(BadInput, match=r"does not know the model 'openai/task' \(task model\)"):
        desk.check(STEP)


def test_a_row_that_hangs_does_not_hold_the_check(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_rehearsal, "DEADLINE_S", 0.5)
    found = desk.check(STEP.replace("return found\n", "time.sleep(6)\n        return found\n"))
    assert found["rehearsal"]["unfinished"] == 2
    assert any("2 of 2 training rows had no answer after" in text for text in found["warnings"])
    assert found["rehearsal"]["burns"][0]["usage"]["calls"] == 2  # what was spent is said


# -- At the run's start -------------------------------------------------------------------------


def test_a_run_that_could_not_be_checked_tries_its_first_rows_before_all_else(endpoint: LoopbackEndpoint) -> None:
    life = live(make_config(endpoint, rehearse=True, search={"trials": 1}))
    cells = list(life.journal.cells())
    assert life.ending.status is Status.COMPLETED
    assert [(cell.key.candidate, cell.key.split) for cell in cells[:2]] == [("i0d0-i0d0", Split.TRAIN)] * 2


def test_a_broken_program_stops_it_there_unless_a_person_wants_it_all_the_same(endpoint: LoopbackEndpoint) -> None:
    broken = {"metric": "tests/programs/more.py:broken_metric", "rehearse": True, "search": {"trials": 1}}
    life = live(make_config(endpoint, **broken))
    assert (life.ending.status, life.ending.given_up) == (Status.PAUSED, True)
    assert "The run was tried on its first rows. The metric 'broken_metric' raised KeyError" in life.ending.reason
    assert len(list(life.journal.cells())) == 2
    for wish in ("start_anyway", "despite_errors"):
        anyway = live(make_config(endpoint, **broken, **{wish: True}), fresh_journal(make_examples(4, 4, 0)))
        assert len(list(anyway.journal.cells())) > 2
        assert {cell.error for cell in anyway.journal.cells()} == {ErrorClass.METRIC}


def test_the_embedded_model_that_is_not_here_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mipro_studio.optimizer_core.checks.check_calls.weights_present", lambda: False)
    found = inspect_request({"program": "sample:triage"}, ROOT)
    assert found["config"]["rehearse"] is True and found["rehearsal"]["cells"] == []
    assert any("the run fetches it" in text for text in found["warnings"])
