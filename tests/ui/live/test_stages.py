"""The steps of a run that tunes weights, in words and rows, and on the live page."""

from dataclasses import replace
from pathlib import Path

import pytest

from mipro_studio.control import review
from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.finetuning.row_edits import changed_rows
from mipro_studio.optimizer_core.parameters.instruction import instruction_arm
from mipro_studio.optimizer_core.parameters.weights import weights_arms
from mipro_studio.optimizer_core.types import (
    Author,
    Candidate,
    ChangeKind,
    Event,
    Phase,
    Status,
    Trial,
    TrialKind,
    Tuning,
    TuningState,
)
from mipro_studio.storage import Reader
from mipro_studio.ui.arms.candidate_names import names_of
from mipro_studio.ui.live.rows_gate import asked_words, change_of
from mipro_studio.ui.live.stages import losses_of, stage_words, step_rows
from tests.pages.open import open_page, texts
from tests.ui.factory import PREDICTORS, LiveRun

ROW = {"messages": [{"role": "user", "content": "asked"}], "answer": "told", "predictor": "answer", "example": "e1"}
FACTS = {"yield": {"cells": 3}, "demos": False, "settings": {}}
SENT = Tuning(1, TuningState.SENT, "studio-1", "i0d0-i0d0", (ROW, ROW), FACTS)
TUNED = replace(SENT, state=TuningState.TUNED, facts={**FACTS, "losses": [2.0, 1.0], "steps": 2, "waited_s": 61.0})


def test_a_tuning_is_told_in_one_line_whatever_became_of_it() -> None:
    assert stage_words(SENT) == "Weights 1: 2 rows from 3 traces, prompts without demos; training."
    assert "trained in 1 m 01 s" in stage_words(TUNED)
    failed = replace(SENT, state=TuningState.FAILED, facts={**FACTS, "message": "out of memory", "demos": True})
    assert stage_words(failed).endswith("prompts with demos; failed: out of memory.")
    assert "nothing to learn from" in stage_words(replace(SENT, state=TuningState.EMPTY, rows=()))


def test_losses_are_those_of_the_tuning_and_told_again_by_a_later_life_are_no_more() -> None:
    told = [
        {"number": 1, "from": 0, "losses": [3.0, 2.0], "steps": 4},
        {"number": 2, "from": 0, "losses": [9.0], "steps": 4},
        {"number": 1, "from": 0, "losses": [3.0, 2.0, 1.5], "steps": 4},
        {"number": 1, "from": 3, "losses": [1.0], "steps": 4},
    ]
    assert losses_of(told, SENT) == [3.0, 2.0, 1.5, 1.0]
    assert losses_of(told, TUNED) == [2.0, 1.0]


def test_what_a_person_changes_of_rows_is_what_the_run_is_asked_for() -> None:
    edited = {0: {"train on it": False, "answer": "other"}, 2: {"answer": "better"}, 3: {"train on it": True}}
    asked = change_of(1, edited)
    assert asked == {"tuning": 1, "drop": [0], "answers": {"2": "better"}}
    waits = replace(SENT, state=TuningState.ROWS, rows=(ROW,) * 4)
    assert [row["answer"] for row in changed_rows(asked, {1: waits}).rows] == ["told", "better", "told"]
    for nothing in ({}, {1: {"answer": None}}):
        with pytest.raises(BadInput):
            changed_rows(change_of(1, nothing), {1: waits})


def test_what_was_asked_is_told_without_the_adapters_marks() -> None:
    message = "[[ ## text ## ]]\na b\n\n[[ ## n ## ]]\n3\n\nRespond with the corresponding output fields, starting"
    assert asked_words(message) == "text: a b\n\nn: 3"
    assert asked_words("Respond with care.") == "Respond with care."


def test_rows_are_read_and_changed_on_the_live_page_before_they_are_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "studio.db"
    run = LiveRun(store, "gate", age_s=60, config=RunConfig(program="sample:triage", optimizer="better_together"))
    run.begin()
    run.write(
        *(instruction_arm(name, 0, "Answer.", Author.SEED) for name in PREDICTORS),
        *(replace(SENT, number=number, state=TuningState.ROWS) for number in (1, 2)),
    )
    run.end(Status.AWAITING_REVIEW)
    monkeypatch.setenv("MIPRO_STUDIO_STORE", str(store))
    app = open_page("pages/live.py", run=run.id)
    assert app.button(key="live_resume").label == "Start the training"
    assert "start the training" in texts(app) and "instructions are written" not in texts(app)
    assert app.button(key="rows_keep_1").label == app.button(key="rows_keep_2").label == "Keep these changes"
    review.change(store, run.id, ChangeKind.ROWS, {"tuning": 1, "drop": [0], "answers": {}})
    app.run()
    assert not app.exception
    assert "taken up when you start the training" in texts(app)
    assert not [button for button in app.button if button.key == "rows_keep_1"], "places would shift"
    assert "look at the rows" in texts(open_page("pages/instructions.py", run=run.id))


def test_the_live_page_shows_the_steps_the_loss_and_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = tmp_path / "studio.db"
    run = LiveRun(store, "together", age_s=60, config=RunConfig(program="sample:triage", optimizer="better_together"))
    run.begin()
    run.now()
    run.phase(Phase.TUNE, 1, 2)
    tuned = Candidate.parse("i0d0-i0d0-w1").id
    steps = [{"strategy": "vanilla", "candidate": "i0d0-i0d0"}, {"strategy": "Θ", "candidate": tuned}]
    run.write(
        *(instruction_arm(name, 0, "Answer.", Author.SEED) for name in PREDICTORS),
        *weights_arms(replace(TUNED, facts={**TUNED.facts, "tuned": "adapter.gguf"})),
        SENT,
        Event("losses", {"number": 1, "from": 0, "losses": [3.0, 2.0], "steps": 4}),
        Event("prefixes", {"prefixes": steps}),
        Trial(0, 1, TrialKind.FULL, tuned, (), done=True, mean=0.75, n_ok=4),
    )
    with Reader(store) as reader:
        names, trials = names_of(reader, run.id), reader.trials(run.id)
    rows = step_rows(steps, trials, names)
    assert [(row["step"], row["validation"]) for row in rows][1] == ("Θ", "0.75")
    assert rows[1]["ended with"] == "whole program: weights 1"
    monkeypatch.setenv("MIPRO_STUDIO_STORE", str(store))
    app = open_page("pages/live.py", run=run.id)
    shown = texts(app)
    assert "Steps" in shown
    assert "Weights 1: 2 rows from 3 traces" in shown
    assert "Step 2 of 4" in shown or app.get("progress")
    assert "The prompt model is asked" not in shown, "it writes no instructions"
