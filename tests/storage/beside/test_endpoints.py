"""Saved endpoints: kept by name beside the store, without keys, private."""

import stat
from pathlib import Path

import pytest

from mipro_studio.optimizer_core.config import ModelSpec
from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.storage import Endpoint, endpoints, forget_endpoint, save_endpoint
from mipro_studio.storage.beside.endpoints import endpoints_path


def test_what_is_saved_comes_back_by_name(tmp_path: Path) -> None:
    store = tmp_path / "not yet" / "studio.db"
    assert endpoints(store) == []
    save_endpoint(store, Endpoint("b", "openai/x", "http://127.0.0.1:1/v1", "KEY"))
    save_endpoint(store, Endpoint("A", "openai/y"))
    save_endpoint(store, Endpoint("b", "openai/z"))
    assert [(one.name, one.model) for one in endpoints(store)] == [("A", "openai/y"), ("b", "openai/z")]
    forget_endpoint(store, "A")
    assert [one.name for one in endpoints(store)] == ["b"]
    assert stat.S_IMODE(endpoints_path(store).stat().st_mode) == 0o600


def test_all_that_was_said_of_the_model_is_kept_and_an_older_file_opens(tmp_path: Path) -> None:
    store = tmp_path / "studio.db"
    endpoints_path(store).write_text('[{"name": "old", "model": "openai/x", "api_base": "", "api_key_env": "K"}]')
    whole = Endpoint("new", "openai/y", "http://h/v1", "", 30.0, 0.2, 500, 0.15, 0.6)
    save_endpoint(store, whole)
    new, old = endpoints(store)
    assert (new, old) == (whole, Endpoint("old", "openai/x", "", "K"))
    assert old.spec == {"model": "openai/x", "api_key_env": "K"}
    assert ModelSpec(**new.spec).input_usd_per_mtok == 0.15


@pytest.mark.parametrize("text", ["{", '[{"name": "a"}]', '[{"name": "a", "model": 3}]', '[{"n": 1}]',
                                  '[{"name": "a", "model": "m", "timeout_s": "soon"}]'])  # fmt: skip
def test_a_broken_file_is_one_sentence(tmp_path: Path, text: str) -> None:
    store = tmp_path / "studio.db"
    endpoints_path(store).write_text(text)
    with pytest.raises(StudioError, match="cannot be read"):
        endpoints(store)
