"""The command `change`: what a person asks of a run's arms."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from mipro_studio.commands import output
from mipro_studio.commands.options import JsonOption, RunArgument, StoreOption
from mipro_studio.control import review
from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.types import ChangeKind
from mipro_studio.storage import Reader, default_store

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(change)


def change(  # noqa: PLR0913 - the options of a command
    run_id: RunArgument,
    what: Annotated[ChangeKind, typer.Argument(help="What to ask of its arms.")],
    predictor: Annotated[str, typer.Option(help="Name of the predictor.")],
    index: Annotated[int | None, typer.Option(help="The arm: edit, reject, restore, demos.")] = None,
    kind: Annotated[str, typer.Option(help="instruction, demos (reject, restore) or tools.")] = "instruction",
    text: Annotated[str | None, typer.Option(help="The text: write, edit; `-` reads standard input.")] = None,
    reason: Annotated[str, typer.Option(help="Why; kept with the arm.")] = "",
    hint: Annotated[str, typer.Option(help="What the prompt model should take care of: ask.")] = "",
    count: Annotated[int, typer.Option(help="Instructions to ask for: ask.")] = 1,
    pin: Annotated[str | None, typer.Option(help="Training rows whose traces join the set, by comma: demos.")] = None,
    drop: Annotated[str | None, typer.Option(help="Places of demos to leave out, from 0, by comma: demos.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Instead of the original: edit, demos.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write, edit, reject or restore an instruction, ask for more, or make a demo set from another."""
    path = store or default_store()
    payload: dict[str, Any] = {"predictor": predictor, "reason": reason}
    match what:
        case ChangeKind.WRITE | ChangeKind.EDIT:
            payload |= {"text": sys.stdin.read() if text == "-" else text, "index": index, "keep": not replace}
            payload["kind"] = kind
        case ChangeKind.ASK:
            payload |= {"hint": hint, "count": count}
        case ChangeKind.DEMOS:
            pins = [{"example": row, "call": -1} for row in pin.split(",")] if pin else []
            keep = _kept(path, run_id, predictor, index, drop)
            payload |= {"index": index, "keep": keep, "pin": pins, "replace": replace}
        case _:
            payload |= {"kind": kind, "index": index}
    number = review.change(path, run_id, what, payload)
    output.print_json({"change": number}) if as_json else typer.echo(f"Change {number} waits for the run's worker.")


def _kept(path: Path, run_id: str, predictor: str, index: int | None, drop: str | None) -> list[int]:
    """Places of the demos of set `index` that stay."""
    try:
        dropped = {int(place) for place in (drop or "").split(",") if place}
    except ValueError as error:
        raise StudioError(f"--drop {drop!r} is not a list of places like 0,2.") from error
    with Reader(path) as reader:
        sets = review.editable_arms(reader, reader.run(run_id).id).demo_sets.get(predictor, {})
    n = len(sets[index].demos) if index is not None and index in sets else 0
    return [place for place in range(n) if place not in dropped]
