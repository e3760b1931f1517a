"""The lab in a real browser: a session is set up, runs in a worker, survives a reload, and is read side by side."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.types import Status
from mipro_studio.sample_programs import CATALOG
from mipro_studio.storage import Reader
from tests.loopback import LoopbackEndpoint
from tests.ui.browser import CHROMIUM, chromium, serve, visit
from tests.ui.factory import LiveRun

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="there is no Chromium"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


def _earlier(store: Path, base: str) -> None:
    """A run whose models are the endpoint's, for the session to borrow."""
    model = {"model": "openai/task", "api_base": base}
    config = RunConfig.model_validate({"program": "sample:triage", "name": "borrowed", "task_model": model})
    run = LiveRun(store, "borrowed", age_s=60, config=config)
    run.begin()
    run.end(Status.STOPPED, "Only its settings are wanted.")
    run.close()


def test_a_session_is_set_up_runs_and_survives_a_reload(browser: Browser, tmp_path: Path) -> None:
    store = tmp_path / "studio.db"
    page: Page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    gold = {row["message"]: {"queue": row["queue"], "tone": row["tone"]} for row in CATALOG["triage"].rows()}
    with LoopbackEndpoint(responder="oracle", gold=gold, base_quality=0.9) as endpoint:
        _earlier(store, endpoint.base_url)
        with serve(store) as url:
            visit(page, f"{url}/lab", "Proposer lab")
            box = page.get_by_role("combobox").first
            box.click()
            page.get_by_role("option", name="As in borrowed").click()
            expect(page.get_by_text("Nothing leaves this machine")).to_be_visible()
            page.get_by_role("button", name="Write instructions").click()
            page.wait_for_url("**/lab?run=*")
            page.reload()
            expect(page.get_by_text("Which of these switches win?")).to_be_visible()
            expect(page.get_by_text("nothing but the seed").first).to_be_visible()
            expect(page.get_by_role("button", name="Start counting")).to_be_visible()
            expect(page.get_by_test_id("stException")).to_have_count(0)
    with Reader(store) as reader:
        session = next(run for run in reader.list_runs() if run.optimizer == "lab")
        assert session.status is Status.COMPLETED
        assert not reader.trials(session.id)
