"""The forward pass, the loss, and the gradient of every low-rank pair.

Notation: T tokens, D hidden, K key and value heads, G query heads for each, d their width, F feed-forward, r rank.
Arrays are (T, D) unless said otherwise. `h` is what goes into a projection, `dy` the loss's gradient in y.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mipro_studio.optimizer_core.finetuning.batch import Batch
from mipro_studio.optimizer_core.finetuning.lora import Key, Pair, Pairs
from mipro_studio.optimizer_core.finetuning.network import Array, Layer, Network, NetworkShape

__all__ = ["Tuned", "answers", "hidden_states", "loss_and_gradients"]


@dataclass(frozen=True)
class Tuned:
    """A network with pairs beside its projections; `scale` = alpha / rank."""

    network: Network
    pairs: Pairs
    scale: float

    def project(self, layer: int, name: str, h: Array) -> Array:
        """W h + scale B A h, a row a token."""
        y: Array = h @ self.network.layers[layer].projections[name].T
        pair = self.pairs.get((layer, name))
        if pair is not None:
            y += (h @ pair.a.T) @ (self.scale * pair.b.T)
        return y

    def project_back(self, layer: int, name: str, h: Array, dy: Array, gradients: dict[Key, Pair]) -> Array:
        """The backward pass of `project`: the gradient at its input, (T, inputs).

        Args:
            h: (T, inputs), what was projected.
            dy: (T, outputs), the gradient at what came out.
            gradients: Is given the gradient of the pair at (layer, name), where that is tuned.
        """
        dh: Array = dy @ self.network.layers[layer].projections[name]
        pair = self.pairs.get((layer, name))
        if pair is not None:
            inner = self.scale * (dy @ pair.b)  # (T, r)
            gradients[layer, name] = Pair(inner.T @ h, self.scale * (dy.T @ (h @ pair.a.T)))
            dh += inner @ pair.a
        return dh


@dataclass(frozen=True)
class _Kept:
    """What the backward pass of a layer needs of its forward pass; `q` (K, G, T, d) and `k` (K, T, d) are rotated."""

    x: Array
    attended: Array
    q: Array
    k: Array
    v: Array
    middle: Array
    gate: Array
    up: Array


def _normed(x: Array, gain: Array, epsilon: float) -> Array:
    scaled: Array = x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + epsilon) * gain
    return scaled


def _normed_back(x: Array, gain: Array, epsilon: float, dy: Array) -> Array:
    inverse = 1.0 / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + epsilon)
    dscaled = dy * gain
    dx: Array = inverse * (dscaled - x * inverse**2 * np.mean(dscaled * x, axis=-1, keepdims=True))
    return dx


def _rotation(shape: NetworkShape, positions: Array, dtype: type) -> tuple[Array, Array]:
    """(cosines, sines), each (T, d/2): rotary embedding of adjacent pairs."""
    exponents = np.arange(0, shape.head_width, 2) / shape.head_width
    angles = positions[:, None] * shape.rope_base**-exponents
    return np.cos(angles).astype(dtype), np.sin(angles).astype(dtype)


def _rotated(x: Array, cosines: Array, sines: Array) -> Array:
    """`x` (..., T, d) with every pair of neighbours turned by its angle; turned back with negative sines."""
    turned = np.empty_like(x)
    even, odd = x[..., 0::2], x[..., 1::2]
    turned[..., 0::2] = even * cosines - odd * sines
    turned[..., 1::2] = even * sines + odd * cosines
    return turned


class _Pass:
    """One batch through the network. Attention is computed with the batch's mask, heads beside each other."""

    def __init__(self, tuned: Tuned, batch: Batch) -> None:
        self.tuned = tuned
        self.batch = batch
        self.shape = tuned.network.shape
        dtype = tuned.network.embedding.dtype.type
        self.rotation = _rotation(self.shape, batch.positions, dtype)
        self.n = len(batch.tokens)
        self.factor = dtype(1.0 / np.sqrt(self.shape.head_width))

    def _heads(self, x: Array) -> Array:
        """(T, K d) as (K, T, d)."""
        return x.reshape(self.n, self.shape.kv_heads, self.shape.head_width).transpose(1, 0, 2)

    def _query_heads(self, x: Array) -> Array:
        """(T, K G d) as (K, G, T, d)."""
        groups = self.shape.heads // self.shape.kv_heads
        return x.reshape(self.n, self.shape.kv_heads, groups, self.shape.head_width).transpose(1, 2, 0, 3)

    def _weights(self, q: Array, k: Array) -> Array:
        """Attention weights (K, G, T, T)."""
        scores = q @ (k[:, None].swapaxes(-1, -2) * self.factor)
        scores += self.batch.mask
        scores -= scores.max(axis=-1, keepdims=True)
        weights: Array = np.exp(scores, out=scores)
        weights /= weights.sum(axis=-1, keepdims=True)
        return weights

    def layer(self, index: int, x: Array) -> tuple[Array, _Kept]:
        """The layer's output and what its backward pass needs."""
        layer, tuned, epsilon = self.tuned.network.layers[index], self.tuned, self.shape.norm_epsilon
        h = _normed(x, layer.attention_gain, epsilon)
        q = _rotated(self._query_heads(tuned.project(index, "attn_q", h)), *self.rotation)
        k = _rotated(self._heads(tuned.project(index, "attn_k", h)), *self.rotation)
        v = self._heads(tuned.project(index, "attn_v", h))
        attended = (self._weights(q, k) @ v[:, None]).transpose(2, 0, 1, 3).reshape(self.n, self.shape.hidden)
        middle = x + tuned.project(index, "attn_output", attended)
        h = _normed(middle, layer.feed_forward_gain, epsilon)
        gate, up = tuned.project(index, "ffn_gate", h), tuned.project(index, "ffn_up", h)
        output = middle + tuned.project(index, "ffn_down", _silu(gate) * up)
        return output, _Kept(x, attended, q, k, v, middle, gate, up)

    def layer_back(self, index: int, kept: _Kept, dy: Array, gradients: dict[Key, Pair]) -> Array:
        """dx of the layer's input; adds the gradients of its pairs."""
        layer, epsilon = self.tuned.network.layers[index], self.shape.norm_epsilon

        def back(name: str, h: Array, d: Array) -> Array:
            return self.tuned.project_back(index, name, h, d, gradients)

        activated = _silu(kept.gate)
        dproduct = back("ffn_down", activated * kept.up, dy)
        sigmoid = 1.0 / (1.0 + np.exp(-kept.gate))
        dgate = dproduct * kept.up * (sigmoid + activated * (1.0 - sigmoid))
        h = _normed(kept.middle, layer.feed_forward_gain, epsilon)
        dh = back("ffn_gate", h, dgate) + back("ffn_up", h, dproduct * activated)
        dmiddle = dy + _normed_back(kept.middle, layer.feed_forward_gain, epsilon, dh)
        return self._attention_back(layer, kept, dmiddle, back)

    def _attention_back(self, layer: Layer, kept: _Kept, dmiddle: Array, back: Callable[..., Array]) -> Array:
        dattended = self._query_heads(back("attn_output", kept.attended, dmiddle))
        weights = self._weights(kept.q, kept.k)
        dv = (weights.swapaxes(-1, -2) @ dattended).sum(axis=1)
        dscores = dattended @ kept.v[:, None].swapaxes(-1, -2)
        dscores -= (dscores * weights).sum(axis=-1, keepdims=True)
        dscores *= weights * self.factor
        dq = dscores @ kept.k[:, None]
        dk = (dscores.swapaxes(-1, -2) @ kept.q).sum(axis=1)
        cosines, sines = self.rotation
        h = _normed(kept.x, layer.attention_gain, self.shape.norm_epsilon)
        dq = _rotated(dq, cosines, -sines).transpose(2, 0, 1, 3).reshape(self.n, self.shape.hidden)
        dh = back("attn_q", h, dq)
        for name, d in (("attn_k", _rotated(dk, cosines, -sines)), ("attn_v", dv)):
            dh += back(name, h, d.transpose(1, 0, 2).reshape(self.n, -1))
        return dmiddle + _normed_back(kept.x, layer.attention_gain, self.shape.norm_epsilon, dh)

    def logits(self, x: Array) -> Array:
        """(N, vocabulary) at the places whose next token is to be predicted."""
        network = self.tuned.network
        ended = _normed(x[self.batch.predicting], network.output_gain, self.shape.norm_epsilon)
        found: Array = ended @ network.embedding.T
        return found


def _silu(x: Array) -> Array:
    activated: Array = x / (1.0 + np.exp(-x))
    return activated


def hidden_states(tuned: Tuned, batch: Batch, layers: range, x: Array | None = None) -> Array:
    """Hidden states after `layers`: (T, D), a row a token of the batch.

    Args:
        layers: Which of the network's layers are gone through, in order.
        x: (T, D) before the first of them; None = the tokens' embeddings.
    """
    one = _Pass(tuned, batch)
    x = tuned.network.embedding[batch.tokens] if x is None else x
    for index in layers:
        x, _ = one.layer(index, x)
    return x


def answers(tuned: Tuned, batch: Batch) -> Array:
    """(N, vocabulary) logits of the next token at every place that predicts one."""
    return _Pass(tuned, batch).logits(hidden_states(tuned, batch, range(tuned.network.shape.layers)))


def loss_and_gradients(
    tuned: Tuned, batch: Batch, x: Array | None = None, first_layer: int = 0
) -> tuple[float, dict[Key, Pair]]:
    """The mean cross-entropy of the answers' tokens, in nats, and its gradient in every pair.

    Args:
        x: (T, D) what goes into layer `first_layer`; None = the tokens' embeddings, with `first_layer` 0.
        first_layer: The layers below have no pairs and are not run.
    """
    one = _Pass(tuned, batch)
    network = tuned.network
    x = network.embedding[batch.tokens] if x is None else x
    kept = []
    for index in range(first_layer, network.shape.layers):
        x, needed = one.layer(index, x)
        kept.append(needed)
    logits = one.logits(x)
    logits -= logits.max(axis=-1, keepdims=True)
    total = np.log(np.exp(logits).sum(axis=-1))
    n = len(batch.targets)
    loss = float(np.mean(total - logits[np.arange(n), batch.targets]))
    dlogits = np.exp(logits - total[:, None])
    dlogits[np.arange(n), batch.targets] -= 1.0
    dended = (dlogits / n).astype(x.dtype) @ network.embedding
    d = np.zeros_like(x)
    d[batch.predicting] = _normed_back(x[batch.predicting], network.output_gain, network.shape.norm_epsilon, dended)
    gradients: dict[Key, Pair] = {}
    for index, needed in zip(reversed(range(first_layer, network.shape.layers)), reversed(kept), strict=True):
        d = one.layer_back(index, needed, d, gradients)
    return loss, gradients
