"""What a person does at the review gate, in a browser: edit one instruction, reject one, write one, go."""

from playwright.sync_api import Page, expect

from tests.ui.browser import PATIENCE_MS, visit

__all__ = ["SHOWN_MS", "review"]

SHOWN_MS = PATIENCE_MS


def review(page: Page, url: str, run_id: str, heading: str, *, edited: str, written: str, reason: str = "") -> None:
    """Edit instruction 1, reject instruction 2 for `reason`, add `written`, start the search."""
    _open(page, url, run_id, heading, 1)
    text = page.get_by_label("Instruction", exact=True)
    # The one to edit comes above the one to write, and may come later.
    expect(text).to_have_count(2)
    text.first.fill(edited)
    text.first.press("Control+Enter")
    page.get_by_role("button", name="Save as a new instruction").click()
    expect(page.get_by_text("1 change waiting")).to_be_visible()
    _open(page, url, run_id, heading, 2)
    page.get_by_role("tab", name="Reject").click()
    if reason:
        page.get_by_label("Reason", exact=True).first.fill(reason)
        page.get_by_label("Reason", exact=True).first.press("Enter")
    page.get_by_role("button", name="Reject", exact=True).click()
    expect(page.get_by_text("2 changes waiting")).to_be_visible()
    text.last.fill(written)
    text.last.press("Control+Enter")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("3 changes waiting")).to_be_visible()
    expect(page.get_by_test_id("stException")).to_have_count(0)
    page.get_by_role("button", name="Start the search").click()
    expect(page.get_by_text("The search has not begun")).to_have_count(0)


def _open(page: Page, url: str, run_id: str, heading: str, arm: int) -> None:
    visit(page, f"{url}/instructions?run={run_id}&arm={arm}", heading)
    expect(page.get_by_text("The search has not begun")).to_be_visible()
