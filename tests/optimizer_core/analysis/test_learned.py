"""What a run learned of its arms, and what another run takes over."""

import json
import random
from typing import Any

import pytest

from mipro_studio.optimizer_core.analysis.learned import WON, carried_arms, check_carried, learned
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.parameters.arm_features import WORTH
from mipro_studio.optimizer_core.parameters.demos import demos_arm
from mipro_studio.optimizer_core.parameters.instruction import instruction_arm
from mipro_studio.optimizer_core.types import DEMOS, INSTRUCTION, Author, Candidate, Demo

OUTPUTS = {"a": ("answer",), "b": ("answer",)}
ARMS: Any = {
    INSTRUCTION: {
        name: {i: instruction_arm(name, i, f"{name} {i}", Author.MODEL) for i in range(4)} for name in "ab"
    },
    DEMOS: {
        name: {i: demos_arm(name, i, "shuffled", [Demo({"answer": "x"}, True, f"r{i}")] * i) for i in range(4)}
        for name in "ab"
    },
}


def scores() -> dict[str, dict[str, float]]:
    """Instruction 2 of `b` helps, instruction 3 harms; nothing else matters."""
    rng = random.Random(0)
    table = {}
    for _ in range(60):
        candidate = Candidate.of(2, {(p, kind): rng.randrange(4) for p in (0, 1) for kind in (INSTRUCTION, DEMOS)})
        chance = {2: 0.9, 3: 0.1}.get(candidate.arm(1, INSTRUCTION), 0.5)
        table[candidate.id] = {f"e{e}": float(rng.random() < chance) for e in range(12)}
    return table


WINNER = "i1d0-i2d1"


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    return learned(OUTPUTS, ARMS, scores(), WINNER)


def test_arms_come_with_what_they_were_worth_the_winners_first(told: dict[str, Any]) -> None:
    rows = [row for row in told["arms"] if (row["owner"], row["kind"]) == ("b", INSTRUCTION)]
    assert [row["content"]["text"] for row in rows] == ["b 2", "b 1", "b 3"]
    assert rows[0][WON] and rows[0][WORTH] > 0.5 > 0 > rows[-1][WORTH]
    assert {row["content"]["text"] for row in told["arms"] if row["kind"] == INSTRUCTION and row[WON]} == {
        "a 1",
        "b 2",
    }
    others = [row[WORTH] for row in told["arms"] if row["owner"] == "a"]
    assert max(map(abs, others)) < 0.5
    assert told["cells"] == sum(map(len, scores().values()))


def test_a_run_takes_the_best_of_what_it_searches_and_may_change(told: dict[str, Any]) -> None:
    arms = carried_arms(json.dumps(told), ["b"], (INSTRUCTION,), 2)
    assert [(arm.owner, arm.kind, arm.index, arm.text) for arm in arms] == [
        ("b", INSTRUCTION, 1, "b 2"),
        ("b", INSTRUCTION, 2, "b 1"),
    ]
    sets = carried_arms(json.dumps(told), ["a", "b"], (DEMOS,), 9)
    assert sorted(len(arm.demos) for arm in sets) == [1, 1, 2, 2, 3, 3]


def test_it_is_another_programs_or_no_such_thing(told: dict[str, Any]) -> None:
    check_carried(json.dumps(told), ["a", "b"])
    with pytest.raises(BadInput, match="predictors a, b"):
        check_carried(json.dumps(told), ["b"])
    spoiled = [
        "[]",
        "{}",
        json.dumps({**told, "version": 2}),
        json.dumps({**told, "arms": [{**told["arms"][0], WORTH: None}]}),
        json.dumps({**told, "arms": [{**told["arms"][0], "content": {}}]}),
        json.dumps({**told, "arms": [{**told["arms"][0], "kind": "weights"}]}),
        json.dumps(
            {**told, "arms": [{**told["arms"][0], "kind": DEMOS, "content": {"made": "x", "demos": [[1, 2]]}}]}
        ),
    ]
    for text in spoiled:
        with pytest.raises(BadInput):
            check_carried(text, ["a", "b"])


def test_a_run_without_scores_has_nothing_to_tell() -> None:
    with pytest.raises(BadInput, match="no scores"):
        learned(OUTPUTS, ARMS, {}, WINNER)
