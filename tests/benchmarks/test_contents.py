"""The landscape of contents: cells made without a prompt are those that DSPy and the endpoint make."""

import asyncio
from typing import Any

import pytest

from mipro_studio.benchmarks import pipeline
from mipro_studio.benchmarks.contents.direct import expected
from mipro_studio.benchmarks.contents.landscape import Contents
from mipro_studio.optimizer_core.config import parse_config
from mipro_studio.optimizer_core.parameters.arm_contents import ArmContents
from mipro_studio.optimizer_core.types import Split
from tests.loopback.inprocess import InProcessEndpoint

FEW = {Split.TRAIN: 14, Split.VAL: 20, Split.TEST: 6}


def played(direct: bool, monkeypatch: pytest.MonkeyPatch) -> dict[Any, Any]:
    """(score, what was asked and answered) by cell of one short run."""
    monkeypatch.setattr(pipeline, "SIZES", FEW)
    world = Contents("25", 7)
    with InProcessEndpoint(responder=world.respond) as endpoint:
        config = parse_config(pipeline.settings_of("studio", 7, 110, endpoint.base_url))
        journal = pipeline.journal_of(world, config)
        asyncio.run(pipeline.execute(config, journal, world, direct))
    told = {cell.key: (cell.score, [(step.inputs, step.outputs) for step in cell.trace]) for cell in journal.cells()}
    assert len({key.candidate for key in told}) > 5
    return told


def test_cells_made_without_prompts_are_those_behind_the_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    assert played(True, monkeypatch) == played(False, monkeypatch)


def test_levels_are_what_they_say() -> None:
    for level, least, most in (("25", 0.2, 0.3), ("5", 0.03, 0.08), ("1", 0.0, 0.02)):
        world = Contents(level, 3)
        nothing = ArmContents.of([])
        assert least <= expected(world, nothing, world.rows) <= most
