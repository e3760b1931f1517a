"""Programs: where a `dspy.Module` comes from, what its predictors are, and how a candidate is put into it.

Importing a program runs its author's code. Only a worker or an inspection process does that.
"""

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import dspy

from mipro_studio.optimizer_core.config import NO_CODE
from mipro_studio.optimizer_core.errors import BadInput, told_in_line
from mipro_studio.optimizer_core.programs.agents import frame_of
from mipro_studio.optimizer_core.programs.finding import is_signature, only_program
from mipro_studio.optimizer_core.programs.importing import (
    configured_by,
    configured_model,
    configuring,
    import_reference,
    named_in,
    way_out,
)
from mipro_studio.optimizer_core.programs.instruction_frame import Frame, ToolInfo
from mipro_studio.optimizer_core.programs.program_code import program_code
from mipro_studio.optimizer_core.programs.signature_program import signature_program
from mipro_studio.optimizer_core.sources import is_live
from mipro_studio.optimizer_core.types import Arm
from mipro_studio.sample_programs import CATALOG

__all__ = ["SAMPLE_PREFIX", "PredictorInfo", "Program", "load_program"]

SAMPLE_PREFIX = "sample:"


@dataclass(frozen=True)
class PredictorInfo:
    """One LM-calling step: its `name` in the program, the module's class, fields, and seed instruction.

    Attributes:
        instruction: The part of the seed's instruction that may be replaced.
        before, after: What stays around it whatever is written, as an agent's tools and rules do.
        tools: What the model is told that it may call.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    instruction: str
    before: str = ""
    after: str = ""
    tools: tuple[ToolInfo, ...] = ()

    @property
    def signature(self) -> str:
        """`Predict(message) -> queue`: how the proposer is told about the module."""
        told = f"{self.kind}({', '.join(self.inputs)}) -> {', '.join(self.outputs)}"
        if not self.tools:
            return told
        stay = "; what they do is told to the model below any instruction" if self.after else ""
        return f"{told}, an agent with the tools {', '.join(map(str, self.tools))}{stay}"

    @property
    def frame(self) -> Frame:
        """The parts of its instruction."""
        return Frame(self.instruction, self.before, self.after, self.tools)


class Program:
    """A `dspy.Module` and the file it came from. `module` is the seed and is never changed; `standing` is the object
    that the file holds.

    `configured` holds what the file gave `dspy.configure` when it was imported and the program was made; `signature`
    is what was named in place of a module, which is then `dspy.Predict(signature)`.
    `source` is the source code of the module's class; None when there is none to show (built in a prompt). `code`
    is what the proposer is shown: signatures and inner modules as well, as in DSPy. They are read here because
    finding them parses the file, which Python 3.11 cannot always do beside other threads: "AST constructor recursion
    depth mismatch".
    """

    def __init__(self, module: dspy.Module, home: ModuleType | None, name: str) -> None:
        self.module = self.standing = module
        self.name = name
        self.home = home
        self.configured: Mapping[str, Any] = {}
        self.signature: type | None = None
        named = _predictors(module, name)
        self.predictors = tuple(_describe(module, path, predictor) for path, predictor in named)
        self.source = _source(module)
        self.code = program_code(module, self.source)

    @property
    def metric(self) -> Callable[..., Any] | None:
        """The metric that stands beside the program in its file, if any."""
        found = getattr(self.home, "metric", None)
        return found if callable(found) else None

    def in_state(self, module: dspy.Module) -> "Program":
        """This program with `module`, a copy of its own in another state, as the seed."""
        made = Program(module, self.home, self.name)
        made.configured, made.standing, made.signature = self.configured, self.standing, self.signature
        return made

    @property
    def attribute(self) -> str:
        """The name in its file that the program is had by: `program` where there is one."""
        names = vars(self.home) if self.home is not None else {}
        itself = [name for name, value in names.items() if value is self.standing]
        kind = self.signature or type(self.standing)
        made_of = [name for name, value in names.items() if value is kind]
        return "program" if "program" in names else (itself or made_of or [self.name])[0]

    @property
    def remarks(self) -> list[str]:
        """What was assumed when it was made, a sentence each."""
        if self.signature is None:
            return []
        name = self.signature.__name__
        return [
            f"{name} is a signature: it is run as `dspy.Predict({name})`. For another module, write it into the "
            f"file, as `program = dspy.ChainOfThought({name})`."
        ]

    def without_losses(self, arm: Arm) -> Arm:
        """`arm`, switched off with the reason if it leaves out what the program's own instruction must name."""
        frame = next(info.frame for info in self.predictors if info.name == arm.owner)
        why = frame.why_not(arm.text) if arm.active and arm.text else ""
        return replace(arm, active=False, reason=why) if why else arm

    def making(self, attribute: str) -> str:
        """Python that has the program: `attribute` of its file, a call of it, or `dspy.Predict` of a signature."""
        try:
            found = named_in(self.home, attribute)
        except LookupError:
            return f"{attribute}()"
        if is_signature(found):
            return f"dspy.Predict({attribute})"
        return attribute if isinstance(found, dspy.Module) else f"{attribute}()"


def _predictors(module: dspy.Module, name: str) -> list[tuple[str, Any]]:
    try:
        named: list[tuple[str, Any]] = module.named_predictors()
    except Exception as error:  # DSPy looks at all that a person's object holds
        way = (
            "A module must not hold itself, nor one that it is part of." if isinstance(error, RecursionError) else ""
        )
        raise BadInput(f"DSPy finds no predictors in the program {name!r}: {told_in_line(error)}.", way) from error
    if not named:
        advice = "Make dspy.Predict (or ChainOfThought, ...) objects attributes of the module in __init__."
        if any(isinstance(one, dspy.Flex) for _, one in module.named_sub_modules()):
            advice = "What a dspy.Flex has is code, which dspy.GEPA rewrites; here prompts and demos are optimized."
        raise BadInput(f"The program {name!r} has no predictors, so there is nothing to optimize.", advice)
    return named


def _source(module: dspy.Module) -> str | None:
    written = getattr(module, "source_text", None)
    kind: Any = type(module)
    return written if isinstance(written, str) else _source_of(kind)


def _source_of(kind: Any) -> str | None:
    try:
        return inspect.getsource(kind)
    except (OSError, TypeError):
        return None


def _describe(module: dspy.Module, path: str, predictor: Any) -> PredictorInfo:
    signature = predictor.signature
    frame = frame_of(module, predictor)
    return PredictorInfo(
        path,
        type(predictor).__name__,
        tuple(signature.input_fields),
        tuple(signature.output_fields),
        frame.task,
        frame.before,
        frame.after,
        frame.tools,
    )


def load_program(reference: str, base: Path, lm: dspy.BaseLM | None = None) -> Program:
    """The program that `reference` names: `sample:NAME`, `path.py[:attr]`, `package.module:attr` or one of `NO_CODE`.

    Args:
        base: Folder that relative paths and packages are looked up in.
        lm: What a program finds in `dspy.settings.lm` that looks there when it is made.

    Raises:
        BadInput: it does not exist, does not import, or is no `dspy.Module`; one sentence says which.
    """
    if is_live(reference):  # nothing is imported, and DSPy's settings are those of whoever called
        program = _loaded(reference, base)
        program.configured = configured_by(program.home)
        return program
    with configured_model(lm), configuring() as configured:
        program = _loaded(reference, base)
    program.configured = {**configured_by(program.home), **configured}
    return program


def _loaded(reference: str, base: Path) -> Program:
    if reference.startswith(SAMPLE_PREFIX):
        name = reference.removeprefix(SAMPLE_PREFIX)
        if name not in CATALOG:
            raise BadInput(f"There is no sample program {name!r}.", f"There are: {', '.join(CATALOG)}.")
        sample = importlib.import_module(f"mipro_studio.sample_programs.{name}")
        return Program(_as_module(sample.program, reference), sample, name)
    if reference.startswith(NO_CODE):
        made = signature_program(reference)
        return Program(made, None, made.named_predictors()[0][0].split(".")[0])
    home, attribute = import_reference(reference, base)
    try:
        found = named_in(home, attribute) if attribute else only_program(home, reference)
    except LookupError:
        raise BadInput(f"{reference.split(':')[0]!r} has nothing named {attribute!r}.") from None
    program = Program(_as_module(found, reference), home, attribute or Path(reference).stem)
    program.signature = found if is_signature(found) else None
    return program


def _as_module(found: Any, reference: str) -> dspy.Module:
    if is_signature(found):
        return dspy.Predict(found)
    if not isinstance(found, dspy.Module) and callable(found):
        try:
            found = found()
        except Exception as error:
            wants = isinstance(error, TypeError) and "argument" in told_in_line(error)
            advice = "A class or factory must work without arguments." if wants else way_out(error)
            raise BadInput(f"Building the program {reference!r} raised {told_in_line(error)}.", advice) from error
    if not isinstance(found, dspy.Module):
        raise BadInput(f"{reference!r} is a {type(found).__name__}, not a dspy.Module.")
    return found
