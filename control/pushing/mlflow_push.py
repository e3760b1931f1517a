"""A run's winner in MLflow, through its own client (the extra `mlflow`), in a process that may import the program.

The prompt registry gets the messages of every predictor, the model log the program as `mlflow.dspy` keeps one, with
the run's numbers, settings and files beside it. MLflow keeps programs as pickles, a person's own code included, so
that they load where that code is not; keys are taken out of models before, and what is pickled is searched for them.
"""

import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle
import dspy

from mipro_studio import ROOT
from mipro_studio.control.exports import Choice, chosen, weights_notes
from mipro_studio.control.registries import PREDICTOR_TAG, PROGRAM_FILE, PROGRAM_TAG
from mipro_studio.optimizer_core.config import EMBEDDED, OF_PROGRAM
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.exports.export import save_program, without_secrets
from mipro_studio.optimizer_core.models.role_models import adapter_of, own_model
from mipro_studio.optimizer_core.programs.plain_messages import plain_messages
from mipro_studio.optimizer_core.programs.program import Program
from mipro_studio.optimizer_core.secrets import Scrubber
from mipro_studio.optimizer_core.types import Outcome
from mipro_studio.storage import Reader

__all__ = ["estimates", "prompt_name", "push"]

_NAME = "program"


def push(store: Path, run_id: str, target: Mapping[str, str], candidate: str = "") -> dict[str, Any]:
    """Log a candidate (the winner if none is named).

    Args:
        target: {tracking_uri, experiment, name}: where; an empty address means MLFLOW_TRACKING_URI.
            `name` begins the names of prompts, and is the experiment's where none is named.

    Returns:
        {model_uri, mlflow_run, experiment, prompts: [uri], notes: [sentence]}.

    Raises:
        BadInput: MLflow is not installed or refuses, or the candidate cannot be had.
    """
    mlflow = _mlflow()
    choice = chosen(store, run_id, candidate)
    with Reader(store) as reader:
        summary, outcome = reader.run(run_id), reader.outcome(run_id)
    called = target["name"] or summary.name
    if target["tracking_uri"]:
        mlflow.set_tracking_uri(target["tracking_uri"])
    pickled = _Pickled.of(choice)
    try:
        mlflow.set_experiment(target["experiment"] or called)
        with mlflow.start_run(run_name=f"{called} {run_id}") as run:
            mlflow.set_tags({"mipro_studio.run": run_id, "mipro_studio.candidate": choice.candidate})
            mlflow.log_params({"optimizer": summary.optimizer, "seed": summary.seed, "model": pickled.model_name})
            mlflow.log_metrics(estimates(outcome, choice.candidate))
            _log_files(mlflow, choice)
            beside = {"mipro_studio.run": run_id, PROGRAM_TAG: f"runs:/{run.info.run_id}/{PROGRAM_FILE}"}
            prompts = _register(mlflow, choice, called, beside)
            with pickled.in_place():
                logged = mlflow.dspy.log_model(
                    pickled.module, name=_NAME, pip_requirements=[f"dspy=={version('dspy')}"], prompts=prompts
                )
    except mlflow.exceptions.MlflowException as error:
        raise BadInput(f"MLflow refused: {error.message}", "Is its server up, and its address right?") from error
    uris = [f"prompts:/{prompt.name}/{prompt.version}" for prompt in prompts]
    found = {
        "model_uri": logged.model_uri,
        "mlflow_run": run.info.run_id,
        "prompts": uris,
        "notes": [*pickled.notes, *weights_notes(choice)],
    }
    return {**found, "experiment": target["experiment"] or called, "candidate": choice.candidate}


def _mlflow() -> Any:
    try:
        import mlflow
        import mlflow.dspy
        import mlflow.genai
    except ImportError as error:
        raise BadInput(
            "MLflow is not installed.", "python -m pip install -r requirements-mlflow.txt, or 'mipro-studio[mlflow]'."
        ) from error
    return mlflow


def estimates(outcome: Outcome | None, candidate: str) -> dict[str, float]:
    """The estimates of the run, where the candidate is its winner."""
    if outcome is None or outcome.winner != candidate:
        return {}
    named = {
        "baseline_val": outcome.baseline_val,
        "val": outcome.best_val,
        "baseline_test": outcome.baseline_test,
        "test": outcome.best_test,
    }
    return {
        f"{name}.{part}": float(estimate[part])
        for name, estimate in named.items()
        if estimate
        for part in ("mean", "low", "high", "n")
    }


def _log_files(mlflow: Any, choice: Choice) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / PROGRAM_FILE
        save_program(choice.module, path)
        mlflow.log_artifact(str(path))


def _register(mlflow: Any, choice: Choice, called: str, beside: Mapping[str, str]) -> list[Any]:
    """A prompt for every predictor whose messages can be written without its input."""
    parts = plain_messages(choice.module, adapter_of(choice.config.task_model, choice.config, choice.program))
    tags = {**beside, "mipro_studio.candidate": choice.candidate}
    return [
        mlflow.genai.register_prompt(
            name=prompt_name(called, part["name"]),
            template=part["messages"],
            commit_message=f"MIPRO Studio, run {beside['mipro_studio.run']}, candidate {choice.candidate}",
            tags={**tags, PREDICTOR_TAG: part["name"]},
        )
        for part in parts
        if part["messages"]
    ]


def prompt_name(called: str, *parts: str) -> str:
    """What a registry may call it: letters, digits, `-`, `_` and `.`."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in "-".join((called, *parts)))


@dataclass(frozen=True)
class _Pickled:
    """The program as it may leave this machine.

    Attributes:
        settings: What DSPy is told when it is loaded: the model and the adapter.
        modules: Code that travels with it, because it is not to be had elsewhere.
    """

    module: dspy.Module
    settings: Mapping[str, Any]
    modules: tuple[ModuleType, ...]
    model_name: str
    notes: list[str]

    @staticmethod
    def of(choice: Choice) -> "_Pickled":
        config, notes = choice.config, list[str]()
        adapter = adapter_of(config.task_model, config, choice.program)
        lm = _task_model(choice, notes)
        for name, predictor in choice.module.named_predictors():
            if predictor.lm is not None:
                predictor.lm = _bare(predictor.lm, f"{name}'s model", notes)
        settings = {"lm": lm, "adapter": adapter}
        made = _Pickled(choice.module, settings, _travelling(choice.program), getattr(lm, "model", "none"), notes)
        with made.in_place():
            content = cloudpickle.dumps((made.module, dict(made.settings))).decode("latin-1")
        if Scrubber().text(content) != content:
            raise BadInput(
                "The program holds a key or an address with a password, which would be written into MLflow.",
                "Read it from the environment when the program is called, not when it is made.",
            )
        return made

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """DSPy is configured with what is kept, and the travelling modules are pickled by value."""
        for module in self.modules:
            cloudpickle.register_pickle_by_value(module)
        try:
            with dspy.context(**self.settings):
                yield
        finally:
            for module in self.modules:
                cloudpickle.unregister_pickle_by_value(module)


def _task_model(choice: Choice, notes: list[str]) -> dspy.LM | None:
    """The run's task model without its key, which is read from the environment where the program runs."""
    spec = choice.config.task_model
    if spec.model == OF_PROGRAM:
        own = own_model(choice.program)
        return None if own is None else _bare(own, "The program's model", notes)
    if spec.model == EMBEDDED:
        notes.append("The embedded model is part of the studio and not in it: configure a model after loading.")
        return None
    settings = {"api_base": spec.api_base, "temperature": spec.temperature, "max_tokens": spec.max_tokens}
    if spec.api_key_env:
        notes.append(f"The key is not in it: set the provider's own variable (the run read {spec.api_key_env}).")
    elif spec.api_base:
        settings["api_key"] = "none"  # its client insists on one
    return dspy.LM(spec.model, **{name: value for name, value in settings.items() if value is not None})


def _bare(lm: Any, what: str, notes: list[str]) -> dspy.LM | None:
    if type(lm) is not dspy.LM or not isinstance(getattr(lm, "engine", "auto"), str):
        notes.append(f"{what} is an object of the program's own and not in it: configure one after loading.")
        return None
    state = without_secrets({**lm.kwargs})
    return dspy.LM(lm.model, model_type=lm.model_type, **state)


def _travelling(program: Program) -> tuple[ModuleType, ...]:
    """The program's own module and those beside it: nobody can install them. Installed packages stay behind."""
    home = program.home
    if home is None or not getattr(home, "__file__", None):
        return ()
    folder = Path(str(home.__file__)).resolve().parent
    inside = [
        module
        for module in list(sys.modules.values())
        if (file := getattr(module, "__file__", None)) and folder in Path(file).resolve().parents
    ]
    ours = f"{ROOT / 'optimizer_core'}"
    kept = [module for module in inside if not str(module.__file__).startswith(ours)]
    return tuple(dict.fromkeys([home, *(one for one in kept if "site-packages" not in str(one.__file__))]))
