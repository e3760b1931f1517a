"""A judge as the metric, from the command line to the pages: one that judges, and one that answers nonsense."""

import html
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from mipro_studio.optimizer_core.roles import ROLE_TITLES
from mipro_studio.optimizer_core.types import Role, Split
from mipro_studio.storage import Reader
from mipro_studio.ui.export.report import report_html
from tests.inside import shell
from tests.loopback.config import LoopbackConfig
from tests.loopback.inprocess import InProcessEndpoint
from tests.loopback.responders import Oracle
from tests.pages.open import open_page, texts
from tests.programs import desk
from tests.working import ROWS, write_rows

pytestmark = pytest.mark.timeout(400)
NO_CODE = "predict:message -> queue: Literal['billing', 'technical', 'shipping', 'account']"
CRITERIA = ("It names one queue.", "It is the right one.")
NONSENSE = "The weather is fine."
PLACES = ("live", "instructions", "traces", "compare", "present", "export", "replay", "settings")
PLURALS = "calls|candidates|cells|demos|errors|examples|instructions|predictors|rows|runs|scores|sets|times|trials"
Ran = tuple[Path, str, Mapping[str, int]]

_oracle = Oracle(LoopbackConfig(gold=desk.gold(ROWS)))


def chatting_judge(messages: list[dict[str, Any]], body: dict[str, Any]) -> str:
    """Answers as the desk's model; as the judge it talks of something else."""
    return NONSENSE if body["model"] == "judge" else _oracle(messages, body)


def judged(folder: Path, responder: Any) -> tuple[Any, Path, Mapping[str, int]]:
    """(what the command came to, its store, calls that arrived by model)."""
    store = folder / "studio.db"
    with InProcessEndpoint(responder=responder, keep_requests=True) as endpoint:
        done = shell(
            "run", NO_CODE, "--data", str(write_rows(folder)), "--inputs", "message", "--task-model", "openai/task",
            "--api-base", endpoint.base_url, "--judge-model", "openai/judge", "--store", str(store), "--json",
            *(word for one in CRITERIA for word in ("--criteria", one)), "--optimizer", "studio", "--trials", "1",
            "--candidates", "5", "--minibatch-size", "6", "--threads", "4", "--seed", "1",
        )  # fmt: skip
        asked = [request["body"]["model"] for request in endpoint.requests()]
    return done, store, {model: asked.count(model) for model in set(asked)}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A finished run of one trial."""
    done, store, asked = judged(tmp_path_factory.mktemp("judged"), _oracle)
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["status"] == "completed", found
    return store, found["run_id"], asked


@pytest.fixture
def run(ran: Ran, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ran]:
    monkeypatch.setenv("MIPRO_STUDIO_STORE", str(ran[0]))
    yield ran


def in_order(app: AppTest) -> list[str]:
    """Captions, texts and blocks of the page as they follow each other."""
    values = (getattr(one, "value", None) for one in app.main)
    return [html.unescape(value) if isinstance(value, str) else "" for value in values]


def stands_apart(app: AppTest, answer: str, feedback: str) -> None:
    """What the metric said stands under its own words, behind what the program answered."""
    said = in_order(app)
    at = next(place for place, text in enumerate(said) if "What the metric said" in text)
    assert feedback in said[at + 1], said[at : at + 3]
    assert not any(feedback in text for text in said[:at])
    assert any(answer in text for text in said[:at])


def test_what_the_judge_said_is_not_shown_as_an_answer_of_the_program(run: Ran) -> None:
    store, run_id, _ = run
    with Reader(store) as reader:
        cell = next(one for one in reader.whole_cells(run_id, "i0d0", Split.VAL) if one.feedback)
        taught = [one for one in reader.teacher_traces(run_id) if one.feedback]
    assert cell.feedback.startswith(("Not met: It ", "All criteria"))
    compared = open_page("pages/compare.py", run=run_id, split="val", example=cell.key.example)
    stands_apart(compared, str(cell.prediction["queue"]), cell.feedback)
    row = taught[0]
    traces = open_page("pages/traces.py", run=run_id, trace=row.key.example)
    stands_apart(traces, str(row.prediction["queue"]), row.feedback)


def test_the_report_books_what_the_judge_was_asked_about_the_sealed_test_as_the_judges(run: Ran) -> None:
    store, run_id, asked = run
    with Reader(store) as reader:
        page = html.unescape(report_html(reader, run_id))
        tested = sum(cell.key.split is Split.TEST for cell in reader.cells(run_id))
    booked = dict(re.findall(r"<tr><td>([^<]+)</td><td class=\"n\">([\d,]+)</td>", page))
    calls = {role: int(booked.get(title, "0").replace(",", "")) for role, title in ROLE_TITLES.items()}
    assert calls[Role.JUDGE_TEST] == len(CRITERIA) * tested
    assert calls[Role.TEST] == tested
    assert calls[Role.JUDGE] + calls[Role.JUDGE_TEST] == asked["judge"]
    assert sum(calls.values()) == sum(asked.values())


def test_where_there_is_one_of_a_thing_no_page_speaks_of_several(run: Ran) -> None:
    store, run_id, _ = run
    with Reader(store) as reader:
        said = {"report": html.unescape(report_html(reader, run_id))}
    for place in ("", *PLACES):
        said[place or "home"] = texts(open_page(f"pages/{place}.py" if place else "app.py", run=run_id))
    wrong = {place: re.findall(rf"(?<![\d.,])(?<!of )\b1 (?:{PLURALS})\b", text) for place, text in said.items()}
    assert not any(wrong.values()), wrong
    assert re.search(r"(?<!of )\b1 (?:call|candidate|demo|row|run|trial)\b", "".join(said.values())), "there is one"


def test_a_run_whose_judge_answers_nonsense_stands_still_and_nobody_has_won(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, store, asked = judged(tmp_path, chatting_judge)
    checked = done.stderr.index("2 of 2 training rows tried had no score")
    assert f"The judge answered '{NONSENSE}' where yes or no was asked." in done.stderr[checked:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, found["status"], found["winner"]) == (3, "paused", None), found
    assert f"The judge answered '{NONSENSE}'" in found["reason"] and "another model as the judge" in found["reason"]
    with Reader(store) as reader:
        run = reader.run(found["run_id"])
        assert not [cell for cell in reader.cells(run.id) if cell.score is not None]
    assert asked["task"] < len(ROWS) // 2, "it did not go through all the rows for nothing"
    monkeypatch.setenv("MIPRO_STUDIO_STORE", str(store))
    live = texts(open_page("pages/live.py", run=run.id))
    assert "Nothing has been scored yet." in live and "On 0 examples" not in live
    for place in PLACES:
        said = texts(open_page(f"pages/{place}.py", run=run.id))
        assert "★" not in said and "Winner" not in said, place
