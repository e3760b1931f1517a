"""Runs with steps of weights, in memory, with a trainer that is a script: what is tuned, on what, how often."""

from typing import Any

import pytest

from mipro_studio.optimizer_core.checks.unbound_caps import unbound_caps
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.evaluation.journal import MemoryJournal
from mipro_studio.optimizer_core.finetune_spec import FinetuneSettings
from mipro_studio.optimizer_core.finetuning import tuner
from mipro_studio.optimizer_core.finetuning.row_edits import changed_rows
from mipro_studio.optimizer_core.parameters.weights import weights_of
from mipro_studio.optimizer_core.types import (
    TEACHER,
    Candidate,
    Change,
    ChangeKind,
    Split,
    Status,
    Tuning,
    TuningState,
)
from tests.arms import pairs
from tests.loopback import LoopbackEndpoint
from tests.optimizer_core.builders import Life, live
from tests.optimizer_core.optimizers import small
from tests.optimizer_core.optimizers.together.trainer import ScriptedTrainer
from tests.optimizer_core.runs.test_plan import assert_in, plan_of

VALUES = {
    "finetune": {"sets": 3, "trainer": "together", "labels": False},
    "task_model": {"api_key_env": "TRAINER_KEY"},
    "teacher": None,
}


def settings(model: LoopbackEndpoint, optimizer: str = "better_together", **changes: Any) -> Any:
    return small.settings(
        model, optimizer, **small.merge(small.merge(VALUES, {"search": {"threshold": 1.0}}), changes)
    )


def run(
    model: LoopbackEndpoint, journal: MemoryJournal | None = None, optimizer: str = "better_together", **changes: Any
) -> Life:
    return live(settings(model, optimizer, **changes), journal or small.journal())


_whole: dict[str, Life] = {}


def whole_run(model: LoopbackEndpoint, **finetune: Any) -> Life:
    """The run that nothing disturbs, which those that are cut off at one commit or another are held against."""
    known = f"{model.base_url} {finetune}"
    if known not in _whole:
        _whole[known] = run(model, finetune=finetune)
    return _whole[known]


def prefixes(life: Life) -> dict[str, str]:
    outcome = life.journal.outcome()
    assert outcome is not None
    told = [event for event in life.journal.events if event.kind == "prefixes"][-1].data["prefixes"]
    assert all(one["strategy"] in [step["strategy"] for step in outcome.steps] for one in told)
    return {one["strategy"]: one["candidate"] for one in outcome.steps}


def tunings(life: Life) -> list[Tuning]:
    return list(life.journal.tunings())


def test_bootstrap_finetune_tunes_on_the_traces_that_pass_and_is_compared_like_any_candidate(
    model: LoopbackEndpoint, trainer: ScriptedTrainer
) -> None:
    life = run(model, optimizer="bootstrap_finetune")
    assert life.ending.status is Status.COMPLETED, life.ending
    assert life.winner == "i0d0-i0d0-w1"
    (tuning,) = tunings(life)
    assert tuning.state is TuningState.TUNED
    assert tuning.facts["tuned"] == "tuned-1"
    traces = life.context.table.row(TEACHER, Split.TRAIN)
    assert len(traces) == small.SIZES["train"]
    passed = {name for name, cell in traces.items() if cell.score == 1.0}
    assert {row["example"] for row in tuning.rows} == passed
    assert len(tuning.rows) == 2 * len(passed) == tuning.facts["yield"]["rows"]
    assert not any(len(row["messages"]) > 2 for row in tuning.rows), "the teacher's demos are not in the rows"
    (job,) = trainer.jobs.values()
    assert [row.answer for row in job.rows] == [row["answer"] for row in tuning.rows]
    outcome = life.journal.outcome()
    assert outcome is not None
    assert outcome.best_val["mean"] == outcome.best_test["mean"] == 1.0
    assert outcome.baseline_val["mean"] < 0.5
    assert outcome.paired_test["won"] > 0
    assert {cell.key.candidate for cell in life.journal.cells() if cell.key.split is Split.TEST} == {
        "i0d0-i0d0",
        "i0d0-i0d0-w1",
    }


def test_the_program_by_itself_may_have_next_to_nothing_to_teach(
    model: LoopbackEndpoint, trainer: ScriptedTrainer
) -> None:
    life = run(model, optimizer="bootstrap_finetune", finetune={"bootstrap": "program"}, search={"threshold": 1.5})
    assert life.ending.status is Status.COMPLETED
    (tuning,) = tunings(life)
    assert (tuning.state, tuning.rows, trainer.jobs) == (TuningState.EMPTY, (), {})
    assert life.winner == "i0d0-i0d0"
    assert any("nothing to tune" in event.data.get("text", "") for event in life.journal.events)
    outcome = life.journal.outcome()
    assert outcome is not None and outcome.reason.startswith("There was nothing to tune weights on")


def test_p_w_p_ends_with_the_best_prefix_and_every_prefix_is_on_the_sealed_test(
    model: LoopbackEndpoint, trainer: ScriptedTrainer
) -> None:
    life = run(model, finetune={"strategy": "Π → Θ -> p"})
    assert life.ending.status is Status.COMPLETED, life.ending
    found = prefixes(life)
    assert list(found) == ["vanilla", "Π", "Π→Θ", "Π→Θ→Π"]
    assert [weights_of(Candidate.parse(one)) for one in found.values()] == [0, 0, 1, 1]
    assert pairs(Candidate.parse(found["Π→Θ"])) == pairs(Candidate.parse(found["Π"]))
    n_test = small.SIZES["test"]
    assert all(len(life.context.table.row(one, Split.TEST)) == n_test for one in found.values())
    weights = next(one for one in life.context.space.parameters if one.kind == "weights")
    assert (weights.name, weights.arms) == ("whole program: weights", (0, 1))  # importance has a bar for it
    steps = life.journal.outcome().steps
    assert all(step["test"]["n"] == step["paired_test"]["n"] == n_test for step in steps)
    assert steps[0]["paired_test"]["difference"] == 0
    (tuning,) = tunings(life)
    assert tuning.program == found["Π"]
    assert len(trainer.jobs) == 1
    evaluated = [trial.candidate for trial in life.trials]
    assert len(evaluated) == len(set(evaluated)), "nothing is evaluated twice"
    assert "i0d0-i0d0-w1" in evaluated, "the last step begins at the original prompts"


def test_the_fidelity_settings_are_those_of_the_paper_and_of_dspy(
    model: LoopbackEndpoint, trainer: ScriptedTrainer
) -> None:
    paper = run(model, preset="paper", finetune={"strategy": "p -> w -> p"})
    assert paper.winner == prefixes(paper)["Π→Θ→Π"]
    (job,) = trainer.jobs.values()
    assert (job.settings.lora.rank, job.settings.epochs, job.settings.learning_rate) == (32, 5, 1e-5)
    of_dspy = run(model, preset="light", finetune={"strategy": "w -> p", "sets": 3})
    assert of_dspy.context.config.finetune.bootstrap == "program"
    starts = [trial.candidate for trial in of_dspy.trials]
    assert starts[:2] == ["i0d0-i0d0", "i0d0-i0d0-w1"]
    assert of_dspy.winner == "i0d0-i0d0-w1", "of equals the first"
    twice = run(model, finetune={"strategy": "p -> p"})
    sets = {d for trial in twice.trials for _, d in pairs(Candidate.parse(trial.candidate))}
    assert sets <= {0, 1, 2, 3, 4} and sets & {3, 4}, "the second step has demo sets of its own"
    assert twice.context.tuner is None


def test_several_strategies_in_one_run_come_to_what_each_comes_to_alone(
    model: LoopbackEndpoint, trainer: ScriptedTrainer
) -> None:
    together = run(model, finetune={"strategy": "all"})
    assert together.ending.status is Status.COMPLETED, together.ending
    found = prefixes(together)
    assert list(found) == ["vanilla", "Π", "Π→Θ", "Π→Θ→Π", "Θ", "Θ→Π", "Π→Π", "Θ→Θ"]
    assert [(one.number, one.facts["strategy"]) for one in tunings(together)] == [(1, "Π→Θ"), (2, "Θ"), (3, "Θ→Θ")]
    assert len(trainer.jobs) == 3
    evaluated = [trial.candidate for trial in together.trials]
    assert len(evaluated) == len(set(evaluated)), "what strategies share is evaluated once"
    rows = {one.facts["strategy"]: one.rows for one in tunings(together)}
    for strategy in ("p -> w -> p", "w -> p", "p -> p", "w -> w"):
        alone = run(model, finetune={"strategy": strategy})
        for name, candidate in prefixes(alone).items():
            assert _shown(alone, candidate) == _shown(together, found[name]), name
        for tuning in tunings(alone):
            assert tuning.rows == rows[tuning.facts["strategy"]], "no strategy learns from what another one did"


def _shown(life: Life, candidate: str) -> list[Any]:
    """What a program is, whatever its arms are numbered: demos, and what its weights were tuned on."""
    found = Candidate.parse(candidate)
    demos = [[dict(demo) for demo in one.demos] for one in life.context.arms.module(found).predictors()]
    number = weights_of(found)
    return [demos, life.context.tunings[number].rows if number else None]


@pytest.mark.parametrize("commits", [5, 40, 60, 80, 100, 130])
def test_a_killed_run_of_several_strategies_ends_as_a_whole_one(
    model: LoopbackEndpoint, trainer: ScriptedTrainer, commits: int
) -> None:
    config = settings(model, finetune={"strategy": "p -> w, w -> p"})
    memory = small.journal()
    small.killed(config, memory, commits)
    life = live(config, memory)
    assert life.ending.status is Status.COMPLETED, life.ending
    assert set(trainer.submitted.values()) == {1}
    whole = whole_run(model, strategy="p -> w, w -> p")
    assert prefixes(life) == prefixes(whole)
    assert [one.rows for one in tunings(life)] == [one.rows for one in tunings(whole)]


def test_the_paper_s_run_ends_with_the_last_step_of_its_first_strategy(
    model: LoopbackEndpoint, trainer: ScriptedTrainer
) -> None:
    life = run(model, preset="paper", finetune={"strategy": "p -> w, w"})
    assert life.winner == prefixes(life)["Π→Θ"]


def test_demos_stand_in_the_rows_where_they_are_asked_for(model: LoopbackEndpoint, trainer: ScriptedTrainer) -> None:
    life = run(model, finetune={"strategy": "p -> w", "demos": True})
    shown = pairs(Candidate.parse(tunings(life)[0].program)) != ((0, 0), (0, 0))
    assert any(len(row["messages"]) > 2 for row in tunings(life)[0].rows) is shown


def test_a_second_tuning_learns_from_the_first_one_s_answers(
    model: LoopbackEndpoint, trainer: ScriptedTrainer
) -> None:
    life = run(model, finetune={"strategy": "w -> w", "traces": "own"})
    first, second = tunings(life)
    assert second.program == "i0d0-i0d0-w1"
    assert [job.begins_at for job in trainer.jobs.values()] == [None, first.facts["tuned"]], "it goes on from it"
    assert len(second.rows) == 2 * small.SIZES["train"] >= len(first.rows)
    assert list(prefixes(life).values()) == ["i0d0-i0d0", "i0d0-i0d0-w1", "i0d0-i0d0-w2"]


@pytest.mark.parametrize("commits", [1, 2, 4, 6, 9, 13, 18, 24, 30, 36, 42, 50])
def test_a_killed_run_loses_no_job_and_pays_none_twice(
    model: LoopbackEndpoint, trainer: ScriptedTrainer, commits: int
) -> None:
    config = settings(model, finetune={"strategy": "p -> w -> p"})
    memory = small.journal()
    small.killed(config, memory, commits)
    before = {cell.key for cell in memory.cells()}
    jobs = {tuning.job for tuning in memory.tunings()}
    life = live(config, memory)
    assert life.ending.status is Status.COMPLETED, life.ending
    assert jobs <= trainer.jobs.keys()
    assert list(trainer.submitted.values()) == [1], "one job, submitted once"
    assert before <= {cell.key for cell in life.journal.cells()}
    whole = whole_run(model, strategy="p -> w -> p")
    assert prefixes(life) == prefixes(whole)
    assert [trial.candidate for trial in life.trials] == [trial.candidate for trial in whole.trials]
    assert tunings(life)[0].rows == tunings(whole)[0].rows


def test_a_lost_answer_and_lost_polls_lose_no_job(model: LoopbackEndpoint, trainer: ScriptedTrainer) -> None:
    trainer.lost_answers, trainer.silent = 1, 3
    life = run(model, optimizer="bootstrap_finetune")
    assert life.ending.status is Status.COMPLETED
    assert list(trainer.submitted.values()) == [1]


def test_a_trainer_that_is_down_pauses_the_run_and_the_job_is_taken_up_again(
    model: LoopbackEndpoint, trainer: ScriptedTrainer
) -> None:
    memory = small.journal()
    trainer.lost_answers, trainer.silent = 1, 0
    trainer.questions = 10**9
    first = live(settings(model, "bootstrap_finetune"), memory, meanwhile=_silence(trainer))
    assert first.ending.status is Status.PAUSED, first.ending
    assert "did not answer" in first.ending.reason
    trainer.silent, trainer.questions = 0, 2
    second = live(settings(model, "bootstrap_finetune"), memory)
    assert second.ending.status is Status.COMPLETED
    assert list(trainer.submitted.values()) == [1]


def test_a_run_waits_for_a_person_who_has_to_serve_what_was_tuned(
    model: LoopbackEndpoint, trainer: ScriptedTrainer
) -> None:
    memory, trainer.waits = small.journal(), True
    first = live(settings(model, "bootstrap_finetune"), memory)
    assert (first.ending.status, first.ending.reason) == (
        Status.PAUSED,
        "Nobody serves what was tuned. Serve it, then resume.",
    )
    trainer.waits = False
    assert live(settings(model, "bootstrap_finetune"), memory).ending.status is Status.COMPLETED
    assert list(trainer.submitted.values()) == [1]


def _silence(trainer: ScriptedTrainer) -> Any:
    async def wait(assembled: Any) -> None:
        import asyncio

        while not trainer.jobs:
            await asyncio.sleep(0.001)
        trainer.silent = 10**9

    return wait


def test_a_job_that_fails_ends_the_run_in_words_and_is_tried_again_as_another(
    model: LoopbackEndpoint, trainer: ScriptedTrainer
) -> None:
    trainer.fails = {0}
    memory = small.journal()
    first = run(model, memory, "bootstrap_finetune")
    assert first.ending.status is Status.FAILED
    assert "out of memory" in first.ending.reason
    second = live(settings(model, "bootstrap_finetune"), memory, failed_before=True)
    assert second.ending.status is Status.COMPLETED
    assert len(trainer.jobs) == 2
    assert tunings(second)[0].facts["tuned"] == "tuned-2"


def test_a_refused_job_fails_the_run(model: LoopbackEndpoint, trainer: ScriptedTrainer) -> None:
    trainer.refuses = True
    life = run(model, optimizer="bootstrap_finetune")
    assert life.ending.status is Status.FAILED
    assert "cannot be tuned" in life.ending.reason


def test_a_person_may_read_the_rows_before_they_are_trained_on(
    model: LoopbackEndpoint, trainer: ScriptedTrainer
) -> None:
    memory = small.journal()
    first = live(settings(model, "bootstrap_finetune", review=True), memory, approved=False)
    assert first.ending.status is Status.AWAITING_REVIEW
    assert "rows are about to be trained on" in first.ending.reason
    assert not trainer.jobs
    assert next(iter(memory.tunings())).rows
    rows = next(iter(memory.tunings())).rows
    asked = {"tuning": 1, "drop": ["0", 2], "answers": {"1": "[[ ## tone ## ]]\nangry"}}
    memory.asked += [Change(1, ChangeKind.ROWS, asked), Change(2, ChangeKind.ROWS, {"tuning": 1, "drop": [99]})]
    second = live(settings(model, "bootstrap_finetune", review=True), memory, approved=True)
    assert second.ending.status is Status.COMPLETED
    (job,) = trainer.jobs.values()
    assert [row.answer for row in job.rows] == [asked["answers"]["1"], *(row["answer"] for row in rows[3:])]
    assert [settled.refused for settled in memory.settled()] == [
        "",
        f"There is no row 99. Rows count from 0 to {len(rows) - 3}.",
    ]
    assert tunings(second)[0].facts["by_a_person"] == {"dropped": 2, "answered_anew": 1}
    with pytest.raises(BadInput, match="past the point"):
        changed_rows({"tuning": 1, "drop": [0]}, {1: tunings(second)[0]})


def test_a_person_reads_the_rows_of_every_tuning(model: LoopbackEndpoint, trainer: ScriptedTrainer) -> None:
    memory = small.journal()
    config = settings(model, review=True, finetune={"strategy": "w -> w"})
    for gate in (1, 2):
        life = live(config, memory, approved=gate - 1)
        assert life.ending.status is Status.AWAITING_REVIEW
        assert f"for weights {gate} (" in life.ending.reason
        assert len(trainer.jobs) == gate - 1
        again = live(config, memory, approved=gate - 1)
        assert again.ending.status is Status.AWAITING_REVIEW, "a resumed run waits on"
    assert live(config, memory, approved=2).ending.status is Status.COMPLETED


def test_a_job_that_would_pass_the_cap_on_dollars_is_not_sent(
    model: LoopbackEndpoint, trainer: ScriptedTrainer
) -> None:
    prices = {"input_usd_per_mtok": 0.0, "output_usd_per_mtok": 0.0}
    priced = {"task_model": prices, "prompt_model": prices, "optimizer": "bootstrap_finetune"}
    memory = small.journal()
    too_much = {"budget": {"max_usd": 0.001}, "finetune": {"usd_per_mtok": 10.0}}
    first = run(model, memory, **priced, **too_much)
    assert first.ending.capped and "no room for weights 1" in first.ending.reason, first.ending
    assert not trainer.jobs
    assert [one.state for one in memory.tunings()] == [TuningState.ROWS]
    enough = {"budget": {"max_usd": 1.0}, "finetune": {"usd_per_mtok": 10.0}}
    assert run(model, memory, **priced, **enough).ending.capped is False
    assert list(trainer.submitted.values()) == [1]


def test_what_a_training_cost_counts_under_the_cap_in_later_lives_too(
    model: LoopbackEndpoint, trainer: ScriptedTrainer
) -> None:
    prices = {"input_usd_per_mtok": 0.0, "output_usd_per_mtok": 0.0}
    priced = {"task_model": prices, "prompt_model": prices, "budget": {"max_usd": 1.0}}
    trainer.cost_usd = 0.8
    memory = small.journal()
    life = run(model, memory, finetune={"strategy": "w -> w", "usd_per_mtok": 100.0}, **priced)
    assert life.ending.capped, life.ending
    assert [one.state for one in tunings(life)] == [TuningState.TUNED, TuningState.ROWS]
    assert tunings(life)[0].facts["paid_usd"] == life.context.meter.beside_usd == 0.8
    again = run(model, memory, finetune={"strategy": "w -> w", "usd_per_mtok": 100.0}, **priced)
    assert again.ending.capped
    assert len(trainer.jobs) == 1


def test_a_trainer_that_does_not_say_what_it_asks_for_is_reckoned_by_its_price(
    model: LoopbackEndpoint, trainer: ScriptedTrainer
) -> None:
    trainer.cost_usd = None
    life = run(model, optimizer="bootstrap_finetune", finetune={"usd_per_mtok": 5.0})
    (job,) = trainer.jobs.values()
    assert tunings(life)[0].facts["paid_usd"] == 5.0 * tuner.training_tokens(job) / 1e6 > 0
    unknown = run(model, optimizer="bootstrap_finetune")
    assert (tunings(unknown)[0].facts["cost_usd"], tunings(unknown)[0].facts["paid_usd"]) == (None, 0.0)


def test_a_cap_on_dollars_that_no_price_of_the_trainer_holds_is_said(
    model: LoopbackEndpoint, trainer: ScriptedTrainer
) -> None:
    asked = settings(model, budget={"max_usd": 1.0})
    assert any("usd_per_mtok" in said for said in unbound_caps(asked, {}))
    known = settings(model, budget={"max_usd": 1.0}, finetune={"usd_per_mtok": 4.0})
    assert not unbound_caps(known, {})
    assert plan_of(known)["tuning"]["usd"] > 0


@pytest.mark.parametrize("strategy", ["w", "p -> w -> p", "w -> w -> p", "all"])
@pytest.mark.parametrize("bootstrap", ["auto", "program"])
def test_what_a_strategy_takes_lies_in_its_plan(
    model: LoopbackEndpoint, trainer: ScriptedTrainer, strategy: str, bootstrap: str
) -> None:
    life = run(model, finetune={"strategy": strategy, "bootstrap": bootstrap})
    plan = plan_of(life.context.config)
    assert_in(plan, life)
    assert plan["trials"] >= max(trial.number for trial in life.trials)
    assert max(len(tuning.rows) for tuning in tunings(life)) <= plan["tuning"]["rows"]
    assert "are sent there" in plan["notes"][0]


def test_a_strategy_that_cannot_be_run_is_refused_before_anything_is_made(model: LoopbackEndpoint) -> None:
    for changes, said in (
        ({"finetune": {"strategy": "p -> q"}}, "step 'q'"),
        ({"finetune": {"strategy": ""}}, "step ''"),
        ({"finetune": {"strategy": "p -> w, w ->"}}, "step ''"),
        (
            {
                "finetune": {
                    "strategy": ",".join("->".join(f"{n:05b}".translate({48: "p", 49: "w"})) for n in range(21))
                }
            },
            "21 strategies",
        ),
        ({"finetune": {"trainer": "auto"}}, "cannot be tuned here"),
        ({"finetune": {"trainer": "embedded"}}, "cannot be tuned by the trainer 'embedded'"),
        ({"finetune": {"trainer": "fireworks"}}, "account"),
        ({"task_model": {"api_key_env": None}}, "needs a key"),
        ({"adapter": "two_step"}, "two_step"),
        ({"search": {"max_bootstrapped": 0, "max_labeled": 0}}, "no demos at all"),
        ({"models": {name: {"model": "embedded"} for name in ("queue", "tone")}}, "a model of its own .queue, tone"),
    ):
        with pytest.raises(BadInput, match=said):
            run(model, **changes)


def test_labels_tell_what_no_trace_does(model: LoopbackEndpoint, trainer: ScriptedTrainer) -> None:
    life = run(model, optimizer="bootstrap_finetune", finetune={"labels": True})
    (tuning,) = tunings(life)
    passed = {name for name, cell in life.context.table.row(TEACHER, Split.TRAIN).items() if cell.score == 1.0}
    assert 0 < len(passed) < small.SIZES["train"]
    assert [row["labelled"] for row in tuning.rows] == [row["example"] not in passed for row in tuning.rows]
    assert len(tuning.rows) == 2 * small.SIZES["train"] == len(passed) * 2 + tuning.facts["yield"]["labelled"]
    gold = {example.id: example.labels for example in life.context.examples[Split.TRAIN]}
    assert all(gold[row["example"]][row["predictor"]] in row["answer"] for row in tuning.rows)


@pytest.mark.parametrize(
    ("asked", "rows", "epochs"), [(None, 0, 3), (None, 120, 3), (None, 180, 2), (None, 4000, 1), (5, 4000, 5)]
)
def test_rows_are_seen_less_often_where_they_are_many_unless_a_person_says_so(
    asked: int | None, rows: int, epochs: int
) -> None:
    assert FinetuneSettings(epochs=asked).epochs_for(rows) == epochs
