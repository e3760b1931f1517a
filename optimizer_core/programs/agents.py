"""What an agent's predictor is told beside its task, read off the program: DSPy's own words, and the tools."""

import re
from typing import Any

import dspy

from mipro_studio.optimizer_core.programs.instruction_frame import Frame, ToolInfo

__all__ = ["frame_of"]


def frame_of(module: dspy.Module, predictor: Any) -> Frame:
    """The parts of the instruction of `predictor`, one of those of the program `module`."""
    whole = predictor.signature.instructions
    tools = _tools(module, predictor)
    owner = _owner(module, predictor, "signature")
    if owner is None or not _of_dspy(owner):
        return Frame(whole, tools=tools)
    task = owner.signature.instructions
    if task and task in whole:
        before, _, after = whole.partition(task)
        return Frame(task, before, after, tools)
    if isinstance(owner, dspy.ProgramOfThought) and not isinstance(owner, dspy.CodeAct):
        return Frame("", "", whole, tools)  # it tells the model how to answer, and leaves the task out
    return Frame(whole, tools=tools)


def _tools(module: dspy.Module, predictor: Any) -> tuple[ToolInfo, ...]:
    """Tools that `predictor` tells the model of: in its instruction, or by an input that holds them."""
    owner = _owner(module, predictor, "tools")
    if owner is None or not isinstance(owner.tools, dict | list | tuple):
        return ()
    given = owner.tools.values() if isinstance(owner.tools, dict) else owner.tools
    known = [tool if isinstance(tool, dspy.Tool) else dspy.Tool(tool) for tool in given if callable(tool)]
    fields = predictor.signature.input_fields.values()
    as_input = any(dspy.Tool.extract_custom_type_from_annotation(field.annotation) for field in fields)
    told = predictor.signature.instructions
    return tuple(
        ToolInfo(tool.name, " ".join((tool.desc or "").split()), tuple(tool.args or ()))
        for tool in known
        if as_input or re.search(rf"(?<!\w){re.escape(tool.name)}(?!\w)", told)
    )


def _owner(module: dspy.Module, predictor: Any, attribute: str) -> Any:
    """The innermost module with `attribute` that `predictor` is part of; None if there is none."""
    found = None
    for _, inner in module.named_sub_modules(dspy.Module):  # outer ones come first
        has = not isinstance(inner, dspy.Predict) and getattr(inner, attribute, None)
        if has and any(own is predictor for own in inner.predictors()):
            found = inner
    return found


def _of_dspy(module: Any) -> bool:
    """Whether the module is one of DSPy's, or a subclass of one, with a signature of its own."""
    return hasattr(module.signature, "instructions") and any(
        kind.__module__.startswith("dspy.predict.") for kind in type(module).__mro__
    )
