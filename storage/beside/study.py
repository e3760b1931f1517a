"""A run's trials as an Optuna study, so that optuna-dashboard and Optuna's figures open any run.

The store is the truth and this a copy: a study that is lost is made again from the trials. It takes finished
trials only, so no crash leaves one that seems to run.

A study's choices cannot grow, while a person may add arms to a run. Every parameter of arms therefore carries spare
choices, and the study's user attribute `arms` says which arm each spare stands for. A run whose search draws other
values than arms (MIPRO++: the proposer's switches) has these as parameters.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mipro_studio.optimizer_core.errors import BadInput, StudioError
from mipro_studio.optimizer_core.files import private_folder
from mipro_studio.optimizer_core.types import Trial

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution
from mipro_studio.storage.connection import create_private
from mipro_studio.storage.paths import study_url

__all__ = ["SPARE_CHOICES", "StudyMirror"]

SPARE_CHOICES = tuple(f"spare-{n}" for n in range(1, 17))
"""Choices for arms that do not exist yet when the study is made."""

_ARMS, _VALUES = "arms", "values"


class StudyMirror:
    """The study of `run_id` in the file `path`, made when missing.

    Belongs to one thread. Opening imports Optuna and makes its tables, about a second the first time.

    Args:
        path: `storage.study_path(store, run_id)`.
        run_id: The study's name.
        parameter_choices: For every parameter (such as `answer: instruction`) the labels of its arms in the
            order of their indices. With a study that exists, labels it does not know take spare choices.
        variables: Parameters that are no arms, with their Optuna distributions.
        about: What the values of trials are, for the study's user attribute `values`.

    Raises:
        BadInput: more arms were added than there are spare choices, or the parameters are others.
    """

    def __init__(
        self,
        path: Path,
        run_id: str,
        parameter_choices: Mapping[str, Sequence[str]],
        variables: "Mapping[str, BaseDistribution] | None" = None,
        about: str = "",
    ) -> None:
        # Imported here: Optuna takes most of a second, and pages that only read the store never mirror.
        from optuna.exceptions import StorageInternalError
        from optuna.storages import RDBStorage

        # What Optuna raises for a file that fails and for a study that is gone.
        self._foreign = (StorageInternalError, KeyError)
        self.path, self.url = path, study_url(path)
        private_folder(path.parent)
        create_private(path)
        self._storage = RDBStorage(self.url, engine_kwargs={"connect_args": {"timeout": 10}})
        with self._storage.engine.connect() as conn:
            # The dashboard reads while we write, and a trial costs one fsync less; Optuna never asks for it.
            conn.exec_driver_sql("pragma journal_mode = wal")
        self._variables = dict(variables or {})
        self._study = self._opened(run_id, parameter_choices, about)
        self._choices = self._arrange(parameter_choices)
        self._mirrored = {trial.user_attrs["order"] for trial in self._study.get_trials(deepcopy=False)}

    def _opened(self, run_id: str, wanted: Mapping[str, Sequence[str]], about: str) -> "optuna.Study":
        """The study, made when missing; one of an older studio that had other parameters is made anew."""
        import optuna

        asked = {"storage": self._storage, "study_name": run_id, "direction": "maximize", "load_if_exists": True}
        study = optuna.create_study(**asked)
        known = study.user_attrs
        if _ARMS in known and _VALUES not in known and known[_ARMS].keys() != wanted.keys():
            optuna.delete_study(study_name=run_id, storage=self._storage)
            study = optuna.create_study(**asked)
        if known.get(_VALUES) != about:
            study.set_user_attr(_VALUES, about)
        return study

    def close(self) -> None:
        self._storage.remove_session()
        self._storage.engine.dispose()

    def __enter__(self) -> "StudyMirror":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _arrange(self, wanted: Mapping[str, Sequence[str]]) -> dict[str, dict[str, str]]:
        """For every parameter the study's choice that stands for each label; new labels take spares."""
        known: dict[str, dict[str, str]] = self._study.user_attrs.get(_ARMS, {})
        if known and known.keys() != wanted.keys():
            raise BadInput(f"The study of run {self._study.study_name} has other parameters.")
        arranged = {
            name: dict(known.get(name) or zip(labels, labels, strict=True)) for name, labels in wanted.items()
        }
        for name, labels in wanted.items():
            taken = arranged[name]
            spares = [spare for spare in SPARE_CHOICES if spare not in taken.values()]
            new = [label for label in labels if label not in taken]
            if len(new) > len(spares):
                raise BadInput(f"The study has no choice left for {new[len(spares)]!r} of {name!r}.")
            taken.update(zip(new, spares, strict=False))
        if arranged != known:
            self._study.set_user_attr(_ARMS, arranged)
        return arranged

    def add_labels(self, parameter_choices: Mapping[str, Sequence[str]]) -> None:
        """Take up arms that were added while the run was going.

        Raises:
            BadInput: there are no spare choices left, or the parameters are others.
        """
        self._choices = self._arrange(parameter_choices)

    def add(
        self,
        trial: Trial,
        params: Mapping[str, Any],
        asked_at: str | None = None,
        done_at: str | None = None,
    ) -> bool:
        """Mirror one finished trial; False when it is there already or is not finished.

        A trial in which every cell failed has no mean and is mirrored as failed. Minibatches and full
        evaluations are both mirrored; `kind` and `cells` tell how much a value weighs.

        Args:
            trial: Its `order` is its identity.
            params: The label chosen for every parameter of arms and the value of every other; empty for a trial that
                the search was not told, as MIPRO++ is not told the baseline.
            asked_at: UTC, ISO 8601, as `Reader.trial_times` gives it.
            done_at: The same.

        Raises:
            BadInput: a parameter or label that the study does not know.
            StudioError: the file is locked or full, or the study was deleted in the dashboard; the run need
                not care.
        """
        if not trial.done or trial.order in self._mirrored:
            return False
        frozen = self._frozen(trial, params, asked_at, done_at)
        try:
            self._study.add_trial(frozen)
        except self._foreign as e:
            raise StudioError(
                f"Trial {trial.order} could not be written to the study {self.path}.",
                "Nothing of the run is lost: delete the file and it is made again.",
            ) from e
        self._mirrored.add(trial.order)
        return True

    def sync(self, rows: Iterable[tuple[Trial, Mapping[str, Any], str | None, str | None]]) -> int:
        """`add` for all rows; returns how many were new."""
        return sum(self.add(*row) for row in rows)

    def _frozen(
        self, trial: Trial, params: Mapping[str, Any], asked_at: str | None, done_at: str | None
    ) -> "optuna.trial.FrozenTrial":
        from optuna.distributions import CategoricalDistribution
        from optuna.trial import TrialState, create_trial

        try:
            chosen = {
                name: value if name in self._variables else self._choices[name][value]
                for name, value in params.items()
            }
        except KeyError as e:
            raise BadInput(f"The study of run {self._study.study_name} does not know {e.args[0]!r}.") from e
        frozen = create_trial(
            state=TrialState.FAIL if trial.value is None else TrialState.COMPLETE,
            value=trial.value,
            params=chosen,
            distributions={
                name: self._variables.get(name) or CategoricalDistribution(self._padded(name)) for name in chosen
            },
            user_attrs={
                "order": trial.order,
                "number": trial.number,
                "candidate": trial.candidate,
                "kind": str(trial.kind),
                "cells": trial.n_ok,
                "errors": trial.n_error,
                "program_runs": trial.program_runs,
            },
        )
        frozen.datetime_start = _moment(asked_at) or frozen.datetime_start
        frozen.datetime_complete = _moment(done_at) or frozen.datetime_complete
        return frozen

    def _padded(self, name: str) -> tuple[str, ...]:
        original = [choice for choice in self._choices[name].values() if choice not in SPARE_CHOICES]
        return (*original, *SPARE_CHOICES)


def _moment(at: str | None) -> datetime | None:
    # Optuna's times are naive and local.
    return None if at is None else datetime.fromisoformat(at).astimezone().replace(tzinfo=None)
