"""The command `push`: a run's winner into somebody else's registry, through their own client."""

from enum import StrEnum
from typing import Annotated

import typer

from mipro_studio.commands import output
from mipro_studio.commands.options import JsonOption, RunArgument, StoreOption
from mipro_studio.control.asking import ask_worker
from mipro_studio.storage import Reader, default_store

__all__ = ["register"]


class Target(StrEnum):
    MLFLOW = "mlflow"
    LANGFUSE = "langfuse"
    WANDB = "wandb"


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("push")(push)


def push(  # noqa: PLR0913 - the options of a command
    run_id: RunArgument,
    to: Annotated[Target, typer.Option(help="Where it goes.")] = Target.MLFLOW,
    uri: Annotated[
        str,
        typer.Option(help="Address of the server.", show_default="MLFLOW_TRACKING_URI and the like"),
    ] = "",
    experiment: Annotated[
        str, typer.Option(help="MLflow's experiment, W&B's project.", show_default="the name")
    ] = "",
    name: Annotated[str, typer.Option(help="Begins the names of prompts.", show_default="the run's name")] = "",
    candidate: Annotated[str, typer.Option(help="A candidate's id.", show_default="the winner")] = "",
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Log a run's winner: prompts of every predictor, the program, its numbers. No key leaves this machine."""
    path = store or default_store()
    with Reader(path) as reader:
        full_id = reader.run(run_id).id
        config = dict(reader.config(full_id))
    target = {"to": to, "tracking_uri": uri, "experiment": experiment, "name": name}
    request = {"config": config, "store": str(path.absolute()), "run": full_id, "target": target}
    found = ask_worker(["push"], config, {**request, "candidate": candidate}, doing="Logging the run")
    if as_json:
        output.print_json({"run_id": full_id, **found})
        return
    if "model_uri" in found:
        where = f"{found['model_uri']} in the experiment {found['experiment']}"
        typer.echo(f"Logged candidate {found['candidate']} as {where}.")
    if "artifact" in found:
        typer.echo(f"Logged candidate {found['candidate']} as {found['artifact']} in the project {found['project']}.")
    for prompt in found["prompts"]:
        typer.echo(f"Registered {prompt}.")
    for note in found["notes"]:
        typer.echo(note)
