"""The shop behind the sample `returns`: orders, rules and requests, made from a fixed seed. Free of DSPy."""

from __future__ import annotations

import datetime
import random
from dataclasses import dataclass
from typing import Final

from mipro_studio.sample_programs.types import Row

__all__ = ["ORDERS", "RULES", "TODAY", "Order", "Rule", "return_rows", "settled"]

TODAY: Final = datetime.date(2026, 3, 2)


@dataclass(frozen=True)
class Rule:
    """How long goods of a kind may come back, what is paid for opened ones, and what is done about broken ones.

    ``opened_share`` is the share of the price; ``broken`` is the decision within ``warranty_days``.
    """

    return_days: int
    opened_share: float
    warranty_days: int
    broken: str


RULES: Final[dict[str, Rule]] = {
    "clothing": Rule(60, 1.0, 90, "refund"),
    "electronics": Rule(30, 0.8, 365, "replace"),
    "cosmetics": Rule(14, 0.0, 30, "refund"),
    "furniture": Rule(30, 0.5, 730, "replace"),
}

_ITEMS: Final = {
    "clothing": ("rain jacket", "wool jumper", "running shoes", "denim skirt"),
    "electronics": ("bluetooth speaker", "kettle", "desk lamp", "phone charger"),
    "cosmetics": ("face cream", "perfume", "shampoo set", "sun lotion"),
    "furniture": ("bar stool", "bookshelf", "side table", "mirror"),
}
_STATES: Final = ("unopened", "opened", "broken")
_TEXTS: Final = {
    "unopened": (
        "I have not even unpacked {order}. I would like to send it back.",
        "Changed my mind about {order}, the box is still sealed. What can you do?",
        "Bought the same thing twice, so {order} is still in its wrapping and can go back.",
        "{order} was meant as a present and nobody needs it. Never opened.",
    ),
    "opened": (
        "I tried {order} and do not like it. Can it go back?",
        "{order} is out of its box and works, it just is not for me.",
        "We used {order} once. Please tell us what we get for it.",
        "Unpacked {order}, and it looks nothing like it does in my room. I want to return it.",
    ),
    "broken": (
        "{order} stopped working, through no fault of mine.",
        "There is a crack in {order}, and I did not drop it.",
        "{order} came apart at the seam while I was holding it.",
        "Something is wrong with {order}: it is defective.",
    ),
}


@dataclass(frozen=True)
class Order:
    item: str
    kind: str
    price_usd: float
    delivered: datetime.date


def settled(order: Order, state: str) -> tuple[str, float]:
    """(decision, amount in dollars) by the rules: refund with its amount, or replace or refuse with 0."""
    rule = RULES[order.kind]
    age_days = (TODAY - order.delivered).days
    if state == "broken":
        decision = rule.broken if age_days <= rule.warranty_days else "refuse"
        return decision, order.price_usd if decision == "refund" else 0.0
    share = 1.0 if state == "unopened" else rule.opened_share
    if age_days > rule.return_days or share == 0.0:
        return "refuse", 0.0
    return "refund", round(order.price_usd * share, 2)


def _made() -> tuple[dict[str, Order], list[Row]]:
    draw = random.Random(20260302)
    orders: dict[str, Order] = {}
    rows: list[Row] = []
    for turn in range(8):
        for kind, rule in RULES.items():
            for state in _STATES:
                limit = rule.warranty_days if state == "broken" else rule.return_days
                age = draw.randint(1, limit) if draw.random() < 0.65 else limit + draw.randint(1, 40)
                order = Order(
                    draw.choice(_ITEMS[kind]),
                    kind,
                    draw.randint(20, 200) * 2.5,
                    TODAY - datetime.timedelta(days=age),
                )
                number = f"R-{1000 + len(orders) * 7 + turn}"
                orders[number] = order
                told = _TEXTS[state][turn % 4].format(order=f"order {number}")
                decision, amount = settled(order, state)
                rows.append({"request": told[0].upper() + told[1:], "decision": decision, "amount_usd": amount})
    draw.shuffle(rows)
    return orders, rows


ORDERS, _ROWS = _made()


def return_rows() -> list[Row]:
    """96 requests with the decision and the amount that the shop's rules come to."""
    return [dict(row) for row in _ROWS]
