"""A run's winner in Weights & Biases, through their own client (the extra `wandb`), sent or kept for `wandb sync`."""

import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from mipro_studio.control.exports import chosen, texts_for
from mipro_studio.control.pushing.mlflow_push import estimates, prompt_name
from mipro_studio.control.registries import PROGRAM_FILE, asked
from mipro_studio.storage import Reader

__all__ = ["push"]

WHOSE = "W&B"
KIND = "dspy-program"
MESSAGES_FILE = "messages.json"


def push(store: Path, run_id: str, target: Mapping[str, str], candidate: str = "") -> dict[str, Any]:
    """Log a candidate (the winner if none is named): a run with its numbers, and an artifact with the program.

    Args:
        target: {tracking_uri, experiment, name}: the server, empty for WANDB_BASE_URL's; the project; what begins the
            artifact's name. WANDB_MODE=offline keeps all of it in a folder beside the store.

    Returns:
        {candidate, project, artifact, wandb_run, prompts: [], notes: [sentence]}.

    Raises:
        BadInput: the client is not installed or refuses, or the candidate cannot be had.
    """
    choice = chosen(store, run_id, candidate)
    with Reader(store) as reader:
        summary, outcome = reader.run(run_id), reader.outcome(run_id)
    called = target["name"] or summary.name
    about = {
        "mipro_studio.run": run_id,
        "mipro_studio.candidate": choice.candidate,
        "optimizer": summary.optimizer,
        "seed": summary.seed,
    }
    texts = texts_for(WHOSE, choice)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / PROGRAM_FILE).write_text(texts["program"], encoding="utf-8")
        (Path(folder) / MESSAGES_FILE).write_text(texts["messages"], encoding="utf-8")
        logged = {
            "folder": Path(folder),
            "project": prompt_name(target["experiment"] or called),
            "name": f"{called} {run_id}",
            "artifact": prompt_name(called, "program"),
            "about": about,
            "numbers": estimates(outcome, choice.candidate),
        }
        told = asked(WHOSE, partial(_logged, store.absolute().parent, target["tracking_uri"], logged))
    return {"candidate": choice.candidate, "project": logged["project"], "prompts": [], **told}


def _logged(beside: Path, server: str, what: Mapping[str, Any]) -> dict[str, Any]:
    import wandb

    # Only what is named here leaves: nothing of the machine, its packages, its code or its console.
    kept = {
        "console": "off", "disable_git": True, "disable_code": True, "save_code": False, "silent": True,
        "x_disable_stats": True, "x_disable_meta": True, "x_disable_machine_info": True, "x_save_requirements": False,
    }  # fmt: skip
    settings = wandb.Settings(**kept, **({"base_url": server} if server else {}))
    run = wandb.init(
        project=what["project"], name=what["name"], dir=str(beside), config=dict(what["about"]), settings=settings
    )
    try:
        run.summary.update(dict(what["numbers"]))
        artifact = wandb.Artifact(what["artifact"], KIND, metadata=dict(what["about"]))
        artifact.add_dir(str(what["folder"]))
        run.log_artifact(artifact)
    finally:
        run.finish()
    notes = [f"Kept in {run.settings.sync_dir}: `wandb sync` sends it."] if run.offline else []
    return {"wandb_run": run.id, "artifact": what["artifact"], "notes": notes}
