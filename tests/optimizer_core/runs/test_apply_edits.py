"""A person's changes in whole runs: in force from the next trial on, once, and the same after a crash."""

import asyncio
from typing import Any

import pytest

from mipro_studio.optimizer_core.errors import LeaseLost, StopRequested
from mipro_studio.optimizer_core.evaluation.journal import MemoryJournal
from mipro_studio.optimizer_core.parameters.demos import BY_A_PERSON, made_how
from mipro_studio.optimizer_core.runs.assembly import Assembled
from mipro_studio.optimizer_core.types import (
    INSTRUCTION,
    TEACHER,
    Author,
    Candidate,
    Change,
    ChangeKind,
    Settled,
    Split,
    Status,
    TrialKind,
)
from tests.arms import demo_sets_of, instructions_of, pairs
from tests.loopback import LoopbackEndpoint
from tests.optimizer_core.builders import SMALL, Life, fresh_journal, live, make_config, make_examples

GOOD = "Find the queue. q=1.0"


def ask(journal: MemoryJournal, what: ChangeKind, /, **payload: Any) -> None:
    number = 1 + len(journal.asked) + len(list(journal.settled()))
    journal.asked.append(Change(number, what, {"predictor": "queue", **payload}))


def at_the_gate(endpoint: LoopbackEndpoint, **changes: Any) -> MemoryJournal:
    life = live(make_config(endpoint, review=True, **changes), approved=False)
    assert life.ending.status is Status.AWAITING_REVIEW
    return life.journal


def used(life: Life, place: int = 0, kind: int = 0) -> list[int]:
    """Arms in the order of the trials that used them."""
    return [pairs(Candidate.parse(trial.candidate))[place][kind] for trial in life.trials]


def settled(life: Life) -> dict[int, Settled]:
    return {one.change: one for one in life.journal.settled()}


def test_what_was_asked_at_the_gate_is_searched_and_what_was_rejected_is_not(endpoint: LoopbackEndpoint) -> None:
    journal = at_the_gate(endpoint)
    ask(journal, ChangeKind.WRITE, text=GOOD, reason="q")
    ask(journal, ChangeKind.EDIT, index=1, text="Find the queue, take care. q=0.9", keep=False)
    ask(journal, ChangeKind.REJECT, kind="instruction", index=2, reason="too long")
    ask(journal, ChangeKind.REJECT, kind="instruction", index=0)
    life = live(make_config(endpoint, review=True, search={"trials": 10}), journal)
    arms = life.context.arms.instructions["queue"]
    assert (arms[4].text, arms[4].author, arms[5].provenance["edited_from"]) == (GOOD, Author.PERSON, 1)
    assert used(life)[1:3] == [4, 5], "each gets a trial, in the order asked"
    assert not {1, 2} & set(used(life))
    assert {number: (one.order, bool(one.refused)) for number, one in settled(life).items()} == {
        1: (1, False), 2: (1, False), 3: (1, False), 4: (1, True)
    }  # fmt: skip
    assert Candidate.parse(life.winner or "").arm(0, INSTRUCTION) in (4, 5)
    assert not journal.asked


def test_a_life_that_is_not_approved_takes_changes_up_and_comes_back_to_the_gate(endpoint: LoopbackEndpoint) -> None:
    journal = at_the_gate(endpoint)
    ask(journal, ChangeKind.ASK, hint="Mention refunds.", count=2)
    endpoint.control(keep_requests=True)
    life = live(make_config(endpoint, review=True), journal, approved=False)
    assert life.ending.status is Status.AWAITING_REVIEW
    arms = life.context.arms.instructions["queue"]
    assert sorted(arms) == [0, 1, 2, 3, 4, 5]
    assert [arms[n].author for n in (4, 5)] == [Author.MODEL] * 2
    assert arms[4].provenance["hint"] == "Mention refunds."
    switches = {row["switch"]: row["used"] for row in arms[4].provenance["switches"]}
    assert switches["hint"] is True
    asked = [str(entry["body"]["messages"]) for entry in endpoint.requests() if entry["model"] == "prompt"]
    assert len(asked) == 2 and all("Mention refunds." in request for request in asked)
    assert len(life.trials) == 1


def test_an_arm_that_is_added_while_the_run_searches_joins_at_the_next_trial(endpoint: LoopbackEndpoint) -> None:
    endpoint.control(latency_s=0.01)
    journal = fresh_journal()

    async def meanwhile(assembled: Assembled) -> None:
        while len(list(journal.trials())) < 4:
            await asyncio.sleep(0.001)
        ask(journal, ChangeKind.WRITE, text=GOOD)

    life = live(make_config(endpoint, search={"trials": 10}), journal, meanwhile=meanwhile)
    joined = settled(life)[1].order
    assert joined >= 4
    assert used(life).index(4) == joined
    assert settled(life)[1].arms == (4,)


class Dying(MemoryJournal):
    """Dies at the first commit after `lives` trials, and counts none of what it was given then."""

    def __init__(self, trials: int) -> None:
        super().__init__()
        self.n_trials = trials
        self.commit(make_examples(**SMALL))

    def commit(self, records: Any) -> None:
        if len(list(self.trials())) > self.n_trials:
            raise LeaseLost("gone")
        super().commit(records)


_whole: dict[int, Life] = {}


@pytest.mark.parametrize("trials", [1, 2, 3, 5])
def test_a_run_that_dies_decides_the_same_again_with_a_persons_arms(endpoint: LoopbackEndpoint, trials: int) -> None:
    def asked(journal: MemoryJournal) -> MemoryJournal:
        ask(journal, ChangeKind.WRITE, text=GOOD)
        ask(journal, ChangeKind.REJECT, kind="instruction", index=1)
        ask(journal, ChangeKind.ASK, hint="Short.", count=1)
        return journal

    config = make_config(endpoint, search={"trials": 8})
    if config.seed not in _whole:  # the same for all of these
        _whole[config.seed] = live(config, asked(fresh_journal()))
    whole = _whole[config.seed]
    broken = asked(Dying(trials))
    with pytest.raises(LeaseLost):
        live(config, broken)
    broken.n_trials = 1000
    again = live(config, broken)
    assert again.decisions == whole.decisions
    assert settled(again) == settled(whole)
    assert again.winner == whole.winner


def test_a_rejected_arm_neither_wins_nor_costs_another_cell(endpoint: LoopbackEndpoint) -> None:
    config = make_config(endpoint, search={"trials": 8})
    first = live(config)
    best = Candidate.parse(first.winner or "")
    place = next(place for place, pair in enumerate(pairs(best)) if pair[0])
    journal = first.journal
    name = first.context.arms.names[place]
    ask(journal, ChangeKind.REJECT, predictor=name, kind="instruction", index=best.arm(place, INSTRUCTION))
    cells = {key for key in first.scores if key.split is Split.VAL}
    second = live(make_config(endpoint, search={"trials": 12}), journal)
    assert Candidate.parse(second.winner or "").arm(place, INSTRUCTION) != best.arm(place, INSTRUCTION)
    bought = {key.candidate for key in second.scores if key.split is Split.VAL and key not in cells}
    assert bought
    assert best.arm(place, INSTRUCTION) not in {Candidate.parse(key).arm(place, INSTRUCTION) for key in bought}
    assert cells < set(second.scores)


def test_a_pinned_trace_becomes_a_demo_of_a_set_that_is_tried(endpoint: LoopbackEndpoint) -> None:
    journal = at_the_gate(endpoint)
    rows = [cell for cell in journal.cells() if cell.key.candidate == TEACHER]
    sets = {arm.index: arm for arm in demo_sets_of(journal) if arm.owner == "tone"}
    inside = {demo.example_id for demo in sets[2].demos}
    row = next(cell for cell in rows if cell.key.example not in inside)
    pin = [{"example": row.key.example, "call": -1}]
    ask(journal, ChangeKind.DEMOS, predictor="tone", index=2, keep=[0], pin=pin)
    life = live(make_config(endpoint, review=True), journal)
    made = life.context.arms.demo_sets["tone"][4]
    step = next(step for step in row.trace if step.predictor == "tone")
    assert made.demos[0].fields == {**step.inputs, **step.outputs}
    assert made.demos[1:] == sets[2].demos[:1]
    assert used(life, place=1, kind=1)[1] == 4


def test_a_failing_prompt_model_refuses_the_request_and_leaves_no_arm(endpoint: LoopbackEndpoint) -> None:
    journal = at_the_gate(endpoint)
    endpoint.control(responder="tests.optimizer_core.responders:nothing_parses")
    ask(journal, ChangeKind.ASK, hint="", count=2)
    life = live(make_config(endpoint, review=True, retries=0), journal, approved=False)
    assert "wrote nothing usable" in settled(life)[1].refused
    assert max(life.context.arms.instructions["queue"]) == 3


def test_a_change_after_the_last_trial_waits_for_more_trials(endpoint: LoopbackEndpoint) -> None:
    first = live(make_config(endpoint))
    n_first = len(first.trials)
    ask(first.journal, ChangeKind.WRITE, text=GOOD)
    second = live(make_config(endpoint, search={"trials": 9}), first.journal)
    assert 4 in used(second)
    assert settled(second)[1].order == n_first


def test_what_a_person_adds_and_takes_out_again_is_not_tried(endpoint: LoopbackEndpoint) -> None:
    journal = at_the_gate(endpoint)
    ask(journal, ChangeKind.WRITE, text=GOOD)
    ask(journal, ChangeKind.REJECT, kind="instruction", index=4)
    ask(journal, ChangeKind.WRITE, text="Find the queue. q=0.8")
    life = live(make_config(endpoint, review=True), journal)
    arms = life.context.arms.instructions["queue"]
    assert (arms[4].active, arms[5].active) == (False, True)
    assert used(life)[1] == 5 and 4 not in used(life)


def test_a_stopped_run_keeps_what_waits(endpoint: LoopbackEndpoint) -> None:
    endpoint.control(latency_s=0.01)
    journal = fresh_journal()

    async def meanwhile(assembled: Assembled) -> None:
        while not list(demo_sets_of(journal)):
            await asyncio.sleep(0.001)
        ask(journal, ChangeKind.WRITE, text=GOOD)
        assembled.run.request(StopRequested("Stopped by a person."))

    life = live(make_config(endpoint), journal, meanwhile=meanwhile)
    assert life.ending.status is Status.STOPPED
    assert len(journal.asked) == 1


# -- Every optimizer -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "optimizer",
    ["module_opro", "ca_opro", "program_opro", "zero_shot_mipro", "zero_shot_mipro_pp", "mipro_pp", "gepa"],
)
def test_every_optimizer_tries_a_persons_instruction_and_goes_on(endpoint: LoopbackEndpoint, optimizer: str) -> None:
    journal = fresh_journal()
    ask(journal, ChangeKind.WRITE, text=GOOD)
    search = {"trials": 6, "breadth": 2, "depth": 1}
    life = live(make_config(endpoint, optimizer=optimizer, search=search), journal)
    assert life.ending.status is Status.COMPLETED
    (joined,) = settled(life).values()
    assert joined.arms and not joined.refused
    index = joined.arms[0]
    assert used(life)[joined.order] == index
    mine = [arm for arm in instructions_of(journal) if arm.owner == "queue" and arm.author is Author.PERSON]
    assert [arm.index for arm in mine] == [index]
    assert len([trial for trial in life.trials if trial.kind is not TrialKind.BASELINE]) > 2


def test_coordinate_ascent_tries_all_it_wrote_beside_a_persons_instruction(endpoint: LoopbackEndpoint) -> None:
    journal = fresh_journal()
    ask(journal, ChangeKind.WRITE, text="Find the queue. q=0.1")
    search = {"trials": 20, "breadth": 3, "depth": 1}
    life = live(make_config(endpoint, optimizer="ca_opro", search=search), journal)
    arms = life.context.arms
    written = {
        (name, arm.index)
        for name in arms.names
        for arm in arms.instructions[name].values()
        if "stage" in arm.provenance and arm.active
    }
    tried = {
        (name, pair[0])
        for trial in life.trials
        for name, pair in zip(arms.names, pairs(Candidate.parse(trial.candidate)), strict=True)
    }
    assert len(written) >= 4 and written <= tried


@pytest.mark.parametrize("optimizer", ["bootstrap_rs", "bootstrap_few_shot", "bayesian_bootstrap"])
def test_optimizers_of_demos_refuse_instructions_and_take_demo_sets(
    endpoint: LoopbackEndpoint, optimizer: str
) -> None:
    journal = fresh_journal()
    ask(journal, ChangeKind.WRITE, text=GOOD)
    ask(journal, ChangeKind.DEMOS, index=1, keep=[1, 2], pin=[])
    life = live(make_config(endpoint, optimizer=optimizer), journal)
    assert life.ending.status is Status.COMPLETED
    assert "takes no instruction from outside" in settled(life)[1].refused
    (index,) = settled(life)[2].arms
    assert index in used(life, kind=1)
    own = {arm.index for arm in demo_sets_of(journal) if made_how(arm) != BY_A_PERSON and arm.index}
    if optimizer != "bayesian_bootstrap":
        assert own <= set(used(life, kind=1)), "its own sets are all tried as well"


def test_the_seed_instruction_is_what_a_frozen_predictor_keeps(endpoint: LoopbackEndpoint) -> None:
    journal = fresh_journal()
    ask(journal, ChangeKind.WRITE, text=GOOD)
    life = live(make_config(endpoint, search={"freeze": ["queue"]}), journal)
    assert "is frozen" in settled(life)[1].refused
    assert set(used(life)) == {0}
    assert not [arm for arm in instructions_of(journal) if arm.author is Author.PERSON]
