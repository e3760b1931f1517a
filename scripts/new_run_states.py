"""What is done on New run before it is pictured: after a check, refused, with rows of one's own, scrolled."""

import csv
from collections.abc import Callable, Mapping
from pathlib import Path

from playwright.sync_api import Page

from mipro_studio.sample_programs import CATALOG

__all__ = ["STATES", "scrolled"]

WORKS_MS = 120_000


def rows_file(folder: Path) -> Path:
    file = folder / "tickets.csv"
    rows = CATALOG["triage"].rows()[:60]
    lines = [("message", "queue"), *((row["message"], row["queue"]) for row in rows)]
    with file.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows(lines)
    return file


def _choose(page: Page, name: str) -> None:
    page.get_by_role("radio", name=name).or_(page.get_by_role("button", name=name)).first.click()


def _type(page: Page, label: str, text: str) -> None:
    field = page.get_by_label(label, exact=True).first
    field.fill(text)
    field.press("Enter")


def checked(page: Page, folder: Path) -> None:
    """The sample after its check on the embedded model."""
    page.get_by_role("button", name="Check", exact=True).click()
    page.get_by_text("Tried on").first.wait_for(timeout=WORKS_MS)


def refused(page: Page, folder: Path) -> None:
    """A program that is not there."""
    _choose(page, "My own")
    _type(page, "Path or dotted path", "nowhere.py")
    _choose(page, "One file")
    _type(page, "Path of the file", str(rows_file(folder)))
    page.get_by_role("button", name="Check", exact=True).click()
    page.get_by_text("The check found a problem").wait_for()


def uploaded(page: Page, folder: Path) -> None:
    """A program without code on rows that a person uploads."""
    _choose(page, "No code")
    _type(page, "Input 1", "message")
    _type(page, "Output 1", "queue")
    _choose(page, "Upload")  # the program's own comes first
    _choose(page, "No code")
    page.get_by_role("radio", name="Upload").or_(page.get_by_role("button", name="Upload")).last.click()
    page.locator("input[type=file]").last.set_input_files(str(rows_file(folder)))
    page.get_by_text("the first").first.wait_for()


def scrolled(page: Page, folder: Path) -> None:
    """Half way down; Check and Start stay."""
    page.evaluate("() => { document.querySelector('[data-testid=stMain]').scrollTop = 900; }")


STATES: Mapping[str, Callable[[Page, Path], None]] = {
    "checked": checked, "refused": refused, "uploaded": uploaded, "scrolled": scrolled,
}  # fmt: skip
"""What is done on New run before it is pictured."""
