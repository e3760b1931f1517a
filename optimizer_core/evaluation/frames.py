"""How processes that fill cells are spoken with: JSON texts over a socket, each with its length before it."""

import json
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from mipro_studio.optimizer_core import errors
from mipro_studio.optimizer_core.errors import RunFailed, StudioError
from mipro_studio.optimizer_core.evaluation.cell_request import CellRequest
from mipro_studio.optimizer_core.evaluation.program_run import Purpose
from mipro_studio.optimizer_core.parameters.arm_contents import ArmContents
from mipro_studio.optimizer_core.types import Cell, CellKey, ErrorClass, Example, Role, Split, TraceStep, Usage

__all__ = [
    "Channel",
    "Unpacker",
    "cell_as_json",
    "cell_of",
    "error_as_json",
    "error_of",
    "packed",
    "request_as_json",
    "request_of",
]

_HEAD = struct.Struct("!I")
Json = Any


def packed(message: Json) -> bytes:
    body = json.dumps(message).encode()
    return _HEAD.pack(len(body)) + body


class Unpacker:
    """Messages out of a stream of bytes, however they are cut."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, piece: bytes) -> Iterator[Json]:
        self._bytes += piece
        while len(self._bytes) >= _HEAD.size:
            end = _HEAD.size + _HEAD.unpack_from(self._bytes)[0]
            if len(self._bytes) < end:
                return
            body = bytes(self._bytes[_HEAD.size : end])
            del self._bytes[:end]
            yield json.loads(body)


class Channel:
    """One end of a socket, for any thread to send; one thread receives."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._lock = threading.Lock()

    def send(self, message: Json) -> None:
        """Send, unless the other end is closed: whoever receives hears of that."""
        data = packed(message)
        with self._lock, suppress(BrokenPipeError, ConnectionResetError):
            self._sock.sendall(data)

    def received(self) -> Iterator[Json]:
        """Messages until the other end is closed."""
        unpacker = Unpacker()
        while piece := self._sock.recv(1 << 16):
            yield from unpacker.feed(piece)


def request_as_json(request: CellRequest, arms: str) -> Json:
    """A request, its arms by the name `arms`."""
    key = request.key
    return {
        "key": [key.candidate, key.split, key.example, key.rollout],
        "arms": arms,
        "example": {name: getattr(request.example, name) for name in Example.__slots__},
        "role": request.role,
        "purpose": request.purpose.value,
        "priority": request.priority,
        "limit_s": request.limit_s,
    }


def request_of(data: Mapping[str, Any], arms: Mapping[str, ArmContents]) -> CellRequest:
    """The inverse of `request_as_json`.

    Args:
        arms: By the names that requests use.

    Raises:
        KeyError: it names arms that were not sent.
    """
    example = {**data["example"], "split": Split(data["example"]["split"])}
    return CellRequest(
        _key(data["key"]),
        arms[data["arms"]],
        Example(**example),
        Role(data["role"]),
        Purpose(data["purpose"]),
        data["priority"],
        data["limit_s"],
    )


def _key(parts: list[Any]) -> CellKey:
    return CellKey(parts[0], Split(parts[1]), parts[2], parts[3])


def cell_as_json(cell: Cell) -> Json:
    """A cell without its key, which whoever asked for it has."""
    return {
        "score": cell.score,
        "error": cell.error,
        "error_message": cell.error_message,
        "usage": _numbers(cell.usage),
        "seconds_s": cell.seconds_s,
        "prediction": cell.prediction,
        "trace": [[step.predictor, step.inputs, step.outputs, step.feedback] for step in cell.trace],
        "feedback": cell.feedback,
        "frames": cell.frames,
        "by_predictor": {name: _numbers(usage) for name, usage in cell.by_predictor.items()},
    }


def cell_of(key: CellKey, data: dict[str, Any]) -> Cell:
    """The inverse of `cell_as_json`."""
    made = {
        **data,
        "error": None if data["error"] is None else ErrorClass(data["error"]),
        "usage": Usage(*data["usage"]),
        "trace": tuple(TraceStep(*step) for step in data["trace"]),
        "frames": tuple(data["frames"]),
        "by_predictor": {name: Usage(*numbers) for name, numbers in data["by_predictor"].items()},
    }
    return Cell(key, **made)


def _numbers(usage: Usage) -> list[Any]:
    return [getattr(usage, name) for name in Usage.__slots__]


def error_as_json(error: StudioError) -> Json:
    return [type(error).__name__, error.message, error.hint]


def error_of(data: list[str]) -> StudioError:
    """The error that `error_as_json` was given, as far as it is one of the studio's own; else a `RunFailed`."""
    kind = getattr(errors, data[0], RunFailed)
    made: StudioError = kind(data[1], data[2])
    return made
