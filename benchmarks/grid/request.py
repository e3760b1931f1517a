"""What a benchmark is asked for, and the one setting (task, optimizer, seed) that one run in the store answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mipro_studio.optimizer_core.config import SearchSettings
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.optimizers.registry import OPTIMIZERS
from mipro_studio.sample_programs import CATALOG

__all__ = ["PEERS", "Entry", "Request"]

PEERS = (
    "dspy.MIPROv2",
    "dspy.BootstrapFewShotWithRandomSearch",
    "dspy.COPRO",
    "dspy.GEPA",
    "dspy.SIMBA",
)
"""DSPy's own optimizers that run in the same command, by the name their runs carry."""

MINIBATCH = 35
DEMOS = 4
"""Most bootstrapped demos, and most demos, in a set: what DSPy's optimizers come with."""


@dataclass(frozen=True)
class Request:
    """The settings that all runs of a benchmark share.

    Attributes:
        sizes: Most rows of train, validation and sealed test; the rows are the same for every optimizer and seed.
        rows_seed: Which rows are drawn.
        max_program_runs: Cap on program runs, bootstrapping and search together; the sealed test is apart.
        candidates: Instructions and demo sets a predictor, where the optimizer builds so many before its search.
        task_model, prompt_model: `ModelSpec` values; None for the prompt model = the task model.
    """

    tasks: tuple[str, ...]
    optimizers: tuple[str, ...]
    seeds: tuple[int, ...]
    max_program_runs: int
    task_model: dict[str, Any]
    prompt_model: dict[str, Any] | None = None
    sizes: tuple[int, int, int] = (75, 75, 150)
    candidates: int = 10
    threads: int = 8
    rows_seed: int = 0

    def __post_init__(self) -> None:
        for task in self.tasks:
            if task not in CATALOG:
                raise BadInput(f"There is no task {task!r}.", f"There are: {', '.join(CATALOG)}.")
        for name in self.optimizers:
            if name not in OPTIMIZERS and name not in PEERS:
                raise BadInput(f"There is no optimizer {name!r}.", f"There are: {', '.join((*OPTIMIZERS, *PEERS))}.")
        if self.candidates < 2:
            raise BadInput(f"--candidates {self.candidates} leaves nothing to choose from.", "Ask for 2 or more.")
        if min(self.sizes) < 1:
            raise BadInput(f"--sizes {self.sizes} must be three counts of at least 1.")
        if self.max_program_runs < 2 * self.sizes[1]:
            raise BadInput(
                f"A cap of {self.max_program_runs} program runs does not pay for two full evaluations of "
                f"{self.sizes[1]} validation rows.",
                "Raise --max-program-runs or lower the second of --sizes.",
            )

    def entries(self) -> Iterator[Entry]:
        """Seed after seed, so that an interrupted benchmark is a whole one of fewer seeds."""
        for seed in self.seeds:
            for task in self.tasks:
                for optimizer in self.optimizers:
                    yield Entry(self, task, optimizer, seed)


@dataclass(frozen=True)
class Entry:
    """One run of the benchmark."""

    request: Request
    task: str
    optimizer: str
    seed: int

    @property
    def is_peer(self) -> bool:
        return self.optimizer in PEERS

    @property
    def name(self) -> str:
        return f"{CATALOG[self.task].title} · {self.optimizer} · seed {self.seed}"

    def group(self) -> str:
        """Hash of all that must be equal for two runs to be compared: everything but optimizer and seed."""
        shared = asdict(self.request)
        for varies in ("tasks", "optimizers", "seeds", "threads"):
            del shared[varies]
        if not self.request.rows_seed:
            del shared["rows_seed"]  # stores from before there was a choice keep their groups
        text = json.dumps([self.task, shared], sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    def mark(self) -> dict[str, Any]:
        """What the run's receipt keeps under `benchmark`; equal marks are the same measurement."""
        return {
            "group": self.group(),
            "task": self.task,
            "optimizer": self.optimizer,
            "seed": self.seed,
            "max_program_runs": self.request.max_program_runs,
            "candidates": self.request.candidates,
            "sizes": list(self.request.sizes),
            "task_model": self.request.task_model["model"],
            "prompt_model": (self.request.prompt_model or self.request.task_model)["model"],
        }

    def config(self, data: dict[str, Path], inputs: tuple[str, ...]) -> dict[str, Any]:
        """Settings of the run, nested as in `RunConfig`, for one of our optimizers (a peer's run records them too).

        What a sample sets for itself is put aside: everyone searches over as much. The cap ends the run: as many
        trials and, where every candidate is evaluated in full, as many candidates are allowed as it can pay for.
        """
        cap, n_val = self.request.max_program_runs, self.request.sizes[1]
        batch = min(MINIBATCH, n_val)
        config: dict[str, Any] = {
            "program": f"sample:{self.task}",
            "optimizer": "studio" if self.is_peer else self.optimizer,
            "seed": self.seed,
            "name": self.name,
            "threads": self.request.threads,
            "data": {**{part: str(path) for part, path in data.items()}, "inputs": list(inputs)},
            "task_model": self.request.task_model,
            "budget": {"max_program_runs": cap},
            "search": {
                **SearchSettings().model_dump(include=set(CATALOG[self.task].defaults.get("search", {}))),
                "candidates": self.request.candidates,
                "max_bootstrapped": DEMOS,
                "max_labeled": DEMOS,
                "minibatch_size": batch,
                "trials": max(2, cap // batch),
            },
            "proposer": {"dataset_summary": True, "program_summary": True},
        }
        if self.request.prompt_model is not None:
            config["prompt_model"] = self.request.prompt_model
        own = OPTIMIZERS.get(self.optimizer)
        schedule = "" if own is None else {**own.defaults, **own.fixed}.get("search", {}).get("schedule", "racing")
        if schedule == "full":
            config["search"] |= {"trials": max(2, cap // n_val), "candidates": max(3, cap // n_val + 1)}
        elif schedule == "racing":
            config["search"] |= {"trials": max(2, cap // SearchSettings().step)}
        return config
