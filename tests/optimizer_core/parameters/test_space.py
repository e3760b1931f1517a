import random

import pytest

from mipro_studio.optimizer_core.parameters.space import SearchSpace
from mipro_studio.optimizer_core.types import Candidate
from tests.arms import pairs, space_of


def make_space(**more: object) -> SearchSpace:
    instructions = {"queue": [0, 2, 1], "tone": [0, 1]}
    demo_sets = {"queue": [0, 1, 2, 3], "tone": [0]}
    return space_of(["queue", "tone"], instructions, demo_sets, **more)  # type: ignore[arg-type]


def test_a_parameter_is_a_choice_among_more_than_one_arm() -> None:
    space = make_space()
    assert [(parameter.name, parameter.arms) for parameter in space.parameters] == [
        ("queue: instruction", (0, 1, 2)),
        ("queue: demos", (0, 1, 2, 3)),
        ("tone: instruction", (0, 1)),
    ]
    assert space.size == 24


def test_values_and_candidates_are_each_others_inverse() -> None:
    space = make_space()
    candidate = space.candidate({"queue: demos": 3, "tone: instruction": 1})
    assert candidate == Candidate.parse("i0d3-i1d0")
    assert space.values(candidate) == {"queue: instruction": 0, "queue: demos": 3, "tone: instruction": 1}
    assert space.candidate(space.values(candidate)) == candidate


def test_a_frozen_predictor_keeps_the_seeds_arms() -> None:
    space = make_space(frozen=["queue"])
    assert {pairs(space.random(random.Random(n)))[0] for n in range(30)} == {(0, 0)}
    assert space.size == 2


def test_every_candidate_of_the_space_can_be_drawn() -> None:
    space, rng = make_space(), random.Random(0)
    assert len({space.random(rng).id for _ in range(500)}) == space.size


def test_a_space_without_a_choice_holds_the_baseline_alone() -> None:
    space = space_of(["a", "b"], {"a": [0], "b": [0]}, {"a": [0], "b": [0]})
    assert (space.size, space.parameters) == (1, ())
    assert space.random(random.Random(0)) == Candidate.baseline(2)


def test_an_id_tells_all_choices_and_reads_back() -> None:
    candidate = Candidate.parse("i1d12-i0d3")
    assert candidate.id == "i1d12-i0d3"
    assert Candidate.parse(candidate.id) == candidate
    for text in ("", "teacher", "i1", "i1d2-", "i1dx"):
        with pytest.raises(ValueError):
            Candidate.parse(text)
