"""axe-core finds nothing wrong on any page, light and dark, nor on what opens on one."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from mipro_studio.ui.page import frame
from mipro_studio.ui.page.frame import MENU, PRESENT
from tests.ui.axe import SCRIPT, violations
from tests.ui.browser import chromium, serve, visit
from tests.ui.compare.together import together
from tests.ui.factory import fill

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not SCRIPT.exists(), reason="npm install --no-save axe-core@4.14.1"),
]


def name_of(page: frame.Page) -> str:
    """Its address."""
    return Path(page.path).stem


OF_RUN = {name_of(page): "finished" for page in MENU if page.of_run and page != PRESENT} | {"instructions": "review"}
PLAIN = {"": "Runs", "new_run?sample=triage": "New run", "lab": "Proposer lab", "benchmarks": "Benchmarks"}
NAMES = {"finished": "triage, embedded model", "review": "triage, with review"}
SETTLE_MS = 2600


def test_no_page_is_left_out() -> None:
    assert {path.partition("?")[0] or "app" for path in PLAIN} == {name_of(page) for page in MENU if not page.of_run}


def without_code(page: Page) -> None:
    page.get_by_role("radio", name="No code").or_(page.get_by_role("button", name="No code")).first.click()
    expect(page.get_by_text("What goes in", exact=True)).to_be_visible(timeout=30_000)
    page.get_by_text("As a signature").click()


def form(button: str, seen: str) -> Callable[[Page], None]:
    def press(page: Page) -> None:
        page.locator(f".st-key-queue_{button} button").click(timeout=60_000)
        expect(page.get_by_label(seen).first).to_be_visible(timeout=60_000)

    return press


def tab(name: str) -> Callable[[Page], None]:
    return lambda page: page.get_by_role("tab", name=name).click()


def opened(ids: Mapping[str, str]) -> list[tuple[str, str, Callable[[Page], None] | None]]:
    """(address, heading, what is done there) of what is open on a page beside what it begins with."""
    review, finished = f"instructions?run={ids['review']}", ids["finished"]
    slides = [(f"present?run={finished}&slide={slide}", "", None) for slide in range(1, 6)]
    return [
        ("new_run?sample=triage", "New run", without_code),
        (review, NAMES["review"], form("edit", "Instead of it")),
        (review, NAMES["review"], form("write", "A new instruction for")),
        (review, NAMES["review"], form("note", "A note on it")),
        (f"live?run={finished}", NAMES["finished"], tab("Trials")),
        (f"live?run={finished}", NAMES["finished"], tab("Beliefs")),
        (f"compare?run={finished}&split=val&example=val-3", "Compare", None),
        (f"compare?run={ids['together']}", "Compare", None),
        *slides,
    ]


def test_every_page_and_what_opens_on_it_is_clean_in_light_and_dark(tmp_path: Path) -> None:
    store = tmp_path / "studio.db"
    ids = fill(store, ["finished", "review"])
    ids["together"] = together(store)
    places: list[tuple[str, str, Callable[[Page], None] | None]] = [
        (path, said, None) for path, said in PLAIN.items()
    ]
    places += [(f"{page}?run={ids[kind]}", NAMES[kind], None) for page, kind in OF_RUN.items()]
    found: dict[str, list[str]] = {}
    with serve(store) as url, chromium() as browser:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        for place, (path, heading, does) in enumerate([*places, *opened(ids)]):
            if heading:
                visit(page, f"{url}/{path}", heading)
            else:
                page.goto(f"{url}/{path}")
                expect(page.locator(".slide").first).to_be_visible(timeout=30_000)
            if does is not None:
                page.wait_for_timeout(SETTLE_MS)
                does(page)
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                page.wait_for_timeout(SETTLE_MS)
                found[f"{place} {scheme} {path}"] = violations(page)
        page.close()
    assert not any(found.values()), {place: said for place, said in found.items() if said}
