"""An instruction in parts: the task, which an optimizer replaces, and what the program cannot work without.

DSPy's agents write the task, the tools with their arguments and the rules of the format into one instruction. What
DSPy wrote around the task stays. Where a program writes its tools into an instruction itself, a text that leaves one
out is refused.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Frame", "ToolInfo"]


@dataclass(frozen=True)
class ToolInfo:
    """A tool as the model is told of it: its name, description, and the names of its arguments."""

    name: str
    description: str
    arguments: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name}({', '.join(self.arguments)})"


@dataclass(frozen=True)
class Frame:
    """The seed's instruction is `before + task + after`; `tools` are those that the model is told of."""

    task: str
    before: str = ""
    after: str = ""
    tools: tuple[ToolInfo, ...] = ()

    @classmethod
    def of(cls, task: str, facts: Mapping[str, Any]) -> "Frame":
        """The frame of a seed instruction that was written down with these `facts`."""
        tools = tuple(
            ToolInfo(tool["name"], tool["description"], tuple(tool["arguments"])) for tool in facts.get("tools", ())
        )
        return cls(task, facts.get("before", ""), facts.get("after", ""), tools)

    @property
    def facts(self) -> dict[str, Any]:
        """All but the task as JSON; empty if an instruction is all there is."""
        if not (self.before or self.after or self.tools):
            return {}
        return {"before": self.before, "after": self.after, "tools": [asdict(tool) for tool in self.tools]}

    def around(self, task: str) -> str:
        """The whole instruction for another task; a text that has what stays already is left as it is."""
        if task == self.task:
            return self.before + task + self.after
        kept = self.after.strip()
        if kept and task.rstrip().endswith(kept) and task.startswith(self.before):
            return task
        # A task that was empty has no blank line between itself and what follows.
        gap = "\n\n" if task and self.after and not self.task else ""
        return f"{self.before}{task}{gap}{self.after}"

    def why_not(self, task: str) -> str:
        """Why the program cannot work with `task`; empty if nothing speaks against it."""
        seed, whole = self.around(self.task), self.around(task)
        wanted = [name for tool in self.tools for name in (tool.name, *tool.arguments)]
        missing = [name for name in wanted if _names(seed, name) and not _names(whole, name)]
        if not missing:
            return ""
        return f"It leaves out {missing[0]!r}, a tool or argument that the program's own instruction names."


def _names(text: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None
