"""An edit that breaks one thing."""

from dataclasses import dataclass

__all__ = ["CORE", "Mutant"]

CORE = "tests/optimizer_core"


@dataclass(frozen=True)
class Mutant:
    """`old` stands in `file` exactly once and becomes `new`; one of `tests` should fail then."""

    what: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
