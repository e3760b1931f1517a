from collections.abc import Iterator
from pathlib import Path

import pytest

from mipro_studio.storage import Store
from tests.storage.samples import HandClock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "studio.db"


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def store(path: Path, clock: HandClock) -> Iterator[Store]:
    with Store(path, clock) as opened:
        yield opened
