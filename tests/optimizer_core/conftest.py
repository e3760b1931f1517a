"""The loopback endpoint, started once and set back before every test that uses it."""

from collections.abc import Iterator

import pytest

from mipro_studio.optimizer_core.models import lms
from tests.loopback import LoopbackConfig, LoopbackEndpoint
from tests.optimizer_core.builders import ROWS
from tests.programs import desk

DEFAULTS = {"responder": "oracle", "gold": desk.gold(ROWS), "correlation": 0.5}


@pytest.fixture(scope="session")
def running_endpoint() -> Iterator[LoopbackEndpoint]:
    with LoopbackEndpoint(**DEFAULTS) as endpoint:
        yield endpoint


@pytest.fixture
def endpoint(running_endpoint: LoopbackEndpoint, monkeypatch: pytest.MonkeyPatch) -> LoopbackEndpoint:
    """A fast endpoint that plays the desk; pauses between attempts are short."""
    running_endpoint.control(**LoopbackConfig(**DEFAULTS).to_json())
    running_endpoint.reset()
    monkeypatch.setattr(lms, "FIRST_BACKOFF_S", 0.01)
    return running_endpoint
