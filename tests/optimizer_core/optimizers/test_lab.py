"""The proposer lab: every variant writes, nothing is scored, and what was shown is on record."""

from typing import Any

from mipro_studio.optimizer_core.types import Author, Role, Split, Status
from tests.arms import instructions_of
from tests.loopback import LoopbackEndpoint
from tests.optimizer_core.builders import SMALL, Life, fresh_journal, live, make_config, make_examples

VARIANTS = [
    {"name": "all", "tip": "simple"},
    {"name": "bare", "dataset_summary": False, "program_summary": False, "demos": False, "temperature": 0.5},
]


def session(endpoint: LoopbackEndpoint, **changes: Any) -> Life:
    config = make_config(endpoint, optimizer="lab", lab={"variants": VARIANTS, "samples": 2}, **changes)
    return live(config, fresh_journal(make_examples(**SMALL)))


def test_every_variant_writes_its_samples_and_nothing_is_scored(endpoint: LoopbackEndpoint) -> None:
    life = session(endpoint)
    assert life.ending.status is Status.COMPLETED, life.ending.reason
    written = [arm for arm in instructions_of(life.journal) if arm.author is Author.MODEL]
    for predictor in ("queue", "tone"):
        named = {arm.index: arm.provenance["variant"] for arm in written if arm.owner == predictor}
        assert named == {1: "all", 2: "all", 3: "bare", 4: "bare"}
    assert not list(life.journal.trials())
    assert {cell.key.split for cell in life.journal.cells()} <= {Split.TRAIN}
    assert life.context.meter.total(Role.TASK).calls == 0
    assert life.context.meter.total(Role.TEST).calls == 0
    assert life.journal.outcome() is None


def test_a_variant_shows_what_its_switches_say(endpoint: LoopbackEndpoint) -> None:
    life = session(endpoint)
    for arm in instructions_of(life.journal):
        if arm.author is Author.MODEL:
            used = {row["switch"]: row["used"] for row in arm.provenance["switches"]}
            bare = arm.provenance["variant"] == "bare"
            assert (used["dataset_summary"], used["program_summary"]) == (not bare, not bare)
            assert bool(arm.provenance["demos_shown"]) == used["demos"]
            assert not (bare and used["demos"])
            assert arm.provenance["temperature"] == (0.5 if bare else 1.0)
            assert arm.provenance["tip"] == ("none" if bare else "simple")


def test_a_session_without_demos_never_runs_the_teacher(endpoint: LoopbackEndpoint) -> None:
    life = session(endpoint, proposer={"demos": False})
    assert life.ending.status is Status.COMPLETED
    assert life.context.meter.total(Role.TEACHER).calls == 0


def test_a_resumed_session_asks_nothing_again(endpoint: LoopbackEndpoint) -> None:
    life = session(endpoint)
    before = endpoint.stats()["total"]
    config = life.context.config
    again = live(config, life.journal)
    assert again.ending.status is Status.COMPLETED
    assert endpoint.stats()["total"] == before
