"""What a peer did, as the studio's records: every evaluation becomes a trial, every program a candidate."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from mipro_studio.optimizer_core.parameters.demos import demos_arm
from mipro_studio.optimizer_core.parameters.instruction import instruction_arm
from mipro_studio.optimizer_core.parameters.space import candidate_of
from mipro_studio.optimizer_core.programs.program import PredictorInfo
from mipro_studio.optimizer_core.programs.values import as_prompted
from mipro_studio.optimizer_core.types import (
    DEMOS,
    INSTRUCTION,
    Author,
    Candidate,
    Cell,
    CellKey,
    Demo,
    Example,
    Record,
    Split,
    Trial,
    TrialKind,
)

__all__ = ["PeerRecords"]


class PeerRecords:
    """Turns programs and evaluations into records, in the order they come.

    Candidate k is arm k of every predictor: a peer has no arms of its own, and its programs are kept whole.
    Evaluations of anything but validation rows are not recorded: demos are collected on training rows, say.
    """

    def __init__(self, predictors: Sequence[PredictorInfo], val: Sequence[Example], optimizer: str) -> None:
        self._names = [info.name for info in predictors]
        self._ids = {_key(example.inputs): example.id for example in val}
        self._n_val = len(val)
        self._optimizer = optimizer
        self._known: dict[str, int] = {}
        self._full: dict[int, float] = {}
        self._best: tuple[float, Any] | None = None
        self._order = self._number = 0

    @property
    def best(self) -> Any:
        """The program with the best full evaluation so far, the earlier one of equals; None before there is one."""
        return self._best[1] if self._best is not None else None

    def candidate(self, index: int) -> Candidate:
        chosen = {(name, kind): index for name in self._names for kind in (INSTRUCTION, DEMOS)}
        return candidate_of(self._names, chosen)

    def program(self, module: Any) -> tuple[int, list[Record]]:
        """The index of a program's candidate and, when it is new, the records of its arms."""
        parts = [(predictor.signature.instructions, [as_prompted(dict(demo)) for demo in predictor.demos])
                 for predictor in module.predictors()]  # fmt: skip
        known = json.dumps(parts, sort_keys=True)
        if known in self._known:
            return self._known[known], []
        index = self._known[known] = len(self._known)
        records: list[Record] = []
        for name, (text, demos) in zip(self._names, parts, strict=True):
            author = Author.MODEL if index else Author.SEED
            records.append(instruction_arm(name, index, text, author, {"by": self._optimizer} if index else {}))
            kept = tuple(Demo({k: v for k, v in demo.items() if k != "augmented"}, "augmented" in demo, "")
                         for demo in demos)  # fmt: skip
            records.append(demos_arm(name, index, "shuffled" if kept else "zero_shot", kept))
        return index, records

    def evaluation(self, module: Any, results: Sequence[tuple[Any, Any, Any]], program_runs: int) -> list[Record]:
        """Records of one evaluation that ended when `program_runs` runs had begun."""
        ids = [self._ids.get(_key(dict(example.inputs().items()))) for example, _, _ in results]
        if not results or None in ids:
            return []
        index, records = self.program(module)
        candidate = self.candidate(index).id
        scores = [float(getattr(score, "score", score)) for _, _, score in results]
        full = len(set(ids)) == self._n_val
        kind = TrialKind.MINIBATCH
        if full:
            kind = TrialKind.FULL if index else TrialKind.BASELINE
        if kind is TrialKind.MINIBATCH or (kind is TrialKind.FULL and index not in self._full):
            self._number += 1
        mean = sum(scores) / len(scores)
        if full:
            self._full.setdefault(index, mean)
            if self._best is None or mean > self._best[0]:
                self._best = (mean, _whole(module))
        for identity, (_, prediction, _), score in zip(ids, results, scores, strict=True):
            if isinstance(prediction, tuple):  # GEPA has traces returned beside predictions
                prediction = prediction[0]
            answer = as_prompted(dict(prediction.items())) if hasattr(prediction, "items") else {}
            records.append(Cell(CellKey(candidate, Split.VAL, str(identity)), score, prediction=answer))
        order, self._order = self._order, self._order + 1
        number = 0 if kind is TrialKind.BASELINE else self._number
        examples = tuple(str(identity) for identity in ids)
        records.append(Trial(order, number, kind, candidate, examples, True, mean, len(scores), 0, program_runs))
        return records


def _whole(module: Any) -> Any:
    """A copy of a program as its class wrote it.

    While DSPy collects traces (GEPA) it puts a `forward` of its own on the object, which returns something else.
    """
    copied = module.deepcopy()
    vars(copied).pop("forward", None)
    return copied


def _key(inputs: Any) -> str:
    return json.dumps(as_prompted(dict(inputs)), sort_keys=True)
