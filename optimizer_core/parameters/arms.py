"""The arms of a run, and the program with a candidate's arms put in."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import dspy

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.parameters.arm_contents import ArmContents
from mipro_studio.optimizer_core.parameters.registry import KINDS
from mipro_studio.optimizer_core.programs.module_copies import copy_module
from mipro_studio.optimizer_core.programs.program import Program
from mipro_studio.optimizer_core.types import DEMOS, INSTRUCTION, PROGRAM, SEED_ARM, WHOLE, Arm, Candidate

__all__ = ["Arms", "require_predictors"]

Table = Mapping[str, Mapping[int, Arm]]
"""Arms of one kind: owner -> index -> arm."""


def require_predictors(arms: Iterable[Arm], names: Sequence[str]) -> None:
    """Refuse a program whose predictors are not those, in that order, that the arms of a run were made for.

    Raises:
        BadInput: they are others.
    """
    began = [arm.owner for arm in arms if arm.kind == INSTRUCTION and arm.index == SEED_ARM]
    if began and began != list(names):
        raise BadInput(
            f"The program has the predictors {', '.join(names)}; when the run began it had {', '.join(began)}.",
            "Put them back to go on with this run, or start another one.",
        )


class Arms:
    """The arms of a run by kind, owner and index, and the program with a candidate's arms put in.

    Inactive arms are kept, for the record.

    Args:
        models: Predictor -> the model that it works with, where it is not the program's choice or the role's.
        folders: Where relative paths of images and other files in labelled demos are looked up.
    """

    def __init__(
        self, program: Program, models: Mapping[str, Any] = MappingProxyType({}), folders: Sequence[Path] = ()
    ) -> None:
        self._program = program
        self._models = models
        self._folders = tuple(folders)
        self.names = tuple(predictor.name for predictor in program.predictors)
        self._tables: dict[str, Table] = {kind: {} for kind in KINDS}
        for kind in (INSTRUCTION, DEMOS):
            self._tables[kind] = {name: {} for name in self.names}
        self._contents = lru_cache(maxsize=64)(self._contents_uncached)

    @property
    def by_kind(self) -> Mapping[str, Table]:
        return self._tables

    @property
    def instructions(self) -> Table:
        return self._tables[INSTRUCTION]

    @property
    def demo_sets(self) -> Table:
        return self._tables[DEMOS]

    def of(self, owner: str, kind: str) -> Mapping[int, Arm]:
        """By index; empty where the owner has no such parameter."""
        return self._tables.get(kind, {}).get(owner, {})

    def everything(self) -> list[Arm]:
        return [arm for table in self._tables.values() for of_owner in table.values() for arm in of_owner.values()]

    def add(self, arm: Arm) -> None:
        # Made anew, not changed: a report that is being written in a thread may be going through the old one.
        table = self._tables.get(arm.kind, {})
        self._tables[arm.kind] = {**table, arm.owner: {**table.get(arm.owner, {}), arm.index: arm}}

    def place(self, owner: str) -> int:
        """Where `owner` stands in a candidate."""
        return WHOLE if owner == PROGRAM else self.names.index(owner)

    def chosen(self, candidate: Candidate) -> list[Arm]:
        """The candidate's arm of every kind of every owner that has one.

        Raises:
            KeyError: it names an arm that there is not.
        """
        if candidate.n_predictors != len(self.names):
            raise KeyError(candidate.id)
        return [
            of_owner[candidate.arm(self.place(owner), kind)]
            for kind, table in self._tables.items()
            for owner, of_owner in table.items()
            if of_owner
        ]

    def module(self, candidate: Candidate) -> dspy.Module:
        """A program with `candidate` put in."""
        return self.put_in(self.contents(candidate))

    def contents(self, candidate: Candidate) -> ArmContents:
        """What `candidate` puts into the program."""
        return self._contents(candidate)

    def _contents_uncached(self, candidate: Candidate) -> ArmContents:
        return ArmContents.of(self.chosen(candidate))

    def build(self, arms: Iterable[Arm]) -> dspy.Module:
        """A copy of the seed with these arms; what has none stays as it is."""
        return self.put_in(ArmContents.of(arms))

    def put_in(self, contents: ArmContents) -> dspy.Module:
        """A copy of the seed with these arms; needs none of the arms that were added."""
        module = copy_module(self._program.module)
        for name, predictor in module.named_predictors():
            predictor.lm = self._models.get(name, predictor.lm)
        for kind in KINDS.values():
            if kind.name in contents.by_kind:
                kind.apply(module, contents.by_kind[kind.name], self._program, self._folders)
        return module
