"""A run of several strategies, for the pages that show them."""

from dataclasses import replace
from pathlib import Path

from mipro_studio.optimizer_core.analysis.statistics import estimate, paired_difference
from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.parameters.weights import weights_arms
from mipro_studio.optimizer_core.types import Candidate, Status, TrialKind, Tuning, TuningState
from tests.ui.factory import LiveRun

__all__ = ["MEANS", "TUNINGS", "steps", "together"]

ROW = {"messages": [{"role": "user", "content": "asked"}], "answer": "told", "predictor": "answer", "example": "e1"}
FACTS = {"yield": {"cells": 3}, "demos": False, "settings": {}, "tuned": "adapter.gguf", "paid_usd": 0.25}


def tuned(number: int, strategy: str, rows: int, seconds_s: float) -> Tuning:
    facts = {**FACTS, "strategy": strategy, "waited_s": seconds_s}
    return Tuning(number, TuningState.TUNED, f"studio-{number}", "i0d0-i0d0", (ROW,) * rows, facts)


TUNINGS = (tuned(1, "Π→Θ", 40, 61.0), tuned(2, "Θ", 10, 30.0), tuned(3, "Θ→Θ", 20, 50.0))
MEANS = {"vanilla": 0.2, "Π": 0.4, "Π→Θ": 0.6, "Π→Θ→Π": 0.8, "Θ": 0.5, "Θ→Θ": 0.6}


def steps() -> list[dict[str, object]]:
    before = [0.0, 0.0, 0.0, 0.0, 1.0] * 2
    told = []
    for place, (name, mean) in enumerate(MEANS.items()):
        after = [float(row % 5 < 5 * mean) for row in range(10)]
        told.append(
            {
                "strategy": name,
                "candidate": "i0d0-i0d0" if not place else f"i0d{place}-i0d0",
                "val": estimate(after),
                "test": estimate(after),
                "paired_test": paired_difference(list(zip(before, after, strict=True))),
            }
        )
    return told


def together(store: Path, tuned: str = "adapter.gguf") -> str:
    """The id of a finished run whose outcome names what every strategy came to; `tuned`: what serves its weights."""
    live = LiveRun(
        store, "together", age_s=60, config=RunConfig(program="sample:triage", optimizer="better_together")
    )
    live.begin()
    live.bootstrap()
    live.propose()
    live.baseline()
    live.evaluate(TrialKind.FULL, Candidate.parse("i0d1-i0d0"))
    tunings = [replace(one, facts={**one.facts, "tuned": tuned}) for one in TUNINGS]
    live.write(*tunings, *(arm for one in tunings for arm in weights_arms(one)))
    live.write(replace(live.outcome("the best prefix"), steps=tuple(steps())))
    live.end(Status.COMPLETED)
    live.close()
    return live.id
