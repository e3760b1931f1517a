"""Tool descriptions as a kind of arm: what an agent's model is told of its tools and of their arguments.

A tool keeps its name, its arguments and what it does. One arm holds the texts of all tools of one owner, as what one
tool's description has to say depends on the others'.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.parameters.instruction import LONGEST
from mipro_studio.optimizer_core.types import SEED_ARM, Arm, Author, Json

if TYPE_CHECKING:
    from mipro_studio.optimizer_core.parameters.arm_features import Feature, RowClasses
    from mipro_studio.optimizer_core.programs.program import Program

__all__ = ["TOOLS", "ToolsKind"]

TOOLS = "tools"
_HEADING = re.compile(r"(##?) *(.+?) *$")


class ToolsKind:
    """The content is {"tools": name -> {"description", "arguments": name -> description}}.

    The seed's provenance has {"places": name -> how a script reaches the tool, "schemas": name -> arguments}.
    """

    name = TOOLS
    title = "tool descriptions"

    def seeds(self, program: "Program") -> Sequence[Arm]:
        from mipro_studio.optimizer_core.programs.tool_holders import holders, told_of
        from mipro_studio.optimizer_core.programs.values import encode

        return [
            Arm(
                holder.owner,
                TOOLS,
                SEED_ARM,
                {"tools": {held.tool.name: told_of(held.tool) for held in holder.tools}},
                Author.SEED,
                {
                    "places": {held.tool.name: held.path for held in holder.tools},
                    "schemas": {held.tool.name: encode(held.tool.args or {}) for held in holder.tools},
                },
            )
            for holder in holders(program.module)
        ]

    def apply(self, module: Any, contents: Mapping[str, Json], program: "Program", folders: Sequence[Path]) -> None:
        from mipro_studio.optimizer_core.programs.tool_holders import retell

        retell(module, {owner: content["tools"] for owner, content in contents.items()})

    def describe(self, arm: Arm) -> str:
        """A heading for each tool with its description, and under it one for each of its arguments."""
        lines: list[str] = []
        for name, told in arm.content["tools"].items():
            lines += [f"# {name}", told["description"], ""]
            for argument, description in told["arguments"].items():
                lines += [f"## {argument}", description, ""]
        return "\n".join(lines).rstrip()

    def why_not_edited(self, seed: Arm) -> str:
        return ""

    def edited(self, text: str, seed: Arm) -> Json:
        if len(text) > LONGEST:
            raise BadInput(f"The tool descriptions have {len(text):,} characters.", f"At most {LONGEST:,} are taken.")
        tools: dict[str, dict[str, Any]] = {}
        for (name, argument), said in _sections(text.replace("\0", ""), seed).items():
            told = tools.setdefault(name, {"description": "", "arguments": {}})
            if argument:
                told["arguments"][argument] = said
            else:
                told["description"] = said
        return {"tools": {name: _whole(name, tools, own) for name, own in seed.content["tools"].items()}}

    def loading(self, arm: Arm, seed: Arm) -> Sequence[str]:
        lines = []
        for name, told in arm.content["tools"].items():
            place, own = seed.provenance["places"][name], seed.content["tools"][name]
            if told["description"] != own["description"]:
                lines.append(f"{place}.desc = {told['description']!r}")
            for argument, description in told["arguments"].items():
                if description != own["arguments"][argument]:
                    schema = f"{place}.args[{argument!r}]"
                    lines.append(f"{schema}['description'] = {description!r}" if description
                                 else f"{schema}.pop('description', None)")  # fmt: skip
        return lines

    def features(self, arms: Sequence[Arm], outputs: Sequence[str], classes: "RowClasses") -> "Sequence[Feature]":
        from mipro_studio.optimizer_core.parameters.arm_features import text_features

        return text_features(arms, [self.describe(arm) for arm in arms])


def _sections(text: str, seed: Arm) -> dict[tuple[str, str], str]:
    """The texts under the headings, by (tool, argument); argument "" for the tool itself.

    Only what the seed has is a heading: any other line that begins alike is part of a description.
    """
    tools: Mapping[str, Any] = seed.content["tools"]
    found: dict[tuple[str, str], list[str]] = {}
    at: tuple[str, str] | None = None
    for line in text.splitlines():
        match = _HEADING.fullmatch(line.strip())
        level, name = match.groups() if match else ("", "")
        name = name.strip("`")
        if level == "#" and name in tools:
            at = (name, "")
        elif level == "##" and at is not None and name in tools[at[0]]["arguments"]:
            at = (at[0], name)
        elif at is not None:
            found[at].append(line)
            continue
        elif line.strip():
            raise BadInput(f"It begins with {line.strip()[:60]!r}.", f"Begin with a line `# {next(iter(tools))}`.")
        if at is not None:
            if at in found:
                raise BadInput(f"It has {name!r} twice.", "Describe each tool and each argument once.")
            found[at] = []
    return {slot: "\n".join(lines).strip() for slot, lines in found.items()}


def _whole(name: str, told: Mapping[str, Mapping[str, Any]], own: Mapping[str, Any]) -> dict[str, Any]:
    """All that is to be said of one tool; an argument that is left out keeps its own text."""
    if name not in told:
        raise BadInput(f"It leaves out the tool {name!r}.", f"Add a line `# {name}` with what it does below.")
    said = told[name]["description"]
    description = own["description"] if said == own["description"].strip() else said
    kept = {
        argument: before if (now := told[name]["arguments"].get(argument, before)) == before.strip() else now
        for argument, before in own["arguments"].items()
    }
    return {"description": description, "arguments": kept}
