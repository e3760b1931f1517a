"""Settings by path: all are there, each says what it is, and what is set arrives."""

import pytest

from mipro_studio.optimizer_core.config import parse_config
from mipro_studio.optimizer_core.config_paths import all_settings, assigned, merge
from mipro_studio.optimizer_core.errors import BadInput


def test_every_setting_has_a_meaning_and_a_type() -> None:
    settings = {setting.path: setting for setting in all_settings()}
    expected = {"search.lag", "proposer.hint", "budget.max_usd", "task_model.timeout_s", "judge.model.model"}
    assert expected <= set(settings)
    assert (settings["search.lag"].type, settings["search.lag"].default) == ("int", "6")
    assert settings["search.schedule"].type == "'minibatch' | 'racing' | 'full'"
    assert settings["budget.max_usd"].type == "float | None"
    assert [path for path, one in settings.items() if not one.meaning] == []


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("search.lag=3", ("search", "lag"), 3),
        ("search.freeze=queue,tone", ("search", "freeze"), ("queue", "tone")),
        ("budget.max_usd=0.5", ("budget", "max_usd"), 0.5),
        ("review=true", ("review",), True),
        ("proposer.hint=Be = brief, 12", ("proposer", "hint"), "Be = brief, 12"),
        ("name=12", ("name",), "12"),
        ('data.columns={"q": "question"}', ("data", "columns"), {"q": "question"}),
        ("task_model.temperature=0.7", ("task_model", "temperature"), 0.7),
    ],
)
def test_a_value_arrives_with_its_type(text: str, path: tuple[str, ...], value: object) -> None:
    config = parse_config(merge({"program": "sample:triage"}, assigned([text])))
    for name in path:
        config = getattr(config, name)
    assert config == value


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("search.lagg=3", "Did you mean search.lag"),
        ("lag=3", "Did you mean search.lag"),
        ("search.lag", "gives no value"),
        ("program=x", "no setting 'program'"),
    ],
)
def test_a_path_that_is_none_names_the_nearest(text: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        assigned([text])


def test_a_wrong_value_is_refused_by_the_setting_itself() -> None:
    with pytest.raises(BadInput, match=r"search\.lag"):
        parse_config(merge({"program": "sample:triage"}, assigned(["search.lag=many"])))
