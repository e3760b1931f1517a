"""The grounded proposer (MIPRO section 3.1, appendix C): writes instructions from a context that is on record."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from mipro_studio.optimizer_core.config import TIPS, ProposerSettings
from mipro_studio.optimizer_core.evaluation.pool import WorkPool
from mipro_studio.optimizer_core.evaluation.recorder import Recorder
from mipro_studio.optimizer_core.models.role_model import RoleModel
from mipro_studio.optimizer_core.parameters.instruction import instruction_arm
from mipro_studio.optimizer_core.programs.program import PredictorInfo, Program
from mipro_studio.optimizer_core.programs.values import text_of
from mipro_studio.optimizer_core.proposers import signatures
from mipro_studio.optimizer_core.proposers.grounding import SharedContext, shared_context
from mipro_studio.optimizer_core.proposers.prompting import Prompter, strip_reply
from mipro_studio.optimizer_core.seeds import generator
from mipro_studio.optimizer_core.types import Arm, Author, Example, PromptCall

__all__ = [
    "Proposer",
    "Recipe",
    "SharedContext",
    "Shown",
    "demo_text",
    "history_text",
]

DEMOS_SHOWN = 3
NO_DEMOS = "No task demos provided."


@dataclass(frozen=True)
class Recipe:
    """How one instruction is asked for: the switches of one request, where `ProposerSettings` holds for all.

    Attributes:
        tip: Name of a tip.
        demo_set: Whose demos are shown.
        neighbours: Fill up with the demos of other sets when that one has fewer than three (DSPy).
        hint: A person's words for this request, after those of the settings.
        demos: Show any at all.
    """

    tip: str
    temperature: float
    demo_set: int
    neighbours: bool = True
    dataset_summary: bool = True
    program_summary: bool = True
    hint: str = ""
    demos: bool = True


@dataclass(frozen=True)
class Shown:
    """What one request shows: the context after the recipe, the demos, and the history, worst first."""

    context: SharedContext
    demos: Sequence[Mapping[str, str]]
    history: Sequence[tuple[str, float]]


class Proposer:
    """Asks the prompt model for instructions.

    Args:
        role_model: The prompt model.
        memory: Prompt calls of earlier lives by key.
        seed: The run's; tips and rollouts derive from it.
    """

    def __init__(
        self,
        settings: ProposerSettings,
        role_model: RoleModel,
        pool: WorkPool,
        recorder: Recorder,
        memory: Mapping[str, PromptCall],
        seed: int,
    ) -> None:
        self.settings = settings
        self.prompter = Prompter(role_model, pool, recorder, memory, seed)
        self._seed = seed

    async def shared_context(self, program: Program, trainset: Sequence[Example]) -> SharedContext:
        """Dataset summary, program description and module descriptions, as far as they are switched on."""
        return await shared_context(self.settings, self.prompter, program, trainset)

    def tip_for(self, predictor: str, index: int) -> str:
        """The tip of a proposal: drawn once by the run's seed, "none" when tips are off."""
        tips = self.settings.tips
        return generator(self._seed, "tip", predictor, index).choice(tips) if tips else "none"

    def recipe(self, predictor: str, index: int) -> Recipe:
        """The recipe that the run's settings make for instruction `index` of `predictor`."""
        return Recipe(self.tip_for(predictor, index), self.settings.temperature, index)

    async def propose(
        self,
        info: PredictorInfo,
        index: int,
        context: SharedContext,
        demo_sets: Sequence[Arm],
        history: Sequence[tuple[str, float]] = (),
        recipe: Recipe | None = None,
    ) -> Arm:
        """One instruction for `info`, with its provenance: what was asked for, what was shown, what came back.

        Args:
            index: Arm index; the proposal is shown the demos of the demo set with this index (and its neighbours).
            demo_sets: All demo sets of the predictor.
            history: (instruction, score) pairs, worst first, where an optimizer proposes in rounds.
            recipe: What differs from the run's settings in this one request.
        """
        recipe = recipe or self.recipe(info.name, index)
        shown = self.shown(info, context, demo_sets, history, recipe)
        return await self.write(f"instruction/{info.name}/{index}", info, index, shown, recipe)

    async def write(self, key: str, info: PredictorInfo, index: int, shown: Shown, recipe: Recipe) -> Arm:
        """Ask the prompt model for one instruction, shown just `shown`; a resumed run finds the call by its key.

        Args:
            key: Names the call in the journal.
            info, index: Whose instruction it becomes, and its number among them.
            recipe: Tip, temperature and hint of this request.
        """
        inputs = self._inputs(info, shown, recipe)
        signature = signatures.generate_instruction(tuple(inputs))
        call = await self.prompter.ask(key, signature, recipe.temperature, **inputs)
        return self.instruction(info, index, call, recipe, shown)

    def shown(
        self,
        info: PredictorInfo,
        context: SharedContext,
        demo_sets: Sequence[Arm],
        history: Sequence[tuple[str, float]],
        recipe: Recipe,
    ) -> Shown:
        """What a request for `info` shows after the run's settings and the recipe.

        Args:
            context: The summaries that all requests of the run share.
            demo_sets: Arms of demos of this predictor; the recipe chooses among them.
            history: (instruction, mean score) of earlier ones, worst first.
        """
        demos = _shown_demos(demo_sets, recipe, info) if self.settings.demos and recipe.demos else []
        context = context.without(dataset_summary=recipe.dataset_summary, program_summary=recipe.program_summary)
        return Shown(context, demos, list(history) if self.settings.history else [])

    def instruction(
        self,
        info: PredictorInfo,
        index: int,
        call: PromptCall,
        recipe: Recipe,
        shown: Shown,
        field: str = "proposed_instruction",
    ) -> Arm:
        """The arm that `call` wrote, with its provenance. A failed or empty one is inactive and says why.

        Args:
            info, index: Whose instruction it is, and its number among them.
            recipe, shown: How it was asked for and what was shown, for the provenance.
            field: The output of the call that is the instruction.
        """
        text = strip_reply(call.outputs.get(field, ""))
        provenance = {
            "call": call.key,
            "tip": recipe.tip,
            "temperature": recipe.temperature,
            "recipe": asdict(recipe),
            "demos_shown": [demo["example"] for demo in shown.demos],
            "history_shown": [{"text": text, "score": score} for text, score in shown.history],
            "switches": self._switches(info, recipe, shown),
            "tokens": {"input": call.usage.input_tokens, "output": call.usage.output_tokens},
        }
        reason = call.error or ("" if text else "the prompt model returned an empty instruction")
        arm = instruction_arm(info.name, index, text, Author.MODEL, provenance)
        return replace(arm, active=not reason, reason=reason)

    def _inputs(self, info: PredictorInfo, shown: Shown, recipe: Recipe) -> dict[str, str]:
        """The proposer's request, field by field; what is off or unavailable is not in it."""
        context = shown.context
        inputs = context.inputs
        if "program_code" in inputs:
            inputs["module"] = info.signature
            inputs["module_description"] = context.module_descriptions.get(info.name, "Not provided")
        inputs["task_demos"] = demo_text(shown.demos)
        if shown.history:
            inputs["previous_instructions"] = history_text(shown.history)
        inputs["basic_instruction"] = info.instruction or info.after
        if TIPS[recipe.tip]:
            inputs["tip"] = TIPS[recipe.tip]
        if hint := self._hint(recipe):
            inputs["hint"] = hint
        return inputs

    def _hint(self, recipe: Recipe) -> str:
        return "\n".join(filter(None, (self.settings.hint, recipe.hint)))

    def _switches(self, info: PredictorInfo, recipe: Recipe, shown: Shown) -> list[dict[str, Any]]:
        """Requested against effective for every switch of this proposal, with the reason where they differ."""
        settings, context = self.settings, shown.context
        described = context.program_description is not None and info.name in context.module_descriptions
        rows = (
            (
                "dataset_summary",
                settings.dataset_summary and recipe.dataset_summary,
                context.dataset_summary is not None,
            ),
            ("program_summary", settings.program_summary and recipe.program_summary, described),
            ("demos", settings.demos and recipe.demos, bool(shown.demos)),
            ("history", settings.history, bool(shown.history)),
            ("tips", bool(TIPS[recipe.tip]), bool(TIPS[recipe.tip])),
            ("hint", bool(self._hint(recipe)), bool(self._hint(recipe))),
        )
        why = {
            "demos": "no bootstrapped demo in any set",
            "history": "no earlier instruction has a score",
            "program_summary": "the module could not be described",
            **context.fell_back,
        }
        return [
            {"switch": name, "requested": asked, "used": used, "why": why.get(name, "") if asked and not used else ""}
            for name, asked, used in rows
        ]


def demo_text(demos: Sequence[Mapping[str, str]]) -> str:
    return "\n\n".join(demo["text"] for demo in demos) or NO_DEMOS


def history_text(history: Sequence[tuple[str, float]]) -> str:
    return "\n\n".join(f"{text}\nScore: {score:g}" for text, score in history)


def _shown_demos(demo_sets: Sequence[Arm], recipe: Recipe, info: PredictorInfo) -> list[dict[str, str]]:
    """Up to three bootstrapped demos: of the recipe's set, then of the sets after and before it (DSPy).

    An index beyond the sets wraps around, so that the rounds of a history proposer see every set in turn.
    """
    sets = sorted(demo_sets, key=lambda demo_set: demo_set.index)
    if not sets:
        return []
    found = [place for place, demo_set in enumerate(sets) if demo_set.index == recipe.demo_set]
    start = found[0] if found else recipe.demo_set % len(sets)
    walk = sets[start:] + sets[:start] if recipe.neighbours else sets[start : start + 1]
    shown: dict[str, str] = {}
    for demo_set in walk:
        for demo in demo_set.demos:
            if demo.augmented and demo.example_id not in shown and len(shown) < DEMOS_SHOWN:
                lines = (
                    f"{name}: {text_of(demo.fields[name])}"
                    for name in (*info.inputs, *info.outputs)
                    if name in demo.fields
                )
                shown[demo.example_id] = "\n".join(lines)
    return [{"example": example, "text": text} for example, text in shown.items()]
