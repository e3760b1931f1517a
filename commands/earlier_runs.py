"""What a run in the store learned, for another to start from."""

import json
from pathlib import Path
from typing import Any

from mipro_studio.control.review import editable_arms
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.types import INSTRUCTION, CellKey, Split
from mipro_studio.storage import Reader

__all__ = ["learned_by", "outputs_of", "with_earlier_run"]


def learned_by(store: Path, run_id: str) -> dict[str, Any]:
    """See `optimizer_core.analysis.learned.learned`.

    Raises:
        BadInput: the run has no winner yet.
        StudioError: there is no such run.
    """
    from mipro_studio.optimizer_core.analysis.learned import learned  # loads scipy, which most commands need not

    with Reader(store) as reader:
        full_id = reader.run(run_id).id
        outcome = reader.outcome(full_id)
        if outcome is None or outcome.winner is None:
            raise BadInput(f"Run {full_id} has no winner yet.", "Let it end, or stop it, first.")
        arms = editable_arms(reader, full_id).by_kind
        matrix = reader.score_matrix(full_id)
        outputs = outputs_of(reader, full_id, list(arms[INSTRUCTION]), outcome.winner)
    scores = {
        candidate: {row: score for row, score in zip(matrix.examples, cells, strict=True) if score is not None}
        for candidate, cells in zip(matrix.candidates, matrix.scores, strict=True)
    }
    return learned(outputs, arms, scores, outcome.winner)


def with_earlier_run(config: dict[str, Any], store: Path) -> dict[str, Any]:
    """`config` with what the run learned that `carry_from` names; a file is read where the request is looked at."""
    named = config.get("carry_from")
    if not named or Path(named).expanduser().is_file():
        return config
    return {**config, "carried": json.dumps(learned_by(store, named), ensure_ascii=False)}


def outputs_of(reader: Reader, run_id: str, names: list[str], candidate: str) -> dict[str, tuple[str, ...]]:
    """The outputs of every predictor, as a candidate's calls have them."""
    found: dict[str, tuple[str, ...]] = dict.fromkeys(names, ())
    for row in reader.candidate_scores(run_id, candidate):
        for step in reader.cell(run_id, CellKey(candidate, Split.VAL, row)).trace:
            found[step.predictor] = tuple(step.outputs)
        if all(found.values()):
            break
    return found
