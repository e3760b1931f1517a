"""Optimizers compared on the same rows, models and budget: `python -m benchmarks run` and `report`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from mipro_studio.commands.options import StoreOption
from mipro_studio.optimizer_core.errors import BadInput, StudioError
from mipro_studio.storage import default_store

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Compare optimizers, ours and DSPy's. Exit codes: 0 all measured, 1 some have no result yet, 2 bad input.",
)


@app.command()
def run(
    tasks: Annotated[str, typer.Option(help="Samples, by comma.")] = "triage",
    optimizers: Annotated[str, typer.Option(help="Ours and dspy.NAME, by comma.")] = "studio,dspy.MIPROv2",
    seeds: Annotated[str, typer.Option(help="By comma; 0 is a seed.")] = "0,1,2,3,4",
    max_program_runs: Annotated[int, typer.Option(help="Cap for each run; the sealed test is apart.")] = 1000,
    candidates: Annotated[
        int, typer.Option(help="Instructions and demo sets a predictor, for ours and MIPROv2.")
    ] = 10,
    sizes: Annotated[str, typer.Option(help="Most rows of train/val/test, the same for all.")] = "75/75/150",
    rows_seed: Annotated[int, typer.Option(help="Other rows of the same tasks.")] = 0,
    task_model: Annotated[str, typer.Option(help="`embedded` or a DSPy model string.")] = "embedded",
    prompt_model: Annotated[str | None, typer.Option(help="Default: the task model.")] = None,
    api_base: Annotated[str | None, typer.Option(help="Base URL of an OpenAI-compatible endpoint.")] = None,
    api_key_env: Annotated[str | None, typer.Option(help="NAME of the variable that holds the key.")] = None,
    threads: Annotated[int, typer.Option(help="Program runs under way at once, in each run.")] = 8,
    jobs: Annotated[int, typer.Option(help="Runs under way at once; seconds can be compared at 1 only.")] = 1,
    max_lm_calls: Annotated[int | None, typer.Option(help="Cap for all runs together, sealed tests too.")] = None,
    max_usd: Annotated[float | None, typer.Option(help="The same in dollars, where prices are known.")] = None,
    store: StoreOption = None,
) -> None:
    """Measure what is missing. Stop it or kill it: the same command goes on where it was."""
    from mipro_studio.benchmarks.grid.halt import Cap
    from mipro_studio.benchmarks.grid.request import Request
    from mipro_studio.benchmarks.grid.runner import run_benchmark

    def model(name: str) -> dict[str, Any]:
        if name == "embedded":
            return {"model": name}
        given = {"model": name, "api_base": api_base, "api_key_env": api_key_env}
        return {key: value for key, value in given.items() if value is not None}

    request = Request(
        tasks=_names(tasks),
        optimizers=_names(optimizers),
        seeds=tuple(_numbers(seeds, ",", "--seeds")),
        max_program_runs=max_program_runs,
        task_model=model(task_model),
        prompt_model=model(prompt_model) if prompt_model else None,
        sizes=_sizes(sizes),
        candidates=candidates,
        threads=threads,
        rows_seed=rows_seed,
    )
    path, cap = (store or default_store()).resolve(), Cap(max_lm_calls, max_usd)
    missing = run_benchmark(request, path, lambda text: print(text, flush=True), jobs, cap)
    if missing:
        print(f"{missing} without a result; the same command tries them again.", file=sys.stderr)
        raise typer.Exit(1)


@app.command()
def report(
    out: Annotated[Path, typer.Option(help="Folder for benchmark.md and benchmark.html.")] = Path("benchmark"),
    store: StoreOption = None,
) -> None:
    """Write what has been measured as Markdown and as a plot."""
    from mipro_studio.benchmarks.grid.report import write_report
    from mipro_studio.benchmarks.grid.results import read_failures, read_results
    from mipro_studio.benchmarks.grid.tables import groups

    path = (store or default_store()).resolve()
    found = groups(read_results(path), read_failures(path))
    if not found:
        raise BadInput("Nothing has been measured in this store.", "Run `python -m benchmarks run` first.")
    for written in write_report(found, out):
        print(written)


@app.command()
def versus(
    tasks: Annotated[str, typer.Option(help="By comma.")],
    optimizers: Annotated[str, typer.Option(help="By comma; the first is held against the others.")],
    results: Annotated[Path | None, typer.Option(help="A file of saved results to count beside the store's.")] = None,
    save: Annotated[Path | None, typer.Option(help="Save the results of these tasks and optimizers here.")] = None,
    store: StoreOption = None,
) -> None:
    """Print one optimizer against the others, paired over tasks and seeds, for every cap that was measured."""
    from mipro_studio.benchmarks.grid import versus as analysis
    from mipro_studio.benchmarks.grid.results import read_results
    from mipro_studio.benchmarks.grid.saved_results import load_results, save_results

    named = _names(optimizers)
    known = [*read_results((store or default_store()).resolve()), *(load_results(results) if results else [])]
    asked = analysis.asked_for(known, _names(tasks), named)
    if not asked:
        raise BadInput("Nothing of that has been measured in this store.", "Run `python -m benchmarks run` first.")
    if save:
        save_results(asked, save)
    found = analysis.versus(asked, named)
    print("\n\n".join(analysis.markdown(one, named[0]) for one in found if one.scores[named[0]]))


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _numbers(text: str, separator: str, option: str) -> list[int]:
    try:
        return [int(part) for part in text.split(separator)]
    except ValueError as error:
        raise BadInput(f"{option} {text!r} must be whole numbers with {separator!r} between them.") from error


def _sizes(text: str) -> tuple[int, int, int]:
    numbers = _numbers(text, "/", "--sizes")
    if len(numbers) != 3:
        raise BadInput(f"--sizes {text!r} must be three counts: train/val/test.")
    return numbers[0], numbers[1], numbers[2]


def main() -> None:
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "true")
    try:
        app()
    except StudioError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
