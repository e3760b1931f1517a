"""The backward pass against finite differences, and packed rows against rows alone."""

import numpy as np
import pytest

from mipro_studio.optimizer_core.finetuning.batch import TokenRow, pack, segments
from mipro_studio.optimizer_core.finetuning.gradients import Tuned, answers, hidden_states, loss_and_gradients
from mipro_studio.optimizer_core.finetuning.lora import Key, LoraSettings, Pair, initial_pairs
from mipro_studio.optimizer_core.finetuning.network import PROJECTIONS, NetworkShape, random_network

SHAPE = NetworkShape(3, 24, 6, 2, 40, 50, 10_000.0, 1e-5)
NETWORK = random_network(SHAPE, 0)
SETTINGS = LoraSettings(rank=3, alpha=6.0)
ROWS = [
    TokenRow((1, 5, 6, 7, 8, 9), (10, 2)),
    TokenRow((1, 5, 6, 7, 11, 12, 13), (14, 15, 2)),
    TokenRow((1, 5, 6, 7, 20), (21, 2)),
    TokenRow((1, 30, 31, 32, 33, 34), (35, 2)),
]


def tuned(settings: LoraSettings = SETTINGS) -> Tuned:
    """Pairs as after some training: B is not zero."""
    rng = np.random.default_rng(1)
    pairs = initial_pairs(SHAPE, settings, 2, np.float64)
    return Tuned(NETWORK, {key: Pair(p.a, rng.normal(0, 0.1, p.b.shape)) for key, p in pairs.items()}, settings.scale)


def test_gradients_are_those_of_finite_differences() -> None:
    one = tuned()
    batch = pack(segments(ROWS), np.float64)
    _, gradients = loss_and_gradients(one, batch)
    rng = np.random.default_rng(3)
    for layer in range(SHAPE.layers):
        for name in PROJECTIONS:
            for half in ("a", "b"):
                found, estimated = _along_a_random_direction(one, batch, (layer, name), half, rng, gradients)
                assert found == pytest.approx(estimated, rel=1e-5, abs=1e-9), (layer, name, half)


def _along_a_random_direction(one, batch, key: Key, half: str, rng, gradients) -> tuple[float, float]:
    value = getattr(one.pairs[key], half)
    direction = rng.normal(size=value.shape)
    step = 1e-5

    def loss(sign: int) -> float:
        moved = {"a": one.pairs[key].a, "b": one.pairs[key].b, half: value + sign * step * direction}
        return loss_and_gradients(Tuned(NETWORK, {**one.pairs, key: Pair(**moved)}, one.scale), batch)[0]

    return float((getattr(gradients[key], half) * direction).sum()), (loss(1) - loss(-1)) / (2 * step)


def test_a_packed_row_is_answered_as_it_is_alone() -> None:
    one = tuned()
    batch = pack(segments(ROWS), np.float64)
    together = answers(one, batch)
    order = [part for part in batch.parts if part.n_targets]
    alone = []
    for part in order:
        row = TokenRow((*part.prefix, *part.own[: -part.n_targets]), part.own[-part.n_targets :])
        alone.append(answers(one, pack(segments([row]), np.float64)))
    np.testing.assert_allclose(together, np.concatenate(alone), atol=1e-10)


def test_packing_states_a_common_beginning_once() -> None:
    batch = pack(segments(ROWS), np.float64)
    assert len(batch.tokens) < sum(len(row.prompt) + len(row.answer) for row in ROWS) - 6
    assert sorted(batch.targets.tolist()) == sorted(token for row in ROWS for token in row.answer)


def test_layers_below_the_first_tuned_one_may_be_run_apart() -> None:
    settings = LoraSettings(rank=3, first_layer=2)
    one = tuned(settings)
    batch = pack(segments(ROWS), np.float64)
    below = hidden_states(Tuned(NETWORK, {}, 0.0), batch, range(2))
    loss, gradients = loss_and_gradients(one, batch, below, 2)
    whole, all_gradients = loss_and_gradients(one, batch)
    assert loss == pytest.approx(whole, abs=1e-12)
    assert set(gradients) == set(all_gradients) == {(2, name) for name in PROJECTIONS}
    for key, pair in gradients.items():
        np.testing.assert_allclose(pair.a, all_gradients[key].a, atol=1e-12)
