"""Labelled rows as demos: when they say all that a trace would, and how their answers are spread."""

from collections import Counter

import pytest

from mipro_studio.optimizer_core.parameters.demos import made_how
from mipro_studio.optimizer_core.proposers.labels import labeled_demos, labels_tell_all, spread_answers
from mipro_studio.optimizer_core.types import Demo, Example, Split
from tests.arms import demo_sets_of
from tests.loopback import LoopbackEndpoint
from tests.optimizer_core.builders import live, make_config

TONES = ["neutral"] * 8 + ["negative"] + ["positive"] * 3


def rows(labels: list[str]) -> list[Example]:
    return [Example(f"e{n}", Split.TRAIN, n, {"message": f"m{n}"}, {"tone": tone}) for n, tone in enumerate(labels)]


def tones(chosen: list[Example]) -> list[str]:
    return [row.labels["tone"] for row in chosen]


def test_an_answer_comes_again_only_when_the_others_came_as_often() -> None:
    found = tones(spread_answers(rows(TONES), ["tone"], 6))
    assert found[:3] == ["neutral", "negative", "positive"]  # the order of the rows decides among equals
    assert Counter(found[3:]) == {"neutral": 2, "positive": 1}  # there is no second negative


def test_demos_that_are_shown_already_count() -> None:
    shown = [Demo({"message": "x", "tone": "neutral"}, True, "e99")] * 2
    assert tones(spread_answers(rows(TONES), ["tone"], 3, shown)) == ["negative", "positive", "positive"]


def test_answers_that_are_all_different_keep_the_rows_order() -> None:
    free = rows([f"text {n}" for n in range(9)])
    assert spread_answers(free, ["tone"], 4) == free[:4]


def test_rows_without_the_answer_are_passed_over() -> None:
    some = rows(["positive", "negative"])
    assert spread_answers(some, ["queue"], 2) == []
    assert spread_answers(some, ["queue", "tone"], 5) == some


@pytest.mark.parametrize(
    ("outputs", "tells"), [((("tone",),), True), ((("tone",), ("reasoning", "tone")), False), ((("queue",),), False)]
)
def test_labels_tell_all_only_where_every_field_is_there(outputs: tuple[tuple[str, ...], ...], tells: bool) -> None:
    assert labels_tell_all(rows(TONES), [(("message",), one) for one in outputs]) is tells
    assert not labels_tell_all([], [(("message",), ("tone",))])


@pytest.mark.parametrize("draw", ["spread", "random"])
def test_a_run_draws_every_other_set_from_labels(draw: str, endpoint: LoopbackEndpoint) -> None:
    life = live(make_config(endpoint, search={"candidates": 6, "labels": draw}))
    sets = list(demo_sets_of(life.journal))
    kinds = Counter(made_how(one) for one in sets if one.owner == "queue")
    assert kinds["labels_only"] == (3 if draw == "spread" else 1)
    assert kinds["shuffled"] == (1 if draw == "spread" else 3)
    times = [Counter(demo.fields[one.owner] for demo in one.demos) for one in sets if made_how(one) == "labels_only"]
    uneven = [one for one in times if len(one) > 1 and max(one.values()) - min(one.values()) > 1]
    assert draw == "random" or not uneven


def test_labelled_demos_hold_inputs_and_outputs_only() -> None:
    (demo,) = labeled_demos(rows(["positive"]), ["message"], ["tone"])
    assert demo.fields == {"message": "m0", "tone": "positive"} and not demo.augmented
