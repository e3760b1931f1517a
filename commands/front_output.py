"""What `show` says of the candidates that are best for what they take: the front of quality against cost."""

from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table

from mipro_studio.commands.called_as import called_as
from mipro_studio.optimizer_core.analysis.front import front, front_points
from mipro_studio.optimizer_core.evaluation.objective import objective_of
from mipro_studio.optimizer_core.objective_spec import QUANTITIES, SCORE
from mipro_studio.storage import Reader

__all__ = ["front_facts", "objective_rows", "print_front"]


def front_facts(reader: Reader, run_id: str) -> dict[str, Any]:
    """{objective, front}: every fully evaluated candidate that is on the front of a quantity, the best score first.

    A candidate is {candidate, score, objective, n, keeps_limits, a mean for every quantity, best_for}: the quantities
    on whose front it is. Mean over validation rows; None where it is not known.
    """
    full_id = reader.run(run_id).id
    text = reader.config(full_id).get("objective") or SCORE
    points = front_points(reader.cells_of_full(full_id), objective_of(text))
    fronts = {quantity: {point.candidate for point in front(points, quantity)} for quantity in QUANTITIES}
    rows = [
        {
            "candidate": point.candidate,
            "score": point.score,
            "objective": point.objective,
            "n": point.n,
            "keeps_limits": point.keeps_limits,
            **point.takes,
            "best_for": [quantity for quantity in QUANTITIES if point.candidate in fronts[quantity]],
        }
        for point in points
    ]
    on_it = [row for row in rows if row["best_for"]]
    return {"objective": text, "front": sorted(on_it, key=lambda row: -row["score"])}


def print_front(facts: dict[str, Any]) -> None:
    """The front as a table; nothing where one candidate is best for all."""
    rows = facts["front"]
    if len(rows) < 2:
        return
    known = [quantity for quantity in QUANTITIES if any(row[quantity] is not None for row in rows)]
    other = facts["objective"] != SCORE
    table = Table(box=None, title="best for what they take (validation)", title_justify="left")
    for name in ("candidate", "score", *(["objective"] if other else []), *known, "best for"):
        table.add_column(name, no_wrap=name == "candidate")
    for row in rows:
        objective = [_number(row["objective"], 3)] if other else []
        took = [_number(row[quantity], 6 if quantity == "usd" else 1) for quantity in known]
        table.add_row(row["candidate"], _number(row["score"], 3), *objective, *took, ", ".join(row["best_for"]))
    Console().print(table, markup=False)
    print(f"Take one home: {called_as()} export {facts['run_id']} --candidate CANDIDATE --out FILE")


def _number(value: float | None, places: int) -> str:
    return "-" if value is None else f"{value:.{places}f}"


def objective_rows(found: dict[str, Any] | None, score: Callable[[float | None], str]) -> dict[str, str]:
    """What was maximized, by its name, where that is not the score."""
    if found is None:
        return {}
    told = {
        split: f"{score((found[f'baseline_{split}'] or {}).get('mean'))} -> "
        f"{score((found[f'best_{split}'] or {}).get('mean'))}"
        for split in ("val", "test")
    }
    return {"objective": f"{found['text']}: validation {told['val']}, test {told['test']}"}
