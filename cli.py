"""MIPRO Studio from a terminal; `python cli.py --help` lists the commands."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from mipro_studio.commands import (
    check_store,
    earlier_runs,
    exports,
    gate,
    learned,
    output,
    plan_output,
    push,
    rows,
    take,
)
from mipro_studio.commands.run_options import with_settings
from mipro_studio.commands.store_option import StoreOption
from mipro_studio.control import launcher, new_runs, review, take_home
from mipro_studio.optimizer_core.config import EMBEDDED, OF_PROGRAM
from mipro_studio.optimizer_core.config_paths import all_settings, merge
from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.models.model_text import priced, read_model
from mipro_studio.optimizer_core.secrets import Scrubber
from mipro_studio.optimizer_core.types import ChangeKind
from mipro_studio.storage import Reader, RunSummary, default_store

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Optimize LM programs. Exit codes: 0 completed, 1 failed, 2 bad input, 3 ended at a cap or standing still.",
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")]
PRICE = (
    "IN/OUT in dollars per million tokens, of all endpoints; of one with task=, prompt=, teacher=, judge= or "
    "PREDICTOR= before it. Repeat it."
)
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Id of a run, or the beginning of one.")]


def _store(path: Path | None) -> Path:
    return path or default_store()


@app.command()
@with_settings
def run(
    program: Annotated[str, typer.Argument(help="sample:NAME, path.py[:attr] or package.module:attr")],
    given: dict[str, Any],
    split: Annotated[str | None, typer.Option(help="Shares of train/val/test.", show_default="0.4/0.4/0.2")] = None,
    rename: Annotated[str | None, typer.Option(help="Columns to rename, as column=field,column=field.")] = None,
    criteria: Annotated[
        list[str] | None, typer.Option(help="What a judge asks of each answer, yes or no; again for more.")
    ] = None,
    judge_model: Annotated[str | None, typer.Option(help="The judge; default: the prompt model.")] = None,
    task_model: Annotated[
        str | None, typer.Option(help="`embedded`, a DSPy model string, or `program`: what the program configures.")
    ] = None,
    prompt_model: Annotated[str | None, typer.Option(help="Writes instructions; default: the task model.")] = None,
    teacher: Annotated[str | None, typer.Option(help="Bootstraps demos; default: the task model.")] = None,
    predictor_models: Annotated[
        list[str] | None,
        typer.Option("--model", help="One predictor's: PREDICTOR=MODEL[@API_BASE][,temperature=0.2]...; repeat it."),
    ] = None,
    api_base: Annotated[str | None, typer.Option(help="Base URL of an OpenAI-compatible endpoint.")] = None,
    api_key_env: Annotated[str | None, typer.Option(help="NAME of the variable that holds the key.")] = None,
    price: Annotated[list[str] | None, typer.Option(help=PRICE)] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds one model call may take.")] = None,
    store: StoreOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the plan, and every preset's; start nothing.")
    ] = False,
    start_anyway: Annotated[
        bool, typer.Option("--start-anyway", help="Start although the program or metric failed in the check.")
    ] = False,
    agreed: Annotated[bool, typer.Option("--yes", help="Start although a cap cannot be held.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Optimize PROGRAM, and follow it to the end."""

    def model_of(name: str | None) -> dict[str, Any] | None:
        if name is None:
            return None
        endpoint = {} if name in (EMBEDDED, OF_PROGRAM) else {"api_base": api_base, "api_key_env": api_key_env}
        return _given(model=name, **endpoint, timeout_s=timeout)

    models = {
        name: {**(model_of(spec["model"]) or {}), **spec} for name, spec in map(read_model, predictor_models or ())
    }
    other = _given(
        program=program,
        metric="judge" if criteria else None,
        judge=_given(criteria=criteria or None, model=model_of(judge_model)),
        data=_given(split=_shares(split) if split else None, columns=_renamed(rename) if rename else None),
        task_model=model_of(task_model),
        prompt_model=model_of(prompt_model),
        teacher=model_of(teacher),
        models=models,
    )
    config = priced(merge(other, given), price or ())
    path = _store(store)
    found = new_runs.inspect(earlier_runs.with_earlier_run(config, path))
    if dry_run:
        plan_output.show_plan(found, as_json)
        new_runs.require_working(found, start_anyway)
        return
    run_id = launcher.start(path, config, output.fetching, found, anyway=start_anyway, agreed=agreed)
    _follow(path, run_id, as_json)


def _given(**values: Any) -> dict[str, Any]:
    """Only what was given: the rest is left to the sample's settings and the defaults."""
    return {name: value for name, value in values.items() if value is not None and value != {}}


def _renamed(text: str) -> dict[str, str]:
    pairs = [part.split("=") for part in text.split(",")]
    if not all(len(pair) == 2 and all(name.strip() for name in pair) for pair in pairs):
        raise StudioError(f"--rename {text!r} is not a list like question=query,label=answer.")
    return {column.strip(): field.strip() for column, field in pairs}


def _kept(path: Path, run_id: str, predictor: str, index: int | None, drop: str | None) -> list[int]:
    """Places of the demos of set `index` that stay."""
    try:
        dropped = {int(place) for place in (drop or "").split(",") if place}
    except ValueError as error:
        raise StudioError(f"--drop {drop!r} is not a list of places like 0,2.") from error
    with Reader(path) as reader:
        sets = review.board_of(reader, reader.run(run_id).id).demo_sets.get(predictor, {})
    n = len(sets[index].demos) if index is not None and index in sets else 0
    return [place for place in range(n) if place not in dropped]


def _shares(text: str) -> list[float]:
    try:
        shares = [float(part) for part in text.split("/")]
    except ValueError as error:
        raise StudioError(f"--split {text!r} is not three shares like 0.4/0.4/0.2.") from error
    if len(shares) != 3:
        raise StudioError(f"--split {text!r} has {len(shares)} shares.", "Give three: train/val/test.")
    return shares


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
    _follow(path, full_id, as_json)


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
    _follow(path, full_id, as_json)


@app.command("review")
def show_review(run_id: RunArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """The instructions of a run, who wrote each, and the changes that wait for its worker."""
    with Reader(_store(store)) as reader:
        facts = output.review_facts(reader, reader.run(run_id).id)
    output.print_json(facts) if as_json else output.print_review(facts)


@app.command()
def change(
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
    path = _store(store)
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
            runs = reader.list_runs()
    if as_json:
        output.print_json({"runs": [output.row(summary) for summary in runs]})
    else:
        output.print_table(runs)


@app.command()
def optimizers(as_json: JsonOption = False) -> None:
    """The optimizers there are."""
    from mipro_studio.optimizer_core.optimizers.registry import (
        OPTIMIZERS,  # imports dspy, which the other commands need not wait for
    )

    summaries = {name: optimizer.summary for name, optimizer in OPTIMIZERS.items()}
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
app.command("rows")(rows.rows)
check_store.register(app)
gate.register(app)
learned.register(app)
push.register(app)
take.register(app)


@app.command("app", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def open_app(context: typer.Context) -> None:
    """Open the studio in the browser. What follows is passed on to `streamlit run`."""
    raise typer.Exit(launcher.open_app(context.args))


def _follow(path: Path, run_id: str, as_json: bool) -> None:
    facts = output.to_the_end(path, run_id, quiet=as_json)
    if as_json:
        output.print_json(facts)
    raise typer.Exit(output.exit_code(facts))


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
        sys.exit(launcher.open_app())
    main()


if __name__ == "__main__":
    main()
