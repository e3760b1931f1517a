from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.roles import MODEL_PLACES, ROLE_TITLES, key_variables, model_of
from mipro_studio.optimizer_core.types import Role


def spec(variable: str) -> dict[str, str]:
    return {"model": "openai/x", "api_base": "http://127.0.0.1:9/v1", "api_key_env": variable}


def test_every_role_has_a_title_and_those_with_a_model_of_their_own_a_place_in_the_config() -> None:
    assert set(ROLE_TITLES) == set(Role)
    config = RunConfig.model_validate(
        {"program": "p", "metric": "judge", "judge": {"model": spec("D")}}
        | {place: spec(name) for place, name in (("task_model", "A"), ("prompt_model", "B"), ("teacher", "C"))}
    ).model_dump()
    assert set(MODEL_PLACES) == {role for role in Role if not role.sealed}
    found = {role: (model_of(config, role) or {})["api_key_env"] for role in MODEL_PLACES}
    assert found == {Role.TASK: "A", Role.PROMPT: "B", Role.TEACHER: "C", Role.JUDGE: "D"}


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
