"""What `scripts.mutations` breaks: an edit of one file, and the tests that should notice; a module a subject."""

from scripts.mutants import entries, scores, search, showing, storing
from scripts.mutants.mutant import Mutant

__all__ = ["MUTANTS", "Mutant"]

MUTANTS = tuple(one for module in (scores, search, storing, showing, entries) for one in module.MUTANTS)
