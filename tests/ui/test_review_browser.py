"""A person at the review gate, in a real Chromium, with a real worker behind it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from mipro_studio.optimizer_core.types import INSTRUCTION, Author, Candidate, Status
from mipro_studio.storage import Reader
from tests.inside import workers_inside
from tests.loopback import LoopbackEndpoint
from tests.optimizer_core.builders import ROWS
from tests.programs import desk
from tests.test_review_worker import GOOD, start, status
from tests.ui.browser import chromium, serve
from tests.ui.reviewing import SHOWN_MS, review

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]


@pytest.fixture
def at_the_gate(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A store and a run in it that waits for a person; its endpoint answers on."""
    store = tmp_path / "studio.db"
    with LoopbackEndpoint(responder="oracle", gold=desk.gold(ROWS), correlation=0.5) as endpoint:
        with workers_inside():
            run_id = start(store, tmp_path, endpoint)
        assert status(store, run_id) is Status.AWAITING_REVIEW
        yield store, run_id


@pytest.fixture
def page(at_the_gate: tuple[Path, str]) -> Iterator[Page]:
    # Playwright comes after the run: it keeps this thread's event loop for itself.
    with chromium() as browser:
        opened = browser.new_page(viewport={"width": 1440, "height": 1000})
        yield opened
        opened.close()


def test_edit_reject_write_and_approve(page: Page, at_the_gate: tuple[Path, str]) -> None:
    store, run_id = at_the_gate
    with serve(store) as url:
        review(page, url, run_id, "desk, with review", edited="Find the queue with care. q=0.9", written=GOOD)
        expect(page.get_by_text("Finished")).to_be_visible(timeout=2 * SHOWN_MS)
    assert status(store, run_id) is Status.COMPLETED
    with Reader(store) as reader:
        arms = {arm.index: arm for arm in reader.instructions(run_id) if arm.owner == "queue"}
        tried = {Candidate.parse(trial.candidate).arm(0, INSTRUCTION) for trial in reader.trials(run_id)}
    assert [arms[index].author for index in (3, 4)] == [Author.PERSON] * 2
    assert arms[4].text == GOOD
    assert {3, 4} <= tried and not {1, 2} & tried
