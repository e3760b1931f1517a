"""Counts in sentences: `1 row`, `2 rows`. Pure text."""

__all__ = ["noun", "plural"]


def plural(value: int, word: str, words: str = "") -> str:
    """`1 row`, `1,200 rows`.

    Args:
        words: The plural where it is not `word` + s; both may go on, as in `row was` and `rows were`.
    """
    return f"{value:,} {noun(value, word, words)}"


def noun(value: int, word: str, words: str = "") -> str:
    """`word` where `value` is one, else its plural."""
    return word if value == 1 else words or f"{word}s"
