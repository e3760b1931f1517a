"""The number that an answer comes to, or none."""

from fractions import Fraction

import pytest

from mipro_studio.optimizer_core.metrics.answer_number import final_number, plain_number, same_number

NUMBERS = {
    "42": "42",
    "42.": "42",
    "-5": "-5",
    "\u22125": "-5",
    "+5": "5",
    "- 5": "-5",
    "x = - 5": "-5",
    "minus 5": "-5",
    "negative 3.5": "-7/2",
    "3.5": "7/2",
    ".5": "1/2",
    "1/2": "1/2",
    "-3/4": "-3/4",
    "1 1/2": "3/2",
    "½": "1/2",
    "2½ cups": "5/2",
    "\\frac{1}{2}": "1/2",
    "50%": "1/2",
    "12.5 percent": "1/8",
    "1,234.50": "2469/2",
    "1,000,000": "1000000",
    "12,34,567": "1234567",
    "1 234 567": "1234567",
    "1\u202f234": "1234",
    "1'234": "1234",
    "1.234,56": "30864/25",
    "1.234.567": "1234567",
    "1,5": "3/2",
    "1e3": "1000",
    "1.5E-3": "3/2000",
    "1.5 x 10^3": "1500",
    "1.5 \u00d7 10^{-3}": "3/2000",
    "10^3": "1000",
    "$5": "5",
    "-$5": "-5",
    "$-5": "-5",
    "€1.234,56": "30864/25",
    "USD 20": "20",
    "2.5 million": "2500000",
    "$2.5M": "2500000",
    "10k": "10000",
    "5kg": "5",
    "5 m2": "5",
    "7 on the 3rd try": "7",
    "There are 3 apples and 4 pears, so 7 in total.": "7",
    "3 + 4 = 7": "7",
    "first 3, then -4": "-4",
    "Add 3 and 4.\n#### 7": "7",
    "#### -1,000\nThat was 3 steps.": "-1000",
    "so $\\boxed{12}$ after 3 steps": "12",
    "\\boxed{\\frac{1}{2}}": "1/2",
    "The answer is 7 because 3 + 4 = 7": "7",
    "The answer is 7, since 5 is too few": "7",
    "The answer is: **42**.": "42",
    "Answer: 12 apples and 3 pears": "12",
    "It is 7, not 6": "7",
    "5 and 5": "5",
    "- 5 apples\n- 6 pears": "6",
}

NONE = [
    "no number",
    "",
    "3 to 5",
    "between 3 and 5",
    "3 or 4",
    "3-5",
    "about 12\u201315",
    "3, 4",
    "1,2,3",
    "3 + 4",
    "6*7",
    "5-3",
    "2026-11-21",
    "11/21/2026",
    "3:30",
    "It was 7 at 10:45",
    "1.2.3",
    "CO2",
    "GPT-4",
    "3rd",
    "0x1F",
    "1/0",
    "1e999999",
    "not 6",
]


@pytest.mark.parametrize(("text", "number"), NUMBERS.items(), ids=list(NUMBERS))
def test_the_number_of_an_answer(text: str, number: str) -> None:
    assert final_number(text) == Fraction(number)


@pytest.mark.parametrize("text", NONE)
def test_an_answer_without_a_clear_number(text: str) -> None:
    assert final_number(text) is None


def test_whole_numbers_are_compared_exactly_and_others_to_six_digits() -> None:
    assert not same_number(Fraction(1_000_000), Fraction(1_000_001))
    assert same_number(Fraction(1, 3), Fraction("0.33333333"))
    assert not same_number(Fraction(1, 3), Fraction("0.333"))


@pytest.mark.parametrize(
    ("text", "number"),
    [("3", 3), (" -3.50 ", Fraction(-7, 2)), ("1,234", 1234), ("3.", 3), ("2e3", 2000), ("1e9999", None),
     ("", None), (".", None), ("-", None), ("3 4", None), ("1,23", None), ("3%", None), ("x", None)],
)  # fmt: skip
def test_a_text_that_is_a_number_and_nothing_else(text: str, number: Fraction | None) -> None:
    assert plain_number(text) == number
