"""A reviewer at the gates, in a real Chromium with a real worker behind it: instructions by keys alone, then rows."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from mipro_studio.optimizer_core.types import INSTRUCTION, Arm, Author, Candidate, Status
from mipro_studio.storage import Reader
from tests.inside import workers_inside
from tests.kills.runs import tuned_desk
from tests.loopback import LoopbackEndpoint
from tests.optimizer_core.builders import ROWS
from tests.optimizer_core.finetuning.providers import KEY, ON_LOOPBACK, Provider
from tests.programs import desk
from tests.ui.browser import chromium, serve, visit
from tests.ui.hands import Hands
from tests.worker.test_review_worker import GOOD, start, status

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
NAME = "desk, with review"
PROPOSED = 18
REJECTED, EDITED = (2, 4, 6, 11, 13, 17), {3: "Find the queue with care. q=0.9", 12: "Say the tone. q=0.8"}
"""By place in the queue, from 1; the first nine are of `queue`, the others of `tone`."""
RESTS = "[data-testid=stApp][data-test-script-state=notRunning]"
MOST_KEYS = 30
"""The mouse took 39 clicks for the same before there was a queue: a row, a tab and a button for each decision."""


@dataclass(frozen=True)
class Gates:
    """A store with a run at either gate; what they ask answers on."""

    store: Path
    instructions: str
    rows: str
    provider: Provider


@pytest.fixture(scope="module")
def at_the_gates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gates]:
    folder = tmp_path_factory.mktemp("gates")
    store, search = folder / "studio.db", {"candidates": 11, "trials": 5, "minibatch_size": 8, "max_bootstrapped": 2}
    oracle = LoopbackEndpoint(responder="oracle", gold=desk.gold(ROWS), correlation=0.5)
    with oracle, tuned_desk() as tuned, ON_LOOPBACK["together"]() as provider, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRAINER_KEY", KEY)
        provider.state = "completed"
        with workers_inside():
            instructions = start(store, folder, oracle, search=search, seed=2)
            task = {"model": "openai/task", "api_base": tuned.base_url, "api_key_env": "TRAINER_KEY"}
            finetune = {"trainer": "together", "api_base": provider.url}
            rows = start(
                store, folder, tuned, name="weights, with review", optimizer="bootstrap_finetune", task_model=task,
                search={"threshold": 1.0}, finetune=finetune,
            )  # fmt: skip
        assert status(store, instructions) is status(store, rows) is Status.AWAITING_REVIEW
        yield Gates(store, instructions, rows, provider)


@pytest.fixture(scope="module")
def served(at_the_gates: Gates) -> Iterator[tuple[Browser, str]]:
    # Playwright comes after the runs: it keeps this thread's event loop for itself.
    with chromium() as browser, serve(at_the_gates.store) as url:
        yield browser, url


@pytest.fixture
def page(served: tuple[Browser, str]) -> Iterator[Page]:
    opened = served[0].new_page(viewport={"width": 1440, "height": 1000})
    yield opened
    opened.close()


def test_eighteen_are_read_six_rejected_two_edited_one_written_by_keys_alone(
    page: Page, served: tuple[Browser, str], at_the_gates: Gates
) -> None:
    store, run_id, url = at_the_gates.store, at_the_gates.instructions, served[1]
    proposed = [arm for arm in of_run(store, run_id) if arm.active]
    assert len(proposed) == PROPOSED
    hands = Hands(page)
    visit(page, f"{url}/instructions?run={run_id}", NAME)
    decide(hands)
    expect(page.get_by_test_id("stException")).to_have_count(0)
    rested(page)
    hands.press("Shift+S")
    expect(page.get_by_text("The search has not begun")).to_have_count(0)
    page.goto(f"{url}/live?run={run_id}")
    expect(page.get_by_text("Finished")).to_be_visible()
    print(f"\nthe reviewer's path: {hands}")
    assert hands.clicks == 0 and hands.keys <= MOST_KEYS
    after = {(arm.owner, arm.index): arm for arm in of_run(store, run_id)}
    gone = [(proposed[place - 1].owner, proposed[place - 1].index) for place in (*REJECTED, *EDITED)]
    assert [after[key].active for key in gone] == [False] * len(gone)
    by_hand = {arm.text for arm in after.values() if arm.author is Author.PERSON}
    assert by_hand == {GOOD, *EDITED.values()}
    with Reader(store) as reader:
        queue_tried = {Candidate.parse(trial.candidate).arm(0, INSTRUCTION) for trial in reader.trials(run_id)}
    assert not {index for owner, index in gone if owner == "queue"} & queue_tried


def of_run(store: Path, run_id: str) -> list[Arm]:
    """The instructions that did not come with the program, in the queue's order."""
    with Reader(store) as reader:
        return [arm for arm in reader.instructions(run_id) if arm.author is not Author.SEED]


def rested(page: Page) -> None:
    """A key that is pressed while the page is drawn anew may find no button yet."""
    page.wait_for_selector(RESTS)
    page.wait_for_timeout(150)
    page.wait_for_selector(RESTS)


def decide(hands: Hands) -> None:
    """One of one's own, then every card once, with nothing but keys."""
    page = hands.page
    expect(page.get_by_text(f"0 of {PROPOSED} read")).to_be_visible()
    rested(page)
    hands.press("w")
    expect(page.get_by_label("A new instruction for queue")).to_be_focused()
    hands.type(GOOD)
    hands.press("Control+Enter")
    expect(page.get_by_text("1 change waiting")).to_be_visible()
    for place in range(1, PROPOSED + 1):
        expect(page.get_by_text(f"{place - 1} of {PROPOSED} read")).to_be_visible()
        rested(page)
        if place in EDITED:
            hands.press("e")
            expect(page.get_by_label("Instead of it")).to_be_focused()
            hands.type(EDITED[place])
            hands.press("Control+Enter")
        else:
            hands.press("x" if place in REJECTED else "a")
    expect(page.get_by_text(f"{PROPOSED} of {PROPOSED} read")).to_be_visible()
    expect(page.get_by_text(f"{len(REJECTED) + len(EDITED) + 1} changes waiting")).to_be_visible()


FIRST_CELL = {"x": 10.0, "y": 50.0}
"""Inside the first cell of a table, beside its tick: it is drawn on a canvas, which says nothing of its cells."""


def go_to(page: Page, row: int, column: int) -> None:
    rested(page)
    page.get_by_test_id("stDataFrame").first.click(position=FIRST_CELL)
    for key in [*["ArrowDown"] * row, *["ArrowRight"] * column]:
        page.keyboard.press(key)


def untick(page: Page, row: int) -> None:
    go_to(page, row, 0)
    page.keyboard.press("Space")


def answer(page: Page, row: int, text: str) -> None:
    """Of the columns train on it, row, predictor, asked, answer."""
    go_to(page, row, 4)
    page.keyboard.press("Enter")
    editor = page.locator("#portal textarea, #portal input")
    expect(editor).to_be_focused()
    editor.fill(text)
    editor.press("Enter")


def test_rows_are_left_out_and_answered_anew_by_the_mouse_and_trained_on_as_they_stand(
    page: Page, served: tuple[Browser, str], at_the_gates: Gates
) -> None:
    store, run_id, url = at_the_gates.store, at_the_gates.rows, served[1]
    with Reader(store) as reader:
        (tuning,) = reader.tunings(run_id)
    visit(page, f"{url}/live?run={run_id}", "weights, with review")
    table = page.get_by_test_id("stDataFrame").first
    expect(table).to_be_visible()
    expect(page.get_by_text("Untick a row to leave it out")).to_be_visible()
    untick(page, 0)
    expect(page.get_by_text("1 row changed and not kept yet")).to_be_visible()
    answer(page, 1, "first anew")
    expect(page.get_by_text("2 rows changed and not kept yet")).to_be_visible()
    page.get_by_role("button", name="Keep these changes").click()
    expect(page.get_by_text("1 change waiting")).to_be_visible()
    expect(page.get_by_role("button", name="Keep these changes")).to_have_count(0)
    page.get_by_role("button", name="Take back").click()
    expect(page.get_by_text("1 change waiting")).to_have_count(0)
    untick(page, 2)
    answer(page, 3, "second anew")
    expect(page.get_by_text("2 rows changed and not kept yet")).to_be_visible()
    page.get_by_role("button", name="Start the training").click()
    expect(page.get_by_role("heading", name="that the search never saw").first).to_be_visible()
    expect(page.get_by_test_id("stException")).to_have_count(0)
    with Reader(store) as reader:
        (done,) = reader.tunings(run_id)
    assert done.facts["by_a_person"] == {"dropped": 1, "answered_anew": 1}
    answers = [row["answer"] for row in tuning.rows]
    assert [row["answer"] for row in done.rows] == [*answers[:2], "second anew", *answers[4:]]
    (sent,) = at_the_gates.provider.files.values()
    said = [json.loads(line)["messages"][-1]["content"] for line in sent.decode().splitlines()]
    assert said == [row["answer"] for row in done.rows]
