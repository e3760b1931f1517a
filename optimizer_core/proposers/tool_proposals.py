"""Proposes what an agent's model is told of its tools: shown the tools, the program, and how the agent used them."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import dspy

from mipro_studio.optimizer_core.config import TIPS
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.parameters.registry import KINDS
from mipro_studio.optimizer_core.parameters.tools import TOOLS
from mipro_studio.optimizer_core.programs.program import PredictorInfo
from mipro_studio.optimizer_core.programs.values import text_of
from mipro_studio.optimizer_core.proposers.proposer import Proposer, Recipe, SharedContext
from mipro_studio.optimizer_core.types import Arm, Author, Cell, PromptCall

__all__ = ["propose_tools", "uses_shown"]

USES_SHOWN = 3
LONGEST_USE = 3000
"""Characters of one use of the tools in a request."""

FIELDS = {
    "dataset_description": "A description of the dataset that the agent works on.",
    "program_code": "Pseudocode of the program that the agent is part of.",
    "program_description": "What the program is designed to do, and how it goes about it.",
    "module": "The predictor that chooses which tool to call.",
    "tools": "The tools with their arguments: name, description, and the description of each argument.",
    "schemas": "The types of the arguments, as JSON schemas.",
    "uses": "What the agent did on some rows, and how it was scored; the worst first.",
    "tip": "A tip for writing the descriptions.",
    "hint": "What the person who runs this wants.",
}

TASK = (
    "A language model decides which tool to call, and with which arguments, by what it is told of the tools. Write "
    "new descriptions of all the tools and all their arguments, so that the model calls the right tool at the right "
    "time, gives it the right arguments, and makes of the answer what it says. Say what a tool does, when to use it "
    "and when not, in which form an argument is wanted, and what comes back. Never describe what a tool cannot do."
)
FORM = (
    "All tools in the form in which they are given: a line `# name` for each tool with its description below, and "
    "under it a line `## argument` for each of its arguments with its description below. Names stay as they are."
)


async def propose_tools(
    proposer: Proposer, info: PredictorInfo, index: int, seed: Arm, context: SharedContext, cells: Iterable[Cell]
) -> Arm:
    """Tool descriptions `index` of the predictor `info`; inactive, with the reason, where nothing usable came.

    Args:
        seed: What the program came with.
        cells: Program runs with traces, to show how the tools were used.
    """
    recipe = proposer.recipe(info.name, index)
    uses = uses_shown(cells, info.name)
    inputs = _inputs(info, seed, context, recipe, uses)
    if proposer.settings.hint:
        inputs["hint"] = proposer.settings.hint
    key = f"{TOOLS}/{info.name}/{index}"
    call = await proposer.prompter.ask(key, _signature(inputs), recipe.temperature, **inputs)
    return _arm(call, index, seed, recipe, [cell.key.example for cell in uses])


def uses_shown(cells: Iterable[Cell], predictor: str) -> list[Cell]:
    """The few runs with the lowest scores in which `predictor` was asked; failed ones first."""
    asked = [cell for cell in cells if any(step.predictor == predictor for step in cell.trace)]
    return sorted(asked, key=lambda cell: (cell.score is not None, cell.score or 0.0, cell.key.example))[:USES_SHOWN]


def _inputs(
    info: PredictorInfo, seed: Arm, context: SharedContext, recipe: Recipe, uses: Sequence[Cell]
) -> dict[str, str]:
    inputs = context.inputs
    inputs["module"] = info.signature
    inputs["tools"] = KINDS[TOOLS].describe(seed)
    inputs["schemas"] = json.dumps(seed.provenance.get("schemas", {}), ensure_ascii=False)
    if uses:
        inputs["uses"] = "\n\n".join(_use(cell, info.name) for cell in uses)
    if TIPS[recipe.tip]:
        inputs["tip"] = TIPS[recipe.tip]
    return inputs


def _use(cell: Cell, predictor: str) -> str:
    """The last call of the predictor, which has seen all that came before it, and what the metric said."""
    step = [step for step in cell.trace if step.predictor == predictor][-1]
    lines = [f"{name}: {text_of(value)}" for name, value in {**step.inputs, **step.outputs}.items()]
    told = "\n".join(lines)[:LONGEST_USE]
    score = f"Score: {cell.score:g}" if cell.score is not None else f"Failed: {cell.error_message[:200]}"
    return "\n".join(filter(None, (told, score, cell.feedback[:500])))


def _signature(inputs: dict[str, str]) -> Any:
    fields = {name: (str, dspy.InputField(desc=FIELDS[name])) for name in inputs}
    fields["proposed_tools"] = (str, dspy.OutputField(desc=FORM))
    return dspy.Signature(fields, TASK)


def _arm(call: PromptCall, index: int, seed: Arm, recipe: Recipe, shown: list[str]) -> Arm:
    provenance = {
        "call": call.key,
        "tip": recipe.tip,
        "temperature": recipe.temperature,
        "uses_shown": shown,
        "tokens": {"input": call.usage.input_tokens, "output": call.usage.output_tokens},
    }
    arm = Arm(seed.owner, TOOLS, index, seed.content, Author.MODEL, provenance)
    if call.error:
        return replace(arm, active=False, reason=call.error)
    try:
        return replace(arm, content=KINDS[TOOLS].edited(_unfenced(call.outputs.get("proposed_tools", "")), seed))
    except BadInput as refusal:
        return replace(arm, active=False, reason=f"the prompt model's reply cannot be used: {refusal}")


def _unfenced(reply: object) -> str:
    """The reply without the fences of a code block and without what stands before the first heading."""
    lines = [line for line in str(reply or "").strip().splitlines() if not line.strip().startswith("```")]
    first = next((place for place, line in enumerate(lines) if line.lstrip().startswith("# ")), 0)
    return "\n".join(lines[first:])
