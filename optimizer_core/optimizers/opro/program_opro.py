"""Program-Level OPRO (card 6; MIPRO section 4.5, F.4): one history of whole programs, one call for all."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from mipro_studio.optimizer_core.config import TIPS, RunConfig
from mipro_studio.optimizer_core.optimizers.base import Optimizer, View, Work
from mipro_studio.optimizer_core.optimizers.context import RunContext
from mipro_studio.optimizer_core.optimizers.opro.module_opro import IN_ROUNDS, OPRO
from mipro_studio.optimizer_core.optimizers.rounds import (
    HISTORY_LENGTH,
    best_of,
    candidate_of_round,
    means,
    round_index,
)
from mipro_studio.optimizer_core.optimizers.zero_shot_mipro import GROUNDING_DEMOS, bootstrap_for_proposer
from mipro_studio.optimizer_core.programs.program import PredictorInfo
from mipro_studio.optimizer_core.proposers import signatures
from mipro_studio.optimizer_core.proposers.grounding import SharedContext
from mipro_studio.optimizer_core.proposers.proposer import Recipe, demo_text, history_text
from mipro_studio.optimizer_core.search.surrogates import Observation
from mipro_studio.optimizer_core.types import INSTRUCTION, Candidate

__all__ = ["ProgramOpro"]


class ProgramOpro(Optimizer):
    """An item of the history is the instructions of all free predictors with one score."""

    name = "program_opro"
    defaults = OPRO
    fixed = IN_ROUNDS

    def work(self, config: RunConfig, n_free: int) -> Work:
        shown = GROUNDING_DEMOS if config.proposer.demos else 0
        return Work(config.search.trials, config.search.trials, True, shown)

    async def initialize(self, context: RunContext) -> None:
        await asyncio.gather(bootstrap_for_proposer(context), context.grounding())

    async def propose(self, context: RunContext, view: View) -> Candidate | None:
        index = round_index(context, view.number)
        infos = [info for info in context.free if index not in context.arms.instructions[info.name]]
        if infos:
            await _write(context, view, index, infos)
        return candidate_of_round(context, best_of(context, view.observed), index)


async def _write(context: RunContext, view: View, index: int, infos: Sequence[PredictorInfo]) -> None:
    """One call of the prompt model that writes instruction `index` of all `infos`."""
    proposer, grounding = context.proposer, await context.grounding()
    recipe = replace(proposer.recipe("program", index), demo_set=index)
    past = program_history(context, infos, view.observed)
    shown = {
        info.name: proposer.shown(info, grounding, list(context.arms.demo_sets[info.name].values()), past, recipe)
        for info in infos
    }
    demos = [f"{info.name}:\n{demo_text(shown[info.name].demos)}" for info in infos]
    inputs = _inputs(context, grounding, recipe, infos, "\n\n".join(demos))
    if past:
        inputs["previous_instructions"] = history_text(past)
    signature = signatures.generate_instructions(tuple(inputs), tuple(info.name for info in infos))
    call = await proposer.prompter.ask(f"instructions/{index}", signature, recipe.temperature, **inputs)
    arms = [
        proposer.instruction(info, index, call, recipe, shown[info.name], signatures.field_of(place))
        for place, info in enumerate(infos)
    ]
    names = [info.name for info in infos]
    facts = {"round": view.number, "written_with": names}
    await context.add_instructions([replace(arm, provenance={**arm.provenance, **facts}) for arm in arms])


def _inputs(
    context: RunContext, grounding: SharedContext, recipe: Recipe, infos: Sequence[PredictorInfo], demos: str
) -> dict[str, str]:
    """The request but for the history; what is off or unavailable is not in it."""
    inputs = grounding.inputs
    inputs["module"] = _named({info.name: info.signature for info in infos})  # always: they must be told apart
    described = {info.name: grounding.module_descriptions.get(info.name, "Not provided") for info in infos}
    if grounding.module_descriptions:
        inputs["module_description"] = _named(described)
    inputs["task_demos"] = demos
    inputs["basic_instruction"] = _named({info.name: info.instruction or info.after for info in infos})
    if TIPS[recipe.tip]:
        inputs["tip"] = TIPS[recipe.tip]
    if context.config.proposer.hint:
        inputs["hint"] = context.config.proposer.hint
    return inputs


def program_history(
    context: RunContext, infos: Sequence[PredictorInfo], observed: Sequence[Observation]
) -> list[tuple[str, float]]:
    """The best few programs, all their instructions in one text, worst first."""
    scores: dict[str, float] = {}
    for candidate, mean in means(observed).items():
        chosen = {arm.owner: arm for arm in context.arms.chosen(candidate) if arm.kind == INSTRUCTION}
        arms = {info.name: chosen[info.name] for info in infos}
        if all(arm.active for arm in arms.values()):
            scores[_named({name: arm.text for name, arm in arms.items()})] = mean
    return sorted(scores.items(), key=lambda pair: pair[1])[-HISTORY_LENGTH:]


def _named(texts: dict[str, str]) -> str:
    return "\n".join(f"{name}: {text}" for name, text in texts.items())
