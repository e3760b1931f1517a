"""Which choices moved the score, in order and in one sentence: the same wherever a run is told of."""

from collections.abc import Mapping, Sequence
from typing import Any

from mipro_studio.optimizer_core.types import Json
from mipro_studio.ui.text.format import alike, one_line, plural

__all__ = ["named_rows", "what_mattered"]


def named_rows(importance: Sequence[Json]) -> list[Mapping[str, Any]]:
    """Core's rows for the figure, named `answer: demos`, the largest first; `said` is the spread in words."""
    known = [row for row in importance if row.get("spread") is not None]
    known.sort(key=lambda row: -float(row["spread"]))
    return [
        {
            **row,
            "name": row.get("name") or row.get("parameter") or f"{row.get('predictor')}: {row.get('kind')}",
            "said": said,
        }
        for row, said in zip(known, alike([float(row["spread"]) for row in known]), strict=True)
    ]


def what_mattered(rows: Sequence[Mapping[str, Any]], so_far: bool) -> str:
    """The figure in one sentence, for people who ask what mattered."""
    real = [row for row in rows if row.get("real", True)]
    when = " so far" if so_far else ""
    if not real:
        return (
            f"No single choice stands out from noise{when}: these trials do not tell which of them moved the score."
        )
    said = [f"{_of_predictor(str(row['name']))} ({row['said']})" for row in real[:3]]
    rest = f", then {' and '.join(said[1:])}" if len(said) > 1 else ""
    noise = len(rows) - len(real)
    beside = f" The other {plural(noise, 'choice')} could be chance." if noise else ""
    return f"What moved the score most{when}: {said[0]}{rest}.{beside}"


def _of_predictor(name: str) -> str:
    """`the demos of answer` for `answer: demos`."""
    predictor, _, kind = name.rpartition(": ")
    if not predictor:
        return one_line(name, 60)
    kinds = {
        "instruction x demos": "mix of instruction and demos",
        "answers in demos": "answers that are present in the demos",
        "last answer in demos": "answer that stands last in the demos",
        "rows in demos": "rows that are in the demos",
    }
    return f"the {kinds.get(kind, one_line(kind, 40))} of {one_line(predictor, 40)}"
