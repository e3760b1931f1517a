"""Fields of a program without code: rows of the form and the signature that they stand for."""

import pytest

from mipro_studio.optimizer_core.programs.signature_text import Field, read_signature, write_signature
from mipro_studio.ui.new_run.field_rows import field_of, parts_of


@pytest.mark.parametrize(
    ("row", "annotation"),
    [
        (("message", "Text", "", ""), "str"),
        (("queue", "One of these", "billing, sales,\nbilling", "who acts"), "Literal['billing', 'sales']"),
        (("queue", "One of these", " ", ""), "str"),
        (("n", "Whole number", "", ""), "int"),
        (("tags", "List of texts", "", ""), "list[str]"),
        (("maybe", "Other", "Optional[int]", ""), "Optional[int]"),
    ],
)
def test_a_row_is_a_field_and_comes_back_as_it_was_said(row: tuple[str, str, str, str], annotation: str) -> None:
    field = field_of(*row)
    assert field == Field(row[0], annotation, row[3])
    assert field_of(field.name, *parts_of(field), field.description) == field


def test_a_name_may_be_typed_with_blanks_and_a_row_without_one_is_none() -> None:
    assert field_of(" the letter ", "Text", "", "") == Field("the_letter")
    assert field_of("  ", "Text", "", "what it is") is None


@pytest.mark.parametrize("annotation", ["Literal[1, 2]", "Literal['a, b', 'c']", "Optional[str]", "dict[str, int]"])
def test_a_type_that_the_form_has_no_words_for_is_kept_as_it_is(annotation: str) -> None:
    assert parts_of(Field("x", annotation)) == ("Other", annotation)


def test_a_signature_goes_through_the_rows_unchanged() -> None:
    text = "message = 'a letter -> to us', n: int -> queue: Literal['a', 'b'] = \"the customer's queue\""
    sides = read_signature(text)
    rows = [[field_of(field.name, *parts_of(field), field.description) for field in side] for side in sides]
    again = read_signature(write_signature(*([field for field in side if field] for side in rows)))
    assert again == sides
