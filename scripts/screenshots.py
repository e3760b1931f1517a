"""Pictures of every page, wide and narrow, light and dark, over a store filled for the purpose.

    python scripts/screenshots.py OUT [PAGE ...]      such as live-finished, new-run-no-code, traces-empty, live-*
    python scripts/screenshots.py --docs [PAGE ...]    only the README's, in their place and no taller than a page

The README's are of a real run: `docs/runs/triage.mipro`, made by `python cli.py run sample:triage --seed 0` on the
embedded model and packed by `python cli.py pack`; that of strategies is of `docs/runs/together.mipro`, made by
`python -m benchmarks.strategies`.

Each page is opened once and pictured four times; the four stand on one sheet as well (OUT/sheets), to be looked at
together. Needs Playwright and a Chromium (`CHROMIUM` names another than /usr/bin/chromium).
"""

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from fnmatch import fnmatch
from itertools import product
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from PIL import Image
from playwright.sync_api import Browser, Page, TimeoutError

from mipro_studio.control import take_home
from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.types import Candidate, ErrorClass, Event, EventKind, Phase, Split, Status
from mipro_studio.storage import Reader
from mipro_studio.ui.export.report import report_html
from mipro_studio.ui.replay.replay_state import history
from scripts.new_run_states import STATES, scrolled
from tests.ui.browser import ROOT, chromium, serve, visit
from tests.ui.factory import MARKER, LiveRun, fill

WIDTHS = (1440, 1024)
SCHEMES = ("light", "dark")
HEIGHT, TALLEST, DOCS_TALLEST = 900, 3200, 1900
WORKS_MS = 60_000
SHEET_PX, SHEET_TALLEST = 780, 640
REAL = ROOT / "docs" / "runs" / "triage.mipro"
TOGETHER = REAL.with_name("together.mipro")
DOCS = {
    "replay-search": ("light", "/replay?run={run}&at={middle}"),
    "live-finished": ("dark", "/live?run={run}"),
    "instructions": ("light", "/instructions?run={run}"),
    "traces": ("light", "/traces?run={run}"),
    "compare": ("light", "/compare?run={run}"),
    "report": ("light", ""),
    "new-run": ("light", "/new_run?sample=triage"),
    "strategies": ("light", "/compare?run={together}"),
}
"""The README's, at the first width: scheme and path."""
STILL = """() => {
  const app = document.querySelector("[data-testid=stApp]"), main = document.querySelector("[data-testid=stMain]");
  if (!app || !main) return false;
  const charts = [...document.querySelectorAll(".mipro-chart")].every(chart => chart.querySelector(".main-svg"));
  const seen = [main.innerText, main.scrollHeight, main.clientWidth, getComputedStyle(app).backgroundColor].join("|");
  const works = app.dataset.testScriptState !== "notRunning" || document.querySelector("[data-testid=stSkeleton]");
  if (works || !charts || window.__seen !== seen) { window.__since = performance.now(); window.__seen = seen; }
  return performance.now() - window.__since > 600;
}"""
"""The app rests, its charts are drawn, and nothing changes. A page that polls rests between its runs."""
OF_RUN = ("live", "instructions", "traces", "compare", "present", "export", "replay", "settings")
TABS = ("Trials", "Beliefs", "Parallel coordinates", "Spending", "Errors", "Log")


def pages(ids: dict[str, str]) -> Iterator[tuple[str, str, str, str]]:
    """(name, path, heading, tab or button to press)"""
    yield "home", "/", "Runs", ""
    yield "new-run", "/new_run?sample=triage", "New run", ""
    yield "lab", "/lab", "Proposer lab", ""
    yield "benchmarks", "/benchmarks", "Benchmarks", ""
    names = {
        "running": "triage, 0.1 s endpoint",
        "finished": "triage, embedded model",
        "nogain": "extract invoices",
        "capped": "answer with search",
        "paused": "triage, remote endpoint",
        "review": "triage, with review",
        "failed": "triage with my metric",
        "stopped": "triage, first try",
        "lost": "triage overnight",
        "queued": "triage, endpoint model",
        "hostile": MARKER,
        "given-up": "triage, all errors",
    }
    for kind, heading in names.items():
        yield f"live-{kind}", f"/live?run={ids[kind]}", heading, ""
    for phase in (Phase.SETUP, Phase.BOOTSTRAP, Phase.PROPOSE, Phase.TEST):
        yield f"live-{phase}", f"/live?run={ids[phase.value]}", f"triage, {phase}", ""
    for kind in ("review", "running", "finished", "failed", "stopped", "hostile"):
        yield f"instructions-{kind}", f"/instructions?run={ids[kind]}", names[kind], ""
        yield f"traces-{kind}", f"/traces?run={ids[kind]}", names[kind], ""
    for place, kind in product(
        ("compare", "export", "settings", "replay", "present"), ("finished", "failed", "stopped", "hostile")
    ):
        yield f"{place}-{kind}", f"/{place}?run={ids[kind]}", names[kind], ""
    for slide in range(2, 6):
        yield f"present-finished-{slide}", f"/present?run={ids['finished']}&slide={slide}", "", ""
    compared = f"/compare?run={ids['finished']}"
    yield "compare-five", f"{compared}&split=val&more={ids['more']}", names["finished"], ""
    yield "compare-two-runs", f"{compared}&split=val&other={ids['capped']}", names["finished"], ""
    yield "compare-a-row", f"{compared}&split=val&more={ids['more']}&example=val-0", names["finished"], ""
    yield "new-run-no-code", "/new_run?sample=triage", "New run", "No code"
    for place in OF_RUN:
        yield f"{place}-replayed", f"/{place}?run={ids['replayed']}", "", ""
    for kind, tab in product(("running", "hostile"), TABS):
        yield f"live-{kind}-{tab.lower().replace(' ', '-')}", f"/live?run={ids[kind]}", names[kind], tab


def new_run_states(page: Page, url: str, out: Path, folder: Path, wanted: Callable[[str], bool]) -> None:
    for name, act in STATES.items():
        if wanted(f"new-run-{name}"):
            visit(page, f"{url}/new_run?sample=triage", "New run")
            still(page)
            act(page, folder)
            four(page, out, f"new-run-{name}", whole=act is not scrolled)


def phases(store: Path) -> dict[str, str]:
    """Runs that are at work, one in each phase before and after the search."""
    found = {}
    for phase in (Phase.SETUP, Phase.BOOTSTRAP, Phase.PROPOSE, Phase.TEST):
        run = LiveRun(store, f"triage, {phase}", age_s=150, config=RunConfig(program="sample:triage"), seed=7)
        run.begin()
        if phase is not Phase.SETUP:
            run.bootstrap(4 if phase is not Phase.BOOTSTRAP else 2)
        if phase in (Phase.PROPOSE, Phase.TEST):
            run.propose()
        if phase is Phase.TEST:
            run.baseline()
            for _ in range(12):
                run.step()
        run.phase(phase, 24, 93, "fetching the embedded model" if phase is Phase.SETUP else "")
        run.now()
        found[phase.value] = run.id
        run.close()
    found["given-up"] = given_up(store)
    return found


def given_up(store: Path) -> str:
    """A run that was paused because (nearly) every program run failed."""
    run = LiveRun(store, "triage, all errors", age_s=400, config=RunConfig(program="sample:triage"), seed=9)
    run.begin()
    run.bootstrap()
    run.propose()
    run.fail_cells(ErrorClass.PARSE, "The reply has no field 'queue'.", 12)
    reason = "12 of the last 12 program runs failed, all of them alike (parse): The reply has no field 'queue'."
    run.write(Event(EventKind.ENDED, {"status": "paused", "reason": reason, "capped": False, "given_up": True}))
    run.end(Status.PAUSED, reason)
    run.close()
    return run.id


def still(page: Page) -> None:
    with suppress(TimeoutError):
        page.wait_for_function(STILL, polling=150, timeout=WORKS_MS)


def shoot(page: Page, file: Path, *, whole: bool = True) -> None:
    """The whole page: the view grows to what scrolls inside it, since a full-page shot stops at the scroller."""
    if not whole:
        still(page)
        page.screenshot(path=str(file))
        return
    width = page.viewport_size["width"] if page.viewport_size else WIDTHS[0]
    still(page)
    tall = page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({"width": width, "height": max(HEIGHT, min(tall, TALLEST))})
    still(page)
    page.screenshot(path=str(file))
    page.set_viewport_size({"width": width, "height": HEIGHT})


def four(page: Page, out: Path, name: str, *, whole: bool = True) -> None:
    """The page that is open, wide and narrow, light and dark, and the sheet of all four."""
    files = []
    for width, scheme in product(WIDTHS, SCHEMES):
        page.set_viewport_size({"width": width, "height": HEIGHT})
        still(page)  # tables take the width at their next theme: narrower ones keep what they had
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        files.append(out / f"{name}-{width}-{scheme}.png")
        shoot(page, files[-1], whole=whole)
    page.set_viewport_size({"width": WIDTHS[0], "height": HEIGHT})
    page.emulate_media(color_scheme="light")
    sheet(files, out / "sheets" / f"{name}.png")
    print(name, flush=True)


def sheet(files: Sequence[Path], to: Path) -> None:
    """Pictures two a row, each as wide as the other, cut where one is long."""
    to.parent.mkdir(exist_ok=True)
    shown = []
    for file in files:
        with Image.open(file) as image:
            part = image.convert("RGB").crop((0, 0, image.width, min(image.height, image.width * 3 // 2)))
            shown.append(part.resize((SHEET_PX, round(part.height * SHEET_PX / part.width))))
    rows = [shown[place : place + 2] for place in range(0, len(shown), 2)]
    heights = [min(SHEET_TALLEST, max(picture.height for picture in row)) for row in rows]
    whole = Image.new("RGB", (2 * SHEET_PX + 8, sum(heights) + 8 * (len(rows) - 1)), "gray")
    top = 0
    for row, height in zip(rows, heights, strict=True):
        for place, picture in enumerate(row):
            whole.paste(picture.crop((0, 0, SHEET_PX, height)), (place * (SHEET_PX + 8), top))
        top += height + 8
    whole.save(to)


def empty_pages(browser: Browser, out: Path, folder: Path, wanted: Callable[[str], bool]) -> None:
    """Every page before the first run."""
    places = {"home": "", "lab": "lab", "benchmarks": "benchmarks"} | {place: place for place in OF_RUN}
    with serve(folder / "studio.db") as url:
        page = browser.new_page(viewport={"width": WIDTHS[0], "height": HEIGHT})
        for name, path in places.items():
            if wanted(f"{name}-empty"):
                page.goto(f"{url}/{path}")
                four(page, out, f"{name}-empty")
        page.close()


def report(browser: Browser, file: Path, store: Path, run_id: str, width: int, scheme: str) -> None:
    """The HTML report, opened as a file as whoever it was sent to would."""
    page = browser.new_page(viewport={"width": width, "height": HEIGHT}, color_scheme=scheme)
    written = store.with_name("report.html")
    with Reader(store) as reader:
        written.write_text(report_html(reader, run_id), encoding="utf-8")
    page.goto(written.as_uri())
    page.screenshot(path=str(file), full_page=True)
    page.close()


def all_pages(browser: Browser, out: Path, store: Path, wanted: Callable[[str], bool]) -> None:
    ids = fill(store) | phases(store)
    ids["replayed"] = take_home.open_replay(store, REAL)
    ids["more"] = more_candidates(store, ids["finished"])
    with serve(store) as url:
        page = browser.new_page(viewport={"width": WIDTHS[0], "height": HEIGHT})
        for name, path, heading, tab in pages(ids):
            if not wanted(name):
                continue
            if heading and "/present" not in path:
                visit(page, url + path, heading)
            else:  # its heading is the result
                page.goto(url + path)
            if tab:
                pressed = page.get_by_role("tab", name=tab).or_(page.get_by_role("radio", name=tab))
                pressed.or_(page.get_by_role("button", name=tab)).first.click()
            four(page, out, name)
        new_run_states(page, url, out, store.parent, wanted)
        page.close()
    for kind in ("finished", "failed", "stopped", "nogain", "hostile", "replayed"):
        if wanted(f"report-{kind}"):
            files = []
            for width, scheme in product(WIDTHS, SCHEMES):
                files.append(out / f"report-{kind}-{width}-{scheme}.png")
                report(browser, files[-1], store, ids[kind], width, scheme)
            sheet(files, out / "sheets" / f"report-{kind}.png")


def more_candidates(store: Path, run_id: str) -> str:
    """Three candidates of a run, as Compare's address names those beside the two."""
    with Reader(store) as reader:
        outcome = reader.outcome(run_id)
        tested = [cell.key.candidate for cell in reader.cells(run_id, split=Split.VAL)]
    base = Candidate.baseline(2).id
    taken = {base, outcome.winner if outcome else None}
    return ".".join([name for name in dict.fromkeys(tested) if name not in taken][:3])


def docs_pages(browser: Browser, out: Path, store: Path, names: list[str]) -> None:
    """The README's pictures, of the committed run; the replay stands in the middle of its search."""
    run_id = take_home.open_replay(store, REAL)
    together = take_home.open_replay(store, TOGETHER) if TOGETHER.exists() else ""
    with Reader(store) as reader:
        moments = history(reader, reader.run(run_id)).labels
    middle = next(i for i, label in enumerate(moments) if "trial 12," in label)
    with serve(store) as url:
        for name, (scheme, path) in DOCS.items():
            if (names and name not in names) or ("{together}" in path and not together):
                continue
            file = out / f"{name}-{WIDTHS[0]}-{scheme}.png"
            if not path:
                report(browser, file, store, run_id, WIDTHS[0], scheme)
            else:
                page = browser.new_page(viewport={"width": WIDTHS[0], "height": HEIGHT}, color_scheme=scheme)
                page.goto(url + path.format(run=run_id, middle=middle, together=together))
                shoot(page, file)
                page.close()
            crop(file)


def crop(file: Path) -> None:
    """The upper part: what the eye meets, in a file of moderate size."""
    with Image.open(file) as image:
        part = image.convert("RGB").crop((0, 0, image.width, min(image.height, DOCS_TALLEST)))
    part.save(file, optimize=True)


def main(arguments: list[str]) -> int:
    if not arguments or (arguments[0].startswith("-") and arguments[0] != "--docs"):
        print(__doc__, file=sys.stderr)
        return 2
    docs = arguments[0] == "--docs"
    out, names = ROOT / "docs" / "screenshots" if docs else Path(arguments[0]), arguments[1:]
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        if docs:
            docs_pages(browser, out, Path(folder) / "studio.db", names)
            return 0

        def wanted(name: str) -> bool:
            return not names or any(fnmatch(name, one) for one in names)

        empty = Path(folder) / "empty"
        empty.mkdir()
        if not names or any(name.endswith(("-empty", "*")) for name in names):
            empty_pages(browser, out, empty, wanted)
        if not names or any(not name.endswith("-empty") for name in names):
            all_pages(browser, out, Path(folder) / "studio.db", wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
