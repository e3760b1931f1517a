"""The endpoint, started once and set back before every test that uses it: in this process, or over HTTP."""

from collections.abc import Iterator

import pytest

from mipro_studio.optimizer_core.models import attempts
from tests.loopback import LoopbackConfig, LoopbackEndpoint
from tests.loopback.inprocess import InProcessEndpoint
from tests.optimizer_core.builders import ROWS
from tests.programs import desk

DEFAULTS = {"responder": "oracle", "gold": desk.gold(ROWS), "correlation": 0.5}


@pytest.fixture(scope="session")
def running_endpoint() -> Iterator[LoopbackEndpoint]:
    with InProcessEndpoint(**DEFAULTS) as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def running_http_endpoint() -> Iterator[LoopbackEndpoint]:
    with LoopbackEndpoint(**DEFAULTS) as endpoint:
        yield endpoint


@pytest.fixture
def endpoint(running_endpoint: LoopbackEndpoint, monkeypatch: pytest.MonkeyPatch) -> LoopbackEndpoint:
    """A fast endpoint that plays the desk; pauses between attempts are short. Only this process reaches it."""
    return set_back(running_endpoint, monkeypatch)


@pytest.fixture
def http_endpoint(running_http_endpoint: LoopbackEndpoint, monkeypatch: pytest.MonkeyPatch) -> LoopbackEndpoint:
    """The same over HTTP, for what is about the wire; a call takes half as long again."""
    return set_back(running_http_endpoint, monkeypatch)


def set_back(running: LoopbackEndpoint, monkeypatch: pytest.MonkeyPatch) -> LoopbackEndpoint:
    running.control(**LoopbackConfig(**DEFAULTS).to_json())
    running.reset()
    monkeypatch.setattr(attempts, "FIRST_BACKOFF_S", 0.01)
    return running
