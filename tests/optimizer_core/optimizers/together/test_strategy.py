"""Strategies as people write them."""

import pytest

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.optimizers.together.strategy import label, parse_strategies, steps_of


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("w", ("w",)),
        ("p→w", ("pw",)),
        ("P->W", ("pw",)),
        ("  Π → Θ→ Π ", ("pwp",)),
        ("π -> θ", ("pw",)),
        ("p -> p -> w -> w", ("ppww",)),
        ("p -> w, w, p->w", ("pw", "w")),
        ("ALL", ("pwp", "wp", "pp", "ww")),
    ],
)
def test_a_strategy_is_read_however_it_is_spelled(text: str, paths: tuple[str, ...]) -> None:
    assert parse_strategies(text) == paths


@pytest.mark.parametrize("text", ["", "->", "p ->", "p -> q", "pw", "p, ", "all, w", "p > w", "-> w", "p - > w"])
def test_what_is_no_strategy_is_one_sentence_that_says_how_to_write_one(text: str) -> None:
    with pytest.raises(BadInput) as refused:
        parse_strategies(text)
    assert "has a step" in refused.value.message and '"p -> w -> p"' in refused.value.hint


def test_nine_steps_are_the_most() -> None:
    assert parse_strategies("->".join("pwpwpwpwp")) == ("pwpwpwpwp",)
    with pytest.raises(BadInput, match="10 steps"):
        parse_strategies("->".join("pwpwpwpwpw"))


def test_what_strategies_begin_with_is_one_step_for_all() -> None:
    steps = steps_of(parse_strategies("all"))
    assert [label(step.path) for step in steps] == ["Π", "Π→Θ", "Π→Θ→Π", "Θ", "Θ→Π", "Π→Π", "Θ→Θ"]
    assert [step.number for step in steps if step.kind == "w"] == [1, 2, 3]
