"""The command `rows`: the rows that weights are about to be tuned on: read, drop some, answer some anew."""

from typing import Annotated, Any

import typer
from rich.console import Console

from mipro_studio.commands import output
from mipro_studio.commands.options import JsonOption, RunArgument, StoreOption
from mipro_studio.control import review
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.types import ChangeKind, Tuning
from mipro_studio.storage import Reader, default_store

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("rows")(rows)


def rows(
    run_id: RunArgument,
    tuning: Annotated[int, typer.Option(help="Which weights, from 1.")] = 1,
    drop: Annotated[str | None, typer.Option(help="Places of rows not to train on, from 0, by comma.")] = None,
    answer: Annotated[list[str] | None, typer.Option(help="PLACE=TEXT: another answer; again for more.")] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """The rows that a run tunes weights on. With --drop or --answer: change them while it waits for `approve`."""
    path = store or default_store()
    with Reader(path) as reader:
        full_id = reader.run(run_id).id
        found = next((one for one in reader.tunings(full_id) if one.number == tuning), None)
    if found is None:
        raise BadInput(
            f"Run {full_id} has no rows of weights {tuning}.", "They are there once traces are bootstrapped."
        )
    if not drop and not answer:
        output.print_json(_as_json(found)) if as_json else _print(found)
        return
    answers = dict(_pair(text) for text in answer or ())
    dropped = [place.strip() for place in (drop or "").split(",") if place.strip()]
    payload = {"tuning": tuning, "drop": dropped, "answers": answers}
    number = review.change(path, full_id, ChangeKind.ROWS, payload)
    output.print_json({"change": number}) if as_json else typer.echo(f"Change {number} waits for the run's worker.")


def _pair(text: str) -> tuple[str, str]:
    place, equals, said = text.partition("=")
    if not equals:
        raise BadInput(f"--answer {text!r} has no `=`.", "Say the row's place and its answer: 5=delivery.")
    return place.strip(), said


def _as_json(found: Tuning) -> dict[str, Any]:
    return {"tuning": found.number, "state": found.state.value, "facts": dict(found.facts), "rows": list(found.rows)}


def _print(found: Tuning) -> None:
    console = Console()
    for place, row in enumerate(found.rows):
        asked = row["messages"][-1]["content"] if row["messages"] else ""
        console.print(f"{place:4} {row['predictor']}: {asked!r} -> {row['answer']!r}", markup=False, soft_wrap=True)
