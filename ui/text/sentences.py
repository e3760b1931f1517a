"""Two texts beside each other, sentence by sentence, so that a rewrite can be read across. Pure functions."""

import html
import re
from difflib import SequenceMatcher
from itertools import zip_longest

from mipro_studio.ui.text.diffs import LONGEST, Piece, diff
from mipro_studio.ui.text.format import clean

__all__ = ["aligned", "columns_html", "sentences"]

_END = re.compile(r"(?<=[.!?:])\s+|\n+")
_MARKS = {"ins": "background:rgba(40,150,95,.22)", "del": "background:rgba(200,60,50,.18)"}
_CELL = "text-align:left;padding:4px 14px 4px 0;vertical-align:top;overflow-wrap:anywhere;line-height:1.55"
ALIKE = 0.45
"""Share of common words from which two sentences are one that was changed."""


def sentences(text: str) -> list[str]:
    """The sentences and lines of a text, without those that are blank."""
    return [part.strip() for part in _END.split(clean(text)[:LONGEST]) if part.strip()]


def aligned(before: str, after: str) -> list[tuple[str, str]]:
    """(old, new) sentences in order; "" beside a sentence that has no other."""
    old, new = sentences(before), sentences(after)
    rows: list[tuple[str, str]] = []
    for kind, a0, a1, b0, b1 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            rows += zip(old[a0:a1], new[b0:b1], strict=True)
        else:
            rows += _paired(old[a0:a1], new[b0:b1])
    return rows


def _paired(old: list[str], new: list[str]) -> list[tuple[str, str]]:
    """Changed sentences beside those that they are like, in order; what lies between stands side by side."""
    rows: list[tuple[str, str]] = []
    seen_old = seen_new = 0
    for j, sentence in enumerate(new):
        place = next((i for i in range(seen_old, len(old)) if _alike(old[i], sentence) >= ALIKE), None)
        if place is not None:
            rows += zip_longest(old[seen_old:place], new[seen_new:j], fillvalue="")
            rows.append((old[place], sentence))
            seen_old, seen_new = place + 1, j + 1
    rows += zip_longest(old[seen_old:], new[seen_new:], fillvalue="")
    return rows


def _alike(first: str, second: str) -> float:
    return SequenceMatcher(None, first.split(), second.split(), autojunk=False).ratio()


def columns_html(before: str, after: str, titles: tuple[str, str]) -> str:
    """The rows as an escaped table of two columns; what changed within a sentence is struck or underlined."""
    cells = [_row(*pair) for pair in aligned(before, after)]
    muted = f'scope="col" style="{_CELL};opacity:.75;font-weight:500"'
    head = "".join(f"<th {muted}>{html.escape(clean(title)[:120])}</th>" for title in titles)
    body = "".join(f"<tr>{_td(old)}{_td(new)}</tr>" for old, new in cells)
    return (
        '<div style="max-height:30rem;overflow-y:auto" tabindex="0" role="region" aria-label="Both texts">'
        '<table style="width:100%;border-collapse:collapse;table-layout:fixed">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _td(safe: str) -> str:
    return f'<td dir="auto" style="{_CELL}">{safe}</td>'


def _row(old: str, new: str) -> tuple[str, str]:
    """Both cells, escaped."""
    if old == new:
        return html.escape(old), html.escape(new)
    if not old or not new:
        return _marked("del", old), _marked("ins", new)
    pieces = diff(old, new)
    return _side(pieces, "del"), _side(pieces, "ins")


def _side(pieces: list[Piece], kind: str) -> str:
    shown = (piece for piece in pieces if piece.kind in (kind, "same"))
    return "".join(_marked(piece.kind, piece.text) for piece in shown)


def _marked(kind: str, text: str) -> str:
    safe = html.escape(text)
    return f'<{kind} style="{_MARKS[kind]}">{safe}</{kind}>' if kind != "same" and text else safe
