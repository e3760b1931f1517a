"""Where points go: what a run returns is one of those that it evaluated in full, and those of what it asked."""

import pytest

from mipro_studio.benchmarks import pipeline
from mipro_studio.benchmarks.contents import losses
from mipro_studio.optimizer_core.types import Split


def test_each_stage_can_only_lose(monkeypatch: pytest.MonkeyPatch) -> None:
    few = {Split.TRAIN: 14, Split.VAL: 20, Split.TEST: 30}
    for module in (losses, pipeline):
        monkeypatch.setattr(module, "SIZES", few)
    found = losses.measure("25", 7, 110)
    assert 0 < found["returned"] <= found["in full"] <= found["asked"] and found["returned"] <= found["arms"] <= 100
    assert found["baseline"] == 20 and found["teacher"] > 0 and found["unused"] >= 0
