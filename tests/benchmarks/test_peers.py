"""Counting around a peer, its settings for a budget, and its records."""

from __future__ import annotations

import math
import threading

import dspy
import pytest

from mipro_studio.benchmarks.peers.counting import CapReached, PeerLM, RunCounter, peer_lm
from mipro_studio.benchmarks.peers.entries import mipro_trials, simba_steps
from mipro_studio.benchmarks.peers.records import PeerRecords
from mipro_studio.optimizer_core.config import Budget, RunConfig
from mipro_studio.optimizer_core.models.meter import Meter
from mipro_studio.optimizer_core.programs.program import Program
from mipro_studio.optimizer_core.types import Arm, Cell, Example, Role, Split, Trial, TrialKind
from tests.loopback import LoopbackEndpoint


class Echo(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.say = dspy.Predict("text -> reply")

    def forward(self, text: str) -> dspy.Prediction:
        return dspy.Prediction(reply=text)


@pytest.fixture
def echo() -> type[dspy.Module]:
    """A class for one test: DSPy's threads may still run a program when the test that began them is over."""
    return type("Fresh", (Echo,), {})


@pytest.fixture
def counter(echo: type[dspy.Module]) -> RunCounter:
    made = RunCounter(3)
    made.watch(echo)
    return made


def test_runs_of_copies_are_counted_and_the_one_beyond_the_cap_never_begins(
    counter: RunCounter, echo: type[dspy.Module]
) -> None:
    program = echo()
    for module in (program, program.deepcopy(), program.reset_copy()):
        assert module(text="a").reply == "a"
    with pytest.raises(CapReached):
        program(text="b")
    assert counter.runs == 3


def test_dspys_threads_let_the_cap_through_instead_of_scoring_it_0(
    counter: RunCounter, echo: type[dspy.Module]
) -> None:
    rows = [dspy.Example(text=str(number)).with_inputs("text") for number in range(12)]
    with pytest.raises(CapReached):
        dspy.Evaluate(devset=rows, metric=lambda *_: 1.0, num_threads=4)(echo())
    assert counter.runs == 3


def test_the_sealed_test_is_not_counted(counter: RunCounter, echo: type[dspy.Module]) -> None:
    counter.seal()
    for _ in range(5):
        echo()(text="a")
    assert counter.runs == 0


def test_what_dspys_threads_have_left_is_refused_before_the_test(counter: RunCounter) -> None:
    gate, late = threading.Event(), []

    class Slow(Echo):
        def forward(self, text: str) -> dspy.Prediction:
            if text == "0":
                gate.wait(150)
            elif gate.is_set():
                late.append(text)
            return super().forward(text)

    counter.watch(Slow)
    rows = [dspy.Example(text=str(number)).with_inputs("text") for number in range(40)]
    with pytest.raises(CapReached):
        dspy.Evaluate(devset=rows, metric=lambda *_: 1.0, num_threads=2)(Slow())
    threading.Timer(0.2, gate.set).start()
    counter.seal()
    assert gate.is_set() and not late, "the run under way is waited for, and none begins after it"


def test_the_endpoint_agrees_with_our_count_and_equal_requests_are_asked_once() -> None:
    with LoopbackEndpoint(in_thread=True) as endpoint:
        config = RunConfig.model_validate(
            {"program": "x", "task_model": {"model": "openai/loop", "api_base": endpoint.base_url}}
        )
        meter = Meter(Budget())
        lm = peer_lm(config, Role.TASK, meter)
        assert isinstance(lm, PeerLM)
        copies = [lm, lm.copy(rollout_id=1, temperature=1.0), lm.__deepcopy__({})]
        for one in copies:  # one without the cache would be a fourth call
            one("hello")
        lm("other")
        threads = [threading.Thread(target=lm, args=("hello",)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # hello; hello again for the copy that asks for another rollout; other.
        assert endpoint.stats()["total"] == meter.capped_total().calls == 3


@pytest.mark.parametrize(("cap", "n_val"), [(300, 40), (1000, 75), (5000, 300)])
def test_the_planned_search_of_mipro_fits_its_budget_and_nearly_fills_it(cap: int, n_val: int) -> None:
    trials, batch = mipro_trials(cap, n_val, 10), min(35, n_val)
    cost = batch * trials + n_val * (1 + math.ceil(trials / 5))
    assert cost <= cap
    assert trials == 1 or cost > 0.6 * cap


@pytest.mark.parametrize(("cap", "n"), [(300, 40), (1000, 75), (20_000, 300)])
def test_simba_takes_its_defaults_where_the_budget_allows(cap: int, n: int) -> None:
    batch, candidates, steps = simba_steps(cap, n)
    assert batch * (2 * candidates + 1) * steps + (candidates + 1) * n <= cap
    if cap == 20_000:
        assert (batch, candidates, steps) == (32, 6, 8)


def _records(n: int = 4) -> tuple[PeerRecords, dspy.Module, list[Example], list[dspy.Example]]:
    module = Echo()
    rows = [Example(f"e{i}", Split.VAL, i, {"text": str(i)}, {"reply": str(i)}) for i in range(n)]
    shown = [dspy.Example(**row.inputs, **row.labels).with_inputs("text") for row in rows]
    return PeerRecords(Program(module, None, "echo").predictors, rows, "dspy.X"), module, rows, shown


def test_evaluations_become_trials_cells_and_arms_and_the_earlier_of_equals_stays_best() -> None:
    records, seed, rows, shown = _records()
    records.program(seed)
    answer = dspy.Prediction(reply="x")
    base = records.evaluation(seed, [(row, answer, 0.5) for row in shown], 4)
    better = seed.deepcopy()
    better.say.signature = better.say.signature.with_instructions("Better.")
    part = records.evaluation(better, [(row, answer, 1.0) for row in shown[:2]], 6)
    whole = records.evaluation(better, [(row, answer, 0.75) for row in shown], 10)
    equal = seed.deepcopy()
    equal.say.signature = equal.say.signature.with_instructions("Equal.")
    records.evaluation(equal, [(row, answer, 0.75) for row in shown], 14)

    trials = [record for group in (base, part, whole) for record in group if isinstance(record, Trial)]
    assert [(trial.kind, trial.number, trial.mean, trial.program_runs) for trial in trials] == [
        (TrialKind.BASELINE, 0, 0.5, 4),
        (TrialKind.MINIBATCH, 1, 1.0, 6),
        (TrialKind.FULL, 2, 0.75, 10),
    ]
    cells = [record for record in whole if isinstance(record, Cell)]
    assert {cell.key.example for cell in cells} == {row.id for row in rows}
    assert {cell.key.candidate for cell in cells} == {"i1d1"}
    assert [arm.text for arm in part if isinstance(arm, Arm) and arm.kind == "instruction"] == ["Better."]
    assert records.best.say.signature.instructions == "Better."


def test_a_program_evaluated_while_dspy_collects_traces_is_kept_as_it_was_written() -> None:
    records, seed, _, shown = _records()
    traced = seed.deepcopy()
    traced.forward = lambda **inputs: (dspy.Prediction(reply="x"), [])
    recorded = records.evaluation(traced, [(row, (dspy.Prediction(reply="x"), []), 1.0) for row in shown], 4)
    assert records.best(text="a").reply == "a"
    assert [record.prediction for record in recorded if isinstance(record, Cell)] == [{"reply": "x"}] * len(shown)


def test_an_evaluation_on_other_rows_is_not_recorded() -> None:
    records, seed, _, _ = _records()
    other = dspy.Example(text="not there").with_inputs("text")
    assert records.evaluation(seed, [(other, dspy.Prediction(), 1.0)], 1) == []
    assert records.best is None
