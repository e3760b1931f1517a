"""On loopback a person may do all; on any other address nothing runs or is read without a setting and a login."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit import config as streamlit_config

from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.ui.new_run.run_form import OWN_ROWS
from mipro_studio.ui.page import access
from mipro_studio.ui.page.access import ALLOW_VARIABLE, code_refusal, require_allowed
from tests.pages.open import open_page, texts

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def exposed() -> Iterator[None]:
    """The server listens on every address."""
    before = streamlit_config.get_option("server.address")
    streamlit_config._set_option("server.address", "0.0.0.0", "a test")
    yield
    streamlit_config._set_option("server.address", before, "a test")


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_loopback_is_the_person_at_the_machine(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setattr("streamlit.get_option", lambda name: address)
    assert code_refusal() == ""


@pytest.mark.parametrize("address", [None, "", "0.0.0.0", "::", "10.0.0.3", "studio.example", "127.0.0.1.example"])
def test_any_other_address_is_not(monkeypatch: pytest.MonkeyPatch, address: str | None) -> None:
    monkeypatch.setattr("streamlit.get_option", lambda name: address)
    assert ALLOW_VARIABLE in code_refusal()


def test_a_setting_alone_does_not_do_and_a_login_alone_neither(
    exposed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ALLOW_VARIABLE, "1")
    assert "set up a login" in code_refusal()
    monkeypatch.setattr(access, "_has_login", lambda: True)
    assert "log in before" in code_refusal()
    monkeypatch.setattr("streamlit.user", {"is_logged_in": True})
    assert code_refusal() == ""
    monkeypatch.delenv(ALLOW_VARIABLE)
    assert code_refusal()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"program": "mine.py"}, "A program of your own"),
        ({"program": "package.module:program"}, "A program of your own"),
        ({"metric": "m.py:score"}, "A metric of your own"),
        ({"data": {"data": "/etc/passwd"}}, "The path of a data file"),
        ({"data": {"train": "t.csv"}}, "The path of a data file"),
        ({"data": {"data": "rows.py:trainset"}}, "Rows from Python code"),
        ({"data": {"train": "package.rows:train"}}, "Rows from Python code"),
        ({"task_model": {"model": "openai/x", "api_base": "http://e.example", "api_key_env": "AWS"}}, "An endpoint"),
        ({"program": "predict:a -> b", "metric": "judge", "judge": {"model": {"model": "x", "api_base": "u"}}}, "An"),
    ],
)
def test_what_could_run_or_read_is_refused_by_name(
    exposed: None, empty: Path, changes: dict[str, Any], named: str
) -> None:
    config = RunConfig.model_validate({"program": "sample:triage", **changes})
    with pytest.raises(BadInput, match=named):
        require_allowed(config)


def test_samples_uploads_and_programs_without_code_pass(exposed: None, empty: Path) -> None:
    upload = empty.absolute().parent / "uploads" / "abc.csv"
    for changes in ({"program": "sample:triage"}, {"program": "predict:a -> b", "data": {"data": str(upload)}}):
        require_allowed(RunConfig.model_validate(changes))
    sneaky = {"program": "predict:a -> b", "data": {"data": str(upload.parent / ".." / ".." / "secret.csv")}}
    with pytest.raises(BadInput):
        require_allowed(RunConfig.model_validate(sneaky))


def test_the_form_offers_no_upload_of_code_and_check_refuses(
    exposed: None, empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr("mipro_studio.control.new_runs.inspect", asked.append)
    app = open_page("pages/new_run.py")
    app.segmented_control(key="nr_program_kind").set_value("Upload").run()
    assert not app.get("file_uploader")
    assert ALLOW_VARIABLE in texts(app)
    app.segmented_control(key="nr_program_kind").set_value("My own").run()
    app.session_state["nr_program"] = "mine.py"
    app.session_state["nr_data_kind"] = OWN_ROWS
    app.run()
    app.button(key="nr_check").click().run()
    assert "A program of your own is refused" in texts(app)
    assert not asked
