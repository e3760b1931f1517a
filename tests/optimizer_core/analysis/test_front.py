"""The front of quality against cost."""

from itertools import product

import pytest

from mipro_studio.optimizer_core.analysis.front import FrontPoint, front, front_points
from mipro_studio.optimizer_core.evaluation.objective import THE_SCORE, objective_of
from mipro_studio.optimizer_core.objective_spec import QUANTITIES
from mipro_studio.optimizer_core.types import Cell, Usage
from tests.optimizer_core.builders import failed, scored


def point(name: str, quality: float, tokens: float | None) -> FrontPoint:
    return FrontPoint(name, quality, 10, quality, {"tokens": tokens})


def test_no_point_on_the_front_is_beaten_and_every_other_one_is() -> None:
    points = [point(f"{q}-{t}", q / 10, float(t)) for q, t in product((3, 1, 4, 1, 5), (9, 2, 6, 5))]
    points += [point("best", 0.9, 7.0), point("cheap", 0.05, 1.0)]
    found = front(points, "tokens")

    def beats(one: FrontPoint, other: FrontPoint) -> bool:
        took, took_other = one.takes["tokens"] or 0.0, other.takes["tokens"] or 0.0
        return one.score >= other.score and took <= took_other and (one.score, took) != (other.score, took_other)

    assert not any(beats(one, other) for one in points for other in found)
    assert all(any(beats(one, other) for one in found) for other in points if (other.score, other.takes) not in
               [(one.score, one.takes) for one in found])  # fmt: skip
    assert [one.candidate for one in found] == ["cheap", "5-2", "best"]


def test_what_is_not_known_is_on_no_front_and_of_equals_the_first_stands() -> None:
    assert front([point("unknown", 0.9, None)], "tokens") == []
    assert [one.candidate for one in front([point("a", 0.5, 3), point("b", 0.5, 3)], "tokens")] == ["a"]


def row(name: str, scores: list[float], tokens: int, usd: float | None = 0.0) -> list[Cell]:
    spent = Usage(calls=2, input_tokens=tokens, output_tokens=10, cost_usd=usd)
    return [scored(name, f"e{n}", value, usage=spent, seconds_s=0.5) for n, value in enumerate(scores)]


def test_points_are_means_over_the_cells_with_a_score() -> None:
    rows = {
        "a": [*row("a", [1.0, 0.0], 100), failed("a", "e9")],
        "b": row("b", [1.0, 1.0], 300, usd=None),
        "c": [failed("c", "e0")],
    }
    a, b = front_points(rows, objective_of("score, prompt_tokens <= 100"))
    assert (a.candidate, a.score, a.n, a.objective, a.keeps_limits) == ("a", 0.5, 2, 0.5, True)
    took = {"usd": 0.0, "seconds": 0.5, "tokens": 110.0, "prompt_tokens": 50.0}
    assert {name: a.takes[name] for name in took} == took and set(a.takes) == set(QUANTITIES)
    assert (b.objective, b.keeps_limits, b.takes["usd"]) == (0.0, False, None)
    assert [one.objective for one in front_points(rows, THE_SCORE)] == [0.5, pytest.approx(1.0)]
