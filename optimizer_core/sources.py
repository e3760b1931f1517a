"""What rows may come from, by how it is named. Reads nothing."""

from collections.abc import Mapping

__all__ = ["DELIMITERS", "ENDINGS", "LIVE", "ending_of", "is_live", "is_module_object", "is_python_source"]

LIVE = "live_"
"""How the names of modules begin that hold objects of one Python process, and that no other process can import."""

DELIMITERS: Mapping[str, str] = {"csv": ",", "tsv": "\t", "tab": "\t"}
"""Endings of delimited text -> the delimiter that each stands for."""

ENDINGS = (*DELIMITERS, "json", "jsonl", "ndjson", "parquet")
"""Kinds of files by the end of their names; each may be packed (`.gz` behind it)."""


def ending_of(name: str) -> str:
    """`csv` of `rows.csv` and of `rows.CSV.gz`; empty when it is no kind of file that is read."""
    parts = name.lower().removesuffix(".gz").rsplit(".", 1)
    return parts[1] if len(parts) == 2 and parts[1] in ENDINGS else ""


def is_python_source(reference: str) -> bool:
    """Whether rows are to come from an object of a Python file (`path.py:name`) or module (`package.module:name`)."""
    home, _, name = reference.rpartition(":")
    return reference.endswith(".py") or (_is_dotted(name) and home.endswith(".py")) or is_module_object(reference)


def is_live(reference: object) -> bool:
    """Whether `reference` names an object of the process that called `mipro_studio.optimize`."""
    return isinstance(reference, str) and reference.startswith(LIVE) and is_module_object(reference)


def is_module_object(reference: str) -> bool:
    """Whether `reference` is `package.module:name`, which is no path."""
    home, colon, name = reference.rpartition(":")
    return bool(colon) and not home.endswith(".py") and _is_dotted(home) and _is_dotted(name)


def _is_dotted(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))
