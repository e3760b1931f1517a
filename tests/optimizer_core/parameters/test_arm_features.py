"""What is in arms, as numbers."""

import numpy as np
import pytest

from mipro_studio.optimizer_core.parameters.arm_features import (
    FEATURES,
    RowClasses,
    demo_features,
    features_of,
    instruction_features,
    row_classes,
)
from mipro_studio.optimizer_core.parameters.demos import demos_arm
from mipro_studio.optimizer_core.parameters.instruction import instruction_arm
from mipro_studio.optimizer_core.types import DEMOS, Arm, Author, Demo, Example, Split

ALL = (*FEATURES["demos"], "answers", "last", "rows", "number", "origin")


def demo(row: str, answer: object, augmented: bool = False) -> Demo:
    return Demo({"question": f"question {row}", "answer": answer}, augmented, row)


def sets(*shown: tuple[Demo, ...]) -> list[Arm]:
    return [demos_arm("p", index, "shuffled", demos) for index, demos in enumerate(shown)]


def named(arms: list[Arm], name: str) -> np.ndarray:  # type: ignore[type-arg]
    (found,) = demo_features(arms, ["answer"], [name])
    assert found.arms == tuple(one.index for one in arms)
    return found.basis


A, B, B2, C = demo("1", "a"), demo("2", "b"), demo("3", "b"), demo("4", "c", True)


@pytest.mark.parametrize("name", sorted(set(ALL)))
def test_features_are_centred_and_of_length_one(name: str) -> None:
    basis = named(sets((), (A, B), (B2, C), (A, B, C)), name)
    assert np.allclose(basis.mean(axis=0), 0)
    assert np.isclose((basis**2).sum(axis=1).mean(), 1)


def test_the_number_of_demos_says_nothing_of_the_empty_set() -> None:
    number = named(sets((), (A,), (B, C), (A, B, C, B2)), "number")[:, 0]
    assert np.isclose(number[0], number[1:].mean()) and number[1] < number[2] < number[3]
    assert not demo_features(sets((), (A, B), (B, C)), ["answer"], ["number"])  # all alike


def test_sets_with_the_same_answers_are_alike_in_answers_and_not_in_rows() -> None:
    arms = sets((A, B), (A, B2), (C,), ())
    answers, rows = named(arms, "answers"), named(arms, "rows")
    assert np.allclose(answers[0], answers[1]) and not np.allclose(answers[0], answers[2])
    assert not np.allclose(rows[0], rows[1])


def test_the_last_answer_is_that_of_the_last_demo() -> None:
    last = named(sets((A, B), (B, A), (C, B2), (C,)), "last")
    assert np.allclose(last[0], last[2]) and not np.allclose(last[0], last[1])


def test_answers_that_are_no_classes_say_nothing() -> None:
    free = sets(*((demo(str(n), f"an answer of its own, {n}"),) for n in range(6)))
    assert demo_features(free, ["answer"], ["answers", "last"]) == []
    assert [one.name for one in demo_features(free, ["answer"], ["rows"])] == ["rows"]


def test_a_set_covers_the_rows_of_the_classes_that_it_shows() -> None:
    classes = RowClasses({"1": "a", "2": "b", "3": "b"}, {"v1": "a", "v2": "b", "v3": "b", "v4": "c"})
    (found,) = demo_features(sets((), (A,), (B, B2), (A, B)), ["answer"], [], classes)
    share = np.array([0, 0.25, 0.5, 0.75])
    assert np.allclose(found.basis[:, 0], share - share.mean())
    assert np.allclose(found.by_row["v1"], np.array([0, 1, 0, 1]) - share)
    assert np.allclose(sum(found.by_row.values()), 0), "beyond what a set has on average"
    assert demo_features(sets((), (A,)), ["answer"], []) == []


def test_rows_have_classes_where_labels_come_again_and_are_short() -> None:
    rows = [
        Example(f"r{n}", Split.TRAIN, n, {}, {"queue": "ab"[n % 2], "reply": f"a reply of its own {n}"})
        for n in range(8)
    ]
    found = row_classes(rows[:6], rows[6:])
    assert found.shown["r0"] == found.shown["r2"] == found.asked["r6"] != found.shown["r1"]
    assert row_classes([], rows).asked == {}


def test_arms_that_are_all_alike_have_no_features() -> None:
    assert demo_features(sets((), ()), ["answer"]) == []
    assert instruction_features([instruction_arm("p", 0, "Answer.", Author.SEED)]) == []


def test_a_child_is_like_its_parent_and_unlike_a_stranger() -> None:
    arms = [
        instruction_arm("p", 0, "Answer the question.", Author.SEED),
        instruction_arm("p", 1, "Name the queue of the message in one word.", Author.MODEL, {"tip": "simple"}),
        instruction_arm("p", 2, "Name the queue of the message.", Author.PERSON, {"edited_from": 1}),
        instruction_arm("p", 3, "You are an expert: decide with care.", Author.MODEL, {"parents": [2]}),
        *(instruction_arm("p", n, f"Stranger {n} of {n}.", Author.MODEL) for n in range(4, 9)),
    ]
    found = {one.name: one.basis @ one.basis.T for one in instruction_features(arms)}
    for name in ("lineage", "text"):
        assert found[name][1, 2] > max(found[name][0, 1], found[name][0, 2])
    assert found["lineage"][2, 3] > found["lineage"][0, 3]


def test_values_of_all_kinds_are_answers() -> None:
    arms = sets((demo("1", True),), (demo("2", True),), (demo("3", ["a", None]),), (demo("4", ["a", None]),))
    answers = named(arms, "answers")
    assert np.allclose(answers[0], answers[1]) and np.allclose(answers[2], answers[3])


def test_all_arms_have_their_features_by_predictor_and_kind() -> None:
    written = {0: instruction_arm("p", 0, "One.", Author.SEED), 1: instruction_arm("p", 1, "Two.", Author.MODEL)}
    told = dict(enumerate(sets((), (A, B), (B2,))))
    found = features_of({"p": ["answer"]}, {"instruction": {"p": written}, "demos": {"p": told}})
    assert set(found) == {(0, "instruction"), (0, "demos")}
    assert [one.name for one in found[0, "demos"]] == list(FEATURES["demos"])


def test_features_do_not_depend_on_the_order_in_which_arms_came_in() -> None:
    arms = {one.index: one for one in sets((), (A, B), (B2,), (C, A))}
    first, other = (
        features_of({"p": ["answer"]}, {DEMOS: {"p": dict(order)}})
        for order in (arms.items(), list(arms.items())[::-1])
    )
    for one, same in zip(first[0, DEMOS], other[0, DEMOS], strict=True):
        assert one.arms == same.arms and (one.basis == same.basis).all()
