"""A reviewer at the gate, in a real Chromium, with a real worker behind it: eighteen instructions, by keys alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from mipro_studio.optimizer_core.types import INSTRUCTION, Arm, Author, Candidate, Status
from mipro_studio.storage import Reader
from tests.inside import workers_inside
from tests.loopback import LoopbackEndpoint
from tests.optimizer_core.builders import ROWS
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


@pytest.fixture
def at_the_gate(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A store and a run in it that waits for a person; its endpoint answers on."""
    store = tmp_path / "studio.db"
    search = {"candidates": 11, "trials": 5, "minibatch_size": 8, "max_bootstrapped": 2}
    with LoopbackEndpoint(responder="oracle", gold=desk.gold(ROWS), correlation=0.5) as endpoint:
        with workers_inside():
            run_id = start(store, tmp_path, endpoint, search=search, seed=2)
        assert status(store, run_id) is Status.AWAITING_REVIEW
        yield store, run_id


@pytest.fixture
def page(at_the_gate: tuple[Path, str]) -> Iterator[Page]:
    # Playwright comes after the run: it keeps this thread's event loop for itself.
    with chromium() as browser:
        opened = browser.new_page(viewport={"width": 1440, "height": 1000})
        yield opened
        opened.close()


def test_eighteen_are_read_six_rejected_two_edited_one_written_by_keys_alone(
    page: Page, at_the_gate: tuple[Path, str]
) -> None:
    store, run_id = at_the_gate
    proposed = [arm for arm in of_run(store, run_id) if arm.active]
    assert len(proposed) == PROPOSED
    hands = Hands(page)
    with serve(store) as url:
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
