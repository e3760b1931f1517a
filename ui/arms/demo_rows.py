"""Demos as rows of a table, what was answered first: a narrow page cuts what stands last. Pure."""

from typing import Any

from mipro_studio.optimizer_core.types import Demo
from mipro_studio.ui.text.format import one_line

__all__ = ["demo_row"]


def demo_row(demo: Demo) -> dict[str, Any]:
    """The fields of a demo, the last of its signature (its outputs) first, and whose answers they are."""
    fields = [*demo.fields.items()][::-1]
    by = {"by": "teacher" if demo.augmented else "labels"}
    return {**{one_line(name, 40): one_line(value, 300) for name, value in fields[:1]}, **by,
            **{one_line(name, 40): one_line(value, 300) for name, value in fields[1:]}}  # fmt: skip
