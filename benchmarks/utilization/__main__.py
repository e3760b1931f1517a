"""How busy a run keeps an endpoint: `python -m benchmarks.utilization`.

A loopback endpoint serves the same two-predictor program (10 candidates, 30 trials, 120 validation rows) to the
studio with each schedule, in threads and in processes, and to DSPy's own MIPROv2. Counted at the endpoint, from the
first call after the check to the last: utilization = LM seconds / (threads x wall). The test split is left out, as
DSPy has none. Compare within one command: the machine may have other work.

`processor` says where the processors' time went in that window, in milliseconds a call: the run's own process (or
DSPy's), its processes for rows, the endpoint, and all else (the helpers beside a run, whoever follows it).

`--phases` says below each run of ours when its threads were idle; at a latency of a second the machine hardly counts.
"""

import argparse
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mipro_studio.benchmarks.utilization.processors import Processors
from mipro_studio.commands.following import to_the_end
from mipro_studio.control import launcher, new_runs
from mipro_studio.optimizer_core.types import EventKind, TrialKind
from mipro_studio.storage import Reader
from tests.loopback.config import SPREADS
from tests.loopback.endpoint import LoopbackEndpoint, LoopbackStats
from tests.programs import desk

__all__ = ["main"]

ROOT = Path(__file__).resolve().parents[2]
N_TRAIN, N_VAL = 60, 120
KEY = "LOOPBACK_KEY"


@dataclass(frozen=True)
class _Work:
    """What everyone is given. `processes`: None = threads of one process."""

    folder: Path
    threads: int
    trials: int
    schedule: str = ""
    processes: int | None = None

    @property
    def store(self) -> Path:
        return self.folder / f"{self.schedule}-{self.processes}.db"


def _studio(endpoint: LoopbackEndpoint, work: _Work) -> str:
    folder = work.folder
    config = {
        "program": "tests/programs/desk.py:program",
        "metric": "tests/programs/desk.py:metric",
        "data": {
            "train": str(folder / "train.jsonl"),
            "val": str(folder / "val.jsonl"),
            "inputs": ["message"],
        },
        "task_model": {"model": "openai/loop", "api_base": endpoint.base_url},
        "threads": work.threads,
        "executor": "processes" if work.processes else "threads",
        "processes": work.processes,
        "search": {"trials": work.trials, "candidates": 10, "schedule": work.schedule},
    }
    found = new_runs.inspect(config)
    endpoint.reset()  # the check's two program runs lie seconds before the run, and are nothing to keep busy with
    facts = to_the_end(work.store, launcher.start(work.store, config, found=found), quiet=True)
    if facts["status"] != "completed":
        sys.exit(f"The run did not complete: {facts}")
    return f"{facts['best_val']:.3f}"


def _dspy(endpoint: LoopbackEndpoint, work: _Work) -> str:
    code = f"""
import json, dspy
from dspy.teleprompt import MIPROv2
from tests.programs import desk
lm = dspy.LM("openai/loop", api_base={endpoint.base_url!r}, api_key="none", cache=False)
dspy.configure(lm=lm)
def rows(name):
    lines = open({str(work.folder)!r} + "/" + name).read().splitlines()
    return [dspy.Example(**json.loads(line)).with_inputs("message") for line in lines]
mipro = MIPROv2(metric=desk.metric, auto=None, num_candidates=10, num_threads={work.threads}, seed=0, verbose=False)
best = mipro.compile(
    desk.Desk(), trainset=rows("train.jsonl"), valset=rows("val.jsonl"), num_trials={work.trials}, minibatch=True,
    minibatch_size=35, minibatch_full_eval_steps=5)
print(round(best.score / 100, 3))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return done.stdout.strip().splitlines()[-1]


def _contenders(options: argparse.Namespace) -> list[tuple[str, Callable[[LoopbackEndpoint, _Work], str], _Work]]:
    work = _Work(Path(), 0, options.trials)
    contenders: list[tuple[str, Callable[[LoopbackEndpoint, _Work], str], _Work]] = []
    for schedule in options.schedules:
        for processes in [None, *options.processes]:
            where = "threads" if processes is None else f"{processes} processes"
            made = replace(work, schedule=schedule, processes=processes)
            contenders.append((f"mipro, {schedule}, {where}", _studio, made))
    return [*contenders, *([] if options.no_dspy else [("dspy.MIPROv2", _dspy, work)])]


def _phases(endpoint: LoopbackEndpoint, work: _Work) -> list[str]:
    """Of each part of a run: seconds, and thread-seconds in which no call was under way."""
    calls = [(one["started_at"], one["ended_at"]) for one in endpoint.requests()]
    ahead = time.time() - time.monotonic()  # the endpoint counts by the one, the store by the other
    with Reader(work.store) as reader:
        run_id = reader.list_runs()[0].id
        phases = reader.events_of(run_id, EventKind.PHASE)
        begun = {event.data["phase"]: _moment(at) - ahead for _, at, event in phases}
        asked = {order: _moment(at) - ahead for order, (at, _) in reader.trial_times(run_id).items()}
        last = max(trial.order for trial in reader.trials(run_id) if trial.kind is TrialKind.MINIBATCH)
    finals = [at for order, at in asked.items() if order > last] or [max(end for _, end in calls)]
    ends = {
        "bootstrapping": begun["propose"],
        "proposals": begun["search"],
        "search": asked[last],
        "its last trials": min(finals),
        "full evaluations": max(finals),
        "the last of them": max(end for _, end in calls),
    }
    told, start = [], min(at for at, _ in calls)
    for name, end in ends.items():
        busy = sum(max(0.0, min(ended, end) - max(at, start)) for at, ended in calls)
        told.append(f"{name} {end - start:.1f} s, idle {work.threads * (end - start) - busy:.0f}")
        start = end
    return told


def _moment(stored: str) -> float:
    return datetime.fromisoformat(stored).timestamp()


def _measured(options: argparse.Namespace, data: list[dict[str, str]], folder: Path) -> None:
    for latency_s, threads, spread in itertools.product(options.latency_s, options.threads, options.spread):
        for title, play, work in _contenders(options):
            settings: dict[str, Any] = {"latency_s": latency_s, "spread": spread, "responder": "oracle"}
            told: list[str] = []
            with LoopbackEndpoint(**settings, gold=desk.gold(data), keep_requests=options.phases) as endpoint:
                processors = Processors()
                processors.start()
                with TemporaryDirectory(dir=folder) as own:
                    for split, rows in (("train", data[:N_TRAIN]), ("val", data[N_TRAIN:])):
                        (Path(own) / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)))
                    given = replace(work, folder=Path(own), threads=threads)
                    best = play(endpoint, given)
                    told = _phases(endpoint, given) if options.phases and play is _studio else []
                stats: LoopbackStats = endpoint.stats()
            rate = stats["total"] / stats.window_s
            print(
                f"| {latency_s:g} | {threads} | {spread} | {title} | {stats.utilization(threads):.2f} | {rate:.0f} "
                f"| {stats['total']} | {stats.window_s:.1f} | {best} | {processors.a_call_ms(stats)} |",
                flush=True,
            )
            if told:
                print(f"  thread-seconds: {'; '.join(told)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[16], help="calls at once")
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--latency-s", type=float, nargs="+", default=[0.1])
    parser.add_argument("--spread", nargs="+", choices=SPREADS, default=["constant"])
    parser.add_argument("--processes", type=int, nargs="*", default=[2])
    parser.add_argument("--schedules", nargs="+", default=["racing", "minibatch"])
    parser.add_argument("--no-dspy", action="store_true")
    parser.add_argument("--phases", action="store_true", help="where threads of ours were idle")
    options = parser.parse_args()
    titles = "latency (s) | at once | spread | optimizer | utilization | calls a s | LM calls | wall (s) | best"
    print(f"| {titles} | processor |\n|---:|---:|---|---|---:|---:|---:|---:|---:|---|", flush=True)
    with TemporaryDirectory() as name:
        _measured(options, desk.rows(N_TRAIN + N_VAL), Path(name))


if __name__ == "__main__":
    main()
