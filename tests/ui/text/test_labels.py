"""What a row asks for, beside what a program answers."""

from mipro_studio.ui.text.labels import wanted


def test_what_is_wanted_is_what_the_program_answers() -> None:
    labels = {"id": "t196", "queue": "delivery"}
    assert wanted(labels, ["queue", "reasoning"]) == {"queue": "delivery"}
    assert wanted(labels, []) == wanted(labels, ["other"]) == labels
