"""The command that looks a store over. `cli.py` puts it beside its own."""

from dataclasses import asdict
from pathlib import Path

import typer

from mipro_studio.commands import output
from mipro_studio.commands.options import JsonOption, StoreOption
from mipro_studio.storage import Finding, check_store, default_store

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("check-store")(check)


def check(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Look a store over: structure, references, content, log and studies. Exit code 1 when something is damaged."""
    path = store or default_store()
    found = check_store(path)
    damaged = [one for one in found if not one.harmless]
    if as_json:
        output.print_json({"store": str(path), "damaged": bool(damaged), "findings": [asdict(one) for one in found]})
    else:
        _print(path, found)
    raise typer.Exit(1 if damaged else 0)


def _print(path: Path, found: list[Finding]) -> None:
    for one in found:
        typer.echo(f"{'note' if one.harmless else 'DAMAGED'}: {one.says} {one.do}")
    if all(one.harmless for one in found):
        typer.echo(f"{path} is whole.")
