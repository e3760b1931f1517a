"""What all proposals of a run are shown (MIPRO section 3.1, appendix C): the data set and the program in words."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mipro_studio.optimizer_core.config import ProposerSettings
from mipro_studio.optimizer_core.programs.program import Program
from mipro_studio.optimizer_core.programs.values import text_of
from mipro_studio.optimizer_core.proposers import signatures
from mipro_studio.optimizer_core.proposers.prompting import Prompter, strip_reply
from mipro_studio.optimizer_core.types import Example

__all__ = ["SharedContext", "shared_context"]

MAX_SUMMARY_BATCHES = 10
ENOUGH_COMPLETES = 5


@dataclass(frozen=True)
class SharedContext:
    """What every proposal of a run is shown: None where it is switched off or could not be made (see `fell_back`)."""

    dataset_summary: str | None
    program_code: str | None
    program_description: str | None
    module_descriptions: Mapping[str, str]
    fell_back: Mapping[str, str]

    def without(self, *, dataset_summary: bool, program_summary: bool) -> "SharedContext":
        """The same, less what is not to be shown in one proposal."""
        shown = self if dataset_summary else replace(self, dataset_summary=None)
        if program_summary:
            return shown
        return replace(shown, program_code=None, program_description=None, module_descriptions={})

    @property
    def inputs(self) -> dict[str, str]:
        """Fields that every request for a proposal has in common; what is not available is left out."""
        fields = {"dataset_description": self.dataset_summary} if self.dataset_summary else {}
        if self.program_code and self.program_description:
            fields |= {"program_code": self.program_code, "program_description": self.program_description}
        return fields


async def shared_context(
    settings: ProposerSettings, prompter: Prompter, program: Program, trainset: Sequence[Example]
) -> SharedContext:
    """Dataset summary, program description and module descriptions, as far as they are switched on.

    Calls of the prompt model, all at once; what could not be written is left out, and the context says why.

    Args:
        settings: The switches.
        trainset: What the summary is of.
    """
    fell_back: dict[str, str] = {}
    summary, (code, description, modules) = await asyncio.gather(
        _dataset_summary(settings, prompter, trainset, fell_back),
        _describe(settings, prompter, program, trainset, fell_back),
    )
    return SharedContext(summary, code, description, modules, fell_back)


async def _dataset_summary(
    settings: ProposerSettings, prompter: Prompter, trainset: Sequence[Example], fell_back: dict[str, str]
) -> str | None:
    """Observations batch after batch until the model has said COMPLETE five times, then a summary of them."""
    if not settings.dataset_summary:
        return None
    size = settings.view_data_batch_size
    batches = [trainset[i : i + size] for i in range(0, len(trainset), size)][:MAX_SUMMARY_BATCHES]
    observations, completes = "", 0
    for number, batch in enumerate(batches):
        shown = {"examples": "\n".join(_row(row) for row in batch)}
        signature = signatures.DescribeData
        if number:
            shown["prior_observations"], signature = observations, signatures.DescribeMoreData
        call = await prompter.ask(f"dataset_summary/{number}", signature, 1.0, **shown)
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
    call = await prompter.ask("dataset_summary/final", signatures.Summarize, 1.0, observations=observations)
    if call.error:
        fell_back["dataset_summary"] = call.error
        return None
    fell_back.pop("dataset_summary", None)  # a summary of the batches that were answered is one
    return strip_reply(call.outputs["summary"])


async def _describe(
    settings: ProposerSettings,
    prompter: Prompter,
    program: Program,
    trainset: Sequence[Example],
    fell_back: dict[str, str],
) -> tuple[str | None, str | None, dict[str, str]]:
    if not settings.program_summary:
        return None, None, {}
    code = program.code
    if code is None:
        fell_back["program_summary"] = "the program's source code is not available"
        return None, None, {}
    example = _row(trainset[0])
    known = {"program_code": code, "program_example": example}
    call = await prompter.ask("program", signatures.DescribeProgram, settings.temperature, **known)
    if call.error:
        fell_back["program_summary"] = call.error
        return code, None, {}
    description = strip_reply(call.outputs["program_description"])
    known["program_description"] = description
    calls = await asyncio.gather(
        *(
            prompter.ask(
                f"module/{info.name}", signatures.DescribeModule, settings.temperature, **known, module=info.signature
            )
            for info in program.predictors
        )
    )
    modules = {
        info.name: strip_reply(call.outputs["module_description"])
        for info, call in zip(program.predictors, calls, strict=True)
        if not call.error
    }
    return code, description, modules


def _row(example: Example) -> str:
    return text_of({**example.inputs, **example.labels})
