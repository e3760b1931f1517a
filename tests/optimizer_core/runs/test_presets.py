"""Presets in numbers worked out by hand from the reference cards: DSPy's auto modes and the paper's budgets."""

import random
from typing import Any

import dspy
import pytest

from mipro_studio.optimizer_core.config import RunConfig, parse_config
from mipro_studio.optimizer_core.data import Dataset
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.optimizers.registry import OPTIMIZERS, get_optimizer
from mipro_studio.optimizer_core.programs.program import Program, load_program
from mipro_studio.optimizer_core.runs.plan import make_plan
from mipro_studio.optimizer_core.runs.presets import PRESETS, get_preset, preset_rows, resolve, trimmed
from mipro_studio.optimizer_core.search.stages import next_stage
from mipro_studio.optimizer_core.types import Example, Split
from tests.optimizer_core.builders import DESK, MORE, ROOT

N_VAL = {"light": 100, "medium": 300, "heavy": 1000}


def asked(**values: Any) -> RunConfig:
    return parse_config({"program": DESK, **values})


def search(optimizer: str, preset: str, n_free: int, n_val: int) -> dict[str, Any]:
    found: dict[str, Any] = get_preset(preset).settings(get_optimizer(optimizer), n_free, n_val)["search"]
    return found


@pytest.fixture(scope="module")
def one() -> Program:
    return load_program(f"{MORE}:QueueOnly", ROOT)


@pytest.fixture(scope="module")
def two() -> Program:
    return load_program(DESK, ROOT)


# The table of card 11: trials by predictors, few-shot (mipro) and zero-shot.
@pytest.mark.parametrize(
    ("optimizer", "preset", "trials"),
    [
        ("mipro", "light", {1: 10, 2: 20, 4: 41}),
        ("mipro", "medium", {1: 18, 2: 28, 4: 57}),
        ("mipro", "heavy", {1: 27, 2: 33, 4: 66}),
        ("zero_shot_mipro", "light", {1: 9, 2: 10, 4: 20}),
        ("zero_shot_mipro", "medium", {1: 18, 2: 18, 4: 28}),
        ("zero_shot_mipro", "heavy", {1: 27, 2: 27, 4: 33}),
    ],
)
def test_dspys_auto_modes(optimizer: str, preset: str, trials: dict[int, int]) -> None:
    assert {n: search(optimizer, preset, n, N_VAL[preset])["trials"] for n in trials} == trials
    found = search(optimizer, preset, 1, N_VAL[preset])
    n = {"light": 6, "medium": 12, "heavy": 18}[preset]
    assert (found["candidates"], found["minibatch_size"], found["full_eval_every"]) == (n, 35, 5)
    assert found.get("instructions") == (n // 2 if optimizer == "mipro" else None)
    assert found["schedule"] == "minibatch"
    assert search(optimizer, preset, 1, 50)["schedule"] == "full"


def test_light_is_what_dspy_itself_computes() -> None:
    nobody: Any = object()  # never called: only the arithmetic is asked for
    auto = dspy.MIPROv2(metric=lambda *_: 1.0, auto="light", prompt_model=nobody, task_model=nobody)
    for predictors in (1, 2, 3):
        program = dspy.Module()
        for place in range(predictors):
            setattr(program, f"p{place}", dspy.Predict("question -> answer"))
        for zero_shot, optimizer in ((False, "mipro"), (True, "zero_shot_mipro")):
            assert (
                auto._set_num_trials_from_num_candidates(program, zero_shot, 6)
                == search(optimizer, "light", predictors, 100)["trials"]
            )


# HotPotQA, HoVer and ScoNe: 50, 20 and 50 full evaluations of 500 rows, B = 25 and S = 10.
@pytest.mark.parametrize(
    ("optimizer", "n_free", "n_val", "trials", "candidates"),
    [
        ("mipro", 2, 500, 333, 30),
        ("mipro", 4, 500, 133, 16),  # N < T/v: 133 trials, eight variables
        ("mipro", 1, 500, 333, 30),
        ("zero_shot_mipro", 2, 500, 333, 60),
        ("bayesian_bootstrap", 2, 500, 333, 60),
        ("mipro", 1, 75, 115, 30),  # 50 * 75 / 32.5
        ("mipro", 1, 20, 50, 25),  # a batch as large as the set: as many trials as full evaluations
    ],
)
def test_the_papers_budget_in_minibatches(
    optimizer: str, n_free: int, n_val: int, trials: int, candidates: int
) -> None:
    found = search(optimizer, "paper", n_free, n_val)
    assert (found["trials"], found["candidates"]) == (trials, candidates)
    assert (found["minibatch_size"], found["full_eval_every"], found["surrogate"]) == (25, 10, "tpe")


@pytest.mark.parametrize("optimizer", ["bootstrap_rs", "module_opro", "program_opro", "opro", "gepa"])
def test_the_papers_budget_in_full_evaluations(optimizer: str) -> None:
    for n_free, trials in ((1, 50), (2, 50), (4, 20)):
        found = search(optimizer, "paper", n_free, 500)
        assert (found["trials"], found["schedule"]) == (trials, "full")
        assert found["candidates"] == trials + 1  # candidates explored = trials; the seed is one more


# Tables 3 and 4 and section 4.4: full evaluations, N of MIPRO, of 0-shot MIPRO and of Bayesian Bootstrap.
@pytest.mark.parametrize(
    ("task", "predictors", "evaluations", "both", "half"),
    [
        ("scone", 1, 50, 70, 70),
        ("hotpotqa", 2, 50, 30, 60),
        ("hover", 4, 20, 10, 15),
        ("hotpotqa_conditional", 2, 30, 30, 35),
        ("iris", 1, 30, 30, 50),
        ("iris_typo", 1, 30, 30, 50),
        ("heart_disease", 4, 30, 15, 30),
    ],
)
def test_the_papers_tasks_have_the_papers_numbers(
    task: str, predictors: int, evaluations: int, both: int, half: int
) -> None:
    program = load_program(f"sample:{task}", ROOT)
    assert len(program.predictors) == predictors
    found = {}
    for optimizer in ("mipro", "zero_shot_mipro", "bayesian_bootstrap", "bootstrap_rs", "module_opro", "ca_opro"):
        request = {"program": f"sample:{task}", "optimizer": optimizer, "preset": "paper"}
        found[optimizer] = resolve(parse_config(request), program, 500, request).search
    n = {name: found[name].candidates for name in ("mipro", "zero_shot_mipro", "bayesian_bootstrap")}
    assert n == {"mipro": both, "zero_shot_mipro": half, "bayesian_bootstrap": half}
    assert {found[name].trials for name in ("mipro", "zero_shot_mipro")} == {int(evaluations * 500 / 75)}
    assert {found[name].trials for name in ("bootstrap_rs", "module_opro", "ca_opro")} == {evaluations}


@pytest.mark.parametrize("optimizer", [name for name in OPTIMIZERS if name != "studio"])
@pytest.mark.parametrize("preset", ["paper", "light", "medium", "heavy"])
def test_under_the_papers_and_dspys_presets_a_trial_knows_all_before_it(
    one: Program, optimizer: str, preset: str
) -> None:
    request = {"optimizer": optimizer, "preset": preset}
    assert resolve(asked(**request), one, 100, request).search.lag == 1
    request |= {"search": {"lag": 4}}
    if "lag" not in get_optimizer(optimizer).fixed.get("search", {}):
        assert resolve(asked(**request), one, 100, request).search.lag == 4


@pytest.mark.parametrize("preset", ["paper", "light", "medium", "heavy"])
def test_presets_of_others_mean_mipro_and_to_the_studios_optimizer_a_budget(two: Program, preset: str) -> None:
    assert asked(preset=preset).optimizer == "mipro"
    assert asked().optimizer == asked(preset="studio").optimizer == "studio"
    mipros = resolve(asked(preset=preset), two, 200, {"preset": preset}).search
    request = {"preset": preset, "optimizer": "studio"}
    ours = resolve(asked(**request), two, 200, request).search
    assert (mipros.surrogate, mipros.schedule, mipros.lag) == ("tpe", "minibatch", 1)
    assert (ours.surrogate, ours.schedule, ours.lag) == ("item_response", "racing", 6)
    assert ours.candidates == mipros.candidates
    n_val = min(200, get_preset(preset).max_val or 200)
    full = -(-mipros.trials // mipros.full_eval_every) * (n_val - mipros.minibatch_size)
    assert ours.trials == (mipros.trials * mipros.minibatch_size + full) // 10


def test_a_stored_run_of_mipro_in_a_race_stays_one(two: Program) -> None:
    stored = asked(optimizer="mipro", search={"surrogate": "item_response", "schedule": "racing", "lag": 6})
    whole = parse_config(stored.model_dump(mode="json"))
    assert resolve(whole, two, 60) == resolve(resolve(whole, two, 60), two, 60)
    assert resolve(whole, two, 60).search == whole.search
    assert resolve(whole, two, 60).optimizer == "mipro"


@pytest.mark.parametrize("preset", list(PRESETS))
def test_a_temperature_is_searched_unless_a_person_said_one(two: Program, preset: str) -> None:
    request: dict[str, Any] = {"optimizer": "zero_shot_mipro_pp", "preset": preset}
    free = resolve(asked(**request), two, 100, request)
    request["proposer"] = {"temperature": 0.3}
    said = resolve(asked(**request), two, 100, request)
    assert (free.proposer.vary_temperature, said.proposer.vary_temperature) == (True, False)
    assert said.proposer.temperature == 0.3
    for settled in (free, said):
        assert resolve(parse_config(settled.model_dump(mode="json")), two, 100) == settled


def test_a_run_that_an_older_studio_stored_goes_on_searching_the_temperature(two: Program) -> None:
    stored = asked(optimizer="zero_shot_mipro_pp").model_dump(mode="json")
    del stored["proposer"]["vary_temperature"]
    assert resolve(parse_config(stored), two, 100).proposer.vary_temperature is True


def test_gepa_gets_the_metric_calls_of_dspys_own_auto_mode(two: Program) -> None:
    # light, two predictors: 20 trials; 100 + 6*5 + 20*35 + (21//5 + 1)*100 = 1330 calls = 13.3 full evaluations.
    assert search("gepa", "light", 2, 100)["trials"] == 12
    resolved = resolve(asked(optimizer="gepa", preset="light"), two, 100, {"optimizer": "gepa"})
    assert (resolved.search.schedule, resolved.search.trials) == ("full", 12)


@pytest.mark.parametrize(
    ("optimizer", "said", "trials"),
    [
        ("bootstrap_few_shot", {}, 1),
        ("bootstrap_rs", {"candidates": 19}, 18),  # DSPy's 16 candidate programs are 19 with the three before them
        ("ca_opro", {"breadth": 5, "depth": 2}, 20),  # D * m * N
        ("ca_opro", {"breadth": 10, "depth": 3, "freeze": ["tone"]}, 30),
        ("ca_opro", {"breadth": 10, "depth": 3}, 30),  # of 60: the settings allow 30
        ("module_opro", {}, 30),
    ],
)
def test_trials_an_optimizer_has_no_use_for_are_taken_back(
    two: Program, optimizer: str, said: dict[str, Any], trials: int
) -> None:
    request = {"optimizer": optimizer, "search": said}
    assert resolve(asked(**request), two, 100, request).search.trials == trials


def test_what_a_person_said_is_over_the_preset_and_what_an_optimizer_is_over_that(two: Program) -> None:
    request = {"optimizer": "module_opro_ungrounded", "preset": "paper", "search": {"trials": 7, "lag": 3}}
    resolved = resolve(asked(**request), two, 100, request)
    assert (resolved.search.trials, resolved.search.lag) == (7, 1)
    assert (resolved.proposer.temperature, resolved.proposer.history) == (0.7, True)
    assert (resolved.proposer.dataset_summary, resolved.proposer.tips) == (False, ())
    assert resolve(resolved, two, 100) == resolved


@pytest.mark.parametrize(
    ("preset", "trials", "eval_runs", "dspys"),
    [
        # 100 baseline + 10 minibatches of 35 + 2 full evaluations; ours do not pay the 35 rows again.
        ("light", 10, 100 + 350 + 2 * 65, 650),
        # 18 trials: full after 5, 10, 15 and at the end.
        ("medium", 18, 300 + 18 * 35 + 4 * 265, 2130),
        ("heavy", 27, 1000 + 27 * 35 + 6 * 965, 7945),
    ],
)
def test_the_plan_of_a_preset_in_program_runs(
    one: Program, preset: str, trials: int, eval_runs: int, dspys: int
) -> None:
    n_val = N_VAL[preset]
    resolved = resolve(asked(preset=preset), one, n_val, {"preset": preset})
    plan = make_plan(resolved, {"train": 40, "val": n_val, "test": 10}, 1, 0.0, 0.0)

    assert plan["trials"] == trials
    # At most every training row is bootstrapped from; two of them are rehearsed.
    assert plan["program_runs"]["total"][1] == eval_runs + 40 + 2
    n_full = plan["full_evaluations"] - 1
    assert n_val + trials * 35 + n_full * n_val == dspys
    # Prompt calls: summary of 4 batches + 1, program + module, (N - 1) instructions.
    n = {"light": 3, "medium": 6, "heavy": 9}[preset]
    assert plan["lm_calls"]["prompt"] == [5 + 2 + n - 1] * 2


def test_every_preset_is_shown_in_trials_and_program_runs_before_a_run(two: Program) -> None:
    request = {"optimizer": "mipro"}
    rows = preset_rows(asked(**request), two, {"train": 40, "val": 400, "test": 40}, request)

    assert [row["preset"] for row in rows] == list(PRESETS)
    by_name = {row["preset"]: row for row in rows}
    # 20 * (35 + 65 / 5) + 100 baseline + 40 rows to bootstrap from + 2 of the rehearsal.
    assert (by_name["light"]["trials"], by_name["light"]["program_runs"][1]) == (20, 100 + 20 * 35 + 4 * 65 + 42)
    # 50 * 400 / (25 + 40) trials, a full evaluation every ten.
    assert (by_name["paper"]["trials"], by_name["paper"]["full_evaluations"]) == (307, 32)
    assert by_name["studio"]["trials"] == 30


@pytest.mark.parametrize("n_val", [12, 25, 40, 65, 120])
@pytest.mark.parametrize("trials", [7, 30, 100])
def test_no_race_takes_more_than_its_plan(one: Program, n_val: int, trials: int) -> None:
    resolved = resolve(asked(search={"trials": trials}), one, n_val)
    plan = make_plan(resolved, {"train": 0, "val": n_val, "test": 10}, 1, 0.0, 0.0)
    step, finalists = resolved.search.step, resolved.search.finalists
    rng = random.Random(n_val)
    for greed in (0.0, 0.5, 1.0):  # at 1, every trial takes the candidate that is furthest along one stage further
        cells = [0] * trials
        for _ in range(trials):
            open_ = [place for place, known in enumerate(cells) if known < n_val]
            place = max(open_, key=cells.__getitem__) if rng.random() < greed else rng.choice(open_)
            cells[place] += next_stage(cells[place], n_val, step)
        fulls = sum(known == n_val for known in cells)
        left = sorted((n_val - known for known in cells if 0 < known < n_val), reverse=True)[:finalists]
        assert n_val + sum(cells) + sum(left) <= plan["program_runs"]["total"][1]
        assert plan["program_runs"]["total"][0] <= n_val + sum(cells)
        assert fulls + len(left) + 1 <= plan["full_evaluations"]


@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
@pytest.mark.parametrize("preset", list(PRESETS))
def test_every_optimizer_has_a_plan_under_every_preset(one: Program, optimizer: str, preset: str) -> None:
    request = {"optimizer": optimizer, "preset": preset}
    resolved = resolve(asked(**request), one, 100, request)
    plan = make_plan(resolved, {"train": 40, "val": 100, "test": 10}, 1, 0.0, 0.0)
    assert plan["trials"] >= 1 and plan["program_runs"]["total"][1] > 100
    of_demos = ("bootstrap_few_shot", "bootstrap_rs", "bayesian_bootstrap")
    asks = optimizer not in (*of_demos, "bootstrap_finetune", "better_together")
    assert (plan["lm_calls"]["prompt"][1] > 0) is asks


def test_a_preset_draws_its_validation_rows_by_the_seed() -> None:
    rows = tuple(Example(f"r{place}", Split.VAL, place, {}, {}) for place in range(150))
    data = Dataset(rows, (), (), None)
    kept = trimmed(data, asked(preset="light"))
    assert len(kept.of(Split.VAL)) == 100 and "100 of the 150" in kept.warnings[-1]
    assert kept == trimmed(data, asked(preset="light")) != trimmed(data, asked(preset="light", seed=1))
    assert trimmed(data, asked(preset="paper")) == data


@pytest.mark.parametrize(("cap", "rows"), [(None, 150), (5000, 150), (900, 90), (120, 50)])
def test_under_a_small_cap_fewer_validation_rows_are_used(cap: int | None, rows: int) -> None:
    """Of the studio's own optimizer only: MIPRO's minibatches and full evaluations stay the paper's."""
    data = Dataset(tuple(Example(f"r{place}", Split.VAL, place, {}, {}) for place in range(150)), (), (), None)
    kept = trimmed(data, asked(optimizer="studio", budget={"max_program_runs": cap}))
    assert len(kept.of(Split.VAL)) == rows
    assert (f"cap of {cap} program runs {rows} of the 150" in " ".join(kept.warnings)) is (rows < 150)
    assert trimmed(data, asked(optimizer="mipro", budget={"max_program_runs": cap})) == data


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (
            {"optimizer": "opro"},
            "OPRO optimizes one instruction, and this program has 2 free predictors (queue, tone).",
        ),
        ({"optimizer": "mipro_v9"}, "There is no optimizer 'mipro_v9'."),
        ({"preset": "huge"}, "There is no preset 'huge'."),
        (
            {"optimizer": "bootstrap_rs", "search": {"max_bootstrapped": 0, "max_labeled": 0}},
            "bootstrap_rs searches demo sets, and the settings allow no demos at all.",
        ),
    ],
)
def test_what_does_not_fit_is_one_sentence(two: Program, request_: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadInput) as refused:
        resolve(asked(**request_), two, 100, request_)
    assert refused.value.message == sentence and refused.value.hint


def test_opro_takes_the_one_predictor_that_is_left_free(two: Program) -> None:
    request = {"optimizer": "opro", "search": {"freeze": ["queue"]}}
    assert resolve(asked(**request), two, 100, request).search.freeze == ("queue",)


@pytest.mark.parametrize(
    ("values", "lag"),
    [
        ({}, 6),
        ({"budget": {"max_program_runs": 700}}, 3),
        ({"budget": {"max_program_runs": 1_900}}, 6),
        ({"budget": {"max_program_runs": 700}, "search": {"lag": 6}}, 6),
        ({"budget": {"max_program_runs": 700}, "optimizer": "mipro"}, 1),
    ],
)
def test_under_a_small_cap_fewer_trials_are_under_way_unless_a_person_says_otherwise(
    two: Program, values: dict[str, Any], lag: int
) -> None:
    once = resolve(asked(**values), two, 60, values)
    assert once.search.lag == lag
    assert resolve(once, two, 60) == once
