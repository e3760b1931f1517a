"""Agents keep their tools and rules whatever is written into their instruction."""

from typing import Any

import dspy
import pytest

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.parameters.arms import Arms
from mipro_studio.optimizer_core.parameters.edits import EditableArms, changed_arms
from mipro_studio.optimizer_core.parameters.instruction import instruction_arm
from mipro_studio.optimizer_core.programs.agents import frame_of
from mipro_studio.optimizer_core.programs.instruction_frame import Frame
from mipro_studio.optimizer_core.programs.program import Program
from mipro_studio.optimizer_core.types import Author, Change, ChangeKind
from tests.arms import built


def weigh(name: str, unit: str = "kg") -> str:
    """Weigh an item."""
    return name + unit


class Task(dspy.Signature):
    """Sort items by weight."""

    text: str = dspy.InputField()
    answer: str = dspy.OutputField()


AGENTS = {
    "react": (lambda: dspy.ReAct(Task, tools=[weigh]), "react", ["weigh", "finish"]),
    "code_act": (lambda: dspy.CodeAct(Task, tools=[weigh]), "codeact", ["weigh"]),
    "react_v2": (lambda: dspy.predict.react_v2.ReActV2(Task, tools=[weigh]), "react", ["weigh", "submit"]),
    "rlm": (lambda: dspy.RLM(Task, tools=[weigh]), "generate_action", ["weigh"]),
}


def described(module: dspy.Module, name: str) -> Any:
    return next(info for info in Program(module, None, "agent").predictors if info.name == name)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("agent", AGENTS)
def test_what_dspy_wrote_around_the_task_stays(agent: str) -> None:
    make, name, tools = AGENTS[agent]
    module = make()
    info = described(module, name)
    whole = dict(module.named_predictors())[name].signature.instructions
    assert info.instruction == "Sort items by weight."
    assert info.before + info.instruction + info.after == whole
    assert [tool.name for tool in info.tools] == tools
    assert info.tools[0].arguments == ("name", "unit")
    made = dict(built(Arms(Program(module, None, "a")), {name: "Be quick."}, {}).named_predictors())[name]
    assert made.signature.instructions == whole.replace("Sort items by weight.", "Be quick.")
    assert "weigh" in info.signature


def test_the_seed_is_left_as_it_is_and_a_whole_text_of_an_older_run_too() -> None:
    module = dspy.ReAct(Task, tools=[weigh])
    arms = Arms(Program(module, None, "a"))
    whole = module.react.signature.instructions
    assert built(arms, {"react": "Sort items by weight."}, {}).react.signature.instructions == whole
    assert built(arms, {"react": whole}, {}).react.signature.instructions == whole
    rewritten = whole.replace("Sort items", "Order things")
    assert built(arms, {"react": rewritten}, {}).react.signature.instructions == rewritten


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_program_of_thought_keeps_its_rules_below_the_task() -> None:
    module = dspy.ProgramOfThought(Task)
    info = described(module, "code_generate.predict")
    whole = module.code_generate.predict.signature.instructions
    assert (info.instruction, info.after) == ("", whole)
    made = built(Arms(Program(module, None, "a")), {info.name: "Count letters."}, {})
    assert made.code_generate.predict.signature.instructions == f"Count letters.\n\n{whole}"
    same = built(Arms(Program(module, None, "a")), {info.name: ""}, {})
    assert same.code_generate.predict.signature.instructions == whole


def test_predictors_that_are_no_agents_are_replaced_as_a_whole() -> None:
    class Plain(dspy.Module):
        def __init__(self) -> None:
            super().__init__()
            self.signature = Task
            self.tools = [weigh]
            self.step = dspy.ChainOfThought(Task.with_instructions("Sort items by weight. And more."))

    assert frame_of(Plain(), Plain().step.predict) == Frame("Sort items by weight. And more.")
    extract = described(dspy.ReAct(Task, tools=[weigh]), "extract.predict")
    assert (extract.instruction, extract.before, extract.after) == ("Sort items by weight.", "", "")
    assert extract.tools == ()


class OwnAgent(dspy.Module):
    """An agent whose author wrote the tools into the instruction."""

    def __init__(self) -> None:
        super().__init__()
        self.tools = {"weigh": dspy.Tool(weigh)}
        self.step = dspy.Predict(Task.with_instructions("Sort. Call weigh with name and unit where you must."))


def test_a_text_that_leaves_out_a_tool_is_kept_out_of_the_search_with_the_reason() -> None:
    program = Program(OwnAgent(), None, "own")
    [info] = program.predictors
    assert [str(tool) for tool in info.tools] == ["weigh(name, unit)"]
    for text, lost in (("Just sort.", "weigh"), ("Sort, weigh(name).", "unit"), ("weighing name unit", "weigh")):
        arm = program.without_losses(instruction_arm("step", 1, text, Author.MODEL))
        assert not arm.active
        assert f"leaves out {lost!r}" in arm.reason
    assert program.without_losses(instruction_arm("step", 1, "Use weigh: name, unit.", Author.MODEL)).active


def test_a_person_is_told_which_tool_an_edit_leaves_out() -> None:
    [info] = Program(OwnAgent(), None, "own").predictors
    seed = instruction_arm("step", 0, info.instruction, Author.SEED, info.frame.facts)
    editable = EditableArms({"instruction": {"step": {0: seed}}}, "mipro")

    def write(text: str) -> Any:
        change = Change(1, ChangeKind.WRITE, {"predictor": "step", "text": text})
        return changed_arms(change, editable, lambda _: None)

    with pytest.raises(BadInput, match="leaves out 'weigh'"):
        write("Just sort.")
    assert write("Use weigh with name and unit.")[0].text == "Use weigh with name and unit."
