"""The sample with tools: data that follow its rules, tools that tell what is needed, an agent that uses them."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import dspy
import pytest

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.evaluation.program_run import run_once
from mipro_studio.optimizer_core.inspection import inspect_request
from mipro_studio.optimizer_core.metrics.scoring import Scorer
from mipro_studio.optimizer_core.parameters.arms import Arms
from mipro_studio.optimizer_core.parameters.registry import KINDS
from mipro_studio.optimizer_core.programs.program import load_program
from mipro_studio.optimizer_core.types import Arm, Author, Example, Split
from mipro_studio.sample_programs.returns import SAMPLE, find_order, metric, return_rules
from mipro_studio.sample_programs.tasks.returns_data import ORDERS, RULES, settled
from tests.arms import built
from tests.optimizer_core.scripted import chat, scripted_model

ROWS = SAMPLE.rows()
STATES = {
    "unopened": ("unpacked", "sealed", "wrapping", "Never opened"),
    "broken": ("stopped", "crack", "seam", "defect"),
}


def state_of(request: str) -> str:
    """Unpacked opens two requests: "not even unpacked" is sealed, "Unpacked order" is not."""
    found = [state for state, words in STATES.items() if any(word in request for word in words)]
    return found[0] if found else "opened"


def agent(request: Any) -> str:
    """A model that reads what it is shown: it looks the order up, then the rules, and settles."""
    text = "".join(part.text for part in request.messages[-1].parts)
    case = text.partition("[[ ## trajectory ## ]]")[0]
    number = re.search(r"R-\d+", case)[0]  # type: ignore[index]
    if "next_tool_name" not in text.rpartition("Respond with")[2]:
        found = re.search(r"kind: (\w+); price: ([\d.]+) USD; delivered (\d+) days", text)
        assert found is not None, "the extraction is shown what the tools said"
        decision, amount = settled(ORDERS[number], state_of(case))
        return chat(reasoning="by the rules", decision=decision, amount_usd=str(amount))
    assert "find_order" in request.system and "return_rules" in request.system
    kind = re.search(r"kind: (\w+);", text)
    calls = (
        ("find_order", {"order_number": number}, "observation_0" not in text),
        ("return_rules", {"kind": kind[1] if kind else ""}, "observation_1" not in text),
        ("finish", {}, True),
    )
    name, arguments, _ = next(one for one in calls if one[2])
    return chat(next_thought="next", next_tool_name=name, next_tool_args=json.dumps(arguments))


def test_rows_follow_the_rules_and_every_decision_is_there() -> None:
    assert len({row["request"] for row in ROWS}) == len(ROWS) == 96
    assert min(Counter(row["decision"] for row in ROWS).values()) >= 8
    for row in ROWS:
        order = ORDERS[re.search(r"R-\d+", row["request"])[0]]  # type: ignore[index]
        assert (row["decision"], row["amount_usd"]) == settled(order, state_of(row["request"]))


def test_the_tools_tell_what_the_rules_need_and_name_what_they_do_not_know() -> None:
    number, order = next(iter(ORDERS.items()))
    assert f"kind: {order.kind}; price: {order.price_usd:.2f} USD" in find_order(number.lower())
    assert f"within {RULES['furniture'].return_days} days" in return_rules("Furniture")
    assert "opened goods 50% of the price" in return_rules("furniture")
    assert "refused" in return_rules("cosmetics")
    assert "no order" in find_order("R-1")
    assert "clothing" in return_rules("food")


@pytest.mark.parametrize("instruction", [None, "Be quick."])
def test_an_agent_that_uses_its_tools_passes_every_row_whatever_its_instruction(instruction: str | None) -> None:
    program = load_program("sample:returns", Path())
    names = [info.name for info in program.predictors]
    module = built(Arms(program), dict.fromkeys(names, instruction) if instruction else {}, {})
    role_model, scorer = scripted_model(agent), Scorer(metric, "metric")
    for place, row in enumerate(ROWS[:24]):
        labels = {name: value for name, value in row.items() if name != "request"}
        example = Example(str(place), Split.VAL, place, {"request": row["request"]}, labels)
        cell = run_once(module, example, role_model, scorer, "c")
        assert cell.score == 1.0, (row, cell)
        assert cell.usage.calls == 4


def test_an_answer_is_right_as_a_whole_or_wrong() -> None:
    example = dspy.Example(decision="refund", amount_usd=20.0)
    assert metric(example, dspy.Prediction(decision="refund", amount_usd=20.001)).score == 1.0
    half = metric(example, dspy.Prediction(decision="refund", amount_usd=25.0))
    assert half.score == 0.0
    assert "Right is refund, 20.0 USD" in half.feedback


def test_the_embedded_model_is_refused_unless_somebody_insists() -> None:
    with pytest.raises(BadInput, match="beyond the embedded model"):
        inspect_request({"program": "sample:returns"}, Path())


def test_what_its_agent_is_told_of_its_tools_is_searched_and_reaches_the_model_in_other_words() -> None:
    assert SAMPLE.defaults["search"]["kinds"] == ["tools"]
    program = load_program("sample:returns", Path())
    (seed,) = KINDS["tools"].seeds(program)
    assert (seed.owner, list(seed.content["tools"])) == ("agent.react", ["find_order", "return_rules"])
    assert seed.provenance["places"]["find_order"] == "program.agent.tools['find_order']"
    text = KINDS["tools"].describe(seed).replace("What was bought", "Call it first: what was bought")
    told = Arm("agent.react", "tools", 1, KINDS["tools"].edited(text, seed), Author.PERSON)
    heard: list[str] = []

    def listening(request: Any) -> str:
        heard.append(request.system)
        return agent(request)

    labels = {name: value for name, value in ROWS[0].items() if name != "request"}
    case = Example("0", Split.VAL, 0, {"request": ROWS[0]["request"]}, labels)
    cell = run_once(Arms(program).build([told]), case, scripted_model(listening), Scorer(metric, "metric"), "c")
    assert cell.score == 1.0 and "<desc>Call it first: what was bought" in heard[0]
    assert KINDS["tools"].loading(told, seed) == [
        f"program.agent.tools['find_order'].desc = {told.content['tools']['find_order']['description']!r}"
    ]
