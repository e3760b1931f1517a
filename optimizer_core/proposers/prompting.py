"""Calls of the prompt model that are never paid for twice.

Each call has a key that names its purpose; a call that is in the journal is not made again.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import dspy

from mipro_studio.optimizer_core.evaluation.pool import WorkPool
from mipro_studio.optimizer_core.evaluation.program_run import CONTROL
from mipro_studio.optimizer_core.evaluation.recorder import Recorder
from mipro_studio.optimizer_core.models.calls import CallLog, collect_calls
from mipro_studio.optimizer_core.models.classes import classify
from mipro_studio.optimizer_core.models.role_model import RoleModel
from mipro_studio.optimizer_core.programs.values import as_prompted
from mipro_studio.optimizer_core.seeds import derive_seed
from mipro_studio.optimizer_core.types import PromptCall

__all__ = ["Prompter", "strip_reply"]

PROMPT_PRIORITY = -1


class Prompter:
    """Asks the prompt model, and remembers.

    Args:
        role_model: The prompt model.
        memory: Prompt calls of earlier lives by key.
        seed: The run's; rollouts derive from it.
    """

    def __init__(
        self, role_model: RoleModel, pool: WorkPool, recorder: Recorder, memory: Mapping[str, PromptCall], seed: int
    ) -> None:
        self._role_model = role_model
        self._pool = pool
        self._recorder = recorder
        self._memory = dict(memory)
        self._seed = seed

    async def ask(self, key: str, signature: type[dspy.Signature], temperature: float, **inputs: str) -> PromptCall:
        """One call with a signature, or the same call out of the journal.

        A failure is recorded in `PromptCall.error`, not raised, and is tried again by a resumed run.

        Args:
            key: Names the call in the journal; the same key is the same call.
            inputs: The signature's inputs by name.

        Raises:
            StudioError: the run is halted, or a cap is reached.
        """
        return await self._once(key, partial(self._call, key, signature, temperature, inputs))

    async def complete(self, key: str, prompt: str, temperature: float) -> PromptCall:
        """One call with a text as it stands, or the same call out of the journal. Its output `text` is the reply.

        Args:
            key: Names the call in the journal; the same key is the same call.

        Raises:
            StudioError: the run is halted, or a cap is reached.
        """
        return await self._once(key, partial(self._complete, key, prompt, temperature))

    @property
    def calls(self) -> list[PromptCall]:
        """The calls on record."""
        return list(self._memory.values())

    async def _once(self, key: str, work: "partial[PromptCall]") -> PromptCall:
        known = self._memory.get(key)
        if known is not None and not known.error:
            return known
        call = await self._pool.run(work, PROMPT_PRIORITY)
        self._memory[key] = call
        await self._recorder.write(call)
        return call

    def _config(self, key: str, temperature: float) -> dict[str, Any]:
        # The rollout id keeps requests that are the same text apart for models whose answers depend on it.
        return {"temperature": temperature, "rollout_id": derive_seed(self._seed, "prompt", key)}

    def _call(
        self, key: str, signature: type[dspy.Signature], temperature: float, inputs: Mapping[str, str]
    ) -> PromptCall:
        outputs: dict[str, Any] = {}
        error = ""
        with collect_calls(lm=self._role_model.lm, adapter=self._role_model.adapter, trace=None) as log:
            try:
                predict = dspy.Predict(signature)
                outputs = as_prompted(dict(predict(**inputs, config=self._config(key, temperature)).items()))
            except CONTROL:
                raise
            except Exception as failure:  # noqa: BLE001 - a proposal that fails is recorded with its reason
                error = _reason(failure)
        return _record(key, log, outputs, temperature, error)

    def _complete(self, key: str, prompt: str, temperature: float) -> PromptCall:
        outputs: dict[str, Any] = {}
        error = ""
        with collect_calls() as log:
            try:
                reply = self._role_model.lm(prompt, **self._config(key, temperature))[0]
                outputs = {"text": reply["text"] if isinstance(reply, dict) else str(reply)}
            except CONTROL:
                raise
            except Exception as failure:  # noqa: BLE001 - as above
                error = _reason(failure)
        return _record(key, log, outputs, temperature, error)


def _reason(failure: Exception) -> str:
    return f"{classify(failure) or type(failure).__name__}: {failure}"[:500]


def _record(key: str, log: CallLog, outputs: dict[str, Any], temperature: float, error: str) -> PromptCall:
    last = log.calls[-1] if log.calls else None
    messages = tuple(as_prompted(message) for message in last.messages) if last else ()
    return PromptCall(key, messages, last.reply if last else "", outputs, log.usage, temperature, error)


def strip_reply(value: Any) -> str:
    """The reply without quotes around it and without a leading `Instruction:` that models like to repeat."""
    text = str(value or "").strip()
    for prefix in ("Proposed Instruction:", "Instruction:"):
        text = text.removeprefix(prefix).strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'`":
        text = text[1:-1].strip()
    return text
