"""The plan: what a run really takes lies in it, by role; caps below it are pointed out; more trials, another plan.

That it is so for every optimizer is seen from the whole runs of `optimizers/test_all.py`.
"""

import json
from typing import Any

import pytest

from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.runs.plan import make_plan, planned_anew
from mipro_studio.optimizer_core.types import Role, Split
from tests.optimizer_core.builders import Life, live, merge
from tests.optimizer_core.optimizers.small import SIZES, journal, scripted, settings

PLANNED = {Role.TASK, Role.PROMPT, Role.TEACHER, Role.JUDGE, Role.TEST, Role.JUDGE_TEST}


def plan_of(config: RunConfig, n_predictors: int = 2) -> dict[str, Any]:
    return make_plan(config, SIZES, n_predictors, 100.0, 80.0)


def took(life: Life) -> dict[str, int]:
    return {spent.role.value: spent.usage.calls for spent in life.journal.spent()}


def assert_in(plan: dict[str, Any], life: Life) -> None:
    calls = took(life)
    for role, (least, most) in plan["lm_calls"].items():
        assert least <= calls.get(role, 0) <= most, (role, calls, plan["lm_calls"])
    runs = sum(cell.key.split is not Split.TEST for cell in life.journal.cells())
    assert plan["program_runs"]["total"][0] <= runs <= plan["program_runs"]["total"][1]


def only_json(prompt: Any, messages: list[dict[str, Any]]) -> str | None:
    """A judge that keeps to no format but JSON, so that every verdict is asked for twice."""
    text = str(messages[-1]["content"])
    if "criterion" not in text:
        return None
    return json.dumps({"met": "yes"}) if "JSON object" in text else "Yes, I should think so."


@pytest.mark.parametrize("optimizer", ["mipro", "gepa"])
def test_replies_that_are_asked_for_once_more_are_planned(optimizer: str) -> None:
    judged = {"metric": "judge", "judge": {"criteria": ["It is short.", "It is polite."]}}
    with scripted(only_json) as endpoint:
        life = live(settings(endpoint, optimizer, **judged), journal())
        asked = sum("criterion" in str(entry["body"]["messages"][-1]["content"]) for entry in endpoint.requests())
    plan = plan_of(life.context.config)
    assert_in(plan, life)
    assert asked > plan["lm_calls"]["judge"][0] * 2  # every verdict twice, those on the sealed test included


def test_gepa_says_why_it_ends_before_its_trials() -> None:
    with scripted(lambda prompt, messages: None) as endpoint:
        life = live(settings(endpoint, "gepa", search={"trials": 4}), journal())
    done = sum(trial.done for trial in life.trials) - 1
    told = [event.data["text"] for event in life.journal.events if event.kind == "note"]
    assert done < 4 and "GEPA's budget is spent" in told[-1]


CAPS = {
    "max_program_runs": "The cap of 3 program runs is below the",
    "max_lm_calls": "The cap of 3 LM calls is below the",
    "max_tokens": "The cap of 3 tokens is below the",
    "max_usd": "The cap of 3.0 dollars is below the",
}


@pytest.mark.parametrize("cap", CAPS)
def test_a_cap_below_the_plan_is_pointed_out(cap: str) -> None:
    priced = {"task_model": {"model": "openai/x", "input_usd_per_mtok": 1e6, "output_usd_per_mtok": 1e6}}
    values = {"program": "p", **priced, "prompt_model": priced["task_model"]}
    capped = RunConfig.model_validate(merge(values, {"budget": {cap: 3}}))
    assert any(CAPS[cap] in note for note in plan_of(capped)["notes"])
    assert not any("The cap of" in note for note in plan_of(RunConfig.model_validate(values))["notes"])
    wide = RunConfig.model_validate(merge(values, {"budget": {cap: 10**9}}))
    assert not any("The cap of" in note for note in plan_of(wide)["notes"])


def test_dollars_are_planned_where_all_prices_are_known_by_anybody() -> None:
    free, known = {"model": "embedded"}, {"model": "openai/gpt-4o-mini"}
    own = {"model": "openai/x", "api_base": "http://h/v1"}
    for task, prompt, expected in ((free, free, False), (known, free, True), (own, free, None), (known, own, None)):
        usd = plan_of(RunConfig.model_validate({"program": "p", "task_model": task, "prompt_model": prompt}))["usd"]
        assert usd is None if expected is None else bool(usd[1]) is expected


def test_more_trials_are_another_plan_and_a_plan_of_an_older_studio_stays() -> None:
    config = RunConfig.model_validate({"program": "p", "search": {"trials": 10, "schedule": "full"}})
    plan = json.loads(json.dumps(plan_of(config)))
    assert planned_anew(config, plan) == plan
    more = RunConfig.model_validate({"program": "p", "search": {"trials": 20, "schedule": "full"}})
    before, after = (one["program_runs"]["total"][1] for one in (plan, planned_anew(more, plan)))
    assert after == before + 10 * SIZES["val"]
    assert planned_anew(more, {"trials": 10}) == {"trials": 10}
