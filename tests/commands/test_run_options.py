"""Options of `run` come from the settings' own types: no list of settings is typed a second time."""

import inspect

import pytest
import typer
from typer.testing import CliRunner

from mipro_studio.commands.run_options import PANELS, SWITCHED_OFF, with_settings
from mipro_studio.optimizer_core.config_paths import all_settings

app = typer.Typer()
SEEN: list[dict[str, object]] = []


@app.command()
@with_settings
def take(given: dict[str, object], own: str = "") -> None:
    """What was given."""
    SEEN.append(given)


def given(*options: str) -> dict[str, object]:
    done = CliRunner().invoke(app, list(options))
    assert done.exit_code == 0, done.output
    return SEEN.pop()


def test_every_option_names_a_setting_and_no_setting_has_two() -> None:
    paths = [path for options in PANELS.values() for path in options.values()]
    known = {setting.path for setting in all_settings()}
    assert set(paths) | {path for path, _, _ in SWITCHED_OFF.values()} <= known
    assert len(paths) == len(set(paths))


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ([], {}),
        (["--trials", "0", "--seed", "0"], {"search": {"trials": 0}, "seed": 0}),
        (["--inputs", "a, b", "--freeze", "step"], {"data": {"inputs": ["a", "b"]}, "search": {"freeze": ["step"]}}),
        (["--max-usd", "0.5", "--review"], {"budget": {"max_usd": 0.5}, "review": True}),
        (["--no-tips", "--no-demos"], {"proposer": {"tips": [], "demos": False}}),
        (["--labeled-demos", "random", "--row-timeout", "3"], {"search": {"labels": "random"}, "row_timeout_s": 3.0}),
        (["--lag", "2", "--set", "search.lag=3", "--set", "search.step=4"], {"search": {"lag": 3, "step": 4}}),
        (["--empty-is-answer", "--objective", "score - usd"],
         {"data": {"empty_is_answer": True}, "objective": "score - usd"}),
    ],
)  # fmt: skip
def test_what_is_given_becomes_nested_settings_and_nothing_else_does(
    options: list[str], settings: dict[str, object]
) -> None:
    assert given(*options) == settings


def test_a_number_that_is_none_is_bad_input_and_help_speaks_the_settings_words() -> None:
    assert CliRunner().invoke(app, ["--trials", "many"]).exit_code == 2
    words = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).output
    assert "Validation examples a trial asks for." in words and "[default: (35)]" in words
    assert "given" not in inspect.signature(with_settings(lambda given: None)).parameters
