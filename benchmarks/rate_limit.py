"""Runs that share an endpoint with a rate limit: `python -m benchmarks.rate_limit`.

Four runs at once, with four processes each, against a loopback endpoint that takes 600 calls a minute and refuses the
others with 429 and a Retry-After. No run knows of the others, and no setting says anything of the limit. Printed: the
share of the limit that was used while all runs were working, and the share of calls that were refused.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mipro_studio.control import launcher, new_runs
from mipro_studio.optimizer_core.types import Status
from mipro_studio.storage import Reader
from tests.loopback.endpoint import LoopbackEndpoint
from tests.programs import desk

__all__ = ["main"]

N_TRAIN, N_VAL = 60, 120


def _config(endpoint: LoopbackEndpoint, folder: Path, options: argparse.Namespace, seed: int) -> dict[str, Any]:
    return {
        "program": "tests/programs/desk.py:program",
        "metric": "tests/programs/desk.py:metric",
        "data": {name: str(folder / f"{name}.jsonl") for name in ("train", "val")} | {"inputs": ["message"]},
        "task_model": {"model": "openai/loop", "api_base": endpoint.base_url},
        "seed": seed,
        "threads": options.threads,
        "executor": "processes" if options.processes > 1 else "threads",
        "processes": options.processes,
        "search": {"trials": 100, "candidates": 10},
    }


def _watched(
    endpoint: LoopbackEndpoint, store: Path, runs: list[str], seconds: float
) -> tuple[float, dict[str, Any]]:
    """(seconds that all runs worked together, what the endpoint counted in them); the runs are stopped then."""
    with Reader(store) as reader:
        # What the check called before the run was claimed counts as spent too.
        while not all(reader.run(run).status is Status.RUNNING and _calls(reader, run) > 20 for run in runs):
            time.sleep(0.5)
        endpoint.reset()
        begun = time.monotonic()
        while time.monotonic() - begun < seconds and all(reader.run(run).status is Status.RUNNING for run in runs):
            time.sleep(0.5)
        worked_s, stats = time.monotonic() - begun, endpoint.stats()
        for run in runs:
            if reader.run(run).status is Status.RUNNING:
                launcher.stop(store, run)
        while any(reader.run(run).status is Status.RUNNING for run in runs):
            time.sleep(0.5)
        print("calls of each run, its whole life:", *(_calls(reader, run) for run in runs))
    return worked_s, stats


def _calls(reader: Reader, run: str) -> int:
    return sum(usage.calls for usage in reader.spent(run).values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--calls-per-minute", type=float, default=600.0)
    parser.add_argument("--latency-s", type=float, default=0.2)
    parser.add_argument("--seconds", type=float, default=300.0)
    options = parser.parse_args()
    data = desk.rows(N_TRAIN + N_VAL)
    limit = {"calls_per_minute": options.calls_per_minute, "latency_s": options.latency_s}
    with (
        TemporaryDirectory() as name,
        LoopbackEndpoint(responder="oracle", gold=desk.gold(data), **limit) as endpoint,
    ):
        folder = Path(name)
        for split, rows in (("train", data[:N_TRAIN]), ("val", data[N_TRAIN:])):
            (folder / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)))
        store, runs = folder / "studio.db", []
        for seed in range(options.runs):
            config = _config(endpoint, folder, options, seed)
            runs.append(launcher.start(store, config, found=new_runs.inspect(config)))
        worked_s, stats = _watched(endpoint, store, runs, options.seconds)
    if worked_s < 10:
        sys.exit("The runs were over before there was anything to measure.")
    used = stats["ok"] / (options.calls_per_minute / 60 * worked_s)
    refused = stats["failed_by_kind"].get("429", 0) / max(1, stats["total"])
    print(f"{options.runs} runs, {options.processes} processes each, {worked_s:.0f} s together:")
    print(f"{used:.1%} of the limit used, {refused:.2%} of {stats['total']} calls refused")


if __name__ == "__main__":
    main()
