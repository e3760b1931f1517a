"""How well the item-response model knows arms that it has never seen: arms are left out, not cells.

    python -m benchmarks.held_out_arms [TABLE.json ...] [--store STORE --run RUN ...]

A table holds demo sets with their scores by row (`sets`: set, demos [{row, answer}], scores), as
`../shared/data/trec_demo_sets.json`, or instructions (`instructions`: index, text, parents, tip, scores), both as
`benchmarks.embedded.tables` makes them; or cells of a run (`cells`: candidate -> row -> score) without the contents
of its arms. Any run in a store is a table as it stands. Every fold of arms is left out once, with all candidates that
have one of them; where several predictors or kinds are searched, each in its turn, and the seed's arms stay. R2 and
the error are of the candidates' means, weighted by their cells: 1 - SSE / SST, SST around the mean of what was left
in, and the root of the mean squared error in points; log loss is of single cells, in nats.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from scipy.special import expit

from mipro_studio.commands.earlier_runs import outputs_of
from mipro_studio.optimizer_core.parameters.arm_features import (
    FEATURES,
    TRIED,
    Feature,
    Features,
    demo_features,
    instruction_features,
)
from mipro_studio.optimizer_core.parameters.demos import demos_arm
from mipro_studio.optimizer_core.parameters.instruction import instruction_arm
from mipro_studio.optimizer_core.parameters.weights import WEIGHTS
from mipro_studio.optimizer_core.search.surrogates.laplace import fit
from mipro_studio.optimizer_core.search.surrogates.posterior import MEAN, OWN, Floats, Posterior
from mipro_studio.optimizer_core.types import DEMOS, INSTRUCTION, SEED_ARM, WHOLE, Arm, Author, Candidate, Demo, Split
from mipro_studio.storage import Reader

__all__ = ["Held", "Table", "ablation", "features_with", "held_out", "left_out", "noise", "read", "read_run"]

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
DRAWS = 256
FOLDS = 12
FEW = 4
"""Arms of a kind that were tried: with fewer there is nothing to learn from those that are left."""


@dataclass(frozen=True)
class Table:
    """Scores by candidate and row, and the arms whose contents are known.

    Attributes:
        outputs: By predictor, in program order.
    """

    candidates: list[Candidate]
    rows: list[Mapping[str, float]]
    arms: list[Arm] = field(default_factory=list)
    outputs: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"p": ("answer",)})

    @property
    def tried(self) -> dict[tuple[int, str], list[int]]:
        """The arms that some candidate has, by place and kind, where they are `FEW` or more."""
        found = {
            (place, kind): sorted({candidate.arm(place, kind) for candidate in self.candidates})
            for place in range(len(self.outputs))
            for kind in (INSTRUCTION, DEMOS)
        }
        return {slot: arms for slot, arms in found.items() if len(arms) >= FEW}


@dataclass(frozen=True)
class Held:
    """What was foretold of arms left out: R2 and error (in points) of their candidates' means, log loss of cells, and
    that of the plain rate."""

    r2: float
    error: float
    log_loss: float
    rate_loss: float


def read(path: Path) -> Table:
    """A table of one of the three forms."""
    data = json.loads(path.read_text(encoding="utf-8"))
    if "instructions" in data:
        texts = []
        for one in data["instructions"]:
            origin = {"parents": one["parents"], "tip": one["tip"]}
            texts.append(instruction_arm("p", one["index"], one["text"], Author.MODEL, origin))
        chosen = [Candidate.of(1, {(0, INSTRUCTION): arm.index}) for arm in texts]
        return Table(chosen, [one["scores"] for one in data["instructions"]], texts)
    if "cells" in data:
        return Table([Candidate.parse(name) for name in data["cells"]], list(data["cells"].values()))
    sets = [
        demos_arm(
            "p", one["set"], "", tuple(Demo({"answer": demo["answer"]}, False, demo["row"]) for demo in one["demos"])
        )
        for one in data["sets"]
    ]
    return Table(
        [Candidate.of(1, {(0, DEMOS): one["set"]}) for one in data["sets"]],
        [one["scores"] for one in data["sets"]],
        sets,
    )


def read_run(store: Path, run: str) -> Table:
    """The validation cells of a run, but for those of candidates with other weights than the model's own."""
    cells: dict[Candidate, dict[str, float]] = {}
    with Reader(store) as reader:
        full_id = reader.find(run)
        arms = [arm for arm in reader.arms(full_id) if arm.kind in (INSTRUCTION, DEMOS)]
        for cell in reader.cells(full_id, split=Split.VAL):
            candidate = Candidate.parse(cell.key.candidate)
            if cell.score is not None and not candidate.arm(WHOLE, WEIGHTS):
                cells.setdefault(candidate, {})[cell.key.example] = cell.score
        names = list(dict.fromkeys(arm.owner for arm in arms if arm.kind == INSTRUCTION))
        outputs = outputs_of(reader, full_id, names, next(iter(cells)).id)
    return Table(list(cells), list(cells.values()), arms, outputs)


def held_out(table: Table, features: Features, folds: int = FOLDS, seed: int = 0) -> Held:
    """Leave every fold of arms out once.

    Args:
        features: As in `laplace.fit`.
        folds: How many parts; at least as many as arms leaves one out at a time.
    """
    told, truth, cells, loss, plain = [], [], [], [], []
    for left in left_out(table, folds, seed):
        kept = [at for at in range(len(table.candidates)) if at not in left]
        posterior = fit([table.candidates[at] for at in kept], [table.rows[at] for at in kept], features=features)
        assert posterior is not None
        rate = float(np.mean([score for at in kept for score in table.rows[at].values()]))
        easy = _easiness(posterior, [table.rows[at] for at in kept])
        for at, drawn in zip(left, _drawn(posterior, [table.candidates[at] for at in left]), strict=True):
            scores = np.array(list(table.rows[at].values()))
            hardness = np.array([easy.get(name, 0.0) for name in table.rows[at]])
            chance = expit(drawn[:, None] + hardness[None, :]).mean(axis=0)
            told.append((chance.mean(), rate))
            truth.append(scores.mean())
            cells.append(len(scores))
            loss += _loss(scores, chance)
            plain += _loss(scores, np.full(len(scores), rate))
    squares = np.average((np.array(truth)[:, None] - np.array(told)) ** 2, axis=0, weights=cells)
    r2, error = 1 - float(squares[0] / squares[1]), 100 * float(squares[0]) ** 0.5
    return Held(r2, error, float(np.mean(loss)), float(np.mean(plain)))


def left_out(table: Table, folds: int, seed: int) -> Iterator[list[int]]:
    """The candidates that a fold of the arms of a place and kind leaves out."""
    several = len(table.tried) > 1
    for (place, kind), arms in table.tried.items():
        tried = [arm for arm in arms if not several or arm != SEED_ARM]
        order = np.random.default_rng(seed).permutation(len(tried)).tolist()
        for fold in range(min(folds, len(tried))):
            left = {tried[at] for at in order[fold::folds]}
            yield [at for at, one in enumerate(table.candidates) if one.arm(place, kind) in left]


def _loss(
    scores: Floats,
    chance: Floats,
) -> list[float]:
    sure = np.clip(chance, 1e-3, 1 - 1e-3)
    return list(-(scores * np.log(sure) + (1 - scores) * np.log(1 - sure)))


def _easiness(posterior: Posterior, rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for row in rows for name in row)
    return dict(zip(names, posterior.easiness.tolist(), strict=True))


def _drawn(posterior: Posterior, candidates: Sequence[Candidate]) -> list[Floats]:
    """Draws of f of candidates that may never have been seen: effects that are unknown come from their prior."""
    rng = np.random.default_rng(0)
    _, effects = posterior.draw(rng, DRAWS)
    found = []
    for candidate in candidates:
        total = np.zeros(DRAWS)
        for family, variance, of_family in zip(posterior.families, posterior.scales.variances, effects, strict=True):
            if family.effect == MEAN:
                total += of_family[0]
                continue
            if family.effect == OWN:
                total += variance**0.5 * rng.standard_normal(DRAWS)
                continue
            code = tuple(candidate.arm(family.place, letter) for letter in family.letters)
            if code in family.codes:
                total += of_family[family.codes.index(code)]
            elif family.basis is None:
                total += variance**0.5 * rng.standard_normal(DRAWS)
        found.append(total)
    return found


def features_with(table: Table, only: Mapping[str, Sequence[str]]) -> Features:
    """The features with these names, by kind, of the arms that the table knows."""
    found: dict[tuple[int, str], Sequence[Feature]] = {}
    for place, (owner, outputs) in enumerate(table.outputs.items()):
        for kind, names in only.items():
            arms = sorted((arm for arm in table.arms if (arm.owner, arm.kind) == (owner, kind)), key=_index)
            described = instruction_features if kind == INSTRUCTION else partial(demo_features, outputs=outputs)
            if arms and names:
                found[place, kind] = described(arms, only=names)
    return found


def _index(arm: Arm) -> int:
    return arm.index


def noise(table: Table) -> float:
    """The error in points that the means have by themselves, from having so few rows: the least that is to be had."""
    rows = [np.array(list(row.values())) for row in table.rows if len(row) > 1]
    squares = [np.var(scores, ddof=1) / len(scores) for scores in rows]
    mean = float(np.average(squares, weights=[len(scores) for scores in rows]))
    return 100 * float(mean**0.5)


def ablation(table: Table, folds: int) -> list[tuple[str, Held]]:
    """No feature, each alone, all, and all but one."""
    tried = {kind: TRIED[kind] for kind in (DEMOS, INSTRUCTION) if any(slot[1] == kind for slot in table.tried)}
    choices: list[tuple[str, dict[str, Sequence[str]]]] = [("none", {})]
    if table.arms:
        named = [(kind, name) for kind, names in tried.items() for name in names]
        choices += [(f"{name} alone", {kind: (name,)}) for kind, name in named]
        choices += [("those of a run", {kind: FEATURES[kind] for kind in tried}), ("all", dict(tried))]
        choices += [
            (f"all but {name}", {**tried, kind: tuple(one for one in tried[kind] if one != name)})
            for kind, name in named
        ]
    return [(label, held_out(table, features_with(table, only), folds)) for label, only in choices]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", type=Path, default=[SHARED / "trec_demo_sets.json"])
    parser.add_argument("--folds", type=int, default=FOLDS)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--run", action="append", default=[])
    said = parser.parse_args()
    tables = [(run, read_run(said.store, run)) for run in said.run]
    for name, table in tables or [(path.stem, read(path)) for path in said.tables]:
        print(f"\n{name}: {len(table.candidates)} candidates, {sum(map(len, table.rows))} cells")
        print(f"The means' own noise is {noise(table):.1f} points.\n")
        print("| features | R2 | error | log loss | of the rate |\n|---|---:|---:|---:|---:|")
        for label, held in ablation(table, said.folds):
            figures = f"{held.r2:.3f} | {held.error:.1f} | {held.log_loss:.4f} | {held.rate_loss:.4f}"
            print(f"| {label} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
