"""The form and the config it stands for."""

from typing import Any

import pytest

from mipro_studio.optimizer_core.config import DataSpec, RunConfig, SearchSettings
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.ui.home.samples import all_samples, sample_values
from mipro_studio.ui.new_run.run_form import FIELDS, to_config, to_state
from mipro_studio.ui.text.data_leaving import leaving

REMOTE = {
    "model": "openai/some",
    "api_base": "https://m.example/v1",
    "api_key_env": "SOME_KEY",
    "timeout_s": 9.0,
}
CONFIGS: list[dict[str, Any]] = [
    {"program": "sample:triage"},
    {"program": "a.py:program", "metric": "m.py:f", "seed": 7, "data": {"data": "d.csv", "inputs": ["a", "b"]}},
    {"program": "a:b", "data": {"train": "t.csv", "val": "v.csv", "columns": {"text": "message"}, "limit": 9}},
    {"program": "a:b", "task_model": REMOTE, "teacher": {"model": "embedded"}, "prompt_model": REMOTE},
    {"program": "a:b", "proposer": {"tips": ["simple"], "hint": "Be brief."}, "budget": {"max_usd": 2.5}},
    {"program": "a:b", "search": {"freeze": ["classify"], "threshold": 0.5}, "review": True},
    {"program": "a:b", "search": {"instructions": 4, "lag": 2, "step": 9, "finalists": 1}, "pause_after": 3},
    {"program": "a:b", "adapter": "xml", "models": {"one.predict": REMOTE, "two": {"model": "embedded"}}},
    {"program": "a:b", "task_model": {"model": "program"}},
    {"program": "a:b", "data": {"data": "rows.py:trainset", "labels": ["x", "y"], "empty_is_answer": True}},
    {"program": "a:b", "data": {"data": "d.csv", "stratify": "none", "group": "user", "delimiter": "tab"}},
    {"program": "a:b", "data": {"data": "d.tsv.gz", "encoding": "cp1252"}},
    {"program": "sample:triage", "optimizer": "better_together", "finetune": {"strategy": "all"}},
    {"program": "a:b", "optimizer": "ca_opro", "search": {"breadth": 3, "depth": 4}},
]


def test_every_setting_of_the_search_has_a_place_in_the_form() -> None:
    placed = {path[1] for path in FIELDS.values() if path[0] == "search"}
    assert placed | {"freeze", "kinds", "least_headroom", "made"} == set(SearchSettings.model_fields)


def test_every_setting_of_the_data_has_a_place_in_the_form() -> None:
    placed = {path[1] for path in FIELDS.values() if path[0] == "data"}
    by_hand = {"data", "train", "val", "test", "split", "inputs", "labels", "columns"}
    assert placed | by_hand == set(DataSpec.model_fields)


@pytest.mark.parametrize("values", CONFIGS)
def test_what_the_form_is_filled_with_comes_back(values: dict[str, Any]) -> None:
    config = RunConfig.model_validate(values)
    assert to_config(to_state(values)) == config
    assert to_config(to_state(config.model_dump(mode="json"))) == config


def test_a_key_is_refused_where_its_name_belongs_and_is_not_repeated() -> None:
    state = to_state({"program": "a:b", "task_model": {**REMOTE, "api_key_env": "sk-secret-123"}})
    with pytest.raises(BadInput, match="not the name of an environment variable") as refused:
        to_config(state)
    assert "sk-secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"nr_program_kind": "My own", "nr_program": " "}, "No program is named"),
        ({"nr_data_kind": "One file", "nr_data_data": ""}, "No data file is named"),
        ({"nr_data_kind": "A file a split", "nr_data_train": ""}, "No data file is named"),
        ({"nr_columns": "text message"}, "not of the form"),
        ({"nr_task_kind": "Endpoint", "nr_task_model": ""}, "has no name"),
        ({"nr_threads": None}, "threads = None is not allowed"),
    ],
)
def test_what_is_missing_is_named(change: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        to_config({**to_state({"program": "a:b"}), **change})


def test_nothing_leaves_with_the_embedded_model_or_a_loopback_endpoint() -> None:
    assert leaving(RunConfig(program="a:b")) == []
    local = {**REMOTE, "api_base": "http://127.0.0.1:8080/v1"}
    assert leaving(RunConfig.model_validate({"program": "a:b", "task_model": local})) == []


def test_what_leaves_is_said_role_by_role() -> None:
    config = RunConfig.model_validate(
        {"program": "a:b", "prompt_model": REMOTE, "proposer": {"program_summary": False, "hint": "x"}}
    )
    (said,) = leaving(config)
    assert "https://m.example/v1" in said
    assert "batches of training rows" in said
    assert "source code" not in said
    tricky = {**REMOTE, "api_base": "http://127.0.0.1.example/v1"}
    assert leaving(RunConfig.model_validate({"program": "a:b", "task_model": tricky}))


def test_every_sample_fills_a_form_that_is_complete() -> None:
    for sample in all_samples():
        config = to_config(to_state(sample_values(sample.name)))
        assert config.program == f"sample:{sample.name}"
        assert config.data.split == sample.split
