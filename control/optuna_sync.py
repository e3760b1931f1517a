"""A run's Optuna study, kept up to date beside the run: `main([STORE, RUN])`.

A process of its own, because Optuna's storage takes a second to open and 20 ms a trial of the interpreter that the
worker's threads need. It ends, after a last look, when its standard input is closed: with the worker, however that
ends.
"""

import select
import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.exceptions import StorageInternalError
from optuna.logging import WARNING, set_verbosity

from mipro_studio.optimizer_core.catalogue import OPTIMIZERS
from mipro_studio.optimizer_core.config import RunConfig, parse_config
from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.parameters.registry import KINDS, parameter_name
from mipro_studio.optimizer_core.proposers.switch_variables import bootstrap_space, rows_of, switch_space
from mipro_studio.optimizer_core.types import DEMOS, INSTRUCTION, PROGRAM, WHOLE, Arm, Candidate, TrialKind
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
            config = parse_config(reader.config(self._run_id))
            arms = reader.arms(self._run_id)
            trials = [trial for trial in reader.trials(self._run_id) if trial.done]
            times = reader.trial_times(self._run_id)
        if all(trial.kind is TrialKind.BASELINE for trial in trials):
            return
        searched = _Searched(config, arms)
        if self._mirror is None:
            place = study_path(self._store, self._run_id)
            told = (searched.choices(), searched.variables(), searched.values)
            self._mirror = StudyMirror(place, self._run_id, *told)
        else:
            self._mirror.add_labels(searched.choices())
        for trial in trials:
            self._mirror.add(trial, searched.params(trial.candidate), *(times.get(trial.order) or (None, None)))


class _Searched:
    """The variables that a run's search chooses among, and their values in a candidate."""

    def __init__(self, config: RunConfig, arms: Sequence[Arm]) -> None:
        listed = OPTIMIZERS.get(config.optimizer)
        self._config = config
        self._tables: dict[str, dict[str, dict[int, Arm]]] = {kind: {} for kind in KINDS}
        for arm in arms:
            self._tables.setdefault(arm.kind, {}).setdefault(arm.owner, {})[arm.index] = arm
        self._instructions, self._demo_sets = self._tables[INSTRUCTION], self._tables[DEMOS]
        further = tuple(kind for kind in listed.may_search if kind in config.search.kinds) if listed else ()
        self._kinds = (*listed.searches, *further) if listed else tuple(KINDS)
        self._switches = listed is not None and listed.switches
        self._free = [name for name in self._instructions if name not in config.search.freeze]

    @cached_property
    def _made(self) -> dict[str, Mapping[str, Any]]:
        return {row.candidate: row.values for row in rows_of(list(self._instructions), self._instructions)}

    @property
    def values(self) -> str:
        """What the study's values are."""
        told = "each trial's mean over the cells that it asked for"
        match self._config.search.surrogate, self._config.search.schedule:
            case _ if self._switches:
                return f"{told}, as TPE is told it"
            case "tpe", "racing":
                return f"{told}; in a race TPE is told them shrunk by their cells"
            case "tpe", _:
                return f"{told}, as TPE is told it"
            case _:
                return told

    def choices(self) -> dict[str, list[str]]:
        """Labels of the arms by parameter; none where other variables are searched."""
        if self._switches:
            return {}
        return {
            parameter_name(owner, kind): [f"{kind[0]}{index}" for index in self._tables[kind][owner]]
            for owner, kind in self._slots
        }

    @property
    def _slots(self) -> list[tuple[str, str]]:
        """(owner, kind) of every parameter that may be searched."""
        owners = [*self._free, PROGRAM]
        return [(owner, kind) for owner in owners for kind in self._kinds if owner in self._tables[kind]]

    def variables(self) -> dict[str, BaseDistribution]:
        """What MIPRO++ searches."""
        if not self._switches:
            return {}
        search, sets = self._config.search, {name: self._demo_sets[name] for name in self._free}
        if DEMOS not in self._kinds:
            return switch_space(self._config.proposer, sets)
        seeds = max(1, search.candidates - 1)
        return switch_space(self._config.proposer, sets, range(1, seeds + 1)) | bootstrap_space(
            search.max_bootstrapped, seeds
        )

    def params(self, candidate: str) -> Mapping[str, Any]:
        """The variables' values; empty for a candidate that the switches did not make."""
        if self._switches:
            return self._made.get(candidate, {})
        chosen, names = Candidate.parse(candidate), list(self._instructions)
        places = {PROGRAM: WHOLE} | {name: place for place, name in enumerate(names)}
        return {
            parameter_name(owner, kind): f"{kind[0]}{chosen.arm(places[owner], kind)}" for owner, kind in self._slots
        }


def main(arguments: list[str]) -> int:
    store, run_id = arguments
    set_verbosity(WARNING)  # a worker in a person's own process shares their terminal
    copyist = Copyist(Path(store), run_id)
    while not select.select([sys.stdin], [], [], INTERVAL_S)[0]:
        copyist.copy()
    copyist.copy()
    return 0
