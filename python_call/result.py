"""What an optimization came to: the optimized module, and the evidence for it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dspy

from mipro_studio.commands.output import run_facts
from mipro_studio.optimizer_core.exports.export import save_program
from mipro_studio.optimizer_core.files import write_private
from mipro_studio.optimizer_core.types import CellKey, Outcome, Split, Status, TrialKind
from mipro_studio.python_call.cell_view import result_html, result_text
from mipro_studio.storage import Reader

__all__ = ["Result"]


@dataclass(frozen=True, repr=False)
class Result:
    """The end of a run that `optimize` started.

    Attributes:
        program: The optimized module, a copy of the one that was given: the winner's instructions and demos, with the
            given models. The given module is as it was.
        run_id, store: The run, which the app and the command line show.
        status: completed, or stopped with the best so far.
        facts: Scores, counts and times by the names that `mipro-studio show --json` prints.
        outcome: The estimates that the winner was chosen by, each {mean, low, high, level, n, n_error}, the paired
            differences to the baseline, importance by predictor.
    """

    program: dspy.Module
    run_id: str
    store: Path
    status: Status
    facts: Mapping[str, Any]
    outcome: Outcome

    @property
    def improved(self) -> bool:
        """Whether the winner is another candidate than the program as it came."""
        return self.outcome.winner != self._baseline

    @property
    def score(self) -> float | None:
        """The winner's mean on the sealed test where there is one, else on validation; as the metric gives it."""
        best = self.outcome.best_test or self.outcome.best_val
        return None if best is None else float(best["mean"])

    @property
    def _baseline(self) -> str:
        with Reader(self.store) as reader:
            trials = reader.trials(self.run_id)
        return next((trial.candidate for trial in trials if trial.kind is TrialKind.BASELINE), "")

    def examples(self, split: str = "val") -> list[dict[str, Any]]:
        """The rows of a split (val, test) as {id, inputs, labels, baseline, winner}; the last two are
        {score, error, prediction}, None where that candidate was not asked."""
        which = Split(split)
        with Reader(self.store) as reader:
            rows = reader.examples(self.run_id, which)
            candidates = {"baseline": self._baseline, "winner": self.outcome.winner or ""}
            known = {cell.key for name in candidates.values() for cell in reader.cells(self.run_id, name, which)}

            def cell(candidate: str, example: str) -> dict[str, Any] | None:
                key = CellKey(candidate, which, example)
                if key not in known:
                    return None
                found = reader.cell(self.run_id, key)
                return {
                    "score": found.score,
                    "error": found.error and found.error.value,
                    "prediction": dict(found.prediction),
                }

            return [
                {"id": row.id, "inputs": dict(row.inputs), "labels": dict(row.labels)}
                | {name: cell(candidate, row.id) for name, candidate in candidates.items()}
                for row in rows
            ]

    def save(self, path: str | Path) -> None:
        """Write the program as DSPy's JSON, which `module.load(path)` takes back. No keys are in it."""
        save_program(self.program, Path(path))

    def report(self, path: str | Path) -> Path:
        """Write the run as one HTML page for people who were not there."""
        from mipro_studio.ui.export.report import report_html  # jinja2 takes a moment

        with Reader(self.store) as reader:
            write_private(Path(path), report_html(reader, self.run_id).encode())
        return Path(path)

    def __repr__(self) -> str:
        return result_text(self.store, self.run_id)

    def _repr_html_(self) -> str:
        return result_html(self.store, self.run_id)

    def to_json(self) -> str:
        """The facts as one JSON object."""
        return json.dumps(self.facts, default=str)


def read_result(store: Path, run_id: str, program: dspy.Module) -> Result:
    """The result of a run that has a winner."""
    with Reader(store) as reader:
        facts, outcome = run_facts(reader, run_id), reader.outcome(run_id)
        status = reader.run(run_id).status
    assert outcome is not None
    return Result(program, run_id, store, status, facts, outcome)
