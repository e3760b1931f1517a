"""How busy a run keeps an endpoint: `python -m benchmarks.utilization`.

A loopback endpoint that takes 0.1 s for every call serves the same two-predictor program (10 candidates, 30 trials,
120 validation rows, 16 threads) to the studio with each schedule and to DSPy's own MIPROv2. Counted at the endpoint,
from the first call after the check to the last: utilization = LM seconds / (threads x wall). The test split is left
out, as DSPy has none.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from mipro_studio.commands import output
from mipro_studio.control import launcher, new_runs
from tests.loopback.endpoint import LoopbackEndpoint, LoopbackStats
from tests.programs import desk

__all__ = ["main"]

ROOT = Path(__file__).resolve().parent.parent
N_TRAIN, N_VAL = 60, 120
KEY = "LOOPBACK_KEY"


def _studio(endpoint: LoopbackEndpoint, folder: Path, threads: int, trials: int, schedule: str) -> str:
    config = {
        "program": "tests/programs/desk.py:program",
        "metric": "tests/programs/desk.py:metric",
        "data": {
            "train": str(folder / "train.jsonl"),
            "val": str(folder / "val.jsonl"),
            "inputs": ["message"],
        },
        "task_model": {"model": "openai/loop", "api_base": endpoint.base_url},
        "threads": threads,
        "search": {"trials": trials, "candidates": 10, "schedule": schedule},
    }
    found = new_runs.inspect(config)
    endpoint.reset()  # the check's two program runs lie seconds before the run, and are nothing to keep busy with
    store = folder / f"{schedule}.db"
    facts = output.to_the_end(store, launcher.start(store, config, found=found), quiet=True)
    if facts["status"] != "completed":
        sys.exit(f"The run did not complete: {facts}")
    return f"{facts['best_val']:.3f}"


def _dspy(endpoint: LoopbackEndpoint, folder: Path, threads: int, trials: int, schedule: str) -> str:
    code = f"""
import json, dspy
from dspy.teleprompt import MIPROv2
from tests.programs import desk
lm = dspy.LM("openai/loop", api_base={endpoint.base_url!r}, api_key="none", cache=False)
dspy.configure(lm=lm)
def rows(name):
    lines = open({str(folder)!r} + "/" + name).read().splitlines()
    return [dspy.Example(**json.loads(line)).with_inputs("message") for line in lines]
mipro = MIPROv2(metric=desk.metric, auto=None, num_candidates=10, num_threads={threads}, seed=0, verbose=False)
best = mipro.compile(
    desk.Desk(), trainset=rows("train.jsonl"), valset=rows("val.jsonl"), num_trials={trials}, minibatch=True,
    minibatch_size=35, minibatch_full_eval_steps=5)
print(round(best.score / 100, 3))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return done.stdout.strip().splitlines()[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--latency-s", type=float, default=0.1)
    options = parser.parse_args()
    data = desk.rows(N_TRAIN + N_VAL)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for split, rows in (("train", data[:N_TRAIN]), ("val", data[N_TRAIN:])):
            (folder / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)))
        print("| optimizer | utilization | LM calls | wall (s) | best on validation |\n|---|---:|---:|---:|---:|")
        peers = [("studio, racing", _studio, "racing"), ("studio, minibatch", _studio, "minibatch")]
        for title, play, schedule in [*peers, ("dspy.MIPROv2", _dspy, "")]:
            with LoopbackEndpoint(latency_s=options.latency_s, responder="oracle", gold=desk.gold(data)) as endpoint:
                best = play(endpoint, folder, options.threads, options.trials, schedule)
                stats: LoopbackStats = endpoint.stats()
            busy = stats.utilization(options.threads)
            print(f"| {title} | {busy:.2f} | {stats['total']} | {stats.window_s:.1f} | {best} |", flush=True)


if __name__ == "__main__":
    main()
