"""DSPy's own optimizers of weights on the embedded model, through our provider: python -m benchmarks.dspy_weights

Triage, on the rows that a run with the same seed has. What each scores on the sealed rows with dspy.Evaluate, and how
long it takes. Jobs are kept in --folder: killed, the same command goes on with them.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dspy

from mipro_studio.optimizer_core.analysis.statistics import estimate
from mipro_studio.optimizer_core.config import DataSpec
from mipro_studio.optimizer_core.data import Fields, gathered_rows, load_dataset
from mipro_studio.optimizer_core.finetuning.dspy_provider import FinetuneAdapter, finetunable_lm
from mipro_studio.optimizer_core.types import Split
from mipro_studio.sample_programs import CATALOG
from mipro_studio.sample_programs.triage import Triage, metric

__all__ = ["main"]

KWARGS = {"epochs": 3, "batch_size": 8, "learning_rate": 8e-4}
Rows = dict[Split, list[Any]]


def _rows(seed: int) -> Rows:
    sample = CATALOG["triage"]
    spec = DataSpec(split=sample.split, stratify=sample.stratify)
    found = gathered_rows(sample.rows(), sample.split_column, None)
    data = load_dataset(spec, found, Fields(tuple(sample.inputs)), seed, labels_needed=False)
    return {
        split: [dspy.Example(**row.inputs, **row.labels).with_inputs(*row.inputs) for row in data.of(split)]
        for split in Split
    }


def _passes(example: Any, prediction: Any, trace: Any = None) -> bool:
    """Both right: DSPy takes any truthy score for a pass, and one of two is 0.5."""
    return metric(example, prediction) == 1.0


def _finetuned(student: Any, rows: Rows) -> Any:
    tuner = dspy.BootstrapFinetune(metric=_passes, train_kwargs=KWARGS, num_threads=4)
    return tuner.compile(student, trainset=rows[Split.TRAIN])


def _together(student: Any, rows: Rows, sets: int) -> Any:
    prompts = dspy.BootstrapFewShotWithRandomSearch(
        metric=_passes, max_bootstrapped_demos=1, max_labeled_demos=4, num_candidate_programs=sets, num_threads=4
    )
    weights = dspy.BootstrapFinetune(metric=_passes, train_kwargs=KWARGS, num_threads=4)
    both = dspy.BetterTogether(metric=metric, p=prompts, w=weights)
    found = both.compile(student, trainset=rows[Split.TRAIN], valset=rows[Split.VAL], strategy="p -> w -> p")
    print(json.dumps([{k: one[k] for k in ("strategy", "score")} for one in found.candidate_programs]), flush=True)
    print(f"an error was swallowed: {found.flag_compilation_error_occurred}", flush=True)
    return found


def _tested(name: str, make: Callable[[], Any], rows: Rows) -> None:
    began = time.monotonic()
    program = make()
    took = time.monotonic() - began
    evaluate = dspy.Evaluate(devset=rows[Split.TEST], metric=metric, num_threads=4, display_progress=False)
    scores = [float(score) for _, _, score in evaluate(program).results]
    found = estimate(scores)
    told = f"{found['mean']:.3f} ({found['low']:.3f} to {found['high']:.3f}, n = {found['n']})"
    print(f"{name}: {told}, {took:.0f} s", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Print a line each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dspy_weights")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--sets", type=int, default=3, help="Random demo sets of a step of prompts, three beside them."
    )
    parser.add_argument("--folder", type=Path, default=Path("dspy-tunings"))
    parser.add_argument("--only", nargs="*", default=["vanilla", "finetune", "together"])
    asked = parser.parse_args(arguments)
    rows, lm = _rows(asked.seed), finetunable_lm(asked.folder.resolve())
    makes: dict[str, Callable[[Any], Any]] = {
        "vanilla": lambda student: student,
        "finetune": lambda student: _finetuned(student, rows),
        "together": lambda student: _together(student, rows, asked.sets),
    }
    with dspy.context(lm=lm, adapter=FinetuneAdapter()):
        for name in asked.only:
            student = Triage()
            student.set_lm(lm)
            _tested(name, lambda student=student, name=name: makes[name](student), rows)  # type: ignore[misc]
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
