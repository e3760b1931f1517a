"""The whole job as a person does it, in a real Chromium on the embedded model: from an empty store to a report.

The model's server is the real one; its network is a very small one, whose answers nobody here reads.
`tests/worker/test_embedded_run.py` asks the real network. Every process is started as on a person's machine.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Download, Page, expect

from mipro_studio.optimizer_core.models.embedded.weights import GGUF_ENV
from mipro_studio.optimizer_core.types import INSTRUCTION, Author, Candidate, Status
from mipro_studio.storage import Reader
from tests.agreement import LEAST, agreement
from tests.optimizer_core.finetuning.tiny import write_tiny_model
from tests.ui.browser import chromium, serve, visit
from tests.ui.reviewing import review

pytestmark = [
    pytest.mark.browser,
    pytest.mark.embedded,
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("started_processes"),
]
RUN_MS = 600_000
WRITTEN = "Name the queue that has to act on what the customer asks for."
EDITED = "Pick the support queue. Answer with its name only."


@pytest.fixture
def browser(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    tiny = tmp_path / "tiny.gguf"
    write_tiny_model(tiny)
    monkeypatch.setenv(GGUF_ENV, str(tiny))
    with chromium() as opened:
        yield opened


def fill(page: Page, label: str, value: str) -> None:
    """A number or text field: typed, and taken by the app."""
    field = page.get_by_label(label, exact=True).first
    expect(field).to_be_visible()
    field.fill(value)
    field.press("Enter")


def menu(page: Page, title: str, heading: str) -> None:
    page.get_by_test_id("stSidebar").get_by_role("link", name=title).click()
    expect(page.get_by_role("heading", name=heading).first).to_be_visible()


def run_of(page: Page) -> str:
    page.wait_for_url(re.compile(r"[?&]run="))
    return page.url.partition("run=")[2].partition("&")[0]


def save(download: Download, to: Path) -> Path:
    download.save_as(to)
    return to


def set_up(page: Page, url: str) -> str:
    """From the empty home page to a run with a stop for review; answers its id."""
    visit(page, url, "There is no run yet. Start with a sample")
    page.get_by_role("button", name="Set up").first.click()
    expect(page.get_by_role("heading", name="New run").first).to_be_visible()
    page.get_by_text("Stop after proposing so that I can review").click()
    page.get_by_text("Split, and columns by hand").click()
    fill(page, "Rows at most", "40")
    page.get_by_text("Search: every number by hand").click()
    fill(page, "Candidates a predictor", "3")
    fill(page, "Trials", "3")
    page.get_by_role("button", name="Check", exact=True).click()
    start = page.get_by_role("button", name="Start", exact=True)
    expect(start).to_be_enabled()
    expect(page.get_by_text("Nothing leaves this machine")).to_be_visible()
    start.click()
    expect(page.get_by_text("Waiting for you").first).to_be_visible(timeout=RUN_MS)
    return run_of(page)


def watch(page: Page) -> None:
    menu(page, "Live", "triage")
    expect(page.get_by_text("Finished").first).to_be_visible(timeout=RUN_MS)
    expect(page.get_by_role("heading", name="that the search never saw").first).to_be_visible()
    page.get_by_text("How sure this is").click()
    expect(page.get_by_text("The sealed test, never seen by the search")).to_be_visible()


def compare(page: Page) -> None:
    """Baseline and best stand side by side without being asked for."""
    menu(page, "Compare", "triage")
    for group in ("Improvements", "Regressions", "Same"):
        expect(page.get_by_text(re.compile(rf"{group} \(\d+\)")).first).to_be_visible()
    expect(page.get_by_role("heading", name="Instructions and demos")).to_be_visible()


def take_home(page: Page, folder: Path) -> dict[str, Path]:
    menu(page, "Export & report", "triage")
    page.get_by_role("button", name="Prepare the files").click()
    found = {}
    for label, name in (
        ("program.json", "program.json"),
        ("Report (HTML)", "report.html"),
        ("Replay file", "r.mipro"),
    ):
        button = page.get_by_role("button", name=label)
        expect(button).to_be_visible()
        with page.expect_download() as download:
            button.click()
        found[name] = save(download.value, folder / name)
    fill(page, "Examples", "4")
    page.get_by_role("button", name="Ask again").click()
    expect(page.get_by_text("Asked on 4 examples of the sealed test split")).to_be_visible(timeout=RUN_MS)
    return found


def opens_offline(browser: Browser, file: Path) -> None:
    context = browser.new_context(offline=True, viewport={"width": 1024, "height": 900})
    page, asked = context.new_page(), list[str]()
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    expect(page.locator("svg[role=img]").first).to_be_visible()
    expect(page.get_by_role("heading", name="triage").first).to_be_visible()
    expect(page.get_by_text("What was tried")).to_be_visible()
    assert asked == [file.as_uri()]
    context.close()


def replays(page: Page, folder: Path, file: Path) -> None:
    """Another studio with an empty store plays the file."""
    folder.mkdir()
    with serve(folder / "studio.db") as url:
        visit(page, url, "There is no run yet. Start with a sample")
        page.get_by_role("button", name="Open a replay").click()
        page.locator("input[type=file]").first.set_input_files(str(file))
        page.get_by_role("button", name="Open", exact=True).click()
        page.wait_for_url(re.compile("/replay"))
        expect(page.get_by_role("heading", name="triage").first).to_be_visible()
        expect(page.get_by_role("slider").first).to_be_visible()
        expect(page.get_by_test_id("stException")).to_have_count(0)


def test_from_an_empty_store_to_a_program_and_a_report(browser: Browser, tmp_path: Path) -> None:
    store = tmp_path / "studio.db"
    context = browser.new_context(viewport={"width": 1440, "height": 1000}, accept_downloads=True)
    page = context.new_page()
    with serve(store) as url:
        run_id = set_up(page, url)
        review(
            page, url, run_id, "triage", edited=EDITED, written=WRITTEN, reason="It answers instead of instructing."
        )
        watch(page)
        compare(page)
        files = take_home(page, tmp_path)
        expect(page.get_by_test_id("stException")).to_have_count(0)
    with Reader(store) as reader:
        run = reader.run(run_id)
        assert run.status is Status.COMPLETED
        arms = {arm.index: arm for arm in reader.instructions(run_id) if arm.owner == "queue"}
        persons = {index: arm.text for index, arm in arms.items() if arm.author is Author.PERSON}
        tried = {Candidate.parse(trial.candidate).arm(0, INSTRUCTION) for trial in reader.trials(run_id)}
        assert sorted(persons.values()) == sorted([EDITED, WRITTEN])
        assert set(persons) <= tried and not {1, 2} & tried
        assert agreement(files["program.json"], reader, run_id) >= LEAST
    assert "api_key" not in json.dumps(json.loads(files["program.json"].read_text()))
    opens_offline(browser, files["report.html"])
    assert max(file.stat().st_size for file in files.values()) < 5_000_000
    replays(page, tmp_path / "other", files["r.mipro"])
    context.close()
