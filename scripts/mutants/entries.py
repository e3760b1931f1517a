"""Mutants of the command line and what is taken home."""

from scripts.mutants.mutant import Mutant

__all__ = ["MUTANTS"]

MUTANTS = (
    Mutant(
        "a run that a cap ended exits with 0",
        "commands/output.py",
        '    if facts["status"] == Status.COMPLETED and facts["capped"]:\n        return 3\n',
        "",
        ("tests/commands/test_cli.py",),
    ),
    Mutant(
        "a replay file holds the keys that were in the run",
        "control/take_home.py",
        "return scrubber.record(_without(folders, value))",
        "return _without(folders, value)",
        ("tests/control/test_exports.py",),
    ),
)
