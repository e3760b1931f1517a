"""The command `learned`: what a run knows of its arms, as a file that another run can start from."""

import json
from pathlib import Path
from typing import Annotated

import typer

from mipro_studio.commands.earlier_runs import learned_by
from mipro_studio.commands.options import StoreOption
from mipro_studio.optimizer_core.files import write_private
from mipro_studio.storage import default_store
from mipro_studio.ui.text.format import plural

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("learned")(learned)


def learned(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Id of a run with a winner.")],
    out: Annotated[Path, typer.Option(help="The file to write; `run --carry-from FILE` starts from it.")],
    store: StoreOption = None,
) -> None:
    """Write the arms of a run with what they were worth, for a run with another model or other rows to start from."""
    told = learned_by(store or default_store(), run_id)
    write_private(out, json.dumps(told, ensure_ascii=False, indent=1).encode())
    typer.echo(f"{plural(len(told['arms']), 'arm')}, learned from {plural(told['cells'], 'cell')}, in {out}.")
