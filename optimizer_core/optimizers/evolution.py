"""The bridge to the `gepa` library, which runs in a thread of its own and calls back into the run's event loop.

The library keeps its state in memory. It is deterministic given its seed, the scores and the replies, so a resumed
run starts it again: the score table and the prompt calls on record answer everything that was asked before, at once
and for nothing, until it asks something new.
"""

import asyncio
import queue
import threading
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar, cast

from gepa.api import optimize
from gepa.core.adapter import EvaluationBatch
from gepa.strategies.instruction_proposal import InstructionProposalSignature

from mipro_studio.optimizer_core.errors import RunFailed
from mipro_studio.optimizer_core.evaluation.objective import Measure
from mipro_studio.optimizer_core.evaluation.program_run import Purpose
from mipro_studio.optimizer_core.optimizers.context import RunContext
from mipro_studio.optimizer_core.parameters.edits import next_index
from mipro_studio.optimizer_core.parameters.instruction import instruction_arm
from mipro_studio.optimizer_core.parameters.space import candidate_of
from mipro_studio.optimizer_core.programs.values import text_of
from mipro_studio.optimizer_core.seeds import derive_seed
from mipro_studio.optimizer_core.types import INSTRUCTION, Author, Candidate, Cell, Example, Split

__all__ = ["MINIBATCH", "Evolution"]

MINIBATCH = 3
"""Training rows a reflection looks at (the library's and DSPy's default)."""

TRAIN_PRIORITY = 5
T = TypeVar("T")


class _Halt(BaseException):
    """Ends the library's thread. Not an Exception: the library would take that for one failed proposal."""


class Evolution:
    """One life of the library's run.

    Args:
        budget: Cells it may ask for, those of the baseline's evaluation included.
    """

    def __init__(self, context: RunContext, budget: int) -> None:
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._known = {trial.candidate for trial in context.journal.trials()}
        self._asked: asyncio.Queue[Candidate | BaseException | None] = asyncio.Queue()
        self._turn: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._waiting = False
        self._proposals = 0
        self._budget = budget
        self.propose_new_texts = self._propose_new_texts  # the library looks for the attribute
        threading.Thread(target=self._evolve, name="gepa", daemon=True).start()

    async def next_candidate(self) -> Candidate | None:
        """The next candidate it wants evaluated in full; the one before is by now. None when it has ended."""
        if self._waiting:
            self._waiting = False
            self._turn.put(None)
        asked = await self._asked.get()
        if isinstance(asked, BaseException):
            raise asked
        self._waiting = asked is not None
        return asked

    # What follows runs in the library's thread.

    def _evolve(self) -> None:
        ending: BaseException | None = None
        context = self._context
        try:
            optimize(
                seed_candidate={info.name: info.instruction for info in context.free},
                trainset=context.examples[Split.TRAIN],
                valset=context.examples[Split.VAL],
                adapter=cast(Any, self),
                max_metric_calls=self._budget,
                reflection_minibatch_size=MINIBATCH,
                skip_perfect_score=_at_most_one(context),
                use_merge=len(context.free) > 1,
                seed=derive_seed(context.config.seed, "gepa"),
                logger=_Quiet(),
                display_progress_bar=False,
            )
        except _Halt as halt:
            ending = halt.__cause__
        except Exception as error:  # noqa: BLE001 - the run must learn of it, whatever it is
            ending = RunFailed(f"GEPA failed: {type(error).__name__}: {error}.")
        self._tell(ending)

    def _tell(self, asked: Candidate | BaseException | None) -> None:
        try:
            self._loop.call_soon_threadsafe(self._asked.put_nowait, asked)
        except RuntimeError:  # the loop is closed: the run is over, nobody asks any more
            if isinstance(asked, Candidate):
                raise _Halt from None

    def _in_loop(self, work: Coroutine[Any, Any, T]) -> T:
        if self._loop.is_closed():
            work.close()
            raise _Halt
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop).result()
        except BaseException as error:
            raise _Halt from error

    def evaluate(
        self, batch: list[Example], candidate: dict[str, str], capture_traces: bool = False
    ) -> "EvaluationBatch[Cell, Cell]":
        """The library's question for scores. One for the whole validation set becomes a trial of the search."""
        chosen = self._candidate(candidate)
        whole = batch[0].split is Split.VAL and len(batch) == len(self._context.examples[Split.VAL])
        if whole and chosen.id not in self._known:
            self._known.add(chosen.id)
            self._tell(chosen)
            self._wait_for_turn()
        purpose = Purpose.REFLECT if capture_traces else Purpose.EVALUATE
        cells = self._in_loop(self._context.evaluate(chosen, batch, TRAIN_PRIORITY, purpose=purpose))
        return EvaluationBatch(outputs=cells, scores=_scores(cells, self._context.objective), trajectories=cells)

    def _wait_for_turn(self) -> None:
        while True:
            try:
                return self._turn.get(timeout=0.5)
            except queue.Empty:
                if self._loop.is_closed():
                    raise _Halt from None

    def _candidate(self, texts: Mapping[str, str]) -> Candidate:
        instructions = self._context.arms.instructions

        def index(name: str) -> int:
            words = texts[name].split()
            same = [arm for arm in instructions[name].values() if arm.text.split() == words]
            return min(same, key=lambda arm: (not arm.active, arm.index)).index

        names = self._context.arms.names
        return candidate_of(names, {(name, INSTRUCTION): index(name) for name in names if name in texts})

    def make_reflective_dataset(
        self, candidate: dict[str, str], eval_batch: "EvaluationBatch[Cell, Cell]", components_to_update: list[str]
    ) -> dict[str, list[dict[str, Any]]]:
        """What the prompt model reflects on: calls of the predictor with what became of the row."""
        rows = {row.id: row for row in self._context.examples[Split.TRAIN]}
        cells = [cell for cell in eval_batch.outputs if cell.error is None or not cell.error.transient]
        return {
            name: [shown for cell in cells for shown in _shown(name, cell, rows)] for name in components_to_update
        }

    def _propose_new_texts(
        self,
        candidate: dict[str, str],
        reflective_dataset: Mapping[str, Sequence[Mapping[str, Any]]],
        components_to_update: list[str],
    ) -> dict[str, str]:
        """New texts in the library's own words; each is an arm with its provenance before the library sees it."""
        parent = self._candidate(candidate).id
        return {
            name: self._in_loop(self._write(name, candidate[name], reflective_dataset[name], parent))
            for name in components_to_update
            if reflective_dataset[name]  # nothing to reflect on; the library takes "no text" for no proposal
        }

    async def _write(self, name: str, text: str, shown: Sequence[Mapping[str, Any]], parent: str) -> str:
        context = self._context
        self._proposals += 1
        key = f"gepa/{self._proposals}"
        arms = context.arms.instructions[name].values()
        known = next((arm for arm in arms if arm.provenance.get("call") == key), None)
        if known is None:
            signature = InstructionProposalSignature
            prompt = signature.prompt_renderer({"current_instruction_doc": text, "dataset_with_feedback": shown})
            temperature = context.config.proposer.temperature
            call = await context.proposer.prompter.complete(key, str(prompt), temperature)
            written = signature.output_extractor(call.outputs.get("text", ""))["new_instruction"].strip()
            reason = call.error or ("" if written else "the prompt model returned an empty instruction")
            provenance = {
                "call": key,
                "parent": parent,
                "temperature": temperature,
                "tip": "none",
                "tokens": {"input": call.usage.input_tokens, "output": call.usage.output_tokens},
            }
            index = next_index(context.arms.instructions[name])
            arm = instruction_arm(name, index, written, Author.MODEL, provenance)
            arm = replace(arm, active=not reason, reason=reason)
            await context.add_instructions([arm])
            known = context.arms.instructions[name][index]
        return known.text or text  # a call that failed changes nothing


def _scores(cells: Sequence[Cell], objective: Measure) -> list[float]:
    """Scores for the library, which knows no third state: an error counts as the mean of the rest of its batch."""
    values = [objective(cell) for cell in cells]
    known = [value for value in values if value is not None]
    neutral = sum(known) / len(known) if known else 0.0
    return [neutral if value is None else value for value in values]


def _at_most_one(context: RunContext) -> bool:
    """Whether the baseline's scores stay within 1: only then are rows with a 1 perfect and not worth a call."""
    values = [context.objective(cell) for cell in context.table.row(context.baseline.id, Split.VAL).values()]
    return all(value is None or value <= 1 for value in values)


def _shown(name: str, cell: Cell, rows: Mapping[str, Example]) -> list[dict[str, Any]]:
    """Calls of predictor `name` in a cell, or the one that the metric was asked about.

    A call that gave no output is not in the trace, so the row stands for it.
    """
    steps = [step for step in cell.trace if step.predictor == name]
    steps = [step for step in steps if step.feedback] or steps
    calls = [(_texts(step.inputs), _texts(step.outputs), step.feedback) for step in steps]
    if not calls and cell.error is not None and cell.key.example in rows:
        calls = [(_texts(rows[cell.key.example].inputs), {}, "")]
    return [
        {"Inputs": given, "Generated Outputs": answered, "Feedback": _feedback(cell, said, rows)}
        for given, answered, said in calls
    ]


def _feedback(cell: Cell, about_predictor: str, rows: Mapping[str, Example]) -> str:
    """What the metric said about the predictor, else about the whole answer, behind score and labels."""
    if cell.error is not None:
        return f"The program failed on this input ({cell.error.value}): {cell.error_message}"
    labels = rows[cell.key.example].labels if cell.key.example in rows else {}
    expected = ", ".join(f"{name} = {text_of(value)}" for name, value in labels.items())
    said = about_predictor or cell.feedback
    return " ".join(filter(None, (f"Score {cell.score:g}.", f"Expected: {expected}." if expected else "", said)))


def _texts(fields: Mapping[str, Any]) -> dict[str, str]:
    return {name: text_of(value) for name, value in fields.items()}


class _Quiet:
    """The library's log; what it says is in the run's records."""

    def log(self, message: str) -> None:
        """Drop it."""
