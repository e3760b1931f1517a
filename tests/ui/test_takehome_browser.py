"""The report and the compare page in a real browser that has no network: nothing runs, nothing is asked for."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from mipro_studio.storage import Reader
from mipro_studio.ui.export.report import report_html
from tests.ui.browser import CHROMIUM, chromium, serve, visit
from tests.ui.factory import MARKER, fill

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="there is no Chromium"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    store = tmp_path_factory.mktemp("studio") / "studio.db"
    return store, fill(store, ["finished", "hostile"])


def test_a_hostile_report_opens_offline_and_does_nothing(
    browser: Browser, filled: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    file = tmp_path / "report.html"
    with Reader(filled[0]) as reader:
        file.write_text(report_html(reader, filled[1]["hostile"]), encoding="utf-8")
    context = browser.new_context(offline=True, viewport={"width": 1024, "height": 900})
    page = context.new_page()
    dialogs: list[str] = []
    asked: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    expect(page.get_by_role("heading", name=MARKER)).to_be_visible()
    expect(page.locator("svg[role=img]")).to_be_visible()
    for summary in page.locator("summary").all():
        summary.click()
    page.wait_for_timeout(300)
    assert (dialogs, asked) == ([], [file.as_uri()])
    expect(page.locator("script, img")).to_have_count(0)
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), "long text scrolls sideways"
    context.close()


def test_the_compare_page_shows_foreign_text_as_text(browser: Browser, filled: tuple[Path, dict[str, str]]) -> None:
    store, ids = filled
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    with serve(store) as url:
        visit(page, f"{url}/compare?run={ids['finished']}", "Compare")
        expect(page.get_by_text("Improvements (8)")).to_be_visible()
        expect(page.get_by_role("radio", name="Sealed test")).to_be_checked()
        visit(page, f"{url}/compare?run={ids['finished']}&split=val&example=val-3", "Compare")
        expect(page.get_by_text("Improvements (26)")).to_be_visible()
        expect(page.get_by_text("Step 1 of 2")).to_be_visible()
        page.get_by_text("Regressions (1)").click()
        page.wait_for_url("**show=regressed**")
        visit(page, f"{url}/compare?run={ids['hostile']}", "Compare")
        expect(page.get_by_role("heading", name="Instructions and demos")).to_be_visible()
        expect(page.get_by_text("<script>alert(1)</script>").first).to_be_visible()
        main = page.get_by_test_id("stMain")
        expect(main.locator("img[src=x], script, .katex")).to_have_count(0)
        expect(page.get_by_test_id("stException")).to_have_count(0)
    assert not dialogs
    page.close()
