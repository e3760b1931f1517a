"""What the parts of a winner bring, in words: what is clear by how much, the rest as what it is."""

import pytest

from mipro_studio.optimizer_core.analysis.statistics import paired_difference
from mipro_studio.ui.result.what_parts_bring import Brought, in_words


def part(name: str, won: int, lost: int = 0, n: int = 40) -> Brought:
    pairs = [(0.0, 1.0)] * won + [(1.0, 0.0)] * lost + [(1.0, 1.0)] * (n - won - lost)
    return Brought(name, "i0d0", 0.5, paired_difference(pairs))


BIG, SMALL, NONE, HARM = (
    part("demo set 8", 16),
    part("tone: demo set 3", 10),
    part("instruction 2", 1),
    part("x", 0, 9),
)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ([BIG, SMALL], "The winner loses 0.40 without demo set 8, 0.25 without tone: demo set 3."),
        (
            [BIG, NONE],
            "The winner loses 0.40 without demo set 8. Without instruction 2 no loss is told from chance.",
        ),
        ([NONE, HARM], "Without instruction 2 or x no loss is told from chance."),
        ([NONE, NONE, HARM], "Without any one of 3 parts no loss is told from chance."),
        (
            [BIG, NONE, NONE, HARM],
            "The winner loses 0.40 without demo set 8. Without any of the other 3 parts no loss is told from chance.",
        ),
        ([Brought("demo set 8", "i0d0", None, None)], ""),
        ([], ""),
    ],
)
def test_what_the_parts_bring_in_words(parts: list[Brought], said: str) -> None:
    assert in_words(parts) == said
