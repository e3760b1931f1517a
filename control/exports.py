"""What a person takes home of a run, made in a worker's process because it imports their program.

The winner, or any other candidate by its id, as a DSPy program, as plain chat messages, and asked again.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# A worker reaches the run's endpoints and nothing else: LiteLLM would fetch a price list at import.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "true")

import dspy

from mipro_studio.control.registries import PROGRAM_FILE
from mipro_studio.optimizer_core.config import Budget, RunConfig, parse_config
from mipro_studio.optimizer_core.data.python_rows import import_classes
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.exports.export import (
    BeyondSaved,
    beyond_saved,
    build_program,
    load_saved,
    save_program,
)
from mipro_studio.optimizer_core.exports.loading_snippet import loading_snippet
from mipro_studio.optimizer_core.exports.verification import Check, examples_to_check, verify
from mipro_studio.optimizer_core.files import written_aside
from mipro_studio.optimizer_core.finetuning.merging import merge
from mipro_studio.optimizer_core.metrics.loading import load_metric
from mipro_studio.optimizer_core.models.embedded.hashes import require_as_made
from mipro_studio.optimizer_core.models.embedded.repack import fast_copy
from mipro_studio.optimizer_core.models.embedded.weights import weights_path
from mipro_studio.optimizer_core.models.meter import Meter
from mipro_studio.optimizer_core.models.role_models import adapter_of, build_role_model, with_tuned
from mipro_studio.optimizer_core.parameters.arms import require_predictors
from mipro_studio.optimizer_core.parameters.seed_program import seed_program
from mipro_studio.optimizer_core.parameters.weights import tuned_of
from mipro_studio.optimizer_core.programs.plain_messages import document
from mipro_studio.optimizer_core.programs.program import Program
from mipro_studio.optimizer_core.secrets import Scrubber
from mipro_studio.optimizer_core.types import PROGRAM, Candidate, CellKey, Role, Split
from mipro_studio.storage import Reader

__all__ = [
    "PROGRAM_FILE",
    "Choice",
    "chosen",
    "export",
    "files",
    "stored_config",
    "texts_for",
    "verified",
    "weights_notes",
]

WEIGHTS_ENDING, MERGED_ENDING = ".gguf", ".merged.gguf"
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]")


@dataclass(frozen=True)
class Choice:
    """A candidate of a run: its settings, which name its weights with the task model, its id, the program with it put
    in, and the program as it came.

    Attributes:
        beyond: What of it DSPy's saved state does not hold.
        tuned: See `ArmContents.tuned`; the settings name the same.
    """

    config: RunConfig
    candidate: str
    module: dspy.Module
    program: Program
    beyond: BeyondSaved
    tuned: Mapping[str, str]


def chosen(store: Path, run_id: str, candidate: str = "") -> Choice:
    """A candidate of a run (the winner if none is named), put into its program.

    Raises:
        BadInput: there is no winner or candidate, or the program cannot be had here.
    """
    with Reader(store) as reader:
        summary = reader.run(run_id)
        if summary.origin:
            raise BadInput(
                f"Run {run_id} came from a replay file, so its program is not here to be loaded.",
                "Ask whoever packed it for the exported program, or read its instructions and demos.",
            )
        config = parse_config(reader.config(run_id))
        outcome = reader.outcome(run_id)
        named = candidate or (outcome.winner if outcome else None)
        if named is None:
            raise BadInput(f"Run {run_id} has no winner yet.")
        arms = reader.arms(run_id)
        tunings = reader.tunings(run_id)
    try:
        program = seed_program(config, Path(config.base or "."))
        require_predictors(arms, [info.name for info in program.predictors])
        wanted = Candidate.parse(named)
        module = build_program(config, program, arms, wanted)
        tuned = tuned_of(wanted, [info.name for info in program.predictors], tunings)
        config = with_tuned(config, tuned)
    except (ValueError, KeyError) as error:
        raise BadInput(f"Run {run_id} has no candidate {named!r}.") from error
    for adapter in adapters(config).values():
        if not adapter.is_file():
            raise BadInput(
                f"The tuned weights of candidate {named!r} are not there any more: {adapter}.",
                "They lie beside the store, and are needed to use or export what was tuned.",
            )
    return Choice(config, named, module, program, beyond_saved(program, arms, wanted), tuned)


def adapters(config: RunConfig) -> dict[str, Path]:
    """Owner -> the file of the adapter that the embedded model answers with for it; see `ArmContents.tuned`."""
    specs = {PROGRAM: config.task_model, **config.models}
    return {owner: Path(spec.weights) for owner, spec in specs.items() if spec.weights}


def _file_names(config: RunConfig, stem: str, ending: str = WEIGHTS_ENDING) -> dict[str, str]:
    """Owner -> what its adapter is called where a person puts it, beside the program: `better.queue.gguf`."""
    names = {}
    for place, owner in enumerate(adapters(config)):
        plain = _NOT_IN_NAMES.sub("_", owner)
        part = f".{plain}{'' if plain == owner else f'-{place}'}" if owner != PROGRAM else ""
        names[owner] = f"{stem}{part}{ending}"
    return names


def stored_config(store: Path, run_id: str) -> dict[str, Any]:
    """The run's settings, which name the environment variables whose values must not be printed."""
    with Reader(store) as reader:
        return reader.config(run_id)


def export(store: Path, run_id: str, out: Path, candidate: str = "", *, merged: bool = False) -> list[Path]:
    """Save a candidate (the winner if none is named) as a DSPy program at `out`. Returns the files written.

    The adapters of a candidate with tuned weights of the embedded model are put beside it, as `.gguf`; `merged` puts
    the whole model with each of them in it there as well, as `.merged.gguf`.

    Raises:
        BadInput: there is no winner or candidate, the program cannot be imported any more, or there is nothing that
            could be merged.
    """
    choice = chosen(store, run_id, candidate)
    files = adapters(choice.config)
    if merged and not files:
        raise BadInput(
            f"Candidate {choice.candidate} has no tuned weights of the embedded model to be merged into it.",
            "Leave --merged away, or name a candidate with weights.",
        )
    written = [out]
    for owner, name in _file_names(choice.config, out.stem).items():
        require_as_made(files[owner])
        written.append(out.with_name(name))
        with written_aside(written[-1], WEIGHTS_ENDING) as aside:
            shutil.copyfile(files[owner], aside)
    for owner, name in _file_names(choice.config, out.stem, MERGED_ENDING).items() if merged else ():
        written.append(out.with_name(name))
        with written_aside(written[-1], MERGED_ENDING) as aside:
            merge(fast_copy(weights_path()), files[owner], aside)
    save_program(choice.module, out)
    return written


def files(store: Path, run_id: str, candidate: str = "") -> dict[str, Any]:
    """The texts of {program, snippet, messages}: DSPy's JSON, Python that loads it, plain messages as JSON.

    `weights` has the paths of the adapters that the candidate answers with, by the names that the snippet knows.

    Raises:
        BadInput: as `export`.
    """
    choice = chosen(store, run_id, candidate)
    found = adapters(choice.config)
    weights = {name: str(found[owner]) for owner, name in _in_snippet(choice.config).items()}
    return {**texts(choice), "weights": weights}


def texts_for(whose: str, choice: Choice) -> dict[str, str]:
    """`texts` that may leave for `whose` registry.

    Raises:
        BadInput: a key stands in them.
    """
    found = texts(choice)
    if Scrubber().record(found) != found:
        raise BadInput(f"The program holds a key, which would be written into {whose}.", "Take it out of its texts.")
    return found


def texts(choice: Choice) -> dict[str, str]:
    """What `files` returns, without weights."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / PROGRAM_FILE
        save_program(choice.module, path)
        program = path.read_text(encoding="utf-8")
    spec = choice.config.task_model
    messages = document(
        choice.module,
        adapter_of(spec, choice.config, choice.program),
        name=choice.config.name or choice.config.program,
        candidate=choice.candidate,
        model=spec.model,
    )
    return {
        "candidate": choice.candidate,
        "program": program,
        "snippet": loading_snippet(_beside(choice.config), choice.program, PROGRAM_FILE, choice.beyond.lines),
        "messages": messages,
    }


def _beside(config: RunConfig) -> RunConfig:
    """The settings, with the adapters where a person puts them: beside the program."""
    return with_tuned(config, _in_snippet(config))


def weights_notes(choice: Choice) -> list[str]:
    """What to say of a candidate that is brought somewhere without its weights; nothing of one that has none."""
    if not choice.tuned:
        return []
    return [f"Tuned weights are not among what was written: {', '.join(choice.tuned.values())}. `export` takes them."]


def _in_snippet(config: RunConfig) -> dict[str, str]:
    return _file_names(config, Path(PROGRAM_FILE).stem)


def verified(store: Path, run_id: str, k: int, candidate: str = "") -> dict[str, Any]:
    """Load the exported program from its file and ask it again; see `verification.verify`.

    Args:
        k: Scored examples to ask again, at most: of the sealed test where there are any, else validation rows.
        candidate: Its id; "" = the winner.

    Raises:
        BadInput: as `export`; or no example was scored, or the model cannot be had.
    """
    choice = chosen(store, run_id, candidate)
    config = choice.config
    with Reader(store) as reader:
        examples = reader.examples(run_id)
        light = reader.cells(run_id, choice.candidate)
        known = {row.key for row in light if row.score is not None and row.key.rollout == 0}
        cells = {key: reader.cell(run_id, key) for key in _few(known, examples, k)}
    asked = examples_to_check(examples, cells, choice.candidate, k)
    if not asked:
        raise BadInput(f"Candidate {choice.candidate} has no scored example to ask again.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / PROGRAM_FILE
        save_program(choice.module, path)
        loaded = load_saved(config, choice.program, path)
        choice.beyond.put_into(loaded)
    made = build_role_model(config.task_model, Role.TASK, Meter(Budget()), config, choice.program)
    base = Path(config.base or ".")
    import_classes(config.data, examples, base)
    scorer = load_metric(config.metric, choice.program, base, config.data.labels)
    check = Check(loaded, made, scorer, cells, choice.candidate, min(config.threads, 8), config.folders)
    result = verify(check, asked)
    return {**result, "candidate": choice.candidate, "model": config.task_model.model}


def _few(known: set[CellKey], examples: list[Any], k: int) -> list[CellKey]:
    """The cells of the first `k` scored examples of each split, so that traces of others are not read."""
    found: list[CellKey] = []
    for split in (Split.TEST, Split.VAL):
        of_split = {key.example: key for key in known if key.split is split}
        ordered = sorted((e for e in examples if e.split is split and e.id in of_split), key=lambda e: e.position)
        found += [of_split[example.id] for example in ordered[:k]]
    return found
