"""A returns desk with tools: an agent looks an order and the shop's rules up, and decides. Pass or fail at the end.

Nothing in a request says what was paid, when the goods came or which rule holds: only the tools know. They read
tables in memory and give the same answer to the same call, so that a run needs no network beside its model.
"""

from __future__ import annotations

from typing import Any, Literal

import dspy

from mipro_studio.sample_programs.catalog import RETURNS as SAMPLE
from mipro_studio.sample_programs.tasks.returns_data import ORDERS, RULES, TODAY

__all__ = ["SAMPLE", "DecideReturn", "ReturnsDesk", "find_order", "metric", "program", "return_rules"]


def find_order(order_number: str) -> str:
    """What was bought, of which kind, at which price, and for how many days the customer has had it."""
    order = ORDERS.get(order_number.strip().upper())
    if order is None:
        return f"There is no order {order_number!r}."
    days = (TODAY - order.delivered).days
    return f"item: {order.item}; kind: {order.kind}; price: {order.price_usd:.2f} USD; delivered {days} days ago"


def return_rules(kind: str) -> str:
    """The shop's rules for goods of a kind, as `find_order` names it."""
    rule = RULES.get(kind.strip().lower())
    if rule is None:
        return f"There are rules for: {', '.join(RULES)}."
    opened = f"{rule.opened_share:.0%} of the price" if rule.opened_share else "nothing, they are refused"
    return (
        f"returns within {rule.return_days} days: unopened goods 100% of the price, opened goods {opened}; "
        f"broken goods within {rule.warranty_days} days: {rule.broken}; everything later: refuse"
    )


class DecideReturn(dspy.Signature):  # type: ignore[misc]
    """Decide what a customer gets who wants to return something."""

    request: str = dspy.InputField()
    decision: Literal["refund", "replace", "refuse"] = dspy.OutputField()
    amount_usd: float = dspy.OutputField(desc="what is paid back; 0 where nothing is")


class ReturnsDesk(dspy.Module):  # type: ignore[misc]
    """One agent with two tools."""

    def __init__(self) -> None:
        super().__init__()
        self.agent = dspy.ReAct(DecideReturn, tools=[find_order, return_rules], max_iters=5)

    def forward(self, request: str) -> dspy.Prediction:
        answer = self.agent(request=request)
        return dspy.Prediction(decision=answer.decision, amount_usd=answer.amount_usd, trajectory=answer.trajectory)


program = ReturnsDesk


def metric(example: Any, pred: Any, trace: Any = None) -> dspy.Prediction:
    """1 where decision and amount are both right, else 0; with the reason, for optimizers that read it."""
    right = pred.decision == example.decision and abs(float(pred.amount_usd) - float(example.amount_usd)) < 0.005
    if right:
        return dspy.Prediction(score=1.0, feedback="Right.")
    said = f"{pred.decision}, {pred.amount_usd} USD"
    return dspy.Prediction(
        score=0.0, feedback=f"Right is {example.decision}, {example.amount_usd} USD; the answer was {said}."
    )
