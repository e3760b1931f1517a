import pytest

from mipro_studio.control import helper_client
from tests.ui.conftest import empty, filled, store

__all__ = ["empty", "filled", "patient_helpers", "store"]


@pytest.fixture(autouse=True)
def patient_helpers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take more than the minute that a person waits for a helper to start."""
    monkeypatch.setattr(helper_client, "START_S", 200.0)
    monkeypatch.setattr(helper_client, "ANSWER_S", 200.0)
