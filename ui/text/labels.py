"""What a row asks for, beside what a program answers. Pure."""

from collections.abc import Collection

from mipro_studio.optimizer_core.types import Json

__all__ = ["wanted"]


def wanted(labels: Json, answered: Collection[str]) -> Json:
    """The labels that a program answers, which a row's name or number is not; all where it answers none of them.

    Args:
        answered: Names of fields.
    """
    return {name: value for name, value in labels.items() if name in answered} or labels
