"""The command `take`: what somebody else's program says, as arms of a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from mipro_studio.commands import output
from mipro_studio.commands.options import JsonOption, StoreOption
from mipro_studio.control import review
from mipro_studio.control.registries import is_in_registry, predictors_of
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.parameters.logged_programs import distinct, logged_predictors
from mipro_studio.optimizer_core.parameters.saved_state import SavedPredictor
from mipro_studio.optimizer_core.types import SEED_ARM, ChangeKind
from mipro_studio.storage import Reader, default_store
from mipro_studio.ui.text.format import plural

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("take")(take)


def take(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="Id of a run that is not over.")],
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE|URI",
            help="A saved program's JSON (a compiled one, or an export), or what a registry holds: runs:/RUN/FILE, "
            "models:/NAME/VERSION and prompts:/NAME/VERSION of MLflow, langfuse:NAME; or a log_dir of MIPROv2, GEPA.",
        ),
    ],
    predictor: Annotated[str, typer.Option(help="Whose a prompt is that does not say so itself.")] = "",
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a run the instructions and demos of a saved program, as arms that its search tries."""
    path = store or default_store()
    logged = None if is_in_registry(file) else logged_predictors(file, Path.cwd())
    saved = predictors_of(file, Path.cwd(), predictor) if logged is None else logged
    with Reader(path) as reader:
        full_id = reader.run(run_id).id
        editable = review.editable_arms(reader, full_id)
    name = file if is_in_registry(file) else Path(file).name
    known = [one for one in saved if one.name in editable.instructions]
    if not known:
        holds = ", ".join(dict.fromkeys(one.name for one in saved))
        names = f"It holds {holds}; the run has {', '.join(editable.instructions)}."
        raise BadInput(f"{file!r} has no predictor of run {full_id}.", names)
    numbers = [number for one in distinct(known) for number in _asked(path, full_id, one, editable, name)]
    if as_json:
        output.print_json({"run_id": full_id, "changes": numbers})
    else:
        typer.echo(f"{plural(len(numbers), 'change waits', 'changes wait')} for the worker of run {full_id}.")


def _asked(store: Path, run_id: str, saved: SavedPredictor, editable: review.EditableArms, name: str) -> list[int]:
    """What the predictor's arms do not have yet, asked for as a person would."""
    about = {"predictor": saved.name, "reason": f"taken from {name}"}
    asked: list[tuple[ChangeKind, Mapping[str, Any]]] = []
    texts = {" ".join(arm.text.split()) for arm in editable.instructions[saved.name].values()}
    if saved.instruction and " ".join(saved.instruction.split()) not in texts:
        asked.append((ChangeKind.WRITE, {"text": saved.instruction}))
    if saved.demos and SEED_ARM in editable.demo_sets.get(saved.name, {}):
        asked.append((ChangeKind.DEMOS, {"index": SEED_ARM, "keep": [], "pin": [], "given": list(saved.demos)}))
    return [review.change(store, run_id, kind, {**about, **payload}) for kind, payload in asked]
