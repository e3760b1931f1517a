"""The arms of a run, and the program with a candidate's arms put in."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import dspy

from mipro_studio.optimizer_core.parameters.arm_contents import ArmContents
from mipro_studio.optimizer_core.programs.module_copies import copy_module
from mipro_studio.optimizer_core.programs.program import Program
from mipro_studio.optimizer_core.programs.values import decode, encode
from mipro_studio.optimizer_core.types import Candidate, Demo, DemoSet, Instruction

__all__ = ["Arms", "own_demos"]


class Arms:
    """The arms of a run by predictor, and the program with a candidate's arms put in.

    `instructions[predictor][index]` and `demo_sets[predictor][index]`; inactive ones are kept, for the record.

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
        self.instructions: dict[str, dict[int, Instruction]] = {name: {} for name in self.names}
        self.demo_sets: dict[str, dict[int, DemoSet]] = {name: {} for name in self.names}
        self._contents = lru_cache(maxsize=64)(self._contents_uncached)

    def add(self, arm: Instruction | DemoSet) -> None:
        table: dict[str, dict[int, Any]] = self.instructions if isinstance(arm, Instruction) else self.demo_sets
        # Made anew, not changed: a report that is being written in a thread may be going through the old one.
        table[arm.predictor] = {**table[arm.predictor], arm.index: arm}

    def module(self, candidate: Candidate) -> dspy.Module:
        """A program with `candidate` put in."""
        return self.put_in(self.contents(candidate))

    def put_in(self, contents: ArmContents) -> dspy.Module:
        """A program with these arms; needs none of the arms that were added."""
        return self.build(contents.instructions, contents.demos)

    def contents(self, candidate: Candidate) -> ArmContents:
        """What `candidate` puts into the program."""
        return self._contents(candidate)

    def _contents_uncached(self, candidate: Candidate) -> ArmContents:
        instructions = {}
        demos = {}
        for name, (instruction, demo_set) in zip(self.names, candidate.choices, strict=True):
            instructions[name] = self.instructions[name][instruction].text
            demos[name] = self.demo_sets[name][demo_set].demos
        return ArmContents(instructions, demos)

    def build(self, instructions: Mapping[str, str], demos: Mapping[str, Sequence[Demo]]) -> dspy.Module:
        """A copy of the seed with these instructions and demos; predictors not named stay as they are."""
        module = copy_module(self._program.module)
        frames = {info.name: info.frame for info in self._program.predictors}
        for name, predictor in module.named_predictors():
            if name in instructions:
                whole = frames[name].around(instructions[name])
                if whole != predictor.signature.instructions:
                    predictor.signature = predictor.signature.with_instructions(whole)
            if name in demos and list(demos[name]) != own_demos(predictor):
                predictor.demos = [_as_dspy(demo, predictor.signature, self._folders) for demo in demos[name]]
            predictor.lm = self._models.get(name, predictor.lm)
        return module


def own_demos(predictor: Any) -> list[Demo]:
    """The demos that the program brings for `predictor`, as records."""
    return [
        Demo(_encoded(dict(demo.items()), predictor.signature), bool(demo.get("augmented")), "")
        for demo in predictor.demos
    ]


def _encoded(fields: Mapping[str, Any], signature: Any) -> dict[str, Any]:
    return {str(name): encode(value, _annotation(name, signature)) for name, value in fields.items()}


def _annotation(name: str, signature: Any) -> Any:
    return signature.fields[name].annotation if name in signature.fields else Any


def _as_dspy(demo: Demo, signature: Any, folders: tuple[Path, ...]) -> dspy.Example:
    """A demo as the program shows it: a teacher's values are what they were, labels stay as the file has them."""
    typed = signature.fields if demo.augmented else signature.input_fields
    fields = {
        name: decode(value, typed[name].annotation if name in typed else Any, folders)
        for name, value in demo.fields.items()
        if name in signature.fields
    }
    return dspy.Example({"augmented": True, **fields} if demo.augmented else fields)
