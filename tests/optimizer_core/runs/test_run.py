"""Whole runs in memory against a real endpoint: the same whatever the threads, and never paid for twice."""

import asyncio
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.errors import BadInput, LeaseLost, RunPaused, StopRequested
from mipro_studio.optimizer_core.evaluation.journal import MemoryJournal
from mipro_studio.optimizer_core.parameters.instruction import instruction_arm
from mipro_studio.optimizer_core.runs.assembly import Assembled
from mipro_studio.optimizer_core.search.surrogates import newton
from mipro_studio.optimizer_core.types import (
    INSTRUCTION,
    TEACHER,
    Author,
    Candidate,
    Cell,
    ErrorClass,
    Event,
    Phase,
    Role,
    Split,
    Status,
    TrialKind,
)
from tests.arms import instructions_of, pairs
from tests.loopback import LoopbackEndpoint
from tests.optimizer_core.builders import MORE, SMALL, Life, fresh_journal, live, make_config, make_examples

pytestmark = pytest.mark.timeout(310)


def finished(life: Life) -> None:
    """What holds for every run that came to a tested best."""
    outcome = life.journal.outcome()
    assert outcome is not None and outcome.winner is not None
    assert outcome.best_test is not None and outcome.baseline_test is not None
    assert outcome.best_test["n"] + outcome.best_test["n_error"] == SMALL["test"]
    keys = [cell.key for cell in life.journal.cells()]
    assert len(keys) == len(set(keys))
    winner = [key for key in keys if key.candidate == outcome.winner and key.split is Split.VAL]
    assert len(winner) == SMALL["val"]
    assert all(trial.done for trial in life.trials)
    assert life.trials[0].kind is TrialKind.BASELINE and life.trials[0].number == 0


def calls_at(endpoint: LoopbackEndpoint) -> int:
    return int(endpoint.stats()["total"])


def burnt(life: Life) -> int:
    return sum(spent.usage.calls for spent in life.journal.spent())


@cache
def whole_run(endpoint: LoopbackEndpoint) -> tuple[Life, int]:
    """The run that nothing disturbs, which others are held against, and the calls that the endpoint saw of it."""
    endpoint.reset()
    life = live(make_config(endpoint))
    calls = calls_at(endpoint)
    endpoint.reset()
    return life, calls


# -- The same run ------------------------------------------------------------------------------


def test_threads_and_who_answers_first_change_nothing(endpoint: LoopbackEndpoint) -> None:
    runs = []
    for threads, seed in ((16, 1), (4, 2), (1, 3)):
        # The endpoint's own seed would change its answers; the latency alone spreads the order of completion.
        endpoint.control(latency_s=0.004 if threads > 1 else 0.0, jitter=0.5 if seed < 3 else 0.0)
        runs.append(live(make_config(endpoint, threads=threads)))
        finished(runs[-1])
    first = runs[0].decisions
    for other in runs[1:]:
        for name, value in other.decisions.items():
            assert value == first[name], name
    assert len([trial for trial in runs[0].trials if trial.kind is TrialKind.MINIBATCH]) == 6


def test_importance_is_told_on_the_way_from_settled_trials_alone(endpoint: LoopbackEndpoint) -> None:
    told = []
    for threads in (16, 1):
        endpoint.control(latency_s=0.004 if threads > 1 else 0.0, jitter=0.5 if threads > 1 else 0.0)
        life = live(make_config(endpoint, threads=threads, search={"trials": 18}))
        told.append([event.data for event in life.journal.events if event.kind == "importance"])
    assert told[0] == told[1]
    counts = [said["rows"][0]["n_candidates"] for said in told[0]]
    assert len(counts) >= 2 and counts == sorted(counts) and counts[0] < counts[-1]
    outcome = life.journal.outcome()
    assert outcome is not None
    short = [{key: value for key, value in row.items() if key != "arms"} for row in outcome.importance]
    assert told[0][-1]["rows"] == short


def test_seed_0_is_a_seed_and_differs_from_1(endpoint: LoopbackEndpoint) -> None:
    trials = [[trial.candidate for trial in live(make_config(endpoint, seed=seed)).trials] for seed in (0, 0, 1)]
    assert trials[0] == trials[1]
    assert trials[0] != trials[2]


def test_the_winner_is_the_best_full_evaluation_on_all_validation_rows(endpoint: LoopbackEndpoint) -> None:
    life, _ = whole_run(endpoint)
    full = {trial.candidate for trial in life.trials if len(trial.examples) == SMALL["val"]}
    means = {
        candidate: sum(cell.score or 0.0 for cell in life.context.table.row(candidate, Split.VAL).values())
        / SMALL["val"]
        for candidate in full
    }
    assert means[life.winner or ""] == max(means.values())
    outcome = life.journal.outcome()
    assert outcome is not None
    assert outcome.best_val is not None and outcome.best_val["mean"] == pytest.approx(max(means.values()))
    assert outcome.paired_test is not None and outcome.paired_test["n"] == SMALL["test"]
    tested = {cell.key.candidate for cell in life.journal.cells() if cell.key.split is Split.TEST}
    assert tested == {Candidate.baseline(2).id, life.winner}


def test_what_the_run_counts_is_what_the_endpoint_received(endpoint: LoopbackEndpoint) -> None:
    life = live(make_config(endpoint))
    stats = endpoint.stats()
    spending = {spent.role: spent.usage for spent in life.journal.spent()}
    assert spending[Role.TASK].calls + spending[Role.TEST].calls == stats["roles"]["task"]["total"]
    assert spending[Role.PROMPT].calls == stats["roles"]["prompt"]["total"]
    assert spending[Role.TEACHER].calls == stats["roles"]["teacher"]["total"]
    assert spending[Role.PROMPT].input_tokens == stats["roles"]["prompt"]["prompt_tokens"]
    by_split = Counter(key.split for key in life.scores)
    assert spending[Role.TASK].calls == 2 * by_split[Split.VAL]
    assert spending[Role.TEST].calls == 2 * by_split[Split.TEST]
    assert spending[Role.TEACHER].calls == 2 * by_split[Split.TRAIN]
    assert life.trials[-1].program_runs == by_split[Split.VAL] + by_split[Split.TRAIN]


def test_trials_overlap_and_their_number_under_way_is_bounded_by_the_lag(endpoint: LoopbackEndpoint) -> None:
    def open_at_once(lag: int) -> int:
        journal = Watching()
        journal.commit(make_examples(**SMALL))
        # One trial has fewer cells than there are threads, so that only overlapping ones can fill them.
        endpoint.control(latency_s=0.01)
        live(make_config(endpoint, search={"lag": lag, "trials": 8}), journal)
        return journal.most

    assert open_at_once(1) == 1
    assert 3 <= open_at_once(4) <= 4


def test_the_first_full_evaluation_of_a_races_end_fills_the_wait_for_the_latest_trials(
    endpoint: LoopbackEndpoint,
) -> None:
    race = {"schedule": "racing", "surrogate": "item_response", "trials": 12, "step": 3, "lag": 4}

    def ends(**budget: Any) -> tuple[int, list[Any]]:
        """(trials of the search, the baseline among them; how many the full evaluations after them knew)"""
        trials = live(make_config(endpoint, search=race, budget=budget)).trials
        *_, last = (place for place, trial in enumerate(trials) if trial.kind is TrialKind.MINIBATCH)
        return last + 1, [trial.known for trial in trials[last + 1 :]]

    asked, known = ends()
    assert known[0] == asked + 1 - race["lag"], "as one trial more would"
    assert len(known) > 1 and all(one >= asked for one in known[1:]), "the others know all trials"
    asked, known = ends(max_program_runs=10_000)
    assert known[0] == asked, "under a cap each waits, as what is left decides"


class Watching(MemoryJournal):
    """Counts the trials under way once the search has begun."""

    def __init__(self) -> None:
        super().__init__()
        self.most = 0

    def commit(self, records: Any) -> None:
        super().commit(records)
        trials = list(self.trials())
        if len(trials) > 1:
            # The full evaluations after the last trial are no suggestions and run at once.
            open_ = [trial for trial in trials if not trial.done and trial.kind is not TrialKind.FULL]
            self.most = max(self.most, len(open_))


# -- Caps --------------------------------------------------------------------------------------


@pytest.mark.parametrize("cap", [30, 60, 75])
def test_a_cap_on_program_runs_ends_with_a_tested_best(endpoint: LoopbackEndpoint, cap: int) -> None:
    life = live(make_config(endpoint, budget={"max_program_runs": cap}))
    assert (life.ending.status, life.ending.capped) == (Status.COMPLETED, True)
    assert f"{cap} program runs" in life.ending.reason
    finished(life)
    assert sum(key.split is not Split.TEST for key in life.scores) <= cap


@pytest.mark.parametrize("cap", [70, 150, 200])
def test_a_cap_on_model_calls_is_never_passed(endpoint: LoopbackEndpoint, cap: int) -> None:
    life = live(make_config(endpoint, budget={"max_lm_calls": cap}))
    assert (life.ending.status, life.ending.capped) == (Status.COMPLETED, True)
    test_calls = 2 * sum(key.split is Split.TEST for key in life.scores)
    assert calls_at(endpoint) - test_calls <= cap
    outcome = life.journal.outcome()
    assert outcome is not None and outcome.best_test is not None and outcome.best_test["n"] == SMALL["test"]
    assert None not in life.scores.values()


def test_a_cap_below_the_baseline_still_ends_cleanly(endpoint: LoopbackEndpoint) -> None:
    life = live(make_config(endpoint, budget={"max_lm_calls": 5}))
    assert (life.ending.status, life.ending.capped) == (Status.COMPLETED, True)
    assert "Nothing was scored" in life.ending.reason or life.journal.outcome() is not None
    assert calls_at(endpoint) - 2 * SMALL["test"] <= 5


def test_a_cap_on_tokens_ends_the_run(endpoint: LoopbackEndpoint) -> None:
    life = live(make_config(endpoint, budget={"max_tokens": 30_000}))
    assert life.ending.capped and "30000 tokens" in life.ending.reason
    assert life.journal.outcome() is not None


# -- Faults ------------------------------------------------------------------------------------


def test_faults_leave_no_score_of_0_and_the_same_winner(endpoint: LoopbackEndpoint) -> None:
    without, _ = whole_run(endpoint)
    endpoint.control(fail_rate=0.1, fail_kinds={"429": 1, "500": 1, "drop": 1})
    with_faults = live(make_config(endpoint))
    assert endpoint.stats()["failed"] > 10
    assert with_faults.ending == without.ending
    finished(with_faults)
    for key, score in with_faults.scores.items():
        assert score == without.scores[key], key
    assert with_faults.decisions == without.decisions


def test_calls_that_hang_are_cut_and_tried_again(endpoint: LoopbackEndpoint) -> None:
    without, _ = whole_run(endpoint)
    endpoint.control(fault_script=["ok"] * 50 + ["hang"] * 4, hang_s=3000.0)
    config = make_config(endpoint, task_model={"timeout_s": 0.5}, teacher={"timeout_s": 0.5})
    config = config.model_copy(update={"prompt_model": config.prompt_model.model_copy(update={"timeout_s": 0.5})})
    life = live(config)
    assert endpoint.stats()["failed_by_kind"] == {"hang": 4}
    assert life.decisions == without.decisions


def test_what_fails_for_good_is_an_error_of_its_class_and_no_score(endpoint: LoopbackEndpoint) -> None:
    # The same prompts always fail, so their cells stay errors; the others go on.
    endpoint.control(fail_rate=0.04, fail_kinds={"500": 1}, fail_by="prompt")
    life = live(make_config(endpoint, retries=1, pause_after=1000))
    errors = [cell for cell in life.journal.cells() if cell.error is not None]
    assert errors and {cell.error for cell in errors} == {ErrorClass.SERVER}
    assert all(cell.score is None for cell in errors)
    assert life.ending.status is Status.COMPLETED
    outcome = life.journal.outcome()
    assert outcome is not None and outcome.best_val is not None
    for trial in life.trials:
        cells = [life.context.table.row(trial.candidate, Split.VAL)[name] for name in trial.examples]
        assert (trial.n_ok, trial.n_error) == (
            sum(cell.score is not None for cell in cells),
            sum(cell.error is not None for cell in cells),
        )
    mean = life.context.table.mean(Candidate.baseline(2).id, Split.VAL)
    assert life.trials[0].mean == mean.mean


def down_after(endpoint: LoopbackEndpoint, calls: int) -> threading.Thread:
    def watch() -> None:
        while calls_at(endpoint) < calls:
            time.sleep(0.002)
        endpoint.control(down=True)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("calls", [20, 130, 200])
def test_an_endpoint_that_goes_down_pauses_the_run_and_a_resumed_one_loses_and_doubles_nothing(
    endpoint: LoopbackEndpoint, calls: int
) -> None:
    whole, n_whole = whole_run(endpoint)
    endpoint.control(latency_s=0.01)
    watcher = down_after(endpoint, calls)
    config = make_config(endpoint, pause_after=6)
    first = live(config)
    watcher.join()
    assert first.ending.status is Status.PAUSED
    assert "seems to be down" in first.ending.reason and "6 model calls" in first.ending.reason
    assert first.journal.outcome() is None
    answered = endpoint.stats()["ok"]
    kept = {key: score for key, score in first.scores.items() if score is not None}
    endpoint.control(down=False, latency_s=0.0)
    second = live(config, first.journal)
    finished(second)
    assert second.ending.status is Status.COMPLETED
    assert all(second.scores[key] == score for key, score in kept.items())
    assert second.decisions == whole.decisions
    assert endpoint.stats()["ok"] <= n_whole + 2 * 16
    assert answered > 0


def test_a_wrong_key_fails_the_run_with_what_to_do(http_endpoint: LoopbackEndpoint) -> None:
    http_endpoint.control(require_key="another", fault_latency_s=0.1)
    life = live(make_config(http_endpoint, threads=1))
    assert life.ending.status is Status.FAILED
    assert "refused" in life.ending.reason and "Mend the key" in life.ending.reason
    who = re.search(r"It is the (teacher|task model), 'openai/(teacher|task)'\. The key: No env", life.ending.reason)
    assert who is not None and who[1].startswith(who[2])
    assert calls_at(http_endpoint) <= 20  # of more than 44; a loaded machine is late to say stop


def test_a_judges_wrong_key_is_told_by_its_own_variable(
    endpoint: LoopbackEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_JUDGE_KEY", "wrong")
    with type(endpoint)(require_key="right") as strict:
        model = {"model": "openai/strict", "api_base": strict.base_url, "api_key_env": "MY_JUDGE_KEY"}
        judge = {"criteria": ["It names a queue."], "model": model}
        life = live(make_config(endpoint, metric="judge", judge=judge, threads=2))
    assert life.ending.status is Status.FAILED
    assert "It is the judge, 'openai/strict'. The key: It is read from the environment variable 'MY_JUDGE_KEY'." in (
        life.ending.reason
    )


NOTHING_PARSES = "tests.optimizer_core.responders:nothing_parses"


def test_a_model_that_never_keeps_to_the_format_stops_the_run_early(endpoint: LoopbackEndpoint) -> None:
    endpoint.control(responder=NOTHING_PARSES)
    life = live(make_config(endpoint, retries=0, threads=2))
    assert (life.ending.status, life.ending.given_up) == (Status.PAUSED, True)
    assert "program runs failed, all of them alike (parse). One of them, " in life.ending.reason
    assert "AdapterParseError" in life.ending.reason
    assert {cell.error for cell in life.journal.cells()} == {ErrorClass.PARSE}
    assert len(life.scores) <= 36  # of 44 that are asked for at once; a loaded machine is late to say stop
    assert life.journal.outcome() is None


def test_what_failed_is_asked_again_when_it_was_mended(endpoint: LoopbackEndpoint) -> None:
    endpoint.control(responder=NOTHING_PARSES)
    first = live(make_config(endpoint, retries=0, threads=2))
    endpoint.control(responder="oracle")
    second = live(make_config(endpoint, retries=0), first.journal, failed_before=True)
    assert second.ending.status is Status.COMPLETED
    finished(second)
    assert None not in second.scores.values()


def test_a_run_that_goes_on_all_the_same_keeps_its_errors_and_comes_to_its_end(endpoint: LoopbackEndpoint) -> None:
    endpoint.control(responder=NOTHING_PARSES)
    first = live(make_config(endpoint, retries=0, threads=2))
    failed = {cell.key for cell in first.journal.cells()}
    endpoint.control(responder="oracle")
    second = live(make_config(endpoint, retries=0, despite_errors=True), first.journal, failed_before=True)
    assert second.ending.status is Status.COMPLETED
    assert {cell.key for cell in second.journal.cells() if cell.error is not None} == failed


def test_errors_that_begin_in_mid_run_stop_it_before_the_budget_is_spent(endpoint: LoopbackEndpoint) -> None:
    config = make_config(endpoint, retries=0, threads=2, search={"trials": 40})

    async def break_it(assembled: Assembled) -> None:
        while len(assembled.context.table) < 50:
            await asyncio.sleep(0.01)
        endpoint.control(responder=NOTHING_PARSES)

    life = live(config, meanwhile=break_it)
    assert (life.ending.status, life.ending.given_up) == (Status.PAUSED, True)
    assert "alike (parse)" in life.ending.reason
    failures = sum(score is None for score in life.scores.values())
    assert failures < 80  # of more than 300 that the trials would have asked for


def test_a_run_goes_on_with_the_predictors_that_it_began_with_and_no_others(endpoint: LoopbackEndpoint) -> None:
    config = make_config(endpoint, search={"trials": 2})
    first = live(config)
    kept = first.decisions
    said = "The program has the predictors queue; when the run began it had queue, tone. Put them back"
    with pytest.raises(BadInput, match=said):
        live(make_config(endpoint, program=f"{MORE}:QueueOnly", metric=f"{MORE}:queue_metric"), first.journal)
    again = live(make_config(endpoint, program=f"{MORE}:Careless", search={"trials": 2}), first.journal)
    assert again.ending.status is Status.COMPLETED and again.decisions["trials"] == kept["trials"]


def test_a_few_rows_that_all_fail_are_no_result(endpoint: LoopbackEndpoint) -> None:
    endpoint.control(responder=NOTHING_PARSES)
    few = fresh_journal(make_examples(1, 3, 2))
    config = make_config(endpoint, retries=0, threads=1, search={"trials": 0, "candidates": 1, "max_bootstrapped": 0})
    life = live(config, few)
    assert (life.ending.status, life.ending.given_up) == (Status.PAUSED, True)
    assert life.ending.reason.startswith("Nothing was scored: 3 of 3 program runs failed, all of them alike (parse)")
    assert life.journal.outcome() is None
    assert not any(cell.key.split is Split.TEST for cell in life.journal.cells())


def test_rows_that_all_fail_although_a_person_went_on_are_a_failure(endpoint: LoopbackEndpoint) -> None:
    endpoint.control(responder=NOTHING_PARSES)
    few = fresh_journal(make_examples(1, 3, 2))
    search = {"trials": 0, "candidates": 1, "max_bootstrapped": 0}
    life = live(make_config(endpoint, retries=0, threads=1, search=search, despite_errors=True), few)
    assert (life.ending.status, life.ending.given_up) == (Status.FAILED, False)
    assert life.ending.reason.startswith("Nothing was scored: 3 of 3 program runs failed")
    assert life.ending.reason.endswith("what failed is tried again."), "there is no going on all the same"


def test_a_person_who_stops_a_run_has_its_end_whatever_becomes_of_the_test(endpoint: LoopbackEndpoint) -> None:
    config = make_config(endpoint, retries=0, threads=2)

    async def stop_and_break(assembled: Assembled) -> None:
        while len(assembled.context.table) < 40:
            await asyncio.sleep(0.01)
        announce = assembled.context.announce

        async def broken(phase: Phase, *said: Any, **more: Any) -> None:
            if phase is Phase.TEST:
                endpoint.control(responder=NOTHING_PARSES)
            await announce(phase, *said, **more)

        assembled.context.announce = broken  # type: ignore[method-assign]
        assembled.run.request(StopRequested("Stopped by a person."))

    life = live(config, fresh_journal(make_examples(20, 24, 16)), meanwhile=stop_and_break)
    assert life.ending.status is Status.STOPPED
    assert life.ending.reason.startswith("Stopped by a person. Then the sealed test: ")
    assert life.ending.reason.endswith("Resume the run to score it.")
    outcome = life.journal.outcome()
    assert outcome is not None and outcome.winner and outcome.best_test is None


def test_a_lost_lease_is_raised_and_nothing_more_is_written(endpoint: LoopbackEndpoint) -> None:
    class Stolen(MemoryJournal):
        def commit(self, records: Any) -> None:
            if any(isinstance(record, Cell) for record in records) and len(list(self.cells())) > 30:
                raise LeaseLost("Another worker owns the run.")
            super().commit(records)

    journal = Stolen()
    journal.commit(make_examples(**SMALL))
    with pytest.raises(LeaseLost):
        live(make_config(endpoint), journal)
    assert journal.outcome() is None


# -- Stopping, pausing, resuming -----------------------------------------------------------------


def when(calls: int, endpoint: LoopbackEndpoint, reason: RunPaused | StopRequested) -> Any:
    async def meanwhile(assembled: Assembled) -> None:
        while await asyncio.to_thread(calls_at, endpoint) < calls:
            await asyncio.sleep(0.002)
        assembled.run.request(reason)

    return meanwhile


def test_a_run_that_is_stopped_ends_with_a_tested_best_so_far(endpoint: LoopbackEndpoint) -> None:
    endpoint.control(latency_s=0.01)
    life = live(make_config(endpoint), meanwhile=when(170, endpoint, StopRequested("Stopped by a person.")))
    assert life.ending.status is Status.STOPPED
    outcome = life.journal.outcome()
    assert outcome is not None and outcome.best_test is not None and outcome.best_test["n"] == SMALL["test"]
    assert sum(trial.kind is TrialKind.MINIBATCH for trial in life.trials) <= 6


def first_trial(journal: MemoryJournal, reason: RunPaused | StopRequested) -> Any:
    async def meanwhile(assembled: Assembled) -> None:
        while not any(trial.kind is TrialKind.MINIBATCH and trial.done for trial in journal.trials()):
            await asyncio.sleep(0.002)
        assembled.run.request(reason)

    return meanwhile


@pytest.mark.parametrize("schedule", ["minibatch", "racing"])
def test_a_run_that_is_stopped_before_any_full_evaluation_makes_one(
    endpoint: LoopbackEndpoint, schedule: str
) -> None:
    endpoint.control(latency_s=0.05)
    journal = fresh_journal()
    config = make_config(endpoint, search={"schedule": schedule, "full_eval_every": 99, "trials": 60})
    life = live(config, journal, meanwhile=first_trial(journal, StopRequested("Stopped by a person.")))
    assert life.ending.status is Status.STOPPED
    outcome = journal.outcome()
    assert outcome is not None and outcome.reason.startswith(("Best mean of the candidates", "The one other"))
    (full,) = (trial for trial in journal.trials() if trial.kind is TrialKind.FULL)
    assert full.done and full.n_ok == SMALL["val"]
    endpoint.control(latency_s=0.0)
    again = live(config, journal)  # resumed, it goes on from there
    assert again.ending.status is Status.COMPLETED
    assert again.trials[full.order] == full and len(again.trials) > full.order + 1


def test_a_paused_run_goes_on_where_it_was(endpoint: LoopbackEndpoint) -> None:
    whole, n_whole = whole_run(endpoint)
    endpoint.control(latency_s=0.01)
    first = live(make_config(endpoint), meanwhile=when(120, endpoint, RunPaused("Paused by a person.")))
    assert first.ending == type(first.ending)(Status.PAUSED, "Paused by a person.")
    n_first = calls_at(endpoint)
    assert n_first < n_whole
    second = live(make_config(endpoint), first.journal)
    assert second.decisions == whole.decisions
    # A pause waits for what is under way, but a program run of two calls may be cut between them.
    assert calls_at(endpoint) <= n_whole + 16


def test_a_review_gate_stops_the_run_until_a_person_says_go(endpoint: LoopbackEndpoint) -> None:
    first = live(make_config(endpoint, review=True), approved=False)
    assert first.ending.status is Status.AWAITING_REVIEW
    assert [trial.kind for trial in first.trials] == [TrialKind.BASELINE]
    assert first.trials[0].done
    assert first.journal.outcome() is None
    written = [arm for arm in instructions_of(first.journal) if arm.author is Author.MODEL]
    assert len(written) == 6
    # The person rejects one and writes one of their own.
    rejected = written[0]
    first.journal.commit(
        [
            replace(rejected, active=False, reason="no"),
            instruction_arm(rejected.owner, 7, "Find the queue. q=1.0", Author.PERSON),
        ]
    )
    before = calls_at(endpoint)
    second = live(make_config(endpoint, review=True, search={"trials": 16}), first.journal, approved=True)
    finished(second)
    assert calls_at(endpoint) > before
    assert len(list(second.journal.prompt_calls())) == len(list(first.journal.prompt_calls()))
    place = second.context.arms.names.index(rejected.owner)
    used = {Candidate.parse(trial.candidate).arm(place, INSTRUCTION) for trial in second.trials}
    assert rejected.index not in used
    assert 7 in used
    arms = {arm.index: arm for arm in instructions_of(second.journal) if arm.owner == rejected.owner}
    assert (arms[rejected.index].active, arms[7].author) == (False, Author.PERSON)


def test_more_trials_on_a_completed_run_reuse_every_cell(endpoint: LoopbackEndpoint) -> None:
    first = live(make_config(endpoint))
    cells, trials = first.scores, first.trials
    endpoint.reset()
    second = live(make_config(endpoint, search={"trials": 10}), first.journal)
    finished(second)
    new = set(second.scores) - set(cells)
    assert all(second.scores[key] == score for key, score in cells.items())
    assert second.trials[: len(trials)] == trials
    assert sum(trial.kind is TrialKind.MINIBATCH for trial in second.trials) >= 8
    assert calls_at(endpoint) == 2 * len(new)
    assert not {key for key in new if key.candidate == TEACHER}


def test_a_completed_run_that_is_run_again_pays_for_nothing(endpoint: LoopbackEndpoint) -> None:
    first = live(make_config(endpoint))
    endpoint.reset()
    second = live(make_config(endpoint), first.journal)
    assert calls_at(endpoint) == 0
    assert second.decisions == first.decisions


# -- Odd programs and data -----------------------------------------------------------------------


def test_a_program_that_is_a_single_predictor(endpoint: LoopbackEndpoint) -> None:
    config = make_config(endpoint, program=f"{MORE}:Single", metric=f"{MORE}:queue_metric")
    life = live(config)
    finished(life)
    assert life.ending.status is Status.COMPLETED
    assert all(len(pairs(Candidate.parse(trial.candidate))) == 1 for trial in life.trials)
    assert None not in life.scores.values()


def test_a_program_that_comes_with_demos_keeps_them_in_the_baseline(endpoint: LoopbackEndpoint) -> None:
    endpoint.control(keep_requests=True)
    config = make_config(
        endpoint, program=f"{MORE}:Demonstrated", metric=f"{MORE}:queue_metric", search={"trials": 2}
    )
    life = live(config)
    finished(life)
    shown = [text for entry in endpoint.requests() if "my own demo" in (text := str(entry["body"]["messages"]))]
    validation = [example for example in make_examples(SMALL["train"], SMALL["val"]) if example.split is Split.VAL]
    assert all(any(example.inputs["message"] in text for text in shown) for example in validation)


def test_a_predictor_called_twice_in_a_run(endpoint: LoopbackEndpoint) -> None:
    config = make_config(endpoint, program=f"{MORE}:Twice", metric=f"{MORE}:queue_metric", search={"trials": 2})
    life = live(config)
    assert life.ending.status is Status.COMPLETED
    assert {len(cell.trace) for cell in life.journal.cells()} == {2}


def test_a_validation_set_smaller_than_the_minibatch(endpoint: LoopbackEndpoint) -> None:
    config = make_config(endpoint, search={"minibatch_size": 35})
    life = live(config, fresh_journal(make_examples(12, 6, 4)))
    assert life.ending.status is Status.COMPLETED
    assert {len(trial.examples) for trial in life.trials} == {6}
    assert life.journal.outcome() is not None


def test_a_space_that_is_soon_exhausted_ends_without_an_error(endpoint: LoopbackEndpoint) -> None:
    search = {"candidates": 2, "max_bootstrapped": 0, "max_labeled": 0, "trials": 30, "minibatch_size": 12}
    config = make_config(endpoint, program=f"{MORE}:QueueOnly", metric=f"{MORE}:queue_metric", search=search)
    life = live(config)
    finished(life)
    assert (life.ending.status, life.ending.capped) == (Status.COMPLETED, False)
    assert {trial.candidate for trial in life.trials} == {"i0d0", "i1d0"}
    notes = [event.data["text"] for event in life.journal.events if event.kind == "note"]
    assert any("nothing is left to try" in text for text in notes)


def test_a_run_without_a_test_set_has_a_winner_and_no_test_score(endpoint: LoopbackEndpoint) -> None:
    life = live(make_config(endpoint, search={"trials": 3}), fresh_journal(make_examples(12, 10)))
    outcome = life.journal.outcome()
    assert life.ending.status is Status.COMPLETED
    assert outcome is not None and outcome.winner is not None
    assert (outcome.best_test, outcome.baseline_test, outcome.paired_test) == (None, None, None)


def test_no_trials_at_all_score_the_baseline(endpoint: LoopbackEndpoint) -> None:
    life = live(make_config(endpoint, search={"trials": 0}))
    assert life.ending.status is Status.COMPLETED
    assert life.winner == Candidate.baseline(2).id
    outcome = life.journal.outcome()
    assert outcome is not None and outcome.baseline_test == outcome.best_test


def test_a_fit_that_fails_is_said_and_the_search_goes_on(
    endpoint: LoopbackEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(newton, "MOST_STEPS", 0)
    life = live(make_config(endpoint, search={"schedule": "racing", "full_eval_every": 5}))
    finished(life)
    warnings = [event.data["text"] for event in life.journal.events if event.kind == "warning"]
    assert any("shrunken means" in text for text in warnings)


def test_phases_are_announced_in_their_order(endpoint: LoopbackEndpoint) -> None:
    life, _ = whole_run(endpoint)
    phases = [event.data["phase"] for event in life.journal.events if event.kind == "phase"]
    assert list(dict.fromkeys(phases)) == ["setup", "bootstrap", "propose", "search", "test", "done"]


def test_an_event_holds_json_only(endpoint: LoopbackEndpoint) -> None:
    import json

    life = live(make_config(endpoint, search={"trials": 3}))
    for event in life.journal.events:
        assert isinstance(event, Event)
        assert json.loads(json.dumps(dict(event.data))) == dict(event.data)


# -- Rows that hang ----------------------------------------------------------------------------


def hanging(
    endpoint: LoopbackEndpoint, monkeypatch: pytest.MonkeyPatch, splits: tuple[Split, ...], how: str = "deaf"
) -> RunConfig:
    """A run whose metric never comes back on a row of each of `splits`."""
    rows = [next(row for row in make_examples(**SMALL) if row.split is split) for split in splits]
    monkeypatch.setenv("HANG", how)
    monkeypatch.setenv("HANG_ON", "|".join(row.inputs["message"] for row in rows))
    return make_config(endpoint, program="tests/programs/hanging.py", metric="tests/programs/hanging.py:metric")


def stop_at(moment: Callable[[Assembled], bool], told: list[float], grace_s: float = 0.5) -> Any:
    """Stop the run once `moment` is there; `told` gets the time of it, and of when it stood still."""

    async def meanwhile(assembled: Assembled) -> None:
        while not moment(assembled):
            await asyncio.sleep(0.01)
        told.append(time.monotonic())
        assembled.run.request(StopRequested("Stopped by a person."), grace_s)

    return meanwhile


def test_a_stop_ends_a_run_in_which_a_row_hangs(endpoint: LoopbackEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    config = hanging(endpoint, monkeypatch, (Split.VAL,))
    told: list[float] = []
    journal = fresh_journal()

    def waits(assembled: Assembled) -> bool:
        return len(list(journal.cells())) >= SMALL["val"] - 1

    life = live(config, journal, meanwhile=stop_at(waits, told))
    assert time.monotonic() - told[0] < 200
    assert life.ending.status is Status.STOPPED
    outcome = journal.outcome()
    assert outcome is None or outcome.best_test is None or outcome.best_test["n"] == SMALL["test"]


def test_a_stop_in_whose_sealed_test_a_row_hangs_ends_with_the_best_so_far_and_no_part_of_the_test(
    endpoint: LoopbackEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mipro_studio.optimizer_core.runs.run.GRACE_S", 0.5)
    monkeypatch.setattr("mipro_studio.optimizer_core.evaluation.pool.LOOK_S", 0.05)
    config = hanging(endpoint, monkeypatch, (Split.TEST,))
    told: list[float] = []
    journal = fresh_journal()
    life = live(config, journal, meanwhile=stop_at(lambda assembled: len(list(journal.trials())) > 2, told))
    assert time.monotonic() - told[0] < 200
    assert (life.ending.status, "hangs" in life.ending.reason) == (Status.STOPPED, True)
    outcome = journal.outcome()
    assert outcome is not None and outcome.winner and outcome.best_val
    assert (outcome.baseline_test, outcome.best_test, outcome.paired_test) == (None, None, None)


def test_a_row_that_hangs_is_given_up_and_the_run_goes_on(
    endpoint: LoopbackEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mipro_studio.optimizer_core.evaluation.pool.LOOK_S", 0.05)
    config = hanging(endpoint, monkeypatch, (Split.VAL, Split.TEST), "asleep")
    life = live(config.model_copy(update={"row_timeout_s": 1.5}))
    assert life.ending.status is Status.COMPLETED
    errors = [cell for cell in life.journal.cells() if cell.error is not None]
    assert {cell.error for cell in errors} == {ErrorClass.TIMEOUT} and len(errors) >= 2
    outcome = life.journal.outcome()
    assert outcome is not None and outcome.best_test is not None
    assert outcome.best_test["n"] + outcome.best_test["n_error"] == SMALL["test"]


def test_a_stop_outdoes_a_pause_that_waits_for_a_row(
    endpoint: LoopbackEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = hanging(endpoint, monkeypatch, (Split.VAL,))
    journal = fresh_journal()

    async def meanwhile(assembled: Assembled) -> None:
        while len(list(journal.cells())) < SMALL["val"] - 1:
            await asyncio.sleep(0.01)
        assembled.run.request(RunPaused("Paused by a person."))
        await asyncio.sleep(0.3)
        assembled.run.request(StopRequested("Stopped by a person."), 0.2)

    assert live(config, journal, meanwhile=meanwhile).ending.status is Status.STOPPED
