"""How long one refresh of the live page reads: `python -m benchmarks.live_refresh`.

Fills a store with a run of many trials and cells the way a worker does, then times `Reader.live`: the first
call, the same with an open reader, and as pages use it (open, read what is new, close), idle and while a worker
commits. Beside it the commits themselves and the reads that do scan cells.
"""

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from mipro_studio.optimizer_core.types import (
    Cell,
    CellKey,
    ErrorClass,
    Event,
    EventKind,
    Example,
    Role,
    Spent,
    Split,
    TraceStep,
    Trial,
    TrialKind,
    Usage,
)
from mipro_studio.storage import Reader, SqliteJournal, Store
from mipro_studio.storage.team import team_file

__all__ = ["main"]

_EXAMPLES = 1000
_TRACE = (
    TraceStep("hop", {"question": "who wrote it? " * 30}, {"query": "author of the book"}),
    TraceStep("answer", {"context": "a passage of the retriever. " * 60}, {"answer": "an answer"}),
)


def make_cell(candidate: str, example: int, n: int) -> Cell:
    """A cell with a trace of two calls; one in fifty is in error."""
    failed = n % 50 == 0
    return Cell(
        key=CellKey(candidate, Split.VAL, f"{example:016x}"),
        score=None if failed else (n * 7919 % 101) / 100,
        error=ErrorClass.PARSE if failed else None,
        error_message="The reply has no field 'answer'." if failed else "",
        usage=Usage(2, 0, 900, 40, 0.0004, 1.1),
        seconds_s=1.3,
        prediction={"answer": "an answer"},
        trace=_TRACE,
    )


def fill(store: Store, n_trials: int, n_cells: int) -> str:
    """A running run with `n_trials` finished trials that together asked for `n_cells` cells."""
    per_trial = n_cells // n_trials
    examples = [
        Example(f"{i:016x}", Split.VAL, i, {"question": f"question {i}"}, {"answer": "yes"}) for i in range(_EXAMPLES)
    ]
    run_id = store.create_run(
        name="benchmark",
        optimizer="mipro",
        seed=0,
        config={},
        plan={"trials": n_trials},
        receipt={},
        records=examples,
    )
    store.claim(run_id, "benchmark", 3600)
    journal = SqliteJournal(store, run_id, "benchmark")
    for order in range(n_trials):
        candidate = f"i{order // 20}d{order % 20}"
        asked = [(order * per_trial + i) % _EXAMPLES for i in range(per_trial)]
        names = tuple(f"{i:016x}" for i in asked)
        kind = TrialKind.FULL if order % 10 == 0 else TrialKind.MINIBATCH
        runs = (order + 1) * per_trial
        journal.commit([Trial(order, order + 1, kind, candidate, names, program_runs=runs)])
        cells = [make_cell(candidate, example, order * per_trial + i) for i, example in enumerate(asked)]
        journal.commit(
            [
                *cells,
                Trial(order, order + 1, kind, candidate, names, True, 0.5, per_trial, 0, runs),
                Spent(Role.TASK, Usage(2 * runs, 0, 900 * runs, 40 * runs, 0.0004 * runs, 1.1 * runs)),
                Event(EventKind.NOTE, {"text": f"trial {order}"}),
            ]
        )
    return run_id


def copy_cells(store: Store, run_id: str, times: int) -> None:
    """The run's cells and traces once more under other candidates, `times` times."""
    columns = "split, example, rollout, score, error, error_message, calls, retries, input_tokens, output_tokens, "
    columns += "cost_usd, lm_s, seconds_s, at, estimated_tokens"
    (most,) = store.db.execute("select last_cell_seq from runs where id = ?", [run_id]).fetchone()
    for n in range(1, times + 1):
        with store.atomic() as db:
            db.execute(
                f"insert into cells (run_id, candidate, seq, {columns}) select run_id, candidate || 'd{n}', "
                f"seq + {n * most}, {columns} from cells where run_id = ? and seq <= {most}",
                [run_id],
            )
            db.execute(
                f"insert into traces (run_id, seq, body) select run_id, seq + {n * most}, body from traces "
                f"where run_id = ? and seq <= {most}",
                [run_id],
            )
            db.execute(f"update runs set last_cell_seq = {(n + 1) * most} where id = ?", [run_id])


def timed(act: Callable[[], object], repeat: int = 30) -> list[float]:
    """Milliseconds of each call."""
    taken = []
    for _ in range(repeat):
        start = time.perf_counter()
        act()
        taken.append(1000 * (time.perf_counter() - start))
    return taken


def report(name: str, taken: list[float]) -> None:
    ordered = sorted(taken)
    p95 = ordered[int(0.95 * (len(ordered) - 1))]
    print(f"{name:<44}{statistics.median(taken):9.2f}{p95:9.2f}{ordered[-1]:9.2f}")


def time_commits(store: Store, run_id: str, n: int) -> list[float]:
    journal = SqliteJournal(store, run_id, "benchmark")
    cells = iter([make_cell("i999d0", i, i + 1) for i in range(n)])
    spent = Spent(Role.TASK, Usage(1, 0, 900, 40, 0.0004, 1.1))
    return timed(lambda: journal.commit([next(cells), spent]), n)


def time_reads(path: Path, run_id: str) -> None:
    def refresh() -> None:
        with Reader(path) as reader:
            reader.live(run_id, cursor)

    with Reader(path) as reader:
        cursor = 0
        report("live, first call, all events", timed(lambda: reader.live(run_id), 1))
        report("live, repeated, all events", timed(lambda: reader.live(run_id)))
        cursor = reader.run(run_id).last_event_id - 5
        report("live, repeated, 5 new events", timed(lambda: reader.live(run_id, cursor)))
        report("open, live with 5 new events, close", timed(refresh))
        report("list of runs", timed(reader.list_runs))
        report("means of all candidates", timed(lambda: reader.candidate_means(run_id), 5))
        report("score matrix", timed(lambda: reader.score_matrix(run_id), 3))
        report("one candidate's scores", timed(lambda: reader.candidate_scores(run_id, "i1d1")))
        stop = threading.Event()
        worker = threading.Thread(target=commit_until, args=(path, run_id, stop))
        worker.start()
        report("open, live, close while a worker commits", timed(refresh))
        stop.set()
        worker.join()


def commit_until(path: Path, run_id: str, stop: threading.Event) -> None:
    with Store(path) as store:
        while not stop.is_set():
            time_commits(store, run_id, 20)
            stop.wait(0.01)


def main() -> None:
    """Fill a store in a temporary folder and print milliseconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--copies", type=int, default=1, help="of the cells, made by the database itself")
    parser.add_argument("--store", help="an empty team's store, as a URL; the default is a file")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = team_file(args.store, Path(folder)) if args.store else Path(folder) / "studio.db"
        start = time.perf_counter()
        with Store(path) as store:
            run_id = fill(store, args.trials, args.cells)
            copy_cells(store, run_id, args.copies - 1)
            took_s = time.perf_counter() - start
            print(f"{args.trials} trials, {args.cells * args.copies} cells: filled in {took_s:.1f} s")
            print(f"{'milliseconds':<44}{'median':>9}{'p95':>9}{'max':>9}")
            report("commit of one cell and what it spent", time_commits(store, run_id, 1000))
            report("open for writing, close", timed(lambda: Store(path).close()))
        time_reads(path, run_id)


if __name__ == "__main__":
    main()
