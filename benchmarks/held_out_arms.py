"""How well the item-response model knows arms that it has never seen: arms are left out, not cells.

    python -m benchmarks.held_out_arms [TABLE.json ...] [--store STORE --run RUN]

A table holds demo sets with their scores by row (`sets`: set, demos [{row, answer}], scores), as
`../shared/data/trec_demo_sets.json`, or the cells of a run (`cells`: candidate -> row -> score) without the contents
of its arms. A run of one predictor in a store is a table as it stands, of demo sets or of instructions. Every fold of
arms is left out once. R2 is of the arms' means, 1 - SSE / SST, SST around the mean of the arms that were left in; log
loss is of single cells, in nats.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from scipy.special import expit

from mipro_studio.optimizer_core.parameters.arm_features import TRIED, Features, demo_features, instruction_features
from mipro_studio.optimizer_core.parameters.demos import demos_arm
from mipro_studio.optimizer_core.search.surrogates.laplace import fit
from mipro_studio.optimizer_core.search.surrogates.posterior import MEAN, OWN, Floats, Posterior
from mipro_studio.optimizer_core.types import DEMOS, INSTRUCTION, Arm, Candidate, Demo, Split
from mipro_studio.storage import Reader

__all__ = ["Held", "Table", "ablation", "held_out", "read"]

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
DRAWS = 256
FOLDS = 12


@dataclass(frozen=True)
class Table:
    """Scores by candidate and row, and the arms of the one predictor whose contents are known, all of one kind."""

    candidates: list[Candidate]
    rows: list[Mapping[str, float]]
    sets: list[Arm]
    outputs: tuple[str, ...] = ("answer",)


@dataclass(frozen=True)
class Held:
    """What was foretold of arms left out: R2 of their means, log loss of their cells, and that of the plain rate."""

    r2: float
    log_loss: float
    rate_loss: float


def read(path: Path) -> Table:
    """A table of one of the two forms."""
    data = json.loads(path.read_text(encoding="utf-8"))
    if "cells" in data:
        return Table([Candidate.parse(name) for name in data["cells"]], list(data["cells"].values()), [])
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
    """The full evaluations of a run of a program with one predictor that searches one kind of arm."""
    with Reader(store) as reader:
        arms = reader.arms(run)
        kind = max((INSTRUCTION, DEMOS), key=lambda name: len({arm.index for arm in arms if arm.kind == name}))
        cells: dict[str, dict[str, float]] = {}
        for cell in reader.cells(run, split=Split.VAL):
            if cell.score is not None:
                cells.setdefault(cell.key.candidate, {})[cell.key.example] = cell.score
        labels = {name for row in reader.examples(run, Split.TRAIN) for name in row.labels}
    return Table(
        [Candidate.parse(name) for name in cells],
        list(cells.values()),
        [arm for arm in arms if arm.kind == kind],
        tuple(sorted(labels)),
    )


def held_out(table: Table, features: Features, folds: int = FOLDS, seed: int = 0) -> Held:
    """Leave every fold of candidates out once.

    Args:
        features: As in `laplace.fit`.
        folds: How many parts; at least as many as candidates leaves one out at a time.
    """
    told, truth, loss, plain = [], [], [], []
    for left in _folds(len(table.candidates), folds, seed):
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
            loss += _loss(scores, chance)
            plain += _loss(scores, np.full(len(scores), rate))
    found = np.array(told)
    squares = ((np.array(truth) - found[:, 0]) ** 2).sum() / ((np.array(truth) - found[:, 1]) ** 2).sum()
    return Held(1 - float(squares), float(np.mean(loss)), float(np.mean(plain)))


def _folds(n: int, folds: int, seed: int) -> Iterator[list[int]]:
    order = np.random.default_rng(seed).permutation(n).tolist()
    for fold in range(min(folds, n)):
        yield order[fold::folds]


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


def ablation(table: Table, folds: int) -> list[tuple[str, Held]]:
    """No feature, each alone, all, and all but one."""
    kind = table.sets[0].kind if table.sets else DEMOS
    names = TRIED[kind]
    described = instruction_features if kind == INSTRUCTION else partial(demo_features, outputs=table.outputs)
    choices: list[tuple[str, tuple[str, ...]]] = [("none", ())]
    if table.sets:
        choices += [(f"{name} alone", (name,)) for name in names] + [("all", names)]
        choices += [(f"all but {name}", tuple(one for one in names if one != name)) for name in names]
    found = []
    for label, chosen in choices:
        features: Features = {(0, kind): described(table.sets, only=chosen)} if chosen else {}
        found.append((label, held_out(table, features, folds)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", type=Path, default=[SHARED / "trec_demo_sets.json"])
    parser.add_argument("--folds", type=int, default=FOLDS)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--run", action="append", default=[])
    said = parser.parse_args()
    tables = [(run, read_run(said.store, run)) for run in said.run]
    for name, table in tables or [(path.stem, read(path)) for path in said.tables]:
        print(f"\n{name}: {len(table.candidates)} candidates, {sum(map(len, table.rows))} cells\n")
        print("| features | R2 | log loss | of the rate |\n|---|---:|---:|---:|")
        for label, held in ablation(table, said.folds):
            print(f"| {label} | {held.r2:.3f} | {held.log_loss:.4f} | {held.rate_loss:.4f} |", flush=True)


if __name__ == "__main__":
    main()
