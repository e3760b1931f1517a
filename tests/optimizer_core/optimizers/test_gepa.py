"""GEPA through its library: what it asks for are our cells, what it writes are our arms."""

import re
from dataclasses import replace
from typing import Any

import pytest

from mipro_studio.optimizer_core.evaluation.objective import THE_SCORE
from mipro_studio.optimizer_core.optimizers.evolution import MINIBATCH, _scores, _shown
from mipro_studio.optimizer_core.types import Author, Cell, CellKey, ErrorClass, Split, TraceStep, TrialKind
from tests.arms import instructions_of
from tests.loopback import LoopbackEndpoint
from tests.loopback.promptformat import DspyPrompt
from tests.optimizer_core.builders import MORE, failed, live, make_examples, scored
from tests.optimizer_core.optimizers.small import SIZES, journal, run, scripted, settings, suggested, texts

MANY = {"search": {"trials": 6}}


def reflect(prompt: DspyPrompt | None, messages: list[dict[str, Any]]) -> str | None:
    """A prompt model that improves on the instruction it is shown, a step at a time."""
    if prompt is not None:
        return None
    current = str(messages[-1]["content"]).split("```")[1]
    stated = re.search(r"q=(\d\.\d+)", current)
    level = float(stated.group(1)) + 0.04 if stated else 0.85
    return f"Here it is.\n```\nLook closely. q={min(level, 1.0):.2f}\n```"


def test_everything_it_spends_is_in_the_table_and_everything_it_writes_is_an_arm() -> None:
    with scripted(reflect) as endpoint:
        life = live(settings(endpoint, "gepa", **MANY), journal())
        requests = endpoint.requests()

    cells = list(life.journal.cells())
    assert sum(entry["model"] == "task" for entry in requests) == sum(cell.usage.calls for cell in cells)
    arms = [arm for arm in instructions_of(life.journal) if arm.author is Author.MODEL]
    calls = {call.key: call for call in life.journal.prompt_calls()}
    assert (
        arms and [arm.provenance["call"] for arm in arms] and set(calls) == {arm.provenance["call"] for arm in arms}
    )
    assert sum(entry["model"] == "prompt" for entry in requests) == len(calls)
    for trial in suggested(life):
        assert (trial.kind, len(trial.examples)) == (TrialKind.FULL, SIZES["val"])
    assert {cell.key.split for cell in cells} == {Split.TRAIN, Split.VAL, Split.TEST}
    # Both predictors have their turn, and the better texts win.
    assert {arm.owner for arm in arms} == {"queue", "tone"}
    means = {trial.candidate: trial.mean for trial in life.trials}
    assert life.winner is not None and (means[life.winner] or 0) > (life.trials[0].mean or 0)
    assert len(texts(life, "queue")) > 2


def test_it_reflects_on_training_rows_with_their_labels_and_never_sees_another_split(
    endpoint: LoopbackEndpoint,
) -> None:
    endpoint.control(keep_requests=True)
    run(endpoint, "gepa", **MANY)

    prompts = [str(entry["body"]["messages"]) for entry in endpoint.requests() if entry["model"] == "prompt"]
    rows = make_examples(**SIZES)
    shown = {row.id for row in rows if any(row.inputs["message"] in text for text in prompts)}
    assert shown and shown <= {row.id for row in rows if row.split is Split.TRAIN}
    assert all(text.count("Feedback") >= MINIBATCH for text in prompts)
    assert all("Score " in text and "Expected: queue = " in text for text in prompts)


def test_its_budget_counts_every_cell_it_asks_for(endpoint: LoopbackEndpoint) -> None:
    life = run(endpoint, "gepa", **MANY)

    paid = [cell for cell in life.journal.cells() if cell.key.split is not Split.TEST]
    budget = (6 + 1) * SIZES["val"]
    assert SIZES["val"] < len(paid) <= budget + SIZES["val"] + 2 * MINIBATCH  # the last proposal is finished


def test_a_metric_beyond_1_does_not_look_perfect(endpoint: LoopbackEndpoint) -> None:
    wide = {"metric": f"{MORE}:wide_metric", "search": {"trials": 2, "threshold": 50.0}}
    life = run(endpoint, "gepa", **wide)

    assert {1.0, 100.0} <= {cell.score for cell in life.journal.cells()}
    assert [arm for arm in instructions_of(life.journal) if arm.author is Author.MODEL]


def test_an_error_counts_as_the_mean_of_the_others_and_is_told_to_the_prompt_model() -> None:
    cells = [scored("c", "a", 1.0), failed("c", "b", ErrorClass.PARSE), scored("c", "d", 0.5)]
    assert _scores(cells, THE_SCORE) == [1.0, 0.75, 0.5]
    assert _scores([failed("c", "b")], THE_SCORE) == [0.0]

    row = make_examples(1, 0)[0]
    before = TraceStep("queue", {"message": "hello"}, {"queue": "billing"})
    broken = Cell(
        CellKey("c", Split.TRAIN, row.id), None, ErrorClass.PARSE, "no field tone in the reply", trace=(before,)
    )
    (shown,) = _shown("tone", broken, {row.id: row})
    assert shown["Inputs"] == dict(row.inputs) and shown["Generated Outputs"] == {}
    assert "no field tone in the reply" in shown["Feedback"]
    (earlier,) = _shown("queue", broken, {row.id: row})
    assert earlier["Generated Outputs"] == {"queue": "billing"}


@pytest.mark.parametrize("faults", [{"fail_rate": 0.1, "fail_kinds": {"500": 1}}])
def test_faults_change_nothing_that_it_decides(endpoint: LoopbackEndpoint, faults: dict[str, Any]) -> None:
    without = run(endpoint, "gepa", **MANY)
    endpoint.reset()
    endpoint.control(**faults)

    assert run(endpoint, "gepa", **MANY).decisions == without.decisions


def test_reflection_is_shown_what_the_metric_says_about_the_predictor() -> None:
    with scripted(reflect) as endpoint:
        life = live(settings(endpoint, "gepa", metric=f"{MORE}:five_metric", **MANY), journal())
        requests = endpoint.requests()

    assert life.winner is not None
    said = {name: f"FEEDBACK ON {name}: 1 of 2 calls" for name in ("queue", "tone")}
    prompts = [str(entry["body"]["messages"]) for entry in requests if entry["model"] == "prompt"]
    about = [{name for name, words in said.items() if words in text} for text in prompts]
    assert all(len(names) == 1 for names in about)  # about the one that is rewritten and no other
    assert {name for names in about for name in names} == {"queue", "tone"}
    trained = [cell for cell in life.journal.cells() if cell.key.split is Split.TRAIN]
    assert all({step.predictor: step.feedback for step in cell.trace} == said for cell in trained)
    # Nobody asks about predictors where nobody reflects.
    others = [cell for cell in life.journal.cells() if cell.key.split is not Split.TRAIN]
    assert others and not any(step.feedback for cell in others for step in cell.trace)


def test_without_words_about_the_predictor_those_about_the_answer_are_shown() -> None:
    row = make_examples(1, 0)[0]
    steps = tuple(TraceStep("queue", {"message": str(n)}, {"queue": "billing"}) for n in range(2))
    whole = Cell(CellKey("c", Split.TRAIN, row.id), 0.5, trace=steps, feedback="half of it")
    assert [one["Feedback"].endswith("half of it") for one in _shown("queue", whole, {row.id: row})] == [True, True]
    asked = replace(whole, trace=(steps[0], replace(steps[1], feedback="this call")))
    (one,) = _shown("queue", asked, {row.id: row})
    assert one["Inputs"] == {"message": "1"} and one["Feedback"].endswith("this call")
