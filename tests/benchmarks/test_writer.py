"""The prompt model that can write mends an instruction whoever asks: ours, the gepa library, DSPy's GEPA."""

import dspy
import pytest
from dspy.teleprompt.gepa.instruction_proposal import ProposeInstruction
from gepa.strategies.instruction_proposal import InstructionProposalSignature

from mipro_studio.benchmarks.contents.landscape import Contents
from mipro_studio.benchmarks.contents.writer import quality
from mipro_studio.optimizer_core.proposers.reflecting import Reflect
from tests.loopback.inprocess import InProcessEndpoint

OLD = "Find the queue.\nRule queue 3."


def asked(skill: float, how: str) -> str:
    world = Contents("25", 1, skill=skill)
    with InProcessEndpoint(responder=world.respond) as endpoint:
        lm = dspy.LM("openai/loop", api_base=endpoint.base_url, api_key="none", cache=False)
        if how == "gepa":
            shown = [{"Inputs": {"message": "m"}, "Feedback": "wrong"}]
            given = {"current_instruction_doc": OLD, "dataset_with_feedback": shown}
            said = lm(str(InstructionProposalSignature.prompt_renderer(given)))[0]
            text = said if isinstance(said, str) else said["text"]
            return InstructionProposalSignature.output_extractor(text)["new_instruction"]
        signature = ProposeInstruction if how == "DSPy GEPA" else Reflect
        inputs = dict.fromkeys(signature.input_fields, "nothing")
        with dspy.context(lm=lm, adapter=dspy.JSONAdapter() if how == "DSPy GEPA" else dspy.ChatAdapter()):
            answer = dspy.Predict(signature)(**{**inputs, "current_instruction": OLD})
        return str(answer.new_instruction if how == "DSPy GEPA" else answer.improved_instruction)


@pytest.mark.parametrize("how", ["ours", "gepa", "DSPy GEPA"])
def test_whoever_asks_gets_what_is_there_and_a_rule_more(how: str) -> None:
    assert quality(asked(1.0, how), "queue") == 2 / 8
    assert quality(asked(0.0, how), "queue") == 1 / 8
    assert asked(0.0, how).startswith(OLD)
