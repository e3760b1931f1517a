"""A person at the review gate, in a real Chromium, with a real worker behind it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from optimizer_core.types import Author, Candidate, Status
from storage import Reader
from tests.loopback import LoopbackEndpoint
from tests.optimizer_core.builders import ROWS
from tests.programs import desk
from tests.test_review_worker import GOOD, start, until
from tests.ui.browser import chromium, serve, visit

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]
WAIT_MS = 60_000


@pytest.fixture
def page() -> Iterator[Page]:
    with chromium() as browser:
        opened = browser.new_page(viewport={"width": 1440, "height": 1000})
        yield opened
        opened.close()


def test_edit_reject_write_and_approve(page: Page, tmp_path: Path) -> None:
    store = tmp_path / "studio.db"
    with LoopbackEndpoint(responder="oracle", gold=desk.gold(ROWS), correlation=0.5) as endpoint:
        run_id = start(store, tmp_path, endpoint)
        until(store, run_id, Status.AWAITING_REVIEW)
        with serve(store) as url:
            visit(page, f"{url}/instructions?run={run_id}&arm=1", "desk, with review")
            edited = page.get_by_label("Instruction", exact=True).first
            expect(edited).to_be_visible(timeout=WAIT_MS)
            edited.fill("Find the queue with care. q=0.9")
            edited.press("Control+Enter")
            page.get_by_role("button", name="Save as a new instruction").click()
            expect(page.get_by_text("1 change waiting")).to_be_visible(timeout=WAIT_MS)
            visit(page, f"{url}/instructions?run={run_id}&arm=2", "desk, with review")
            page.get_by_role("tab", name="Reject").click()
            page.get_by_role("button", name="Reject", exact=True).click()
            expect(page.get_by_text("2 changes waiting")).to_be_visible(timeout=WAIT_MS)
            own = page.get_by_label("Instruction", exact=True).last
            own.fill(GOOD)
            own.press("Control+Enter")
            page.get_by_role("button", name="Add", exact=True).click()
            expect(page.get_by_text("3 changes waiting")).to_be_visible(timeout=WAIT_MS)
            expect(page.get_by_test_id("stException")).to_have_count(0)
            page.get_by_role("button", name="Start the search").click()
            expect(page.get_by_text("The search has not begun")).to_have_count(0, timeout=WAIT_MS)
            until(store, run_id, Status.COMPLETED)
            expect(page.get_by_text("Finished")).to_be_visible(timeout=WAIT_MS)
    with Reader(store) as reader:
        arms = {arm.index: arm for arm in reader.instructions(run_id) if arm.predictor == "queue"}
        tried = {Candidate.parse(trial.candidate).choices[0][0] for trial in reader.trials(run_id)}
    assert [arms[index].author for index in (3, 4)] == [Author.PERSON] * 2
    assert arms[4].text == GOOD
    assert {3, 4} <= tried and not {1, 2} & tried
