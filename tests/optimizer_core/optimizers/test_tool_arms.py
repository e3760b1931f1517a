"""Tool descriptions, searched: proposed from what the agent did, put into the messages, told apart, won with."""

from typing import Any

import pytest

from mipro_studio.optimizer_core.checks.receipt import _further_kinds
from mipro_studio.optimizer_core.config import parse_config
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.parameters.edits import changed_arms
from mipro_studio.optimizer_core.parameters.registry import KINDS
from mipro_studio.optimizer_core.programs.program import Program
from mipro_studio.optimizer_core.types import Author, Candidate, Change, ChangeKind
from tests.loopback.inprocess import InProcessEndpoint
from tests.loopback.promptformat import parse_prompt, render_reply
from tests.optimizer_core.builders import ROWS, Life, live, make_config
from tests.programs import desk, tooled

PROGRAM = "tests/programs/tooled.py"
MARK = "Call it before you answer."
GOLD = desk.gold(ROWS)


class Model:
    """Looks a message up only where it is told to, and knows the queue only when it has looked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def __call__(self, messages: list[dict[str, Any]], body: dict[str, Any]) -> str:
        prompt = parse_prompt(messages)
        assert prompt is not None
        if "proposed_tools" in prompt.outputs:
            self.asked.append(prompt)
            told = prompt.inputs["tools"]
            useful = told.replace("The record of a message.", f"The record of a message. {MARK}")
            reply = (useful, "# look_up\nonly one of them", f"```\n{told}\n```")[(len(self.asked) - 1) % 3]
            return render_reply(prompt, {"proposed_tools": reply})
        if "next_tool_name" in prompt.outputs:
            look = MARK in prompt.system and "observation_0" not in prompt.inputs
            arguments = {"number": "7"} if look else {}
            step = {"next_thought": "hm", "next_tool_name": "look_up" if look else "finish"}
            return render_reply(prompt, {**step, "next_tool_args": arguments})
        answers = dict.fromkeys(prompt.outputs, "some words")
        if "queue" in prompt.outputs:
            right = GOLD[prompt.inputs["message"]]["queue"]
            looked = "queue of 7: billing" in prompt.inputs.get("observation_0", "")
            wrong = desk.QUEUES[(desk.QUEUES.index(right) + 1) % len(desk.QUEUES)]
            answers["queue"] = right if looked else wrong
        if "tone" in prompt.outputs:
            answers["tone"] = "calm"
        return render_reply(prompt, answers)


def run(model: Model, **search: Any) -> Life:
    with InProcessEndpoint(responder=model) as endpoint:
        small = {"candidates": 4, "trials": 24, "max_labeled": 0, "max_bootstrapped": 1, "kinds": ["tools"]}
        settings = {**small, **search}
        return live(make_config(endpoint, program=PROGRAM, metric=None, optimizer="studio", search=settings))


@pytest.fixture(scope="module")
def life() -> Life:
    return run(Model())


def test_the_search_finds_the_descriptions_that_help(life: Life) -> None:
    arms = life.context.arms.of("agent.react", "tools")
    assert [arm.author for arm in arms.values()] == [Author.SEED, *[Author.MODEL] * 3]
    useful = [index for index, arm in arms.items() if MARK in KINDS["tools"].describe(arm)]
    assert len(useful) == 1
    winner = Candidate.parse(life.winner or "")
    assert winner.arm(0, "tools") == useful[0] and f"t{useful[0]}" in winner.id
    tried = {Candidate.parse(trial.candidate).arm(0, "tools") for trial in life.trials}
    assert {0, useful[0]} <= tried


def test_what_cannot_be_used_or_repeats_the_program_s_own_is_kept_and_says_so(life: Life) -> None:
    reasons = sorted(arm.reason for arm in life.context.arms.of("agent.react", "tools").values() if not arm.active)
    left_out = "It leaves out the tool 'tally'. Add a line `# tally` with what it does below."
    assert reasons == ["same text as the seed", f"the prompt model's reply cannot be used: {left_out}"]


def test_the_proposer_is_shown_the_tools_the_program_and_what_the_agent_did() -> None:
    model = Model()
    run(model, trials=1)
    assert len(model.asked) == 3
    for prompt in model.asked:
        assert "# look_up\nThe record of a message." in prompt.inputs["tools"]
        assert "## numbers\nwhat to add" in prompt.inputs["tools"]
        assert '"number": {"type": "string"}' in prompt.inputs["schemas"]
        assert "agent with the tools look_up(number, field), tally(numbers)" in prompt.inputs["module"]
        assert prompt.inputs["uses"].count("Score: 0") == 3
        assert "next_tool_name: finish" in prompt.inputs["uses"]


def test_nothing_is_searched_where_nobody_asked_or_the_predictor_is_frozen() -> None:
    for changes in ({"kinds": []}, {"freeze": ["agent.react"]}):
        model = Model()
        assert not model.asked
        arms = run(model, trials=1, **changes).context.arms.of("agent.react", "tools")
        assert list(arms) == [0]


def test_a_person_writes_and_rejects_descriptions_and_is_told_what_is_wrong(life: Life) -> None:
    editable = life.context.editable

    def ask(what: ChangeKind, **payload: Any) -> Any:
        request = {"predictor": "agent.react", "kind": "tools", **payload}
        return changed_arms(Change(9, what, request), editable, lambda row: None)

    (made,) = ask(ChangeKind.EDIT, index=0, text="# look_up\nLook here.\n## number\nIts number\n# tally\nAdds up.")
    assert made.content["tools"] == {
        "look_up": {"description": "Look here.", "arguments": {"number": "Its number", "field": ""}},
        "tally": {"description": "Adds up.", "arguments": {"numbers": "what to add"}},
    }
    assert (made.author, made.provenance["edited_from"]) == (Author.PERSON, 0)
    (out,) = ask(ChangeKind.REJECT, index=1, reason="too eager")
    assert (out.active, out.reason) == (False, "rejected: too eager")
    for text, says in (
        ("# tally\nAdds up.", "leaves out the tool 'look_up'"),
        ("Look here.", "Begin with a line `# look_up`"),
        ("# look_up\na\n# tally\nb\n# look_up\nc", "has 'look_up' twice"),
    ):
        with pytest.raises(BadInput, match=says):
            ask(ChangeKind.WRITE, text=text)
    with pytest.raises(BadInput, match="the baseline"):
        ask(ChangeKind.REJECT, index=0)


def test_the_receipt_says_whether_tools_are_searched_and_why_not() -> None:
    def told(program: Any, **changes: Any) -> Any:
        config = parse_config({"program": "x.py", "search": {"kinds": ["tools"]}, **changes})
        return _further_kinds(config, Program(program, None, "x"))

    assert told(tooled.Desk()) == [("tools searched", True, True, "")]
    assert told(desk.Desk()) == [("tools searched", True, False, "the program has no tools")]
    assert told(tooled.Desk(), optimizer="opro") == [("tools searched", True, False, "opro does not")]
