"""MIPRO Studio from a terminal; `python cli.py --help` lists the commands."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from mipro_studio.commands import change, check_store, exports, gate, learned, output, push, rows, run, take
from mipro_studio.commands.following import follow
from mipro_studio.commands.options import JsonOption, RunArgument, StoreOption
from mipro_studio.control import launcher, take_home
from mipro_studio.optimizer_core.catalogue import OPTIMIZERS
from mipro_studio.optimizer_core.config_paths import all_settings
from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.secrets import Scrubber
from mipro_studio.storage import Reader, RunSummary, default_store
from mipro_studio.ui.result.evidence import as_told

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Optimize LM programs. Exit codes: 0 completed, 1 failed, 2 bad input, 3 ended at a cap or standing still.",
)


def _store(path: Path | None) -> Path:
    return path or default_store()


run.register(app)


@app.command()
def resume(
    run_id: RunArgument,
    store: StoreOption = None,
    trials: Annotated[int | None, typer.Option(help="New number of trials in all.")] = None,
    despite_errors: Annotated[
        bool, typer.Option("--despite-errors", help="Go on although (nearly) every program run fails.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Go on with a run that stands still; nothing that was answered is asked again."""
    path = _store(store)
    full_id = launcher.resume(path, run_id, trials, despite_errors=despite_errors)
    follow(path, full_id, as_json)


@app.command()
def ablate(run_id: RunArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Score a completed run's winner without each of its parts: what does each bring?"""
    path = _store(store)
    follow(path, launcher.ablate(path, run_id), as_json)


@app.command()
def stop(run_id: RunArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """End a run with the best so far."""
    path = _store(store)
    launcher.stop(path, run_id)
    with Reader(path) as reader:
        summary = reader.run(run_id)
        output.print_json(output.run_facts(reader, summary.id)) if as_json else typer.echo(
            f"{summary.id} was asked to stop."
        )


@app.command()
def pause(run_id: RunArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Let a run stand still once what is under way is finished; `resume` goes on."""
    path = _store(store)
    launcher.pause(path, run_id)
    with Reader(path) as reader:
        summary = reader.run(run_id)
        output.print_json(output.run_facts(reader, summary.id)) if as_json else typer.echo(
            f"{summary.id} was asked to pause."
        )


@app.command()
def limit(
    run_id: RunArgument,
    at_once: Annotated[int, typer.Argument(help="Calls to one endpoint at a time; the run's threads are the most.")],
    store: StoreOption = None,
) -> None:
    """Hold a working run's calls back, or let them go again."""
    path = _store(store)
    launcher.limit(path, run_id, at_once)
    typer.echo(f"At most {at_once} calls at once from now on.")


@app.command()
def approve(run_id: RunArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Open the review gate of a run that waits at it, and follow it to the end."""
    path = _store(store)
    with Reader(path) as reader:
        full_id = reader.run(run_id).id
    launcher.approve(path, full_id)
    follow(path, full_id, as_json)


@app.command("review")
def show_review(run_id: RunArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """The instructions of a run, who wrote each, and the changes that wait for its worker."""
    with Reader(_store(store)) as reader:
        facts = output.review_facts(reader, reader.run(run_id).id)
    output.print_json(facts) if as_json else output.print_review(facts)


change.register(app)


@app.command()
def show(run_id: RunArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """What a run came to, and which candidates are best for what they take."""
    with Reader(_store(store)) as reader:
        facts = output.run_facts(reader, reader.run(run_id).id)
    output.print_json(facts) if as_json else output.print_facts(facts)


@app.command()
def export(
    run_id: RunArgument,
    out: Annotated[Path, typer.Option("--out", help="File to write.")],
    candidate: Annotated[
        str,
        typer.Option(
            help="Another one by its id; `show` lists the best for what they take.", show_default="the winner"
        ),
    ] = "",
    merged: Annotated[
        bool, typer.Option("--merged", help="Also the embedded model with the tuned weights in it, as one GGUF file.")
    ] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the winner, or another candidate, as a DSPy program that `program.load(path)` takes back."""
    path = _store(store)
    with Reader(path) as reader:
        full_id = reader.run(run_id).id
    written = take_home.export(path, full_id, out, candidate, merged=merged)
    found = {"run_id": full_id, "out": str(out), "written": written}
    output.print_json(found) if as_json else typer.echo(f"Wrote {', '.join(written)}.")


@app.command("list")
def list_runs(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """All runs, newest first."""
    path = _store(store)
    runs: list[RunSummary] = []
    if store is not None and not path.parent.is_dir():
        raise StudioError(f"There is no folder {str(path.parent)!r} for a store.", "Name another with --store.")
    if path.exists():
        with Reader(path) as reader:
            runs = [as_told(reader, run) for run in reader.list_runs()]
    if as_json:
        output.print_json({"runs": [output.row(summary) for summary in runs]})
    else:
        output.print_table(runs)


@app.command()
def optimizers(as_json: JsonOption = False) -> None:
    """The optimizers there are."""
    summaries = {name: listed.summary for name, listed in OPTIMIZERS.items()}
    if as_json:
        output.print_json({"optimizers": summaries})
        return
    for name, summary in summaries.items():
        typer.echo(f"{name:24} {summary}")


@app.command()
def settings(as_json: JsonOption = False) -> None:
    """Every setting of a run, with its type and default, for `run --set`."""
    known = all_settings()
    if as_json:
        output.print_json({"settings": [vars(one) for one in known]})
        return
    for one in known:
        typer.echo(f"{one.path} ({one.type}; default: {one.default or 'none'})\n    {one.meaning}")


exports.register(app)
rows.register(app)
check_store.register(app)
gate.register(app)
learned.register(app)
push.register(app)
take.register(app)


@app.command("app", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def open_app(context: typer.Context) -> None:
    """Open the studio in the browser. What follows is passed on to `streamlit run`."""
    launcher.open_app(context.args)


def main() -> None:
    try:
        app()
    except StudioError as error:
        # A person's code may raise several lines.
        print(" ".join(Scrubber().text(str(error)).split()), file=sys.stderr)
        if len(error.frames) > 1:  # of one line of code the sentence speaks itself
            print(*(f"  {Scrubber().text(frame)}" for frame in error.frames), sep="\n", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # whoever reads what is printed has had enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:  # of a file that a person named: no rights, no room, a folder where a file should be
        where = f"{error.filename}: " if error.filename else ""
        print(Scrubber().text(f"{where}{error.strerror or error}."), "Name another file.", file=sys.stderr)
        sys.exit(2)


def installed() -> None:
    """The command `mipro-studio`: alone it opens the app, with arguments it is this command line."""
    if len(sys.argv) == 1:
        launcher.open_app()
    main()


if __name__ == "__main__":
    main()
