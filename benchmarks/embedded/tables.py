"""Tables of arms by rows on the embedded model, for `benchmarks.held_out_arms`: demo sets, or instructions.

    MIPRO_STUDIO_DATA=FOLDER python -m benchmarks.embedded.tables sst2 demos --out sst2_demos.json

Demo sets are drawn as those of `../shared/data/trec_demo_sets.json`: four labelled rows of thirty, and the empty set.
Instructions are the task's own and children of earlier ones, each with one sentence more of `HINTS`; the model that
answers is real, the sentences are written by hand. Every arm is scored on the same rows. A call that was stopped goes
on: the file holds the arms that are done.
"""

import argparse
import json
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dspy

from mipro_studio.optimizer_core.models.embedded import CompactAdapter, embedded_lm
from mipro_studio.optimizer_core.types import DEMOS, INSTRUCTION
from mipro_studio.sample_programs import CATALOG, get_sample

__all__ = ["HINTS", "drawn", "scored"]

THREADS = 4
IN_A_SET, FROM = 4, 30
HINTS = {
    "sst2": {
        "meaning": (
            "Praise means positive.",
            "Complaints, boredom and mockery mean negative.",
            "A sentence that says but is judged by what stands after it.",
        ),
        "manner": (
            "Think of how the viewer felt.",
            "Do not guess from single words.",
            "Be strict: doubt means negative.",
            "Be kind: doubt means positive.",
        ),
        "form": ("Answer with one word.", "Say positive or negative and nothing else."),
    },
    "trec": {
        "meaning": (
            "Who asks for a human.",
            "Where asks for a location.",
            "How many, how much and when ask for a number.",
            "What does it stand for asks for an abbreviation.",
            "Why, how and what is ask for a description.",
            "Names of things, animals and books are an entity.",
        ),
        "manner": ("Look at the first word of the question.", "Think of what a good answer would be."),
        "form": ("Answer with one word.", "Choose one of the six types."),
    },
}
"""By task and kind of hint, which an instruction's provenance has as its tip."""


def drawn(task: str, kind: str, n: int, train: Sequence[dict[str, Any]], seed: int = 0) -> list[dict[str, Any]]:
    """`n` arms as the table's file has them, without scores; the first is the seed's.

    Args:
        train: Rows that demos are drawn from, with `id` and `answer` beside their fields.
    """
    rng = random.Random(f"{task} {kind} {seed}")
    if kind == DEMOS:
        sets = [[], *(rng.sample(list(train[:FROM]), IN_A_SET) for _ in range(n - 1))]
        return [
            {"set": index, "demos": [{"row": row["id"], "answer": row["answer"]} for row in rows]}
            for index, rows in enumerate(sets)
        ]
    seed_text = next(iter(get_sample(task).program().predictors())).signature.instructions
    arms: list[dict[str, Any]] = [{"index": 0, "text": seed_text, "parents": [], "tip": ""}]
    hints = [(tip, said) for tip, some in HINTS[task].items() for said in some]
    while len(arms) < n:
        parent = rng.choice(arms)
        tip, said = rng.choice(hints)
        text = f"{parent['text']} {said}"
        if said not in parent["text"] and text not in [one["text"] for one in arms]:
            arms.append({"index": len(arms), "text": text, "parents": [parent["index"]], "tip": tip})
    return arms


def scored(task: str, arm: dict[str, Any], train: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]]) -> Any:
    """The arm's scores by row id; a run that fails ends it."""
    sample = get_sample(task)
    module = sample.program()
    (predictor,) = module.predictors()
    if "text" in arm:
        predictor.signature = predictor.signature.with_instructions(arm["text"])
    by_id = {row["id"]: row["fields"] for row in train}
    predictor.demos = [dspy.Example(**by_id[demo["row"]]) for demo in arm.get("demos", ())]
    context = {"lm": embedded_lm(), "adapter": CompactAdapter()}

    def one(row: dict[str, Any]) -> float:
        example = dspy.Example(**row["fields"]).with_inputs(*CATALOG[task].inputs)
        with dspy.context(**context):
            return float(sample.metric(example, module(**example.inputs())))

    with ThreadPoolExecutor(THREADS) as pool:
        return dict(zip([row["id"] for row in rows], pool.map(one, rows), strict=True))


def _rows(task: str, n_train: int, n: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows to draw demos from, and others to score on."""
    rows = [{key: value for key, value in row.items() if key != "split"} for row in CATALOG[task].rows()]
    random.Random(f"rows {task}").shuffle(rows)
    label = next(key for key in rows[0] if key not in CATALOG[task].inputs)
    told = [{"id": f"r{index}", "answer": str(row[label]), "fields": row} for index, row in enumerate(rows)]
    return told[:n_train], told[n_train : n_train + n]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=["sst2", "trec", "iris"])
    parser.add_argument("kind", choices=[DEMOS, INSTRUCTION])
    parser.add_argument("--arms", type=int, default=30)
    parser.add_argument("--rows", type=int, default=40)
    parser.add_argument("--out", type=Path, required=True)
    said = parser.parse_args()
    train, rows = _rows(said.task, FROM, said.rows)
    key = "sets" if said.kind == DEMOS else "instructions"
    done = json.loads(said.out.read_text())[key] if said.out.exists() else []
    for arm in drawn(said.task, said.kind, said.arms, train)[len(done) :]:
        done.append({**arm, "scores": scored(said.task, arm, train, rows)})
        said.out.write_text(json.dumps({"task": said.task, key: done}))
        mean = sum(done[-1]["scores"].values()) / len(rows)
        print(f"{len(done)} of {said.arms}: {mean:.3f}", flush=True)


if __name__ == "__main__":
    main()
