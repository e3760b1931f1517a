"""What a cell counts for in a search, and how a person writes it."""

import pytest

from mipro_studio.optimizer_core.config import parse_config
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.evaluation.objective import measured, objective_of, over_limits
from mipro_studio.optimizer_core.objective_spec import QUANTITIES, read_objective
from mipro_studio.optimizer_core.types import Cell, Usage
from tests.optimizer_core.builders import failed, scored

SPENT = Usage(calls=2, input_tokens=500, output_tokens=100, cost_usd=0.004)
SHARES = {"draft": Usage(calls=1, input_tokens=350), "check": Usage(calls=1, input_tokens=150)}


def cell(score: float = 0.8) -> Cell:
    return scored("i0d0", "row", score, usage=SPENT, seconds_s=2.0, by_predictor=SHARES)


@pytest.mark.parametrize(
    ("text", "worth"),
    [
        ("score", 0.8),
        ("score - 0.1*seconds", 0.6),
        ("score-seconds*.1", 0.6),
        ("score - 50 * usd - 0.001*tokens", 0.0),
        ("score + 1e-3*tokens", 1.4),
        ("score, seconds <= 2", 0.8),
        ("score, seconds <= 1.9", 0.0),
        ("score - 0.1*seconds, usd <= 0.002", -0.2),
        ("score, prompt_tokens <= 350 and usd <= 0.004", 0.8),
        ("score; prompt_tokens <= 349", 0.0),
    ],
)
def test_an_objective_is_worth_what_it_says(text: str, worth: float) -> None:
    assert objective_of(text)(cell()) == pytest.approx(worth)
    assert objective_of(read_objective(text).text)(cell()) == pytest.approx(worth)


def test_the_score_alone_is_the_very_number_of_the_metric() -> None:
    odd = cell(0.1 + 0.2)
    assert objective_of("score")(odd) is odd.score
    assert objective_of("score - 0*seconds").is_score and objective_of(" score ").is_score


def test_a_failed_cell_counts_for_nothing_and_so_does_an_unknown_price() -> None:
    priced = objective_of("score - 1*usd, tokens <= 1")
    assert priced(failed("i0d0", "row")) is None and not priced.over(failed("i0d0", "row"))
    unknown = scored("i0d0", "row", 1.0, usage=Usage(calls=1, cost_usd=None))
    assert priced(unknown) is None
    assert objective_of("score, seconds <= 1")(unknown) == 1.0


def test_what_is_over_a_limit_is_worth_no_more_than_a_wrong_answer() -> None:
    limited = objective_of("score - 0.1*seconds, tokens <= 10")
    assert limited(cell(1.0)) == objective_of("score - 0.1*seconds")(cell(0.0))
    assert limited(cell(-1.0)) == objective_of("score - 0.1*seconds")(cell(-1.0))


def test_every_quantity_is_measured_of_a_cell() -> None:
    assert {name: measured(cell(), name) for name in QUANTITIES} == {
        "usd": 0.004, "seconds": 2.0, "tokens": 600, "prompt_tokens": 350,
    }  # fmt: skip
    assert measured(scored("i0d0", "row", 1.0, usage=SPENT), "prompt_tokens") == 250  # as older stores have it
    assert measured(scored("i0d0", "row", 1.0), "prompt_tokens") is None


@pytest.mark.parametrize(
    "text",
    ["", "1 - seconds", "scores", "score - 0.1*latency", "score - 0.1*seconds*tokens", "score, tokens >= 3",
     "score, tokens <= many", "score - 2", "score - 0.1 seconds", "score - 1e999*usd", "score, ", "__import__('os')"],
)  # fmt: skip
def test_what_is_no_objective_is_refused_with_what_can_be_written(text: str) -> None:
    with pytest.raises(BadInput, match=r"objective = .* is not allowed"):
        parse_config({"program": "sample:triage", "objective": text})


def test_the_settings_keep_an_objective_in_one_way_of_writing_it() -> None:
    config = parse_config({"program": "x.py", "objective": "score-.10*seconds;tokens<=300.0"})
    assert config.objective == "score - 0.1*seconds, tokens <= 300"
    assert parse_config(config.model_dump(mode="json")) == config


def test_a_limit_that_nobody_keeps_on_an_example_tells_none_from_another() -> None:
    assert over_limits({"a": {"r": True}, "b": {"r": True}}) == frozenset()
    assert over_limits({"a": {"r": True, "s": False}, "b": {"r": False}}) == {"a"}
    assert over_limits({"a": {"r": True}, "b": {"s": False}}) == frozenset()
