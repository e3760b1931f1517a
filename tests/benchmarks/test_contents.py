"""The landscape of contents: cells made without a prompt are those that DSPy and the endpoint make."""

import asyncio
import statistics
from types import SimpleNamespace
from typing import Any

import pytest

from mipro_studio.benchmarks import pipeline
from mipro_studio.benchmarks.contents.direct import expected
from mipro_studio.benchmarks.contents.families import FAMILIES
from mipro_studio.benchmarks.contents.landscape import Contents
from mipro_studio.benchmarks.contents.program import CHAINS, graded, noisy
from mipro_studio.optimizer_core.config import parse_config
from mipro_studio.optimizer_core.parameters.arm_contents import ArmContents
from mipro_studio.optimizer_core.types import Split
from tests.loopback.inprocess import InProcessEndpoint

FEW = {Split.TRAIN: 14, Split.VAL: 20, Split.TEST: 6}


def played(family: str, direct: bool, monkeypatch: pytest.MonkeyPatch) -> dict[Any, Any]:
    """(score, what was asked and answered) by cell of one short run."""
    monkeypatch.setattr(pipeline, "SIZES", FEW)
    world = FAMILIES[family].world(7)
    with InProcessEndpoint(responder=world.respond) as endpoint:
        config = parse_config(pipeline.settings_of("studio", 7, 110, endpoint.base_url, FAMILIES[family]))
        journal = pipeline.journal_of(world, config)
        asyncio.run(pipeline.execute(config, journal, world, direct))
    told = {cell.key: (cell.score, [(step.inputs, step.outputs) for step in cell.trace]) for cell in journal.cells()}
    assert len({key.candidate for key in told}) > 5
    return told


@pytest.mark.parametrize("family", ["25", "single", "four", "graded"])
def test_cells_made_without_prompts_are_those_behind_the_endpoint(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert played(family, True, monkeypatch) == played(family, False, monkeypatch)


def test_levels_are_what_they_say() -> None:
    for level, least, most in (("80", 0.75, 0.85), ("25", 0.2, 0.35), ("5", 0.03, 0.12), ("1", 0.0, 0.05)):
        for predictors in CHAINS:
            world = Contents(level, 3, predictors=predictors)
            nothing = ArmContents.of([])
            assert least <= expected(world, nothing, world.rows) <= most


def test_what_the_graded_and_the_noisy_metric_say() -> None:
    row = SimpleNamespace(message="Message 1: a b.", queue="billing")
    right = {"gist": "gist 3 loran", "queue": "billing"}
    assert graded(row, SimpleNamespace(**right)) == 1.0
    assert graded(row, SimpleNamespace(**{**right, "gist": "gist of Message 1"})) == 0.5
    rows = [SimpleNamespace(message=f"Message {number}", queue="billing") for number in range(1000)]
    assert 0.86 < statistics.mean(noisy(one, SimpleNamespace(**right)) for one in rows) < 0.94
    assert 0.06 < statistics.mean(noisy(one, SimpleNamespace(queue="other")) for one in rows) < 0.14
