"""Whether an exported program still answers on the embedded model as it did in its run."""

from pathlib import Path

import dspy

from mipro_studio.optimizer_core.models.embedded import CompactAdapter, embedded_lm
from mipro_studio.sample_programs import triage
from mipro_studio.storage import Reader

__all__ = ["LEAST", "agreement"]

LEAST = 0.8
"""Least share of equal answers. In repeated runs 1 to 5 of 160 answers changed, and 4 of 48 once, on a near tie, with
the lengths in which llama.cpp evaluated what stood in the cache."""


def agreement(file: Path, reader: Reader, run_id: str) -> float:
    """The share of the winner's stored answers that triage, loaded from `file` by DSPy alone, gives again."""
    outcome = reader.outcome(run_id)
    assert outcome is not None
    program = triage.program()
    program.load(str(file))
    examples = {example.id: example for example in reader.examples(run_id)}
    same: list[bool] = []
    with dspy.context(lm=embedded_lm(), adapter=CompactAdapter()):
        for row in reader.cells(run_id, outcome.winner):
            if row.score is None:
                continue
            then, now = reader.cell(run_id, row.key).prediction, program(**examples[row.key.example].inputs)
            same += [now[name] == value for name, value in then.items()]
    assert len(same) >= 10
    return sum(same) / len(same)
