"""A person's hands on a page: what they press, click and type is counted."""

from playwright.sync_api import Locator, Page

__all__ = ["Hands"]


class Hands:
    """`keys` are single key presses, `typed` characters of texts, `clicks` those of the mouse."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.keys = self.clicks = self.typed = 0

    def press(self, key: str) -> None:
        self.keys += 1
        self.page.keyboard.press(key)

    def click(self, what: Locator) -> None:
        self.clicks += 1
        what.click()

    def type(self, text: str) -> None:
        self.typed += len(text)
        self.page.keyboard.insert_text(text)

    def __str__(self) -> str:
        return f"{self.clicks} clicks, {self.keys} keys, {self.typed} characters typed"
