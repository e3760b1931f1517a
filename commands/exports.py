"""Commands that take a run home: report, pack, open, check. `cli.py` puts them beside its own."""

from pathlib import Path
from typing import Annotated

import typer

from mipro_studio.commands import output
from mipro_studio.commands.options import JsonOption, RunArgument, StoreOption
from mipro_studio.control import take_home
from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.files import write_private
from mipro_studio.storage import Reader, default_store

__all__ = ["register"]

OutOption = Annotated[Path, typer.Option("--out", help="File to write.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    for command, name in ((report, "report"), (pack, "pack"), (open_file, "open"), (check, "check")):
        app.command(name)(command)


def _wrote(run_id: str, out: Path, as_json: bool) -> None:
    size = out.stat().st_size
    if as_json:
        output.print_json({"run_id": run_id, "out": str(out), "bytes": size})
    else:
        typer.echo(f"Wrote {out} ({size / 1e6:.2f} MB).")


def report(run_id: RunArgument, out: OutOption, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Write a run as one HTML page for people who were not there."""
    from mipro_studio.ui.export.report import (
        report_html,  # jinja2 takes a moment, which the other commands need not wait for
    )

    with Reader(store or default_store()) as reader:
        full_id = reader.run(run_id).id
        page = report_html(reader, full_id)
    try:
        write_private(out, page.encode())
    except OSError as error:
        raise StudioError(f"The report could not be written to {out}: {error.strerror}.") from error
    _wrote(full_id, out, as_json)


def pack(run_id: RunArgument, out: OutOption, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Write a run as one replay file (F.mipro) that any studio shows."""
    path = store or default_store()
    with Reader(path) as reader:
        full_id = reader.run(run_id).id
    take_home.pack(path, full_id, out)
    _wrote(full_id, out, as_json)


def open_file(
    file: Annotated[Path, typer.Argument(help="A replay file (F.mipro).")],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a replay file into the store, to be looked at."""
    path = store or default_store()
    before = _known(path)
    run_id = take_home.open_replay(path, file)
    if as_json:
        output.print_json({"run_id": run_id, "origin": file.name})
    elif run_id in before:
        typer.echo(f"Run {run_id} of {file.name} is here already. See it on the Replay page.")
    else:
        typer.echo(f"Opened {file.name} as run {run_id}, read-only. See it on the Replay page.")


def _known(path: Path) -> set[str]:
    if not path.exists():
        return set()
    with Reader(path) as reader:
        return {run.id for run in reader.list_runs(limit=1_000_000)}


def check(
    run_id: RunArgument,
    examples: Annotated[int, typer.Option(help="Scored examples to ask again.", min=1)] = 10,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the exported winner and its plain messages again, and say how many answers agree."""
    path = store or default_store()
    with Reader(path) as reader:
        full_id = reader.run(run_id).id
    found = take_home.verify(path, full_id, examples)
    if as_json:
        output.print_json({"run_id": full_id, **found})
        return
    program = found["program"]
    typer.echo(f"exported program: {program['agreed']} of {program['asked']} answers are the same")
    for part in found["plain"]:
        note = f" ({part['why']})" if part["why"] else ""
        typer.echo(f"plain messages of {part['predictor']}: {part['agreed']} of {part['asked']} are the same{note}")
