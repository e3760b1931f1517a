"""A cap on program runs that is below the plan: rows and trials are left out, and one sentence says which."""

from typing import Any

import pytest

from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.inspection import inspect_request
from mipro_studio.optimizer_core.optimizers.registry import get_optimizer
from mipro_studio.optimizer_core.runs.fit_cap import fit_cap
from mipro_studio.optimizer_core.runs.plan import make_plan
from mipro_studio.optimizer_core.types import FULL_KINDS
from tests.optimizer_core.builders import ROOT, fresh_journal, live, make_examples, merge
from tests.optimizer_core.optimizers.small import scripted, settings

ROWS = {"train": 194, "val": 65, "test": 65}


def asked(optimizer: str = "studio", cap: int | None = 150, **search: Any) -> RunConfig:
    defaults = get_optimizer(optimizer).defaults.get("search", {})
    values = {"program": "p", "optimizer": optimizer, "search": {**defaults, "trials": 40, **search}}
    return RunConfig.model_validate(merge(values, {"budget": {"max_program_runs": cap}} if cap else {}))


def test_a_cap_below_the_plan_leaves_out_rows_and_trials_and_says_so() -> None:
    config, sizes, note = fit_cap(asked(), ROWS, 2, {})
    assert (sizes["val"], sizes["train"], sizes["test"]) == (25, 194, 65)
    assert 1 <= config.search.trials < 40
    assert note.startswith("The cap of 150 program runs does not pay for the whole plan (")
    assert "The search takes 25 of 65 validation rows, drawn by the seed" in note
    assert note.endswith(f", and {config.search.trials} trials instead of 40.")
    assert make_plan(config, sizes, 2, 0.0, 0.0)["program_runs"]["least"] + 25 <= 150
    assert not any("The cap of" in said for said in make_plan(config, sizes, 2, 0.0, 0.0)["notes"])


@pytest.mark.parametrize("optimizer", ["studio", "mipro", "bootstrap_rs", "gepa", "zero_shot_mipro", "ca_opro"])
@pytest.mark.parametrize("cap", [13, 40, 150, 400])
def test_what_is_left_takes_no_more_than_the_cap_at_least(optimizer: str, cap: int) -> None:
    config, sizes, _ = fit_cap(asked(optimizer, cap), ROWS, 2, {})
    runs = make_plan(config, sizes, 2, 0.0, 0.0)["program_runs"]
    assert runs["least"] <= cap and 2 * sizes["val"] <= max(cap, 4)


def test_a_cap_that_pays_for_the_plan_and_a_number_of_trials_that_a_person_chose_change_nothing() -> None:
    for config, said in ((asked(cap=2000), {}), (asked(cap=None), {}), (asked(), {"search": {"trials": 40}})):
        assert fit_cap(config, ROWS, 2, said) == (config, ROWS, "")


def test_the_sample_under_a_cap_of_150_is_stored_with_what_it_can_pay_for() -> None:
    values = {"program": "sample:triage", "budget": {"max_program_runs": 150}}
    found = inspect_request(values, ROOT, call_models=False)
    rows = [row["split"] for row in found["records"]]
    assert (rows.count("val"), rows.count("test")) == (25, 65)
    assert found["plan"]["notes"][0].startswith("The cap of 150 program runs does not pay for the whole plan")
    assert found["config"]["search"]["trials"] == found["plan"]["trials"] < 40
    assert found["plan"]["program_runs"]["baseline"] == 25


@pytest.mark.parametrize("cap", [40, 90, 150])
def test_a_run_that_fits_its_cap_has_a_candidate_beside_the_baseline_on_all_rows(cap: int) -> None:
    rows = {"train": 12, "val": 36, "test": 8}
    with scripted(lambda prompt, messages: None) as endpoint:
        whole = settings(endpoint, "studio", search={"trials": 100}, budget={"max_program_runs": cap})
        config, sizes, note = fit_cap(whole, rows, 2, {})
        life = live(config, fresh_journal(make_examples(**sizes)))
    assert note and life.context.evaluator.program_runs <= cap
    full = {trial.candidate for trial in life.trials if trial.done and trial.kind in FULL_KINDS}
    assert len(full) > 1, [trial.kind for trial in life.trials]
