"""Training rows from the traces of the score table, and from labels.

A row is one call of one predictor: its messages as the adapter sends them, and the answer as the adapter writes it.
Only calls of program runs that passed the metric are rows, and only answers that the adapter reads back as what they
were: a malformed answer never is one. A weak model's traces are of the rows whose answer it gives anyway, so weights
that learn from them alone learn that bias (as demos do, docs/decisions/0008): labels fill in what no trace tells.

Whether the prompt's demos stand in the messages is a choice with a trap in it. Weights that were tuned with demos in
the prompt nearly fail without them (measured on the embedded model: 36 % against 82 %), while weights that were tuned
without do well both ways. DSPy's `BootstrapFinetune` writes them with demos unless told otherwise.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dspy

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.finetuning.job import TrainingRow
from mipro_studio.optimizer_core.plurals import noun, plural
from mipro_studio.optimizer_core.programs.values import decode, encode
from mipro_studio.optimizer_core.types import Cell, Example, TraceStep, Tuning, TuningState

__all__ = ["Prompts", "RowYield", "labelled_rows", "require_answers", "training_rows", "yield_in_words"]


@dataclass(frozen=True)
class Prompts:
    """How the calls of a trace are written down.

    Attributes:
        module: The program whose prompts the rows have: its instructions, and its demos where `demos` is set.
        adapter: Writes messages and answers.
        demos: The messages hold the module's demos.
        folders: Where relative paths of images and other files are looked up.
        predictor: Only its calls are rows; empty = those of all.
    """

    module: dspy.Module
    adapter: Any
    demos: bool = False
    folders: tuple[Path, ...] = ()
    predictor: str = ""


@dataclass(frozen=True)
class RowYield:
    """The rows, and what became of the rest: `cells` traces were looked at, of which `failed` had no score and
    `below` too low a one. Of the calls in the others, `malformed` do not read back, `duplicates` repeat a row, and
    `elsewhere` were answered by a model that a predictor has of its own, which is not the one tuned.
    """

    rows: tuple[TrainingRow, ...]
    cells: int = 0
    failed: int = 0
    below: int = 0
    malformed: int = 0
    duplicates: int = 0
    elsewhere: int = 0

    @property
    def passed(self) -> int:
        """Traces that passed."""
        return self.cells - self.failed - self.below

    @property
    def counts(self) -> dict[str, int]:
        names = ("cells", "failed", "below", "malformed", "duplicates", "elsewhere")
        return {"rows": len(self.rows), **{name: getattr(self, name) for name in names}}


def require_answers(adapter: Any) -> None:
    """Raises:
    BadInput: the adapter asks a model to read an answer (two_step), or does not write answers, so there is none to
        learn from.
    """
    if isinstance(adapter, dspy.TwoStepAdapter):
        raise BadInput(
            "With the adapter two_step a second model reads the answers, so there is none to learn from.",
            "Choose another adapter.",
        )
    if type(adapter).format_assistant_message_content is dspy.Adapter.format_assistant_message_content:
        raise BadInput(
            f"{type(adapter).__name__} does not say how an answer is written, so there is none to learn from.",
            "Choose another adapter, or give it the method format_assistant_message_content.",
        )


def training_rows(cells: Iterable[Cell], prompts: Prompts, threshold: float) -> RowYield:
    """The rows of all calls in `cells`, in the order of their examples, which does not depend on who answered first.

    Args:
        threshold: Least score of a program run whose calls are learned from.

    Raises:
        BadInput: see `require_answers`.
    """
    require_answers(prompts.adapter)
    ordered = sorted(cells, key=lambda cell: (cell.key.example, cell.key.candidate, cell.key.rollout))
    passed = [cell for cell in ordered if cell.score is not None and cell.score >= threshold]
    failed = sum(cell.score is None for cell in ordered)
    predictors = dict(prompts.module.named_predictors())
    rows: dict[str, TrainingRow] = {}
    malformed = duplicates = elsewhere = 0
    for cell in passed:
        for step in cell.trace:
            if prompts.predictor not in ("", step.predictor):
                continue
            predictor = predictors.get(step.predictor)
            if predictor is None or predictor.lm is not None:
                elsewhere += 1
                continue
            row = _row(step, predictor, prompts, cell.key.example)
            if row is None:
                malformed += 1
                continue
            told = json.dumps([row.messages, row.answer], sort_keys=True)
            duplicates += told in rows
            rows.setdefault(told, row)
    below = len(ordered) - failed - len(passed)
    return RowYield(tuple(rows.values()), len(ordered), failed, below, malformed, duplicates, elsewhere)


def labelled_rows(
    examples: Iterable[Example], prompts: Prompts, told: Iterable[TrainingRow] = ()
) -> tuple[TrainingRow, ...]:
    """Rows of the calls whose inputs and outputs an example's own fields tell, in the order of the ids of examples.

    Args:
        told: Rows from traces: what they tell of an example's predictor is not told again.
    """
    have = {(row.example, row.predictor) for row in told}
    made = []
    for example in sorted(examples, key=lambda one: one.id):
        fields = {**example.inputs, **example.labels}
        for name, predictor in prompts.module.named_predictors():
            declared = predictor.signature.fields
            if prompts.predictor not in ("", name) or predictor.lm is not None or (example.id, name) in have:
                continue
            if not declared.keys() <= fields.keys():
                continue
            inputs = {one: fields[one] for one in predictor.signature.input_fields}
            outputs = {one: fields[one] for one in predictor.signature.output_fields}
            row = _row(TraceStep(name, inputs, outputs), predictor, prompts, example.id)
            if row is not None:
                made.append(replace(row, labelled=True))
    return tuple(made)


def _row(step: TraceStep, predictor: Any, prompts: Prompts, example: str) -> TrainingRow | None:
    """The call as a row; None for an answer that the adapter does not read back as it was."""
    signature = predictor.signature
    outputs = _decoded(step.outputs, signature, prompts.folders)
    if outputs.keys() < signature.output_fields.keys():
        return None
    answer = prompts.adapter.format_assistant_message_content(signature, outputs)
    if not isinstance(answer, str) or not _reads_back(answer, outputs, signature, prompts.adapter):
        return None
    inputs = _decoded(step.inputs, signature, prompts.folders)
    demos: Sequence[Any] = list(predictor.demos) if prompts.demos else []
    messages = tuple(prompts.adapter.format(signature, demos, inputs))
    return TrainingRow(messages, answer, step.predictor, example)


def _decoded(values: Any, signature: Any, folders: tuple[Path, ...]) -> dict[str, Any]:
    declared = signature.fields
    return {
        name: decode(value, declared[name].annotation, folders) for name, value in values.items() if name in declared
    }


def _reads_back(answer: str, outputs: dict[str, Any], signature: Any, adapter: Any) -> bool:
    try:
        read = adapter.parse(signature, answer)
    except Exception:  # noqa: BLE001 - adapters fail in any way on what they cannot read; that is the question here
        return False
    fields = signature.output_fields
    return all(
        name in read and encode(read[name], field.annotation) == encode(outputs[name], field.annotation)
        for name, field in fields.items()
    )


def yield_in_words(tuning: Tuning, made: RowYield, where: str) -> str:
    """What the rows of a tuning came from, for people; `where` they are trained on."""
    found = f"{made.passed} of {made.cells} traces passed"
    named = f"weights {tuning.number}"
    if owner := tuning.facts.get("predictor"):
        named += f" of {owner}"
    if tuning.state is TuningState.EMPTY:
        found += _left_out(made)
        return f"{found}, so there is nothing to tune {named} on, and they stay as they are. {_help(made)}"
    dropped = f", {plural(made.duplicates, 'duplicate')} dropped" if made.duplicates else ""
    labelled = tuning.facts["yield"]["labelled"]
    filled = f", {labelled} of them from labels" if labelled else ""
    rows = plural(len(tuning.rows), "row")
    return f"{found}{_left_out(made)}: {rows} for {named}{filled}{dropped}. Training: {where}."


def _left_out(made: RowYield) -> str:
    """What became of the calls in the traces that passed."""
    said = (
        f", {plural(made.malformed, 'answer')} cannot be written so that the adapter reads "
        f"{noun(made.malformed, 'it', 'them')} back"
        if made.malformed
        else ""
    )
    if made.elsewhere:
        said += f", {plural(made.elsewhere, 'call was', 'calls were')} answered by other models"
    if made.passed and not (made.rows or said):
        said += " without a call that is known to be of one of the program's predictors"
    return said


def _help(made: RowYield) -> str:
    if made.malformed:
        return "Another adapter may write them, as with --adapter json."
    return "Lower the threshold, use a larger teacher, or begin with a step of prompts."
