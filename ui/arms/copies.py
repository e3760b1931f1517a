"""Instructions that repeat what their proposer was shown (MIPRO appendix H: they win by luck and do not transfer)."""

import re
from collections.abc import Iterable, Mapping

__all__ = ["RUN", "copied"]

RUN = 6
"""Words in a row that are no coincidence."""

_WORDS = re.compile(r"\w+")
_LONGEST = 50_000


def copied(text: str, sources: Mapping[str, Iterable[str]], seed: str = "") -> list[tuple[str, str]]:
    """(name of the source, longest passage of `text` that stands in it) for every source with `RUN` words in a row.

    Args:
        sources: Texts by what they are called.
        seed: The instruction the program came with; what is taken from it is no copy.
    """
    spans = [(found.start(), found.end()) for found in _WORDS.finditer(text[:_LONGEST])]
    words = [text[start:end].casefold() for start, end in spans]
    own = _runs([seed])
    found = []
    for name, texts in sources.items():
        runs = _runs(texts) - own
        first, length = _longest(words, runs)
        if length:
            found.append((name, text[spans[first][0] : spans[first + length - 1][1]]))
    return found


def _runs(texts: Iterable[str]) -> set[tuple[str, ...]]:
    runs: set[tuple[str, ...]] = set()
    for text in texts:
        words = [word.casefold() for word in _WORDS.findall(text[:_LONGEST])]
        runs |= {tuple(words[at : at + RUN]) for at in range(len(words) - RUN + 1)}
    return runs


def _longest(words: list[str], runs: set[tuple[str, ...]]) -> tuple[int, int]:
    """(place, number of words) of the longest stretch made of known runs; (0, 0) when there is none."""
    best = (0, 0)
    start: int | None = None
    for at in range(len(words) - RUN + 2):
        known = at <= len(words) - RUN and tuple(words[at : at + RUN]) in runs
        if known and start is None:
            start = at
        if not known and start is not None:
            length = at - start + RUN - 1
            best = max(best, (start, length), key=lambda stretch: stretch[1])
            start = None
    return best
