from typing import Any

from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.config_paths import put
from mipro_studio.optimizer_core.roles import MODEL_PLACES, ROLE_TITLES, key_variables, model_of
from mipro_studio.optimizer_core.types import Role


def spec(variable: str) -> dict[str, str]:
    return {"model": "openai/x", "api_base": "http://127.0.0.1:9/v1", "api_key_env": variable}


def test_every_role_has_a_title_and_those_with_a_model_of_their_own_a_place_in_the_config() -> None:
    assert list(ROLE_TITLES) == list(Role) and all(ROLE_TITLES.values())
    assert set(MODEL_PLACES) == {role for role in Role if not role.sealed}
    asked: dict[str, Any] = {"program": "p", "metric": "judge"}
    for role, place in MODEL_PLACES.items():
        assert role.does.endswith(".")
        put(asked, ".".join(place), spec(f"KEY_OF_{role.name}"))
    config = RunConfig.model_validate(asked)
    assert config.roles == tuple(MODEL_PLACES)
    for role in MODEL_PLACES:
        assert config.model_for(role).api_key_env == f"KEY_OF_{role.name}"
        assert (model_of(config.model_dump(), role) or {})["api_key_env"] == f"KEY_OF_{role.name}"


def test_a_role_without_a_model_of_its_own_has_the_task_model_and_the_judge_the_prompt_model() -> None:
    config = RunConfig.model_validate({"program": "p", "task_model": spec("A")})
    assert {config.model_for(role).api_key_env for role in Role} == {"A"}
    assert Role.JUDGE not in config.roles
    config = RunConfig.model_validate({"program": "p", "task_model": spec("A"), "prompt_model": spec("B")})
    with_b = {role for role in Role if config.model_for(role).api_key_env == "B"}
    assert with_b == {Role.PROMPT, Role.JUDGE, Role.JUDGE_TEST}


def test_every_model_of_a_run_names_its_keys_variable_whatever_it_is_for() -> None:
    config = {
        "task_model": spec("GATEWAY"),
        "judge": {"model": spec("VERDICTS")},
        "predictor_models": {"answer.predict": spec("OF_A_PREDICTOR"), "others": [spec("LISTED")]},
        "teacher": None,
        "prompt_model": {"model": "embedded", "api_key_env": None},
    }
    assert key_variables(config) == {"GATEWAY", "VERDICTS", "OF_A_PREDICTOR", "LISTED"}


def test_a_config_of_an_older_studio_has_no_judge() -> None:
    assert model_of({"task_model": spec("A")}, Role.JUDGE) is None
    assert model_of({"judge": "gpt"}, Role.JUDGE) is None
