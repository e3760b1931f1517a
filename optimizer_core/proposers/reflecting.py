"""Instructions asked for by evidence: what the leader got right and wrong on training rows, and what the metric said.

The prompt model names what it thinks is wrong (a hypothesis) and writes an instruction that would mend it. One that
copies rows is no arm: it would know the answers of what it is scored on, or be long for nothing.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

import dspy

from mipro_studio.optimizer_core.parameters.instruction import instruction_arm
from mipro_studio.optimizer_core.programs.program import PredictorInfo
from mipro_studio.optimizer_core.programs.values import text_of
from mipro_studio.optimizer_core.proposers.prompting import Prompter, strip_reply
from mipro_studio.optimizer_core.types import Arm, Author, Cell, Example, Json

__all__ = ["copied", "evidence_text", "reflected"]

IN_A_ROW = 8
"""So many words of a row, one after the other, are a copy."""
SHORT = 24
"""Characters; a shorter value may well be a word of the task."""
CLIP = 600


class Reflect(dspy.Signature):  # type: ignore[misc]
    """One step of a language model program follows an instruction. You are shown what it answered on some examples,
    and what was said about it. Name in one sentence what is most likely wrong with the instruction, then write a
    better one. It must hold for examples that are not shown: state rules, and quote no example."""

    current_instruction = dspy.InputField()
    examples = dspy.InputField(desc="Answers of the step with this instruction, wrong ones first")
    hint = dspy.InputField(desc="Words of the person who runs this, if any")
    hypothesis = dspy.OutputField(desc="What is most likely wrong, in one sentence")
    improved_instruction = dspy.OutputField(desc="The instruction that mends it, and nothing else")


def evidence_text(cells: Sequence[Cell], name: str) -> str:
    """The calls of predictor `name` in `cells`, the worst first, with the score and what the metric said."""
    told = []
    for cell in sorted(cells, key=lambda one: (one.score is not None, one.score or 0.0, one.key.example)):
        for step in [step for step in cell.trace if step.predictor == name][-1:]:
            lines = [f"{field}: {text_of(value)[:CLIP]}" for field, value in {**step.inputs, **step.outputs}.items()]
            score = "failed" if cell.score is None else f"score of the program: {cell.score:g}"
            said = " ".join(filter(None, (step.feedback, cell.feedback)))
            told.append("\n".join([*lines, f"({score})", *([f"feedback: {said[:CLIP]}"] if said else [])]))
    return "\n\n".join(told)


async def reflected(
    prompter: Prompter, key: str, info: PredictorInfo, parent: Arm, index: int, told: tuple[str, str, float]
) -> Arm:
    """Instruction `index`, a child of `parent`.

    Args:
        key: Of the prompt call; a resumed run finds it by that.
        told: The evidence, a person's hint, and the temperature.
    """
    examples, hint, temperature = told
    call = await prompter.ask(
        key, Reflect, temperature, current_instruction=parent.text, examples=examples, hint=hint or "none"
    )
    text = strip_reply(call.outputs.get("improved_instruction"))
    tokens = call.usage.input_tokens + call.usage.output_tokens
    provenance: Json = {
        "key": key,
        "parents": [parent.index],
        "hypothesis": str(call.outputs.get("hypothesis", ""))[:CLIP],
        "cost": {"calls": call.usage.calls, "tokens": tokens},
    }
    reason = call.error or ("" if text else "the reply was empty")
    arm = instruction_arm(info.name, index, text, Author.MODEL, provenance)
    return replace(arm, active=not reason, reason=reason)


def copied(text: str, rows: Iterable[Example]) -> str:
    """What of a row stands in `text` word for word; empty where nothing does."""
    words = _words(text)
    joined = f" {' '.join(words)} "
    for row in rows:
        for value in {**row.inputs, **row.labels}.values():
            of_row = _words(value) if isinstance(value, str) and len(value) >= SHORT else []
            for at in range(max(1, len(of_row) - IN_A_ROW + 1)):
                part = " ".join(of_row[at : at + IN_A_ROW])
                if len(part) >= SHORT and f" {part} " in joined:
                    return part
    return ""


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
