"""Numbers, times and foreign text as words."""

from datetime import UTC, datetime, timedelta

import pytest

from mipro_studio.ui.text import format as fmt
from tests.ui.factory import HOSTILE

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def test_the_ends_of_a_range_have_the_same_decimals() -> None:
    assert fmt.delta_range(-0.58, 0.0036) == "\N{MINUS SIGN}0.58 to +0.00"
    assert fmt.delta_range(0.002, 0.0036, "and") == "+0.0020 and +0.0036"
    assert fmt.delta_range(0.0, 0.25) == "±0.00 to +0.25"


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.8333, "0.83"), (0.0, "0.00"), (1.0, "1.00"), (-1.25, "-1.25"), (0.009, "0.009"), (340.04, "340.0"),
     (12_345.6, "12,346"), (None, fmt.UNKNOWN)],
)  # fmt: skip
def test_scores_stay_as_the_metric_gives_them(value: float | None, words: str) -> None:
    assert fmt.score(value) == words


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([0.084, 0.0091, 0.0], ["0.084", "0.009", "0.000"]),
        ([0.32, 0.006], ["0.32", "0.01"]),
        ([340.0, 2.0], ["340.0", "2.00"]),
        ([0.0], ["0.00"]),
        ([], []),
    ],
)
def test_numbers_under_each_other_have_the_same_decimals(values: list[float], words: list[str]) -> None:
    assert fmt.alike(values) == words


@pytest.mark.parametrize(
    ("value", "words"), [(0.4, "+0.40"), (-0.4, "\N{MINUS SIGN}0.40"), (0.0, "±0.00"), (None, fmt.UNKNOWN)]
)
def test_differences_carry_a_sign(value: float | None, words: str) -> None:
    assert fmt.delta(value) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.42, "0.4 s"),
        (9.97, "10 s"),
        (84, "1 m 24 s"),
        (7500, "2 h 05 m"),
        (277_200, "3 d 5 h"),
        (None, fmt.UNKNOWN),
    ],
)
def test_durations(seconds: float | None, words: str) -> None:
    assert fmt.duration(seconds) == words


@pytest.mark.parametrize(
    ("before", "words"),
    [(timedelta(seconds=3), "just now"), (timedelta(minutes=3), "3 min ago"), (timedelta(hours=5), "5 h ago"),
     (timedelta(days=1, hours=2), "yesterday"), (timedelta(days=9), "9 days ago"),
     (timedelta(days=90), "23 Aug 2026")],
)  # fmt: skip
def test_moments(before: timedelta, words: str) -> None:
    assert fmt.ago((NOW - before).isoformat(), NOW) == words


def test_times_inside_a_sentence_are_told_as_people_tell_them() -> None:
    moment = (NOW - timedelta(minutes=3)).isoformat()
    assert fmt.humane(f"No sign of life since {moment}.", NOW) == "No sign of life since 3 min ago."


def test_a_time_that_is_none_is_unknown() -> None:
    assert fmt.ago(None) == fmt.ago("soon") == fmt.UNKNOWN
    assert fmt.elapsed_s(None) is None


def test_unknown_cost_is_not_free() -> None:
    assert fmt.usd(None) == "not reported"
    assert fmt.usd(0.0) == "$0"
    assert fmt.usd(0.0042) == "$0.0042"
    assert fmt.usd(12.5) == "$12.50"


def test_intervals_say_their_n_and_their_level() -> None:
    estimate = {"low": 0.62, "high": 0.91, "level": 0.9, "n": 20, "n_error": 1}
    assert fmt.interval(estimate) == "0.62 to 0.91 (90 %), n = 20, 1 error"
    assert fmt.interval({"low": None, "high": None, "n": 1}) == "n = 1"
    assert fmt.interval(None) == ""


def test_a_plan_that_is_exact_is_one_number() -> None:
    assert fmt.between([40, 40]) == fmt.between(40) == "40"
    assert fmt.between([10, 1200], "calls") == "10 to 1,200 calls"
    assert fmt.between(None) == "not known"


def test_foreign_text_can_be_sent_and_keeps_its_order() -> None:
    clean = fmt.clean(HOSTILE)
    clean.encode("utf-8")
    assert "\0" not in clean
    assert "\u202e" not in clean
    assert "<script>" in clean
    assert fmt.clean("a\r\nb\tc") == "a\nb\tc"


def test_one_line_is_one_line_and_short() -> None:
    line = fmt.one_line("a\nb " + "x" * 500, 20)
    assert "\n" not in line
    assert len(line) <= 20
    assert line.endswith("…")


def test_a_long_record_has_a_line_a_value_and_a_short_one_stays_in_one() -> None:
    assert fmt.laid_out({"a": 1}) == '{"a": 1}' and fmt.laid_out("x" * 100) == "x" * 100
    assert fmt.laid_out({"name": "y" * 40, "rows": [1, 2]}).split("\n")[1] == f'  "name": "{"y" * 40}",'
