"""A run's Optuna study, kept up to date beside the run: `main([STORE, RUN])`.

A process of its own, because Optuna's storage takes a second to open and 20 ms a trial of the interpreter that the
worker's threads need. It ends, after a last look, when its standard input is closed: with the worker, however that
ends.
"""

import select
import sys
from pathlib import Path

from optuna.exceptions import StorageInternalError

from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.types import Candidate, TrialKind
from mipro_studio.storage import Reader, StudyMirror, study_path

INTERVAL_S = 1.0


class Copyist:
    """Copies finished trials of one run."""

    def __init__(self, store: Path, run_id: str) -> None:
        self._store = store
        self._run_id = run_id
        self._mirror: StudyMirror | None = None

    def copy(self) -> None:
        """Bring the study up to date. A view for people: what goes wrong is said, and tried again the next time."""
        try:
            self._copy()
        except (StudioError, OSError, StorageInternalError) as error:
            print(f"The Optuna study was not brought up to date: {error}", file=sys.stderr)

    def _copy(self) -> None:
        with Reader(self._store) as reader:
            instructions = reader.instructions(self._run_id)
            demo_sets = reader.demo_sets(self._run_id)
            trials = [trial for trial in reader.trials(self._run_id) if trial.done]
            times = reader.trial_times(self._run_id)
        if all(trial.kind is TrialKind.BASELINE for trial in trials):
            return
        names = list(dict.fromkeys(arm.predictor for arm in instructions if arm.index == 0))
        choices: dict[str, list[str]] = {}
        for name in names:
            choices[f"{name}: instruction"] = [f"i{arm.index}" for arm in instructions if arm.predictor == name]
            choices[f"{name}: demos"] = [f"d{arm.index}" for arm in demo_sets if arm.predictor == name]
        if self._mirror is None:
            self._mirror = StudyMirror(study_path(self._store, self._run_id), self._run_id, choices)
        else:
            self._mirror.add_labels(choices)
        for trial in trials:
            pairs = zip(names, Candidate.parse(trial.candidate).choices, strict=True)
            params = {
                key: value
                for name, (instruction, demos) in pairs
                for key, value in ((f"{name}: instruction", f"i{instruction}"), (f"{name}: demos", f"d{demos}"))
            }
            at = times.get(trial.order)
            self._mirror.add(trial, params, *(at or (None, None)))


def main(arguments: list[str]) -> int:
    store, run_id = arguments
    copyist = Copyist(Path(store), run_id)
    while not select.select([sys.stdin], [], [], INTERVAL_S)[0]:
        copyist.copy()
    copyist.copy()
    return 0
