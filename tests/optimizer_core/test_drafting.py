"""A plan from facts alone is the plan that an inspection makes."""

import json
from pathlib import Path

import pytest

from optimizer_core.drafting import draft, facts_of
from optimizer_core.inspection import inspect_request

HERE = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"preset": "light"},
        {"optimizer": "bootstrap_rs", "search": {"trials": 5}},
        {"search": {"freeze": ["tone"]}, "budget": {"max_program_runs": 300}},
    ],
)
def test_it_says_what_the_inspection_says(changes: dict[str, object]) -> None:
    values = {"program": "sample:triage", **changes}
    found = inspect_request(values, HERE, call_models=False)
    said = draft(values, facts_of(json.loads(json.dumps(found["facts"]))))
    assert said["plan"] == found["plan"]
    assert said["presets"] == found["presets"]
    assert said["settings"]["search"] == json.loads(json.dumps(found["config"]))["search"]
