"""Table 1 of BetterTogether (arXiv 2407.10930, first version): accuracy in percent, mean of three runs."""

from collections.abc import Sequence
from typing import Final

__all__ = ["COLUMNS", "NOTE", "PAPER_ROWS"]

COLUMNS: Final = tuple(
    f"{model} {task}" for model in ("mistral", "llama-2", "llama-3") for task in ("HotPotQA", "GSM8K", "Iris")
)

PAPER_ROWS: Final[Sequence[tuple[str, Sequence[float | None]]]] = (
    ("vanilla", (17.2, 40.3, 20.0, 13.2, 24.0, 0.0, 31.6, 72.7, 34.0)),
    ("Π", (33.8, 46.4, 52.0, 33.3, 26.0, 56.0, 46.9, 77.9, 78.7)),
    ("Θ", (22.9, 40.7, 28.7, 12.2, 24.0, None, 34.8, 75.1, 31.3)),
    ("Π→Π", (33.8, 47.7, 64.0, 32.6, 24.7, 64.0, 46.5, 77.6, 77.3)),
    ("Θ→Θ", (24.0, 42.8, 31.3, 13.0, 24.1, None, 34.4, 44.1, 30.7)),
    ("Π→Θ", (36.3, 47.3, 24.7, 32.7, 27.3, 29.3, 42.8, 77.6, 34.7)),
    ("Θ→Π", (33.0, 48.3, 65.3, 34.2, 26.6, None, 43.6, 78.9, 83.3)),
    ("Π→Θ→Π", (37.6, 46.8, 57.3, 34.8, 26.3, 49.3, 46.7, 77.0, 79.3)),
)
"""(strategy, accuracy by column); None where the model had no item right, so that there was nothing to learn from."""

NOTE: Final = (
    "Models of seven and eight billion parameters, 500 to 1,500 test items (Iris 50), other tasks and budgets: "
    "compare the order of strategies within one column, never a number with those above."
)
