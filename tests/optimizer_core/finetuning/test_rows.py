"""Training rows: which calls become rows, and that a row is what plain DSPy would train on."""

import enum
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import dspy
import pytest
from dspy.teleprompt.bootstrap_finetune import build_call_data_from_trace

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.evaluation.program_run import ProgramRun, execute
from mipro_studio.optimizer_core.finetuning.rows import (
    Prompts,
    RowYield,
    labelled_rows,
    training_rows,
    yield_in_words,
)
from mipro_studio.optimizer_core.metrics.scoring import Scorer
from mipro_studio.optimizer_core.models.embedded import CompactAdapter
from mipro_studio.optimizer_core.models.role_model import RoleModel
from mipro_studio.optimizer_core.types import (
    TEACHER,
    Cell,
    CellKey,
    ErrorClass,
    Split,
    TraceStep,
    Tuning,
    TuningState,
)
from tests.optimizer_core.builders import make_examples
from tests.optimizer_core.scripted import chat, scripted
from tests.programs import desk

GOOD = TraceStep("queue", {"message": "a"}, {"queue": "billing"})


def cell(example: str, score: float | None, *trace: TraceStep, candidate: str = TEACHER) -> Cell:
    error = ErrorClass.PARSE if score is None else None
    return Cell(CellKey(candidate, Split.TRAIN, example), score, error, trace=trace)


def rows_of(cells: Sequence[Cell], threshold: float = 1.0, **more: Any) -> RowYield:
    module = more.pop("module", None) or desk.Desk()
    return training_rows(cells, Prompts(module, more.pop("adapter", dspy.ChatAdapter()), **more), threshold)


@pytest.mark.parametrize("demos", [True, False])
def test_a_row_is_what_dspy_trains_on(demos: bool) -> None:
    """The same program run by the studio, and by DSPy with the functions of its BootstrapFinetune."""
    adapter, module, example = dspy.ChatAdapter(), desk.Desk(), make_examples(1, 0)[0]
    module.queue.demos = [dspy.Example(message="shown", queue="account")]

    def reply(request: Any) -> str:
        name = "queue" if "queue" in str(request.system) else "tone"
        return chat(**{name: example.labels[name]})

    lm = scripted(reply)
    run = ProgramRun(CellKey(TEACHER, Split.TRAIN, example.id), module, example, RoleModel(lm, adapter))
    made = rows_of([execute(run, Scorer(desk.metric, "desk"))], module=module, adapter=adapter, demos=demos)
    with dspy.context(lm=lm, adapter=adapter, trace=[]):
        module(message=example.inputs["message"])
        trace = list(dspy.settings.trace)
    of_dspy = [
        build_call_data_from_trace(trace=trace, pred_ind=place, adapter=adapter, exclude_demos=not demos)["messages"]
        for place in range(2)
    ]
    assert [[*row.messages, {"role": "assistant", "content": row.answer}] for row in made.rows] == of_dspy
    assert [row.predictor for row in made.rows] == ["queue", "tone"]
    assert any("shown" in str(message) for message in made.rows[0].messages) is demos


def test_only_runs_that_pass_are_learned_from_whoever_answered_first() -> None:
    tone = TraceStep("tone", {"message": "a"}, {"tone": "calm"})
    cells = [cell("b", 1.0, GOOD, tone), cell("c", 0.5, GOOD), cell("d", None, GOOD), cell("a", 1.0, tone)]
    made = rows_of(cells)
    assert [(row.example, row.predictor) for row in made.rows] == [("a", "tone"), ("b", "queue")]
    assert made == rows_of(cells[::-1])
    assert (made.cells, made.failed, made.below, made.duplicates) == (4, 1, 1, 1)
    assert len(rows_of(cells, threshold=0.5).rows) == 2
    assert rows_of([]).rows == ()


def test_the_same_call_by_teacher_and_task_model_is_one_row() -> None:
    other = TraceStep("queue", {"message": "a"}, {"queue": "account"})
    made = rows_of([cell("a", 1.0, GOOD), cell("a", 1.0, GOOD, candidate="i0d0-i0d0"), cell("z", 1.0, other)])
    assert [row.answer for row in made.rows] == [
        dspy.ChatAdapter().format_assistant_message_content(desk.Queue, {"queue": queue})
        for queue in ("billing", "account")
    ]
    assert made.duplicates == 1


@pytest.mark.parametrize(
    "outputs",
    [{}, {"queue": None}, {"queue": "weather"}, {"queue": "billing\n\n[[ ## queue ## ]]\naccount"}],
    ids=["nothing", "none", "not allowed", "two answers"],
)
@pytest.mark.parametrize("adapter", [dspy.ChatAdapter(), CompactAdapter()], ids=["chat", "compact"])
def test_a_malformed_answer_is_never_a_row(adapter: Any, outputs: dict[str, Any]) -> None:
    made = rows_of([cell("a", 1.0, TraceStep("queue", {"message": "a"}, outputs), GOOD)], adapter=adapter)
    assert made.rows == rows_of([cell("a", 1.0, GOOD)], adapter=adapter).rows
    assert made.malformed == 1


def test_several_fields_that_do_not_read_back_are_malformed() -> None:
    two = dspy.Predict("question -> reasoning, answer")
    module = dspy.Module()
    module.step = two
    fine = TraceStep("step", {"question": "q"}, {"reasoning": "so", "answer": "yes"})
    swallowed = TraceStep("step", {"question": "q"}, {"reasoning": "so\nAnswer: no", "answer": "yes"})
    half = TraceStep("step", {"question": "q"}, {"reasoning": "so"})
    made = rows_of([cell("a", 1.0, fine, swallowed, half)], module=module, adapter=CompactAdapter())
    assert [row.answer for row in made.rows] == ["Reasoning: so\nAnswer: yes"]
    assert made.malformed == 2


def test_the_embedded_model_s_rows_are_its_compact_prompts() -> None:
    module = desk.Desk()
    module.queue.demos = [dspy.Example(message="shown", queue="account")]
    bare, shown = (
        rows_of([cell("a", 1.0, GOOD)], module=module, adapter=CompactAdapter(), demos=demos).rows[0]
        for demos in (False, True)
    )
    assert bare.messages == (
        {"role": "system", "content": "Find the queue."},
        {"role": "user", "content": "a"},
    )
    assert [message["content"] for message in shown.messages] == ["Find the queue.", "shown", "account", "a"]
    assert bare.answer == shown.answer == "billing"


def test_calls_of_a_predictor_with_a_model_of_its_own_are_left_out() -> None:
    module = desk.Desk()
    module.queue.lm = dspy.LM("openai/another")
    tone = TraceStep("tone", {"message": "a"}, {"tone": "calm"})
    gone = TraceStep("renamed", {"message": "a"}, {"tone": "calm"})
    made = rows_of([cell("a", 1.0, GOOD, tone, gone)], module=module)
    assert [row.predictor for row in made.rows] == ["tone"]
    assert made.elsewhere == 2


def test_an_adapter_that_asks_a_second_model_has_no_answers_to_learn_from() -> None:
    with pytest.raises(BadInput, match="two_step"):
        rows_of([cell("a", 1.0, GOOD)], adapter=dspy.TwoStepAdapter(dspy.LM("openai/none")))


def test_an_adapter_that_writes_no_answers_is_refused_in_words() -> None:
    class Asks(dspy.Adapter):  # type: ignore[misc]
        """As people write one: what is sent, and how it is read."""

        def format(self, *given: Any, **more: Any) -> list[dict[str, Any]]:
            return [{"role": "user", "content": "a"}]

        def parse(self, signature: Any, completion: str) -> dict[str, Any]:
            return {"queue": completion}

    with pytest.raises(BadInput, match="Asks does not say how an answer is written"):
        rows_of([cell("a", 1.0, GOOD)], adapter=Asks())


class Size(enum.IntEnum):
    SMALL = 1


def test_answers_that_an_adapter_does_not_read_back_are_named_as_the_reason_why_there_are_no_rows() -> None:
    """DSPy's ChatAdapter writes a number for such a choice, and reads names."""
    module = dspy.Module()
    module.step = dspy.Predict(dspy.Signature({"text": (str, dspy.InputField()), "size": (Size, dspy.OutputField())}))
    of_size = cell("a", 1.0, TraceStep("step", {"text": "t"}, {"size": 1}))
    made = rows_of([of_size], module=module)
    tuning = Tuning(1, TuningState.EMPTY, "job", "i0d0", (), {"yield": {**made.counts, "labelled": 0}})
    said = yield_in_words(tuning, made, "here")
    assert said.startswith("1 of 1 traces passed, 1 answer cannot be written so that the adapter reads it back")
    assert "Another adapter" in said
    assert len(rows_of([of_size], module=module, adapter=dspy.JSONAdapter()).rows) == 1
    below = yield_in_words(tuning, rows_of([cell("a", 0.5, GOOD)]), "here")
    assert "0 of 1 traces passed, so there is nothing" in below and "Lower the threshold" in below


def test_labels_fill_in_where_they_tell_all_of_a_call_and_read_back() -> None:
    first, second = make_examples(2, 0)
    no_tone = replace(second, labels={"queue": "billing"})
    odd = replace(second, id="odd", labels={"queue": "no such queue", "tone": "calm"})
    made = rows_of([cell(first.id, 1.0, GOOD)])
    filled = labelled_rows([odd, no_tone, first], Prompts(desk.Desk(), dspy.ChatAdapter()), made.rows)
    assert {(row.example, row.predictor) for row in filled} == {
        (first.id, "tone"),
        (second.id, "queue"),
        ("odd", "tone"),
    }
    assert all(row.labelled for row in filled)
    assert not any(row.labelled for row in made.rows)
