"""The tools that a program's predictors tell the model of: where they are held, and telling of them otherwise."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import dspy

__all__ = ["HeldTool", "Holder", "Told", "holders", "retell", "told_of"]

OF_DSPY = ("finish", "submit")
"""Tools that DSPy's agents add by themselves; what they say is DSPy's."""

Told = Mapping[str, Any]
"""{"description", "arguments"}: what the model is told of a tool, and of each of its arguments."""


@dataclass(frozen=True)
class HeldTool:
    """A tool, and how a script that has `program` reaches it: `program.agent.tools['look_up']`."""

    tool: Any
    path: str


@dataclass(frozen=True)
class Holder:
    """A module that holds tools, and the predictors inside it whose messages show them, in program order.

    The first of them owns the descriptions: what is held once is told to all of them alike.
    """

    module: Any
    predictors: tuple[str, ...]
    tools: tuple[HeldTool, ...]

    @property
    def owner(self) -> str:
        return self.predictors[0]


def holders(module: dspy.Module) -> list[Holder]:
    """The holders of tools in a program, in the order of their first predictors."""
    held = {
        name: tools for name, inner in module.named_sub_modules(dspy.Module) if (tools := tuple(_held(name, inner)))
    }
    by_holder: dict[str, list[str]] = {}
    for name, predictor in module.named_predictors():
        around = [
            (where, inner)
            for where, inner in module.named_sub_modules(dspy.Module)
            if where in held and any(own is predictor for own in inner.predictors())
        ]
        if around and _shows(predictor, held[around[-1][0]]):  # outer ones come first
            by_holder.setdefault(around[-1][0], []).append(name)
    inner_of = dict(module.named_sub_modules(dspy.Module))
    return [Holder(inner_of[where], tuple(names), held[where]) for where, names in by_holder.items()]


def _held(name: str, module: Any) -> Iterator[HeldTool]:
    """The tools in the attributes of `module`, each once, and of equal names the first."""
    if isinstance(module, dspy.Predict):
        return
    prefix = f"program{name.removeprefix('self')}"
    of_dspy = type(module).__module__.startswith("dspy.") or any(
        kind.__module__.startswith("dspy.predict.") for kind in type(module).__mro__
    )
    names: set[str] = set()
    for attribute, value in vars(module).items():
        for key, item in _items(value):
            reserved = of_dspy and isinstance(item, dspy.Tool) and item.name in OF_DSPY
            if isinstance(item, dspy.Tool) and not reserved and item.name not in names:
                names.add(item.name)
                yield HeldTool(item, f"{prefix}.{attribute}" + ("" if key is None else f"[{key!r}]"))


def _items(value: Any) -> list[tuple[Any, Any]]:
    """(key, item) of a container; one item without a key of anything else."""
    if isinstance(value, dict):
        return list(value.items())
    if isinstance(value, list | tuple):
        return list(enumerate(value))
    return [(None, value)]


def _shows(predictor: Any, tools: tuple[HeldTool, ...]) -> bool:
    fields = predictor.signature.input_fields.values()
    if any(dspy.Tool.extract_custom_type_from_annotation(field.annotation) for field in fields):
        return True
    return any(str(held.tool) in predictor.signature.instructions for held in tools)


def told_of(tool: Any) -> dict[str, Any]:
    """What the model is told of `tool`."""
    arguments = {
        name: str(schema.get("description", ""))
        for name, schema in (tool.args or {}).items()
        if isinstance(schema, dict)
    }
    return {"description": tool.desc or "", "arguments": arguments}


def retell(module: dspy.Module, told: Mapping[str, Mapping[str, Told]]) -> None:
    """Tell the model of tools in other words: put new tools into `module`, a copy, and their texts into instructions.

    Args:
        told: By owner, then by the tool's name; what is not named stays.
    """
    predictors = dict(module.named_predictors())
    for holder in holders(module):
        wanted = told.get(holder.owner, {})
        pairs = [(held.tool, _retold(held.tool, wanted[held.tool.name])) for held in holder.tools
                 if held.tool.name in wanted]  # fmt: skip
        changed = [(old, new) for old, new in pairs if new is not old]
        for old, new in changed:
            _replace(holder.module, old, new)
        for name in holder.predictors:
            signature = predictors[name].signature
            text = signature.instructions
            for old, new in changed:
                text = text.replace(str(old), str(new))
            if text != signature.instructions:
                predictors[name].signature = signature.with_instructions(text)


def _retold(tool: Any, told: Told) -> Any:
    """A tool that does the same; the same one if it says all that already."""
    if told == told_of(tool):
        return tool
    arguments = dict(tool.args or {})
    for name, description in told["arguments"].items():
        if isinstance(arguments.get(name), dict):
            rest = {key: value for key, value in arguments[name].items() if key != "description" or description}
            arguments[name] = {**rest, "description": description} if description else rest
    return tool.model_copy(update={"desc": told["description"], "args": arguments})


def _replace(module: Any, old: Any, new: Any) -> None:
    """Put `new` wherever an attribute of `module` holds `old`, or a tool that tells the same."""
    same = str(old)

    def other(item: Any) -> Any:
        return new if isinstance(item, dspy.Tool) and (item is old or str(item) == same) else item

    for attribute, value in list(vars(module).items()):
        if not any(other(item) is not item for _, item in _items(value)):
            continue
        made: Any = other(value)
        if isinstance(value, dict):
            made = {key: other(item) for key, item in value.items()}
        elif isinstance(value, list | tuple):
            made = type(value)(other(item) for item in value)
        setattr(module, attribute, made)
