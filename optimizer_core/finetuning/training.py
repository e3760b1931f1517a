"""The training loop: Adam over the pairs, batches in a seeded order, a checkpoint an epoch.

The same rows, settings and network give the same adapter, bit for bit, on one machine with one thread; a run that was
killed goes on from its last checkpoint and ends at the same adapter.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from mipro_studio.optimizer_core.finetuning.batch import Segment, TokenRow, pack, segments
from mipro_studio.optimizer_core.finetuning.gradients import Tuned, hidden_states, loss_and_gradients
from mipro_studio.optimizer_core.finetuning.lora import Key, LoraSettings, Pair, Pairs, initial_pairs
from mipro_studio.optimizer_core.finetuning.network import Array, Network

__all__ = ["LARGEST_NORM", "Step", "TrainingSettings", "batches", "rate_at", "train"]

BETAS = (0.9, 0.999)
EPSILON = 1e-8
ROWS_AT_ONCE = 8
LARGEST_NORM = 1.0
"""Gradients are scaled down to this norm, over all pairs together."""


class TrainingSettings(BaseModel):
    """Attributes:
    epochs: Times that every row is seen.
    batch_size: Rows a step.
    learning_rate: Of Adam, at its highest: it rises over the first `warmup` share of the steps, then falls as half a
        cosine.
    full: All weights of the model are tuned, and there is no adapter (peft only).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    lora: LoraSettings = LoraSettings()
    epochs: int = Field(default=3, ge=1)
    batch_size: int = Field(default=8, ge=1)
    learning_rate: float = Field(default=8e-4, gt=0)
    warmup: float = Field(default=0.05, ge=0, lt=1)
    seed: int = 0
    full: bool = False

    def steps(self, n_rows: int) -> int:
        """Steps in all."""
        return self.epochs * -(-n_rows // self.batch_size)


@dataclass(frozen=True)
class Step:
    """One step done: its number from 1, of how many, and the loss in nats a token before it."""

    number: int
    total: int
    loss: float


@dataclass
class _State:
    """What a checkpoint holds; `first` and `second` are Adam's moments."""

    pairs: dict[Key, Pair]
    first: dict[Key, Pair]
    second: dict[Key, Pair]
    losses: list[float] = field(default_factory=list)


def train(
    network: Network,
    rows: Sequence[TokenRow],
    settings: TrainingSettings,
    checkpoint: Path,
    report: Callable[[Step], None] = lambda step: None,
    begin: tuple[Pairs, float] | None = None,
) -> tuple[dict[Key, Pair], list[float]]:
    """Train an adapter.

    Args:
        checkpoint: File that holds the state at the end of the last epoch; a run with the same rows and settings
            goes on from it.
        report: Told of every step that is done in this process.
        begin: (pairs, alpha) of an adapter to train further, as `read_adapter` gives them; None: a fresh one.

    Returns:
        (pairs, losses): the adapter, and the loss of every step.

    Raises:
        ValueError: no rows, or settings that do not fit the network or the adapter to begin with.
    """
    if not rows:
        raise ValueError("there are no rows to train on")
    first = _first(network, settings, begin)
    identity = _identity(network, rows, settings, first if begin is not None else {})
    state = _restored(checkpoint, identity) or _fresh(first)
    parts = segments(rows)
    below = _below(network, parts, settings.lora.first_layer)
    total = settings.steps(len(rows))
    for number, chosen in enumerate(batches(len(rows), settings), start=1):
        if number <= len(state.losses):
            continue
        tuned = Tuned(network, state.pairs, settings.lora.scale)
        batch = pack([parts[index] for index in chosen], network.embedding.dtype.type)
        x = np.concatenate([below[part] for part in batch.parts]) if below else None
        loss, gradients = loss_and_gradients(tuned, batch, x, settings.lora.first_layer)
        _update(state, gradients, number, rate_at(settings, number, total))
        state.losses.append(loss)
        if number * settings.epochs % total == 0 or number == total:
            _save(checkpoint, state, identity)
        report(Step(number, total, loss))
    return state.pairs, state.losses


def _first(network: Network, settings: TrainingSettings, begin: tuple[Pairs, float] | None) -> dict[Key, Pair]:
    """The adapter that training begins with."""
    fresh = initial_pairs(network.shape, settings.lora, settings.seed, network.embedding.dtype)
    if begin is None:
        return fresh
    pairs, alpha = begin
    same = pairs.keys() == fresh.keys() and all(pairs[key].a.shape == pair.a.shape for key, pair in fresh.items())
    if not same or alpha != settings.lora.alpha:
        raise ValueError(
            "the adapter to be trained further has another rank, alpha, or other layers than are asked for"
        )
    dtype = network.embedding.dtype
    return {key: Pair(pairs[key].a.astype(dtype), pairs[key].b.astype(dtype)) for key in fresh}


def _fresh(pairs: dict[Key, Pair]) -> _State:
    zeros = {key: Pair(np.zeros_like(pair.a), np.zeros_like(pair.b)) for key, pair in pairs.items()}
    return _State(dict(pairs), zeros, dict(zeros))


def batches(n_rows: int, settings: TrainingSettings) -> Iterator[Array]:
    """Row indices of every step, epoch by epoch, in an order of each epoch's own."""
    for epoch in range(settings.epochs):
        order = np.random.default_rng((settings.seed, epoch)).permutation(n_rows)
        for start in range(0, n_rows, settings.batch_size):
            yield order[start : start + settings.batch_size]


def rate_at(settings: TrainingSettings, number: int, total: int) -> float:
    """The learning rate of step `number` of `total`, from 1."""
    rising = settings.warmup * total
    if number <= rising:
        return settings.learning_rate * number / rising
    return settings.learning_rate * 0.5 * (1 + float(np.cos(np.pi * (number - rising) / (total - rising + 1))))


def _update(state: _State, gradients: dict[Key, Pair], number: int, rate: float) -> None:
    """One step of Adam (arXiv 1412.6980), the gradient clipped to `LARGEST_NORM`."""
    squares = sum(float((g * g).sum()) for pair in gradients.values() for g in (pair.a, pair.b))
    shrink = min(1.0, LARGEST_NORM / (squares**0.5 + EPSILON))

    def moved(value: Array, gradient: Array, first: Array, second: Array) -> tuple[Array, Array, Array]:
        gradient = gradient * value.dtype.type(shrink)
        first = BETAS[0] * first + (1 - BETAS[0]) * gradient
        second = BETAS[1] * second + (1 - BETAS[1]) * gradient**2
        unbiased = first / (1 - BETAS[0] ** number)
        change = rate * unbiased / (np.sqrt(second / (1 - BETAS[1] ** number)) + EPSILON)
        return (value - change).astype(value.dtype), first.astype(value.dtype), second.astype(value.dtype)

    for key, gradient in gradients.items():
        pair, first, second = state.pairs[key], state.first[key], state.second[key]
        a = moved(pair.a, gradient.a, first.a, second.a)
        b = moved(pair.b, gradient.b, first.b, second.b)
        state.pairs[key], state.first[key], state.second[key] = (Pair(*both) for both in zip(a, b, strict=True))


def _below(network: Network, parts: Sequence[Segment], first_layer: int) -> dict[Segment, Array]:
    """What goes into the first tuned layer, by segment: the frozen layers below are run once. Empty without any.

    Always in the same batches, so that a resumed training has the same numbers to the last bit.
    """
    states: dict[Segment, Array] = {}
    if first_layer == 0:
        return states
    for start in range(0, len(parts), ROWS_AT_ONCE):
        batch = pack(parts[start : start + ROWS_AT_ONCE], network.embedding.dtype.type)
        found = hidden_states(Tuned(network, {}, 0.0), batch, range(first_layer))
        ends = np.cumsum([part.length for part in batch.parts])
        for part, state in zip(batch.parts, np.split(found, ends[:-1]), strict=True):
            states.setdefault(part, state)
    return states


def _identity(network: Network, rows: Sequence[TokenRow], settings: TrainingSettings, first: Pairs) -> str:
    """A hash of all that decides the result; `first`: the adapter that is trained further, if any."""
    told = [repr(network.shape), settings.model_dump_json(), [[row.prompt, row.answer] for row in rows]]
    digest = hashlib.sha256(json.dumps(told).encode())
    digest.update(np.ascontiguousarray(network.output_gain).tobytes())
    for pair in first.values():
        digest.update(pair.a.tobytes() + pair.b.tobytes())
    return digest.hexdigest()


def _save(path: Path, state: _State, identity: str) -> None:
    """Write the checkpoint aside, then rename it."""
    arrays: dict[str, Any] = {"identity": np.array(identity), "losses": np.array(state.losses)}
    for kind in ("pairs", "first", "second"):
        for (layer, name), pair in getattr(state, kind).items():
            arrays[f"{kind}/{layer}/{name}/a"], arrays[f"{kind}/{layer}/{name}/b"] = pair.a, pair.b
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as out:
            np.savez(out, **arrays)
            out.flush()
            os.fsync(out.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _restored(path: Path, identity: str) -> _State | None:
    """The state in the checkpoint; None when there is none, it is of other rows or settings, or it is damaged."""
    try:
        with np.load(path, allow_pickle=False) as held:
            if str(held["identity"]) != identity:
                return None
            found: dict[str, dict[Key, Pair]] = {"pairs": {}, "first": {}, "second": {}}
            for label in held.files:
                if label.endswith("/a"):
                    kind, layer, name, _ = label.split("/")
                    found[kind][int(layer), name] = Pair(held[label], held[f"{label[:-1]}b"])
            return _State(found["pairs"], found["first"], found["second"], [float(one) for one in held["losses"]])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None
