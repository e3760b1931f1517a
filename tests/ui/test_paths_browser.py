"""Less travelled paths to their end in a real Chromium: other optimizers, a program without code, a judge."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import dspy
import pytest
from playwright.sync_api import Browser, expect

from mipro_studio.storage import Reader
from tests.inside import shell
from tests.pages.open import open_page, texts
from tests.programs import desk
from tests.ui.browser import CHROMIUM, chromium, serve, visit
from tests.ui.reviewing import SHOWN_MS
from tests.working import DESK, inside, write_rows

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(400),
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="there is no Chromium"),
]
NO_CODE = "predict:message -> queue: Literal['billing', 'technical', 'shipping', 'account']"
PATHS: Mapping[str, tuple[str, ...]] = {
    "judged": (NO_CODE, "--criteria", "It names one queue.", "--criteria", "It is the right one."),
    "gepa": (DESK, "--optimizer", "gepa", "--max-program-runs", "150"),
    "mipro_pp": (DESK, "--optimizer", "mipro_pp"),
    "bootstrap": (DESK, "--optimizer", "bootstrap_few_shot"),
}
FULLEST = "mipro_pp"
"""Writes instructions and builds demo sets."""
PAGES = ("instructions", "traces", "compare", "present", "replay", "settings")
BY_NATURE = {
    ("gepa", "traces"): "builds no demo sets",
    ("bootstrap", "instructions"): "writes no instructions",
}
"""What a page says of what an optimizer does not have."""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A store with a finished run of every path."""
    folder = tmp_path_factory.mktemp("paths")
    store, ids, endpoint = folder / "studio.db", {}, inside(correlation=0.5)
    rows = write_rows(folder)
    endpoint.start()
    small = ("--trials", "4", "--candidates", "3", "--minibatch-size", "6", "--threads", "4", "--seed", "1")
    for name, (program, *more) in PATHS.items():
        given = ("--data", str(rows), "--inputs", "message", "--task-model", "openai/task", "--api-base",
                 endpoint.base_url, "--store", str(store), "--json", *small)  # fmt: skip
        done = shell("run", program, *given, *more)
        assert done.stdout, (name, done.stderr)
        found = json.loads(done.stdout.splitlines()[-1])
        assert found["status"] == "completed", (name, found["reason"])
        ids[name] = found["run_id"]
    endpoint.close()
    return store, ids


@pytest.fixture(scope="module")
def browser(ran: tuple[Path, dict[str, str]]) -> Iterator[Browser]:
    # Playwright comes after the runs: it keeps this thread's event loop for itself.
    with chromium() as opened:
        yield opened


@pytest.mark.parametrize("name", PATHS)
def test_every_path_is_shown_on_every_page(
    name: str, ran: tuple[Path, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a browser, which takes twenty times as long for each."""
    store, ids = ran
    monkeypatch.setenv("MIPRO_STUDIO_STORE", str(store))
    for place in PAGES:
        app = open_page(f"pages/{place}.py", run=ids[name])
        assert not app.error, (place, [one.value for one in app.error])
        said = texts(app)
        assert said.strip(), place
        assert BY_NATURE.get((name, place), "") in said, (place, said)


def test_every_path_is_taken_home_and_the_fullest_is_on_every_page_of_a_browser(
    browser: Browser, ran: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    store, ids = ran
    with Reader(store) as reader:
        named = {run: reader.run(run).name for run in ids.values()}
    page = browser.new_context(viewport={"width": 1440, "height": 1000}, accept_downloads=True).new_page()
    with serve(store) as url:
        for name, run in ids.items():
            visit(page, f"{url}/live?run={run}", named[run])
            expect(page.get_by_text("Finished").first).to_be_visible(timeout=SHOWN_MS)
            for place in PAGES if name == FULLEST else ():
                page.goto(f"{url}/{place}?run={run}")
                expect(page.get_by_role("heading").first).to_be_visible(timeout=SHOWN_MS)
                expect(page.get_by_test_id("stException")).to_have_count(0)
            visit(page, f"{url}/export?run={run}&make=1", named[run])
            folder = tmp_path / name
            for label in ("program.json", "load_program.py"):
                button = page.get_by_role("button", name=label)
                expect(button).to_be_visible(timeout=SHOWN_MS)
                with page.expect_download(timeout=SHOWN_MS) as download:
                    button.click()
                download.value.save_as(folder / label)
            loads(folder, name)


def loads(folder: Path, name: str) -> None:
    """Plain DSPy takes the file back; of a program without code, its script alone does."""
    script = (folder / "load_program.py").read_text(encoding="utf-8")
    if name != "judged":
        ast.parse(script)
        program: dspy.Module = desk.Desk()
        program.load(str(folder / "program.json"))
        assert [one for one, _ in program.named_predictors()] == ["queue", "tone"]
        return
    lines = script.rstrip().splitlines()
    assert lines[-1].startswith("print(")
    asking_none = "\n".join([*lines[:-1], "print([name for name, _ in program.named_predictors()])"])
    done = subprocess.run([sys.executable, "-c", asking_none], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("["), done.stderr
