"""DSPy's own optimizers of weights on the embedded model, through our provider: python -m benchmarks.dspy_weights

Triage, on the rows that a run with the same seed has, or the first of them. What each scores on the sealed rows with
dspy.Evaluate, how long it takes, and what each does when polls for the job are lost, a few or all of them. Jobs are
kept in --folder: killed, the same command goes on with them.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dspy

from mipro_studio.optimizer_core.analysis.statistics import estimate
from mipro_studio.optimizer_core.config import DataSpec
from mipro_studio.optimizer_core.data import Fields, gathered_rows, load_dataset
from mipro_studio.optimizer_core.finetuning.dspy_provider import FinetuneAdapter, finetunable_lm
from mipro_studio.optimizer_core.finetuning.embedded_trainer import EmbeddedTrainer
from mipro_studio.optimizer_core.finetuning.job import JobStatus, Trainer, TrainerUnavailable, TrainingJob
from mipro_studio.optimizer_core.types import Split
from mipro_studio.sample_programs import CATALOG
from mipro_studio.sample_programs.triage import Triage, metric

__all__ = ["main"]

ALL_POLLS = 10**9
FEW_ROWS = 4
"""Where it is asked what becomes of lost polls: all of them are learned from."""
Rows = dict[Split, list[Any]]


@dataclass(frozen=True)
class _Size:
    """`sets`: random demo sets of a step of prompts; DSPy has three beside them. `kwargs`: of the training. `passes`:
    which traces are learned from."""

    sets: int
    kwargs: dict[str, Any]
    passes: Callable[..., bool]


class _LosingPolls(Trainer):
    """The embedded trainer, whose first `lost` polls of all are not answered."""

    def __init__(self, trainer: Trainer, lost: int) -> None:
        self._trainer, self._lost = trainer, lost

    def submit(self, job: TrainingJob) -> None:
        self._trainer.submit(job)

    def status(self, job: TrainingJob) -> JobStatus:
        if self._lost:
            self._lost -= 1
            raise TrainerUnavailable("The trainer did not answer.")
        return self._trainer.status(job)

    def cancel(self, job: TrainingJob) -> None:
        self._trainer.cancel(job)


def _rows(seed: int, sizes: str) -> Rows:
    sample = CATALOG["triage"]
    spec = DataSpec(split=sample.split, stratify=sample.stratify)
    found = gathered_rows(sample.rows(), sample.split_column, None)
    data = load_dataset(spec, found, Fields(tuple(sample.inputs)), seed, labels_needed=False)
    rows = {
        split: [dspy.Example(**row.inputs, **row.labels).with_inputs(*row.inputs) for row in data.of(split)]
        for split in Split
    }
    asked = [int(size) for size in sizes.split("/")] if sizes else [len(rows[split]) for split in Split]
    return {split: rows[split][:size] for split, size in zip(Split, asked, strict=True)}


def _passes(example: Any, prediction: Any, trace: Any = None) -> bool:
    """Both right: DSPy takes any truthy score for a pass, and one of two is 0.5."""
    return metric(example, prediction) == 1.0


def _finetuned(student: Any, rows: Rows, size: _Size) -> Any:
    tuner = dspy.BootstrapFinetune(metric=size.passes, train_kwargs=size.kwargs, num_threads=4)
    return tuner.compile(student, trainset=rows[Split.TRAIN])


def _together(student: Any, rows: Rows, size: _Size, strategy: str = "p -> w -> p") -> Any:
    prompts = dspy.BootstrapFewShotWithRandomSearch(
        metric=size.passes,
        max_bootstrapped_demos=1,
        max_labeled_demos=4,
        num_candidate_programs=size.sets,
        num_threads=4,
    )
    weights = dspy.BootstrapFinetune(metric=size.passes, train_kwargs=size.kwargs, num_threads=4)
    both = dspy.BetterTogether(metric=metric, p=prompts, w=weights)
    found = both.compile(student, trainset=rows[Split.TRAIN], valset=rows[Split.VAL], strategy=strategy)
    print(json.dumps([{k: one[k] for k in ("strategy", "score")} for one in found.candidate_programs]), flush=True)
    print(f"an error was swallowed: {found.flag_compilation_error_occurred}", flush=True)
    return found


Make = Callable[[Any], Any]


def _tested(name: str, make: Make, student: Any, rows: Rows) -> None:
    began = time.monotonic()
    program = make(student)
    took = time.monotonic() - began
    evaluate = dspy.Evaluate(devset=rows[Split.TEST], metric=metric, num_threads=4, display_progress=False)
    scores = [float(score) for _, _, score in evaluate(program).results]
    found = estimate(scores)
    told = f"{found['mean']:.3f} ({found['low']:.3f} to {found['high']:.3f}, n = {found['n']})"
    print(f"{name}: {told}, {took:.0f} s", flush=True)


def _with_lost_polls(name: str, lost: int, folder: Path, make: Make) -> None:
    """What the optimizer comes to, in one line; nothing is scored."""
    lm = finetunable_lm(folder, trainer=_LosingPolls(EmbeddedTrainer(folder), lost))
    with dspy.context(lm=lm, adapter=FinetuneAdapter()):
        student = Triage()
        student.set_lm(lm)
        try:
            found = make(student)
        except Exception as error:  # noqa: BLE001 - whatever DSPy's optimizer raises is the answer
            told = f"raises {type(error).__name__}: {' '.join(str(error).split())[:160]}"
        else:
            models = {predictor.lm.model for predictor in found.predictors()}
            told = "gives back the program on the weights that the model came with"
            told = told if models == {lm.model} else "gives back the program on tuned weights"
    which = "every poll" if lost == ALL_POLLS else f"{lost} polls"
    print(f"{name}, {which} lost: {told}", flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dspy_weights")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sets", type=int, default=3, help="Random demo sets of a step of prompts, beside three.")
    parser.add_argument("--sizes", default="", help="Rows of train/val/test at most; else the sample's own split.")
    parser.add_argument("--first-layer", type=int, default=0, help="Layers below are not tuned.")
    parser.add_argument("--folder", type=Path, default=Path("dspy-tunings"))
    parser.add_argument("--only", nargs="*", default=["vanilla", "finetune", "together", "polls"])
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Print a line each."""
    asked = _parser().parse_args(arguments)
    folder = asked.folder.resolve()
    rows, lm = _rows(asked.seed, asked.sizes), finetunable_lm(folder)
    kwargs = {"epochs": 3, "batch_size": 8, "learning_rate": 8e-4, "lora": {"first_layer": asked.first_layer}}
    size = _Size(asked.sets, kwargs, _passes)
    makes: dict[str, Make] = {
        "vanilla": lambda student: student,
        "finetune": lambda student: _finetuned(student, rows, size),
        "together": lambda student: _together(student, rows, size),
    }
    with dspy.context(lm=lm, adapter=FinetuneAdapter()):
        for name in (one for one in makes if one in asked.only):
            student = Triage()
            student.set_lm(lm)
            _tested(name, makes[name], student, rows)
    if "polls" in asked.only:
        few = {split: of_split[:FEW_ROWS] for split, of_split in rows.items()}
        all_pass = replace(size, passes=lambda *given, **more: True)
        for lost in (3, ALL_POLLS):
            _with_lost_polls("BootstrapFinetune", lost, folder, lambda student: _finetuned(student, few, all_pass))
            _with_lost_polls("BetterTogether", lost, folder, lambda student: _together(student, few, all_pass, "w"))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
