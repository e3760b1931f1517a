"""Rows packed into one sequence: what their prompts have in common stands there once.

A row is a prompt and an answer, as token ids. Rows that begin alike (one predictor's instruction and demos) share
that prefix: its tokens come first, each row's own follow, every row sees the prefix and itself only, and its
positions go on from the prefix's. The loss is taken on the answers' tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np

from mipro_studio.optimizer_core.finetuning.network import Array

__all__ = ["Batch", "Segment", "TokenRow", "pack", "segments"]

Tokens = tuple[int, ...]


@dataclass(frozen=True)
class TokenRow:
    """One training example: the model is to answer `prompt` with `answer`, whose last token ends the turn."""

    prompt: Tokens
    answer: Tokens


@dataclass(frozen=True)
class Segment:
    """A row as it stands in a batch: `own` follows `prefix`, and its last `n_targets` tokens are the answer.

    The prefix itself is the segment without `own`.
    """

    prefix: Tokens
    own: Tokens = ()
    n_targets: int = 0

    @property
    def length(self) -> int:
        """Tokens that it takes in a batch."""
        return len(self.own) if self.n_targets else len(self.prefix)


@dataclass(frozen=True)
class Batch:
    """T tokens in all.

    Attributes:
        tokens, positions: (T,) ids and places in the row.
        mask: (T, T) added to the attention scores: 0 where the token of the row (first index) sees the other.
        predicting: (N,) indices of the tokens whose next token is to be predicted.
        targets: (N,) those next tokens.
        parts: The segments in order.
    """

    tokens: Array
    positions: Array
    mask: Array
    predicting: Array
    targets: Array
    parts: tuple[Segment, ...]


def segments(rows: Sequence[TokenRow]) -> list[Segment]:
    """Every row as a segment, in order, with the prefix that it shares with the rows that begin like it.

    A row's last prompt token stays its own, because it predicts the answer's first token.
    """
    prefixes = {}
    for group in _alike(rows):
        prefix = _common([row.prompt[:-1] for row in group])
        prefixes.update(dict.fromkeys(group, prefix))
    return [Segment(prefixes[row], (*row.prompt[len(prefixes[row]) :], *row.answer), len(row.answer)) for row in rows]


def _alike(rows: Sequence[TokenRow]) -> list[list[TokenRow]]:
    """Rows grouped by what they begin with: a row joins the first group most of whose prefix it shares."""
    groups: list[tuple[Tokens, list[TokenRow]]] = []
    for row in rows:
        for index, (prefix, group) in enumerate(groups):
            shared = _common([prefix, row.prompt[:-1]])
            if 2 * len(shared) > len(prefix):
                groups[index] = (shared, [*group, row])
                break
        else:
            groups.append((row.prompt[:-1], [row]))
    return [group for _, group in groups]


def _common(prompts: Sequence[Tokens]) -> Tokens:
    columns = takewhile(lambda column: len(set(column)) == 1, zip(*prompts, strict=False))
    return tuple(column[0] for column in columns)


def pack(rows: Sequence[Segment], dtype: type = np.float32) -> Batch:
    """One sequence of all `rows` behind their prefixes."""
    prefixes = dict.fromkeys(Segment(row.prefix) for row in rows)
    parts = (*prefixes, *rows)
    tokens: list[int] = []
    positions: list[int] = []
    predicting: list[int] = []
    targets: list[int] = []
    spans: dict[Tokens, range] = {}
    seen: list[tuple[range, range]] = []
    for part in parts:
        span = range(len(tokens), len(tokens) + part.length)
        behind = spans[part.prefix] if part.n_targets else range(0)
        spans.setdefault(part.prefix, span)
        tokens += part.own if part.n_targets else part.prefix
        positions += range(len(behind), len(behind) + len(span))
        if part.n_targets:
            predicting += range(span.stop - part.n_targets - 1, span.stop - 1)
            targets += part.own[-part.n_targets :]
        seen.append((span, behind))
    mask: Array = np.full((len(tokens), len(tokens)), -np.inf, dtype)
    for own, behind in seen:
        mask[own.start : own.stop, own.start : own.stop] = np.triu(np.full((len(own), len(own)), -np.inf, dtype), 1)
        mask[own.start : own.stop, behind.start : behind.stop] = 0.0
    return Batch(np.array(tokens), np.array(positions), mask, np.array(predicting), np.array(targets), parts)
