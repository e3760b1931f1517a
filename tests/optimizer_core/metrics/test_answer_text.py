"""Which texts are the same answer once what carries no meaning is gone."""

import pytest

from mipro_studio.optimizer_core.metrics.answer_text import as_it_stands, normalized, token_f1

SAME = [
    ("The  Paris!", "paris"),
    ("a theme", "theme"),
    ("U.S.A.", "usa"),
    ("St. Louis", "St Louis"),
    ("e-mail", "email"),
    ("Paris, France", "paris france"),
    ("Paris - France", "Paris, France"),
    ("**Paris**", "Paris"),
    ("*Paris*", "Paris"),
    ("`x`", "x"),
    ("“Paris”", "'Paris'"),
    ("(Paris)", "Paris."),
    ("1,000", "1000"),
    ("$1,000.50", "$1000.50"),
    ("50 %", "50%"),
    ("+5", "5"),
    ("\u22125", "-5"),
    ("- 5", "-5"),
    (".5", "0.5"),
    ("Straße", "STRASSE"),
    ("A.", "a"),
    ("vitamin A", "Vitamin A."),
    ("in_progress", "In-Progress"),
    ("1.", "1"),
    ("node.js", "Node.js"),
    ("", " "),
]

OTHER = [
    ("C++", "C#"),
    ("C++", "C"),
    ("C#", "C"),
    ("F#", "F"),
    ("3.5", "35"),
    ("-5", "5"),
    ("- 5", "5"),
    ("1/2", "3/2"),
    ("1/2", "12"),
    ("1,5", "15"),
    ("3:30", "330"),
    ("1.2.3", "123"),
    ("2010-2015", "20102015"),
    ("1e-5", "1e5"),
    ("x-1", "x+1"),
    ("50%", "50"),
    ("$5", "€5"),
    ("$5", "5"),
    ("-$5", "$5"),
    ("A+", "A-"),
    ("A-", "A"),
    ("A*", "A"),
    ("O+", "O-"),
    ("a+b", "ab"),
    ("a - b", "a b"),
    ("x<y", "x>y"),
    ("a=b", "a!=b"),
    ("x^2", "x2"),
    ("\u22645", "\u22655"),
    ("±5", "5"),
    ("2*(3+4)", "2*3+4"),
    ("R&D", "RD"),
    ("yes/no", "yesno"),
    ("6'2\"", "62"),
    ("A", "The"),
    ("vitamin A", "vitamin"),
    ("heme", "the me"),
    ("?", "!"),
    ("+", "-"),
    ("?", ""),
    ("👍", "👎"),
    ("not", "knot"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_only_sets_a_text_off_makes_no_other_answer(one: str, other: str) -> None:
    assert normalized(one) == normalized(other)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_what_changes_the_meaning_makes_another_answer(one: str, other: str) -> None:
    assert normalized(one) != normalized(other)


def test_normalizing_twice_changes_nothing() -> None:
    for text in {text for pair in (*SAME, *OTHER) for text in pair}:
        assert normalized(normalized(text)) == normalized(text), text


def test_as_it_stands_knows_one_line_end_and_one_way_of_an_accent() -> None:
    assert as_it_stands(" cafe\u0301\r\nbar \n") == "caf\u00e9\nbar"
    assert as_it_stands("The Cat.") == "The Cat."


def test_token_f1_is_squads() -> None:
    assert token_f1("The cat sat.", "cat sat down") == pytest.approx(2 * (2 / 2) * (2 / 3) / (2 / 2 + 2 / 3))
    assert token_f1("C++", "c") == 1.0
    assert token_f1("the", "") == 1.0
    assert token_f1("cat", "") == 0.0
