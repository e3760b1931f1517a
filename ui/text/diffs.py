"""What changed between two texts: word by word for short ones, line by line for long ones. Pure functions."""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import chain

from mipro_studio.ui.text.format import clean, plural

__all__ = ["LONGEST", "Piece", "diff", "diff_html", "summary"]

LONGEST = 20_000
"""Characters of either text that are compared; the comparison takes the square of what differs."""

MOST_WORDS = 600
REWRITTEN = 0.6
"""Below this share of common words a text is another one; its scraps that happen to agree only confuse."""

_TOKENS = re.compile(r"\w+|\s+|[^\w\s]")
_MARKS = {"ins": "background:rgba(40,150,95,.22)", "del": "background:rgba(200,60,50,.18);opacity:.85"}


@dataclass(frozen=True, slots=True)
class Piece:
    """`kind` is same, ins (only in the second text) or del (only in the first)."""

    kind: str
    text: str


def diff(before: str, after: str) -> list[Piece]:
    """The pieces of both texts in order; what is beyond `LONGEST` characters is left out."""
    first, second = clean(before)[:LONGEST], clean(after)[:LONGEST]
    a, b = _TOKENS.findall(first), _TOKENS.findall(second)
    if max(len(a), len(b)) > MOST_WORDS:
        a, b = first.splitlines(keepends=True), second.splitlines(keepends=True)
    matcher = SequenceMatcher(None, a, b, autojunk=False)
    if a and b and matcher.ratio() < REWRITTEN:
        return [Piece("del", first), Piece("same", "\n"), Piece("ins", second)]
    pieces: list[Piece] = []
    for kind, a0, a1, b0, b1 in matcher.get_opcodes():
        if kind == "equal":
            pieces.append(Piece("same", "".join(a[a0:a1])))
            continue
        pieces += [Piece(k, "".join(t)) for k, t in (("del", a[a0:a1]), ("ins", b[b0:b1])) if t]
    return _joined(pieces)


def _joined(pieces: Sequence[Piece]) -> list[Piece]:
    """Changes with nothing but a space between them read as one."""
    runs: list[list[Piece]] = []
    for place, piece in enumerate(pieces):
        between = 0 < place < len(pieces) - 1 and "same" not in (pieces[place - 1].kind, pieces[place + 1].kind)
        changed = piece.kind != "same" or (not piece.text.strip() and between)
        if changed and runs and any(one.kind != "same" for one in runs[-1]):
            runs[-1].append(piece)
        else:
            runs.append([piece])
    return list(chain.from_iterable(_one_change(run) for run in runs))


def _one_change(run: Sequence[Piece]) -> list[Piece]:
    if len(run) == 1:
        return [*run]
    texts = {kind: "".join(piece.text for piece in run if piece.kind in (kind, "same")) for kind in ("del", "ins")}
    return [Piece(kind, text) for kind, text in texts.items() if text.strip()]


def diff_html(pieces: Sequence[Piece]) -> str:
    """The pieces as escaped HTML; deletions are struck through, so that colour is not the only sign."""
    body = "".join(
        html.escape(piece.text)
        if piece.kind == "same"
        else f'<{piece.kind} style="{_MARKS[piece.kind]}">{html.escape(piece.text)}</{piece.kind}>'
        for piece in pieces
    )
    return (
        '<div dir="auto" style="white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.6;'
        f'max-height:26rem;overflow-y:auto">{body}</div>'
    )


def summary(pieces: Sequence[Piece]) -> str:
    """`4 words added, 2 taken out`, or that nothing changed."""
    n = {kind: sum(len(piece.text.split()) for piece in pieces if piece.kind == kind) for kind in ("ins", "del")}
    if not any(piece.kind != "same" for piece in pieces):
        return "The same text."
    return f"{plural(n['ins'], 'word')} added, {plural(n['del'], 'word')} taken out"
