"""What a person waits for when they open a page in a browser: `python -m benchmarks.first_paint`, two minutes.

The store is that of `page_times`. Each page is opened in a fresh Chromium profile, by a server of its own that has
drawn nothing yet, and by one that has drawn the page before. Milliseconds from the navigation to the page's title on
screen (with the browser's own start of the studio) and to the end of the page's script.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, expect

from mipro_studio.benchmarks.live_refresh import fill
from mipro_studio.benchmarks.page_times import add_arms, pages
from mipro_studio.storage import Store
from tests.ui.browser import chromium, serve

LIMIT_MS = 60_000


def opened(browser: Browser, url: str) -> tuple[float, float]:
    """(title on screen, script at its end), in milliseconds."""
    with browser.new_context(reduced_motion="no-preference") as context:  # as most people's
        page = context.new_page()
        start = time.perf_counter()
        page.goto(url)
        expect(page.get_by_role("heading", level=1).first).to_be_visible(timeout=LIMIT_MS)
        painted = time.perf_counter()
        page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]', timeout=LIMIT_MS)
        return 1000 * (painted - start), 1000 * (time.perf_counter() - start)


def main() -> None:
    """Fill a store in a temporary folder and print the figures."""
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        path = Path(folder) / "studio.db"
        os.environ["MIPRO_STUDIO_STORE"] = str(path)
        with Store(path) as store:
            run_id = fill(store, 1000, 100_000)
            add_arms(store, run_id)
        print(f"{'milliseconds':<16}{'title, new':>12}{'whole, new':>12}{'title':>12}{'whole':>12}")
        for name, script, query, tab in pages(run_id):
            if tab:
                continue
            at = "" if script == "app.py" else f"{name}?{'&'.join(f'{key}={value}' for key, value in query.items())}"
            with serve(path) as url:
                times = [*opened(browser, f"{url}/{at}"), *opened(browser, f"{url}/{at}")]
            print(f"{name:<16}" + "".join(f"{taken:>12.0f}" for taken in times), flush=True)


if __name__ == "__main__":
    main()
