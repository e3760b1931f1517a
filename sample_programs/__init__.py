"""Sample programs that run offline on the embedded model.

Listing reads :mod:`sample_programs.catalog` only; DSPy is imported when a sample is opened.
"""

from __future__ import annotations

import importlib
from typing import cast

from mipro_studio.sample_programs.catalog import CATALOG
from mipro_studio.sample_programs.types import Sample, SampleModule

__all__ = ["CATALOG", "Sample", "SampleModule", "get_sample", "list_samples"]


def list_samples() -> list[str]:
    """The names of all samples, in the order a newcomer should try them."""
    return list(CATALOG)


def get_sample(name: str) -> SampleModule:
    """The module of a sample. Raises ``KeyError`` with the known names for any other name."""
    if name not in CATALOG:
        # The check comes before the import: a name from outside must never choose a module.
        raise KeyError(f"No sample program {name!r}; there are: {', '.join(CATALOG)}")
    return cast(SampleModule, importlib.import_module(f"{__name__}.{name}"))
