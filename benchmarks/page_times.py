"""How long the server takes to draw each page, on a store with a large run: `python -m benchmarks.page_times`.

Every page is run as a person opens it (first paint) and then again as a live refresh does, in this process and
without a browser, so the figures are the server's own: script, queries, figures, and their serialization. The last
two columns are what of it this process was given of a processor: compare those where the machine has other work.
`--minutes N` refreshes the live page for so long at its own pace and prints the memory of the process as it goes:

    python -m benchmarks.page_times                          about two minutes
    python -m benchmarks.page_times --pages replay traces    those pages only, by the beginning of their names
    python -m benchmarks.page_times --minutes 30             what an afternoon with an open tab does to memory
"""

import argparse
import ast
import json
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "true")

from streamlit.testing.v1 import AppTest

from mipro_studio.benchmarks.live_refresh import fill
from mipro_studio.optimizer_core.parameters.demos import demos_arm
from mipro_studio.optimizer_core.parameters.instruction import instruction_arm
from mipro_studio.optimizer_core.types import Author, Event, EventKind
from mipro_studio.storage import Reader, SqliteJournal, Store, default_store

__all__ = ["main"]

ROOT = Path(__file__).resolve().parent.parent
PACE_S = 1.5
FIRST_MS, REFRESH_MS, PANEL_MS = 1500.0, 150.0, 500.0
ARMS = 20


def add_arms(store: Store, run_id: str) -> None:
    """The arms of the benchmark's run, and what its worker would have noted of them."""
    journal = SqliteJournal(store, run_id, "benchmark")
    texts = [f"Instruction {arm}. " * 20 for arm in range(ARMS * 3)]
    journal.commit([instruction_arm("answer", arm, text, Author.MODEL) for arm, text in enumerate(texts)])
    journal.commit([demos_arm("answer", arm, "shuffled", ()) for arm in range(ARMS)])
    arms = [
        {"predictor": "answer", "kind": kind, "arm": arm, "mean": 0.5, "low": 0.4, "high": 0.6}
        | {"n_candidates": 10, "n_cells": 1000}
        for kind in ("instruction", "demos")
        for arm in range(ARMS)
    ]
    facts = {"surrogate": "tpe", "level": 0.9, "n_candidates": 400, "n_cells": 100_000}
    for trial in range(0, 1000, 5):
        spent = {"task": [200 * trial, 90_000 * trial, 4000 * trial, None]}
        journal.commit(
            [Event(EventKind.BELIEFS, {**facts, "trial": trial, "arms": arms}), Event(EventKind.SPENDING, spent)]
        )


def pages(run_id: str) -> list[tuple[str, str, dict[str, str], str]]:
    """(name, path, query, tab): every page of the folder, and every tab of the live page."""

    rest = sorted(path.name for path in (ROOT / "pages").glob("*.py"))
    found: list[tuple[str, str, dict[str, str], str]] = [("home", "app.py", {}, "")]
    found += [(name.removesuffix(".py"), f"pages/{name}", {"run": run_id}, "") for name in rest]
    return found + [(f"live, tab {tab}", "pages/live.py", {"run": run_id}, tab) for tab in tabs()]


def tabs() -> list[str]:
    """The live page's tabs, read from its source: importing a page would draw it."""
    tree = ast.parse((ROOT / "pages" / "live.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "TABS":
            return list(ast.literal_eval(node.value))
    return []


class Taken(NamedTuple):
    """Milliseconds of the clock, and of the processor."""

    clock: float
    processor: float


def opened(path: str, query: dict[str, str], tab: str) -> tuple[AppTest, Taken]:
    """The page after its first run, and what that took."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    if path != "app.py":
        app.switch_page(path)
    for name, value in query.items():
        app.query_params[name] = value
    if tab:
        app.session_state["live_tab"] = tab
    return app, refreshed(app)


def refreshed(app: AppTest) -> Taken:
    start, busy = time.perf_counter(), time.process_time()
    app.run()
    taken = Taken(1000 * (time.perf_counter() - start), 1000 * (time.process_time() - busy))
    if app.exception:
        raise RuntimeError(app.exception[0].value)
    return taken


def rss_mb() -> float:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def time_pages(run_id: str, repeat: int, wanted: Sequence[str]) -> None:
    print(f"{'milliseconds of server time':<36}{'first':>9}{'median':>9}{'max':>9}{'processor: first, median':>27}")
    for name, path, query, tab in pages(run_id):
        if wanted and not name.startswith(tuple(wanted)):
            continue
        app, first = opened(path, query, tab)
        taken = [refreshed(app) for _ in range(repeat)]
        median, busy = (statistics.median(each) for each in zip(*taken, strict=True))
        over = [f"{limit:.0f}" for limit, is_ in ((FIRST_MS, first.clock), (REFRESH_MS, median)) if is_ > limit]
        note = f"   over {', '.join(over)}" if over else ""
        shown = f"{first.clock:>9.0f}{median:>9.0f}{max(taken).clock:>9.0f}{first.processor:>18.0f}{busy:>9.0f}"
        print(f"{name:<36}{shown}{note}", flush=True)


def candidate_script() -> None:
    """What a click on a dot or a trial draws."""
    import streamlit as st

    from mipro_studio.storage import Reader, default_store
    from mipro_studio.ui.candidate.candidate_panel import panel

    with Reader(default_store()) as reader:
        panel(reader, st.query_params["run"], st.query_params["mark"])


def parameter_script() -> None:
    """What a click on a bar or a belief draws."""
    import streamlit as st

    from mipro_studio.storage import Reader, default_store
    from mipro_studio.ui.candidate.parameter_panel import parameter_panel

    with Reader(default_store()) as reader:
        parameter_panel(reader, st.query_params["run"], st.query_params["mark"])


def time_panels(run_id: str, repeat: int) -> None:
    """A panel that opens in a studio that has opened one before: never this candidate, nor this choice."""
    with Reader(default_store()) as reader:
        ordered = sorted(reader.trials(run_id), key=lambda trial: trial.n_ok)
    marks = {
        "panel of a candidate": (candidate_script, ordered[0].candidate, ordered[-1].candidate),
        "panel of a choice": (
            parameter_script,
            json.dumps(["answer", "demos"]),
            json.dumps(["answer", "instruction"]),
        ),
    }
    for name, (script, before, mark) in marks.items():
        app = AppTest.from_function(script, default_timeout=120)
        app.query_params["run"], app.query_params["mark"] = run_id, before
        refreshed(app)
        app.query_params["mark"] = mark
        first, taken = refreshed(app).clock, [refreshed(app).clock for _ in range(repeat)]
        note = f"   over {PANEL_MS:.0f}" if first > PANEL_MS else ""
        print(f"{name:<36}{first:>9.0f}{statistics.median(taken):>9.0f}{max(taken):>9.0f}{note}", flush=True)


def watch_memory(run_id: str, minutes: float) -> None:
    app, _ = opened("pages/live.py", {"run": run_id}, "")
    start = time.monotonic()
    every = max(5.0, 60 * minutes / 20)
    shown, n = 0.0, 0
    print(f"{'minutes of live refresh':<36}{'ticks':>9}{'RSS, MB':>9}")
    while (passed := time.monotonic() - start) <= 60 * minutes:
        if passed >= shown:
            print(f"{passed / 60:<36.1f}{n:>9}{rss_mb():>9.0f}", flush=True)
            shown += every
        taken = refreshed(app)
        n += 1
        time.sleep(max(0.0, PACE_S - taken.clock / 1000))
    print(f"{(time.monotonic() - start) / 60:<36.1f}{n:>9}{rss_mb():>9.0f}")


def main() -> None:
    """Fill a store in a temporary folder and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=8)
    parser.add_argument("--pages", nargs="+", default=(), metavar="NAME", help="only these, and no memory")
    parser.add_argument("--minutes", type=float, default=0.3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "studio.db"
        os.environ["MIPRO_STUDIO_STORE"] = str(path)
        with Store(path) as store:
            run_id = fill(store, args.trials, args.cells)
            add_arms(store, run_id)
        print(f"{args.trials} trials, {args.cells} cells")
        time_pages(run_id, args.repeat, args.pages)
        if not args.pages or "panel" in args.pages:
            time_panels(run_id, args.repeat)
        if not args.pages:
            watch_memory(run_id, args.minutes)


if __name__ == "__main__":
    main()
