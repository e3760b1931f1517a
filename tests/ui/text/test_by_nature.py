"""What an optimizer has not, told as such."""

import pytest

from mipro_studio.optimizer_core.catalogue import OPTIMIZERS
from mipro_studio.optimizer_core.types import DEMOS, INSTRUCTION
from mipro_studio.ui.text.by_nature import lacking, no_more


def test_what_an_optimizer_never_makes_is_said_with_what_it_searches() -> None:
    assert lacking("gepa", DEMOS) == (
        "GEPA builds no demo sets for its candidates: it searches instructions, and the demos that the program came "
        "with stay."
    )
    assert lacking("bootstrap_few_shot", INSTRUCTION) == (
        "BootstrapFewShot writes no instructions: it searches demo sets, and the program's own stay."
    )
    assert lacking("better_together", INSTRUCTION).count("demo sets and weights") == 1


@pytest.mark.parametrize("name", ["studio", "mipro", "mipro_pp", "zero_shot_mipro_pp", "lab", "of a later studio"])
def test_nothing_is_missing_where_it_is_searched_or_not_known(name: str) -> None:
    assert lacking(name, DEMOS) == lacking(name, INSTRUCTION) == ""


def test_every_listed_optimizer_has_something_and_says_where_it_ends() -> None:
    assert all(
        not (lacking(name, DEMOS) and lacking(name, INSTRUCTION)) or name == "bootstrap_finetune"
        for name in OPTIMIZERS
    )
    assert "one demo set" in no_more("bootstrap_few_shot") and no_more("studio") == no_more("unknown") == ""
