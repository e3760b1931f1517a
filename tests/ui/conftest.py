"""Stores for pages, filled once a session and copied for tests that write."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ui.factory import fill


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    path = tmp_path_factory.mktemp("store") / "studio.db"
    return path, fill(path)


@pytest.fixture
def store(
    filled: tuple[Path, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Path, dict[str, str]]]:
    """A copy of the filled store, named in the environment; its runs by kind."""
    source, ids = filled
    path = tmp_path / "studio.db"
    for end in ("", "-wal", "-shm"):
        beside = source.with_name(source.name + end)
        if beside.exists():
            shutil.copyfile(beside, path.with_name(path.name + end))
    monkeypatch.setenv("MIPRO_STUDIO_STORE", str(path))
    yield path, ids


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store that is not there yet."""
    path = tmp_path / "nothing" / "studio.db"
    monkeypatch.setenv("MIPRO_STUDIO_STORE", str(path))
    return path
