"""Is the exported program the one that was scored? It is loaded from its file and asked again on k examples.

Its answers are compared with those in the score table, and every predictor's plain messages, sent to the model
without DSPy, with what the predictor answered in the same place. Agreement is equality of all outputs, so a model
that samples (temperature above 0) may disagree with itself.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dspy

from mipro_studio.optimizer_core.evaluation.program_run import run_once
from mipro_studio.optimizer_core.metrics.scoring import Scorer
from mipro_studio.optimizer_core.models.role_model import RoleModel
from mipro_studio.optimizer_core.programs.plain_messages import fill, plain_messages
from mipro_studio.optimizer_core.programs.values import encode
from mipro_studio.optimizer_core.types import Cell, CellKey, Example, Split, TraceStep

__all__ = ["SHOWN", "Check", "examples_to_check", "verify"]

SHOWN = 5
"""Disagreements that are listed."""


@dataclass(frozen=True)
class Check:
    """What is needed to ask again: the program as loaded from its file, a model, a metric, the scored cells."""

    program: dspy.Module
    role_model: RoleModel
    scorer: Scorer
    cells: Mapping[CellKey, Cell]
    candidate: str
    threads: int = 8
    folders: tuple[Path, ...] = ()


def examples_to_check(
    examples: Sequence[Example], cells: Mapping[CellKey, Cell], candidate: str, k: int
) -> list[Example]:
    """The first `k` examples by position that `candidate` has a score on: sealed test rows, else validation rows.

    Args:
        examples: Of all splits, in any order.
        cells: What was scored; others of other candidates are passed over.
    """
    for split in (Split.TEST, Split.VAL):
        found = [
            example
            for example in sorted(examples, key=lambda example: example.position)
            if example.split is split and _scored(cells.get(CellKey(candidate, split, example.id)))
        ]
        if found:
            return found[:k]
    return []


def _scored(cell: Cell | None) -> bool:
    return cell is not None and cell.score is not None


def verify(check: Check, examples: Sequence[Example]) -> dict[str, Any]:
    """Ask the loaded program and its plain messages on `examples`.

    Returns:
        {n, split, calls, program: {asked, agreed, score_then, score_now, differ}, plain: [{predictor, asked,
        agreed, why, differ}]}; `differ` lists at most `SHOWN` cases as {example, expected, got}. `asked` of a
        predictor counts its calls in all program runs.
    """
    with ThreadPoolExecutor(check.threads) as pool:
        fresh = list(pool.map(lambda example: _ask_program(check, example), examples))
        program = _compare_programs(check, examples, fresh)
        plains, calls = _ask_plain(check, examples, fresh, pool)
    return {
        "n": len(examples),
        "split": examples[0].split.value if examples else "",
        "calls": sum(cell.usage.calls for cell in fresh) + calls,
        "program": program,
        "plain": plains,
    }


def _ask_program(check: Check, example: Example) -> Cell:
    return run_once(check.program, example, check.role_model, check.scorer, check.candidate, check.folders)


def _compare_programs(check: Check, examples: Sequence[Example], fresh: Sequence[Cell]) -> dict[str, Any]:
    stored = [check.cells[cell.key] for cell in fresh]
    differ = [
        _case(example, then.prediction, now.prediction or now.error_message)
        for example, then, now in zip(examples, stored, fresh, strict=True)
        if now.error is not None or then.prediction != now.prediction
    ]
    return {
        "asked": len(fresh),
        "agreed": len(fresh) - len(differ),
        "score_then": _mean([cell.score for cell in stored]),
        "score_now": _mean([cell.score for cell in fresh]),
        "differ": differ[:SHOWN],
    }


def _mean(scores: Sequence[float | None]) -> float | None:
    known = [score for score in scores if score is not None]
    return sum(known) / len(known) if known else None


def _case(example: Example, expected: Any, got: Any) -> dict[str, Any]:
    return {"example": example.id, "expected": expected, "got": got}


def _ask_plain(
    check: Check, examples: Sequence[Example], fresh: Sequence[Cell], pool: ThreadPoolExecutor
) -> tuple[list[dict[str, Any]], int]:
    predictors = dict(check.program.named_predictors())
    asked = 0
    results = []
    for made in plain_messages(check.program, check.role_model.adapter):
        steps = [
            (example, step)
            for example, cell in zip(examples, fresh, strict=True)
            for step in cell.trace
            if step.predictor == made["name"] and made["messages"]
        ]
        answer = _plain_asker(check, predictors[made["name"]], made["messages"])
        declared = made["outputs"]  # a program may add to what a predictor answered
        replies = list(pool.map(answer, [step for _, step in steps]))
        asked += len(steps)
        differ = [
            _case(example, dict(step.outputs), reply)
            for (example, step), reply in zip(steps, replies, strict=True)
            if reply != {name: value for name, value in step.outputs.items() if name in declared}
        ]
        results.append(
            {
                "predictor": made["name"],
                "asked": len(steps),
                "agreed": len(steps) - len(differ),
                "why": made["why"] or ("" if steps else "It was not called on these examples."),
                "differ": differ[:SHOWN],
            }
        )
    return results, asked


def _plain_asker(check: Check, predictor: Any, messages: Sequence[Mapping[str, Any]]) -> Callable[[TraceStep], Any]:
    signature = predictor.signature
    lm = predictor.lm or check.role_model.lm

    def ask(step: TraceStep) -> Any:
        """The outputs read from the reply to the plain messages; a sentence where there are none."""
        try:
            reply = lm(messages=fill(messages, signature, step.inputs), **predictor.config)[0]
            text = reply["text"] if isinstance(reply, dict) else str(reply)
            read = check.role_model.adapter.parse(signature, text)
        except Exception as error:  # noqa: BLE001 - a failed call or an unreadable reply is one disagreement
            return f"{type(error).__name__}: {error}"
        return {name: encode(value, signature.output_fields[name].annotation) for name, value in read.items()}

    return ask
