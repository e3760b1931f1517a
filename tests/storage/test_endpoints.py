"""Saved endpoints: kept by name beside the store, without keys, private."""

import stat
from pathlib import Path

import pytest

from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.storage import Endpoint, endpoints, forget_endpoint, save_endpoint
from mipro_studio.storage.endpoints import endpoints_path


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


def test_a_broken_file_is_one_sentence(tmp_path: Path) -> None:
    store = tmp_path / "studio.db"
    endpoints_path(store).write_text("{")
    with pytest.raises(StudioError, match="cannot be read"):
        endpoints(store)
