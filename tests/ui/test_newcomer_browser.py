"""A newcomer in a real Chromium: from the list of runs over a result that is understood to its winner in a file."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from mipro_studio.storage import Reader
from tests.inside import shell
from tests.ui.browser import CHROMIUM, chromium, serve, visit
from tests.ui.hands import Hands
from tests.ui.reviewing import SHOWN_MS
from tests.working import arguments, inside, write_rows

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="there is no Chromium"),
]
MOST_CLICKS = 3
"""The pages of November's commit took 8 for the same, counted by the same hands (docs/compared.md)."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A store with a run of a small program whose winner is better than the program as it came."""
    folder = tmp_path_factory.mktemp("newcomer")
    store, endpoint = folder / "studio.db", inside(correlation=0.5)
    endpoint.start()
    given = arguments(write_rows(folder), endpoint.base_url, "--seed", "1", "--store", str(store), "--json")
    done = shell(*given)
    endpoint.close()
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["status"] == "completed" and found["winner"] != "i0d0-i0d0", found["headline"]
    return store, str(found["headline"])


@pytest.fixture(scope="module")
def context(finished: tuple[Path, str]) -> Iterator[BrowserContext]:
    # Playwright comes after the run: it keeps this thread's event loop for itself.
    with chromium() as browser:
        yield browser.new_context(viewport={"width": 1440, "height": 1000}, accept_downloads=True)


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    opened = context.new_page()
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def url(finished: tuple[Path, str]) -> Iterator[str]:
    with serve(finished[0]) as address:
        yield address


def test_from_the_list_of_runs_to_the_winner_in_a_file(
    page: Page, url: str, finished: tuple[Path, str], tmp_path: Path
) -> None:
    _, headline = finished
    hands = Hands(page)
    visit(page, url, "Runs")
    expect(page.get_by_test_id("stDataFrame").first).to_be_visible(timeout=SHOWN_MS)
    page.wait_for_timeout(800)  # a canvas says nothing of when it can be pressed
    hands.clicks += 1
    page.get_by_test_id("stDataFrame").first.click(position={"x": 200, "y": 54})
    expect(page.get_by_role("heading", name=headline)).to_be_visible(timeout=SHOWN_MS)
    for seen in ("Before", "After"):  # the prompt, without a press
        expect(page.get_by_text(seen).first).to_be_visible(timeout=SHOWN_MS)
    # and so are some examples with both answers
    expect(page.get_by_role("heading", name="For example")).to_be_visible(timeout=SHOWN_MS)
    hands.click(page.get_by_role("link", name="Take it home"))
    taken = downloaded(hands, "All in one ZIP", tmp_path)
    expect(page.get_by_test_id("stException")).to_have_count(0)
    print(f"\nthe newcomer's path: {hands}")
    assert hands.clicks <= MOST_CLICKS and not hands.keys
    with zipfile.ZipFile(taken) as files:
        assert {"queue", "tone"} <= set(json.loads(files.read("program.json")))
        assert headline in files.read("report.html").decode()


def test_a_result_is_taken_home_by_the_keyboard_alone(page: Page, url: str, finished: tuple[Path, str]) -> None:
    store, headline = finished
    hands = Hands(page)
    with Reader(store) as reader:
        run = reader.list_runs()[0].id
    visit(page, f"{url}/live?run={run}", headline)
    for name in ("Example by example", "Take it home"):
        link = page.get_by_role("link", name=name)
        reach(hands, link)
        hands.press("Enter")
        expect(link).to_have_count(0, timeout=SHOWN_MS)  # no page has a link to itself
    button = page.get_by_role("button", name="program.json")
    expect(button).to_be_visible(timeout=SHOWN_MS)
    reach(hands, button)
    with page.expect_download(timeout=SHOWN_MS) as download:
        hands.press("Enter")
    assert download.value.suggested_filename == "program.json"
    assert not hands.clicks


def reach(hands: Hands, what: Locator) -> None:
    """Tab until it has the focus, and it shows that it has."""
    expect(what).to_be_visible(timeout=SHOWN_MS)
    for _ in range(90):
        if what.evaluate("one => one === document.activeElement || one.contains(document.activeElement)"):
            break
        hands.press("Tab")
    else:
        raise AssertionError(f"Tab never comes to {what}")
    shown = hands.page.evaluate(
        "() => { const s = getComputedStyle(document.activeElement); return s.outlineStyle !== 'none' || "
        "s.boxShadow !== 'none' || document.activeElement.matches(':focus-visible'); }"
    )
    assert shown, "nothing shows where the focus is"


def test_whoever_asks_for_less_motion_gets_none(page: Page, url: str) -> None:
    seconds = (
        "() => Math.max(...[...document.querySelectorAll('.stApp *')].map(one => "
        "Math.max(...getComputedStyle(one).transitionDuration.split(',').map(parseFloat))))"
    )
    page.emulate_media(reduced_motion="reduce")
    visit(page, url, "Runs")
    page.wait_for_function(f"() => ({seconds})() < 0.001")  # the heading may be there before the styles
    page.emulate_media(reduced_motion="no-preference")
    assert page.evaluate(seconds) > 0.01, "what is measured is there to be taken away"


def downloaded(hands: Hands, label: str, folder: Path) -> Path:
    button = hands.page.get_by_role("button", name=label)
    expect(button).to_be_visible(timeout=SHOWN_MS)
    with hands.page.expect_download(timeout=SHOWN_MS) as download:
        hands.click(button)
    file = folder / download.value.suggested_filename
    download.value.save_as(file)
    return file
