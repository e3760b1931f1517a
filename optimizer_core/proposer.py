"""The grounded proposer (MIPRO section 3.1, appendix C): writes instructions from a context that is on record.

Each call of the prompt model has a key that names its purpose; a call that is in the journal is not made again.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import dspy

from optimizer_core import proposer_signatures as signatures
from optimizer_core.config import TIPS, ProposerSettings
from optimizer_core.evaluator import CONTROL, Player, plain
from optimizer_core.models.lms import classify
from optimizer_core.models.meter import collect_calls
from optimizer_core.pool import WorkPool
from optimizer_core.program import PredictorInfo, Program
from optimizer_core.recorder import Recorder
from optimizer_core.seeds import derive_seed, generator
from optimizer_core.types import SEED_ARM, Author, DemoSet, Example, Instruction, PromptCall

__all__ = ["Proposer", "SharedContext", "drop_duplicates"]

PROMPT_PRIORITY = -1
MAX_SUMMARY_BATCHES = 10
ENOUGH_COMPLETES = 5
DEMOS_SHOWN = 3
NO_DEMOS = "No task demos provided."


@dataclass(frozen=True)
class SharedContext:
    """What every proposal of a run is shown: None where it is switched off or could not be made (see `fell_back`)."""

    dataset_summary: str | None
    program_code: str | None
    program_description: str | None
    module_descriptions: Mapping[str, str]
    fell_back: Mapping[str, str]


class Proposer:
    """Asks the prompt model for instructions.

    Args:
        player: The prompt model.
        memory: Prompt calls of earlier lives by key.
        seed: The run's; tips and rollouts derive from it.
    """

    def __init__(
        self,
        settings: ProposerSettings,
        player: Player,
        pool: WorkPool,
        recorder: Recorder,
        memory: Mapping[str, PromptCall],
        seed: int,
    ) -> None:
        self._settings = settings
        self._player = player
        self._pool = pool
        self._recorder = recorder
        self._memory = dict(memory)
        self._seed = seed

    async def _ask(self, key: str, signature: type[dspy.Signature], temperature: float, **inputs: str) -> PromptCall:
        """One call of the prompt model, or the same call out of the journal. A failure is recorded, not raised."""
        known = self._memory.get(key)
        if known is not None and not known.error:
            return known
        work = partial(self._call, key, signature, temperature, inputs)
        call = await self._pool.run(work, PROMPT_PRIORITY)
        self._memory[key] = call
        await self._recorder.write(call)
        return call

    def _call(
        self, key: str, signature: type[dspy.Signature], temperature: float, inputs: Mapping[str, str]
    ) -> PromptCall:
        outputs: dict[str, Any] = {}
        error = ""
        # The rollout id keeps requests that are the same text apart for models whose answers depend on it.
        config = {"temperature": temperature, "rollout_id": derive_seed(self._seed, "prompt", key)}
        with collect_calls() as log, dspy.context(lm=self._player.lm, adapter=self._player.adapter, trace=None):
            try:
                outputs = plain(dict(dspy.Predict(signature)(**inputs, config=config).items()))
            except CONTROL:
                raise
            except Exception as failure:  # noqa: BLE001 - a proposal that fails is recorded with its reason
                error = f"{classify(failure) or type(failure).__name__}: {failure}"[:500]
        last = log.calls[-1] if log.calls else None
        messages = tuple(plain(message) for message in last.messages) if last else ()
        reply = last.reply if last else ""
        return PromptCall(key, messages, reply, outputs, log.usage, temperature, error)

    async def shared_context(self, program: Program, trainset: Sequence[Example]) -> SharedContext:
        """Dataset summary, program description and module descriptions, as far as they are switched on."""
        fell_back: dict[str, str] = {}
        summary, (code, description, modules) = await asyncio.gather(
            self._dataset_summary(trainset, fell_back), self._describe(program, trainset, fell_back)
        )
        return SharedContext(summary, code, description, modules, fell_back)

    async def _dataset_summary(self, trainset: Sequence[Example], fell_back: dict[str, str]) -> str | None:
        """Observations batch after batch until the model has said COMPLETE five times, then a summary of them."""
        if not self._settings.dataset_summary:
            return None
        size = self._settings.view_data_batch_size
        batches = [trainset[i : i + size] for i in range(0, len(trainset), size)][:MAX_SUMMARY_BATCHES]
        observations, completes = "", 0
        for number, batch in enumerate(batches):
            shown = {"examples": "\n".join(json.dumps(_row(row), ensure_ascii=False) for row in batch)}
            signature = signatures.DescribeData
            if number:
                shown["prior_observations"], signature = observations, signatures.DescribeMoreData
            call = await self._ask(f"dataset_summary/{number}", signature, 1.0, **shown)
            if call.error:
                fell_back["dataset_summary"] = call.error
                break
            said = str(call.outputs["observations"])
            if number and said.strip()[:8].upper() == "COMPLETE":
                completes += 1
                if completes >= ENOUGH_COMPLETES:
                    break
            else:
                observations += said
        if not observations:
            return None
        call = await self._ask("dataset_summary/final", signatures.Summarize, 1.0, observations=observations)
        if call.error:
            fell_back["dataset_summary"] = call.error
            return None
        fell_back.pop("dataset_summary", None)  # a summary of the batches that were answered is one
        return _strip(call.outputs["summary"])

    async def _describe(
        self, program: Program, trainset: Sequence[Example], fell_back: dict[str, str]
    ) -> tuple[str | None, str | None, dict[str, str]]:
        if not self._settings.program_summary:
            return None, None, {}
        code = program.source
        if code is None:
            fell_back["program_summary"] = "the program's source code is not available"
            return None, None, {}
        example = json.dumps(_row(trainset[0]), ensure_ascii=False)
        known = {"program_code": code, "program_example": example}
        call = await self._ask("program", signatures.DescribeProgram, self._settings.temperature, **known)
        if call.error:
            fell_back["program_summary"] = call.error
            return code, None, {}
        description = _strip(call.outputs["program_description"])
        known["program_description"] = description
        calls = await asyncio.gather(
            *(
                self._ask(
                    f"module/{info.name}",
                    signatures.DescribeModule,
                    self._settings.temperature,
                    **known,
                    module=info.signature,
                )
                for info in program.predictors
            )
        )
        modules = {
            info.name: _strip(call.outputs["module_description"])
            for info, call in zip(program.predictors, calls, strict=True)
            if not call.error
        }
        return code, description, modules

    def tip_for(self, predictor: str, index: int) -> str:
        """The tip of a proposal: drawn once by the run's seed, "none" when tips are off."""
        tips = self._settings.tips
        return generator(self._seed, "tip", predictor, index).choice(tips) if tips else "none"

    async def propose(
        self,
        info: PredictorInfo,
        index: int,
        context: SharedContext,
        demo_sets: Sequence[DemoSet],
        history: Sequence[tuple[str, float]] = (),
    ) -> Instruction:
        """One instruction for `info`, with its provenance: what was asked for, what was shown, what came back.

        Args:
            index: Arm index; the proposal is shown the demos of the demo set with this index (and its neighbours).
            demo_sets: All demo sets of the predictor.
            history: (instruction, score) pairs, worst first, where an optimizer proposes in rounds.
        """
        tip = self.tip_for(info.name, index)
        demos = _shown_demos(demo_sets, index, info) if self._settings.demos else []
        inputs = self._inputs(info, context, demos, tip, history)
        signature = signatures.generate_instruction(tuple(inputs))
        key = f"instruction/{info.name}/{index}"
        call = await self._ask(key, signature, self._settings.temperature, **inputs)
        text = _strip(call.outputs.get("proposed_instruction", ""))
        provenance = {
            "call": key,
            "tip": tip,
            "temperature": self._settings.temperature,
            "demos_shown": [demo["example"] for demo in demos],
            "switches": self._switches(info, context, demos, history),
            "tokens": {"input": call.usage.input_tokens, "output": call.usage.output_tokens},
        }
        reason = call.error or ("" if text else "the prompt model returned an empty instruction")
        return Instruction(info.name, index, text, Author.MODEL, provenance, active=not reason, reason=reason)

    def _inputs(
        self,
        info: PredictorInfo,
        context: SharedContext,
        demos: Sequence[Mapping[str, str]],
        tip: str,
        history: Sequence[tuple[str, float]],
    ) -> dict[str, str]:
        """The proposer's request, field by field; what is off or unavailable is not in it."""
        inputs: dict[str, str] = {}
        if context.dataset_summary:
            inputs["dataset_description"] = context.dataset_summary
        if context.program_code and context.program_description:
            inputs["program_code"] = context.program_code
            inputs["program_description"] = context.program_description
            inputs["module"] = info.signature
            inputs["module_description"] = context.module_descriptions.get(info.name, "Not provided")
        inputs["task_demos"] = "\n\n".join(demo["text"] for demo in demos) or NO_DEMOS
        if self._settings.history and history:
            inputs["previous_instructions"] = "\n\n".join(f"{text}\nScore: {score:g}" for text, score in history)
        inputs["basic_instruction"] = info.instruction
        if TIPS[tip]:
            inputs["tip"] = TIPS[tip]
        if self._settings.hint:
            inputs["hint"] = self._settings.hint
        return inputs

    def _switches(
        self,
        info: PredictorInfo,
        context: SharedContext,
        demos: Sequence[Mapping[str, str]],
        history: Sequence[tuple[str, float]],
    ) -> list[dict[str, Any]]:
        """Requested against effective for every switch of this proposal, with the reason where they differ."""
        settings = self._settings
        described = context.program_description is not None and info.name in context.module_descriptions
        rows = (
            ("dataset_summary", settings.dataset_summary, context.dataset_summary is not None),
            ("program_summary", settings.program_summary, described),
            ("demos", settings.demos, bool(demos)),
            ("history", settings.history, bool(settings.history and history)),
            ("tips", bool(settings.tips), bool(settings.tips)),
            ("hint", bool(settings.hint), bool(settings.hint)),
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


def drop_duplicates(instructions: Sequence[Instruction]) -> list[Instruction]:
    """The same instructions, those whose text an earlier active one has already switched off with the reason."""
    seen: dict[tuple[str, str], int] = {}
    result = []
    for arm in sorted(instructions, key=lambda arm: (arm.predictor, arm.index)):
        key = (arm.predictor, " ".join(arm.text.split()))
        if arm.active and key in seen:
            same = "the seed" if seen[key] == SEED_ARM else f"instruction {seen[key]}"
            arm = Instruction(
                arm.predictor, arm.index, arm.text, arm.author, arm.provenance, False, f"same text as {same}"
            )
        elif arm.active:
            seen[key] = arm.index
        result.append(arm)
    return result


def _row(example: Example) -> dict[str, Any]:
    return {**example.inputs, **example.labels}


def _strip(value: Any) -> str:
    """The reply without quotes around it and without a leading `Instruction:` that models like to repeat."""
    text = str(value or "").strip()
    for prefix in ("Proposed Instruction:", "Instruction:"):
        text = text.removeprefix(prefix).strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'`":
        text = text[1:-1].strip()
    return text


def _shown_demos(demo_sets: Sequence[DemoSet], index: int, info: PredictorInfo) -> list[dict[str, str]]:
    """Up to three bootstrapped demos: of the proposal's own set, then of the sets after and before it (DSPy)."""
    sets = sorted(demo_sets, key=lambda demo_set: demo_set.index)
    start = next((place for place, demo_set in enumerate(sets) if demo_set.index == index), 0)
    shown: dict[str, str] = {}
    for demo_set in sets[start:] + sets[:start]:
        for demo in demo_set.demos:
            if demo.augmented and demo.example_id not in shown and len(shown) < DEMOS_SHOWN:
                lines = (
                    f"{name}: {demo.fields[name]}" for name in (*info.inputs, *info.outputs) if name in demo.fields
                )
                shown[demo.example_id] = "\n".join(lines)
    return [{"example": example, "text": text} for example, text in shown.items()]
