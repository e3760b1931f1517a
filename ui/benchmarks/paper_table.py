"""Table 2 of the MIPRO paper (arXiv 2406.11695v2): test scores in percent, mean of five runs."""

from collections.abc import Sequence
from typing import Final

__all__ = ["COLUMNS", "NOTE", "PAPER_ROWS"]

COLUMNS: Final = ("ScoNe", "HotPotQA", "HoVer", "HotPotQA Cond.", "Iris", "Iris-Typo", "Heart")

PAPER_ROWS: Final[Sequence[tuple[str, str, Sequence[float | None]]]] = (
    ("Instructions", "N/A (seed)", (69.1, 36.1, 25.3, 6.0, 40.9, 32.0, 26.8)),
    ("Instructions", "Module-Level OPRO -G", (76.1, 36.0, 25.7, None, None, None, None)),
    ("Instructions", "Module-Level OPRO", (73.5, 39.0, 32.5, None, None, None, None)),
    ("Instructions", "0-Shot MIPRO", (71.5, 36.8, 33.1, 14.6, 36.4, 56.7, 25.8)),
    ("Instructions", "0-Shot MIPRO++", (75.7, 39.3, 32.6, None, None, None, None)),
    ("Demos", "Bootstrap RS", (75.4, 45.8, 37.2, 10.4, 94.1, 58.7, 79.2)),
    ("Demos", "Bayesian Bootstrap", (77.4, 46.2, 37.6, None, None, None, None)),
    ("Both", "MIPRO", (79.4, 46.4, 39.0, 23.3, 88.6, 68.7, 74.2)),
)
"""(what is optimized, optimizer, test score by column); None where the paper did not run it."""

NOTE: Final = (
    "Llama-3-8B as task model; 20 to 50 full evaluations of the training rows; 75 to 2,000 test rows; ColBERTv2 "
    "over 5 million abstracts. Models, rows, retrieval and budgets differ from anything measured here: compare the "
    "order of optimizers within one table, never a number across the two."
)
