"""A real server and a real Chromium, for what only a browser can show."""

import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.waits import until

__all__ = ["chromium", "serve", "visit"]

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
PATIENCE_MS = 150_000
"""What is waited for comes in a second or two; on a busy machine nothing is late before."""
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def serve(store: Path) -> Iterator[str]:
    """The studio on a free port over `store`; yields its address, ends the process it started."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = store.with_name("server.log")
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless=true", f"--server.port={port}"],
            cwd=ROOT,
            env={**os.environ, "MIPRO_STUDIO_STORE": str(store)},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait(f"http://127.0.0.1:{port}/_stcore/health", process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=120)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    def is_up() -> bool:
        assert process.poll() is None, f"The server did not come up:\n{log.read_text()}"
        try:
            with urllib.request.urlopen(url, timeout=60):
                return True
        except (urllib.error.URLError, TimeoutError):
            return False

    until(is_up, step_s=0.1)


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS, timeout=PATIENCE_MS)
        _be_patient(browser)
        try:
            yield browser
        finally:
            browser.close()


def _be_patient(browser: Browser) -> None:
    """Whatever is expected of a page, and done on one, has `PATIENCE_MS`; nothing moves, which would cost much."""
    expect.set_options(timeout=PATIENCE_MS)
    new_context = browser.new_context

    def patient_context(**given: Any) -> BrowserContext:
        context = new_context(**{"reduced_motion": "reduce", **given})
        context.set_default_timeout(PATIENCE_MS)
        return context

    browser.new_context = patient_context  # type: ignore[method-assign]
    browser.new_page = lambda **given: patient_context(**given).new_page()  # type: ignore[method-assign]


def visit(page: Page, url: str, heading: str) -> None:
    """Open `url` and wait for the heading, not for silence: the socket never falls silent."""
    page.goto(url)
    expect(page.get_by_role("heading", name=heading).first).to_be_visible()
