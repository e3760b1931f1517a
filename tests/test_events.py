"""Every kind of event has who writes it and who reads it: a reader of what nobody writes waits for ever."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from mipro_studio.optimizer_core.types import EventKind
from mipro_studio.storage.replay.shapes import EVENTS

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("optimizer_core", "storage", "control", "commands", "ui", "pages", "benchmarks")
SOURCES = [*ROOT.glob("*.py"), *(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))]
NOT_READERS = (ROOT / "optimizer_core" / "types" / "events.py", ROOT / "storage" / "replay" / "shapes.py")
LOOKED_UP_BY = ("events_of", "latest_event")


def kind_of(node: ast.expr) -> str | None:
    """The name behind `EventKind.`; None for anything else."""
    named = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "EventKind"
    return node.attr if named and isinstance(node, ast.Attribute) else None


def nodes() -> Iterator[tuple[Path, ast.AST]]:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            yield path, node


def called(node: ast.AST) -> str:
    function = node.func if isinstance(node, ast.Call) else None
    return str(getattr(function, "id", getattr(function, "attr", "")))


@pytest.fixture(scope="module")
def written_and_read() -> tuple[set[str], set[str]]:
    writers = [
        node.args[0] for _, node in nodes() if isinstance(node, ast.Call) and called(node) == "Event" and node.args
    ]
    written = {kind for node in writers if (kind := kind_of(node))}
    places = {(node.lineno, node.col_offset, node.end_col_offset) for node in writers}
    read = {
        kind
        for path, node in nodes()
        if isinstance(node, ast.Attribute)
        and (kind := kind_of(node))
        and path not in NOT_READERS
        and (node.lineno, node.col_offset, node.end_col_offset) not in places
    }
    return written, read


def test_every_kind_has_a_writer_and_a_reader(written_and_read: tuple[set[str], set[str]]) -> None:
    written, read = written_and_read
    assert {kind.name for kind in EventKind} == written
    assert {kind.name for kind in EventKind} == read


def test_no_kind_is_written_or_asked_for_as_a_text() -> None:
    """Where the text is misspelled, nothing but this would notice."""
    loose = []
    for path, node in nodes():
        if isinstance(node, ast.Call):
            asked = (
                node.args[:1] if called(node) == "Event" else node.args[1:2] if called(node) in LOOKED_UP_BY else []
            )
            loose += [f"{path.name}:{node.lineno}" for one in asked if isinstance(one, ast.Constant)]
        elif isinstance(node, ast.Compare) and ast.unparse(node.left) == "event.kind":
            constants = [one for side in node.comparators for one in ast.walk(side) if isinstance(one, ast.Constant)]
            loose += [f"{path.name}:{node.lineno}" for _ in constants]
    assert loose == []


def test_what_a_stranger_packed_is_held_to_the_shape_of_its_kind() -> None:
    assert {*EVENTS} == {*EventKind}
