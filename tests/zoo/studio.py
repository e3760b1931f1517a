"""The zoo's programs in the studio, by the way that a run takes: inspected, stored, worked on, exported.

Run as `mipro_studio.command("tests.zoo.studio", JOB, RESULT)`, so that the process is one as a worker's. Left out of
a real run: the processes are forked instead of started, and none keeps a log or an Optuna study.
"""

import csv
import importlib
import json
import os
import re
from pathlib import Path
from typing import Any

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "true")

import dspy

from mipro_studio import worker
from mipro_studio.control import exports, launcher
from mipro_studio.control.worker_children import worker_name
from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.inspection import inspect_request
from mipro_studio.optimizer_core.programs.program_code import program_code
from mipro_studio.optimizer_core.types import TEACHER, Candidate, CellKey, Split, TraceStep
from mipro_studio.storage import Reader

pairs = importlib.import_module("mipro_studio.tests.arms").pairs
catalog = importlib.import_module("mipro_studio.tests.zoo.catalog")
forking = importlib.import_module("mipro_studio.tests.zoo.forking")
wiring = importlib.import_module("mipro_studio.tests.zoo.wire")

HERE = Path(__file__).resolve().parent
BOOTSTRAPPED, LABELLED = 2, 3
MODEL = {"api_base": "http://127.0.0.1:9/v1", "timeout_s": 120.0}


class _NoMirror:
    def __init__(self, store: Path, run_id: str) -> None: ...

    def close(self, hurry: bool = False) -> None: ...


def asked(case: Any, folder: Path) -> dict[str, Any]:
    """The request: zero-shot, labelled demos and bootstrapped ones, each on all validation rows; no sealed test."""
    files = {}
    for split, numbers in (("train", catalog.TRAIN), ("val", catalog.VAL)):
        path = folder / f"{split}.{case.format}"
        write_rows(path, [case.row(number) for number in numbers])
        files[split] = str(path)
    target = case.program.partition(":")[0]
    return {
        "program": case.program,
        "metric": f"{target}:{case.metric}",
        "optimizer": "bootstrap_rs",
        "data": {**files, "inputs": case.inputs},
        "task_model": {"model": "openai/gpt-4o-mini", **MODEL},
        "teacher": {"model": "openai/gpt-4.1-mini", **MODEL},
        "search": {"candidates": 3, "max_bootstrapped": BOOTSTRAPPED, "max_labeled": LABELLED},
        "threads": 4,
        "executor": "threads",  # scripted models live in this process
        "retries": 0,
    }


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        if path.suffix == ".csv":
            table = csv.DictWriter(file, rows[0])
            table.writeheader()
            table.writerows(rows)
        else:
            file.writelines(f"{json.dumps(row)}\n" for row in rows)


def work(name: str, folder: Path) -> dict[str, Any]:
    case = catalog.CASES[name]
    folder = folder / re.sub(r"\W+", "_", name)
    folder.mkdir()
    wire = wiring.Wire({**catalog.SAYS, **case.says})
    wire.plug()
    base = HERE / "programs" / case.folder
    os.chdir(base)
    launcher.spawn = lambda store, run_id: 0
    worker.Mirror = _NoMirror
    store = folder / "store.db"
    try:
        found = inspect_request(asked(case, folder), base)
        looked = wire.taken()
        found = json.loads(json.dumps(found, default=str))  # as it comes from the process that looked
        run_id = launcher.start(store, {}, found=found)
    except StudioError as refusal:
        return {"refused": str(refusal)}
    worker.live(store, run_id, worker_name())
    return {"looked": looked, "requests": wire.taken(), "most": BOOTSTRAPPED, **results(store, run_id, folder)}


def results(store: Path, run_id: str, folder: Path) -> dict[str, Any]:
    """What the run came to: {status, reason, rows, candidates: {id: {scores, answers, demos, export}}}."""
    with Reader(store) as reader:
        run = reader.run(run_id)
        train, val = (reader.examples(run_id, split) for split in (Split.TRAIN, Split.VAL))
        places = {example.id: place for place, example in enumerate(train)}
        taught = {
            row.key.example: reader.cell(run_id, row.key)
            for row in reader.cells(run_id, TEACHER)
            if row.error is None
        }
        known = {row.key for row in reader.cells(run_id)}
        sets = {(one.owner, one.index): one for one in reader.demo_sets(run_id)}
        names = list(dict.fromkeys(predictor for predictor, _ in sets))
        ids = list(dict.fromkeys(key.candidate for key in known if key.candidate != TEACHER))
        candidates = {}
        for candidate in sorted(ids):
            cells = [reader.cell(run_id, CellKey(candidate, Split.VAL, example.id)) for example in val]
            choices = zip(names, pairs(Candidate.parse(candidate)), strict=True)
            chosen = (
                {}
                if candidate == Candidate.baseline(len(names)).id
                else {
                    name: [_demo(demo, places, taught, name) for demo in sets[name, index].demos]
                    for name, (_, index) in choices
                }
            )
            export = folder / f"{candidate}.json"
            candidates[candidate] = {
                "scores": [cell.score for cell in cells],
                "errors": [cell.error_message for cell in cells],
                "answers": [dict(cell.prediction) for cell in cells],
                "demos": chosen,
                "export": str(export),
            }
    for candidate, facts in candidates.items():
        files = exports.files(store, run_id, candidate)
        Path(facts["export"]).write_text(files["program"], encoding="utf-8")
        facts["snippet"] = files["snippet"]
    rows = sorted(
        {
            demo["row"]
            for facts in candidates.values()
            for demos in facts["demos"].values()
            for demo in demos
            if demo["augmented"]
        }
    )
    return {
        "status": run.status.value,
        "reason": run.reason,
        "baseline": run.baseline_val,
        "rows": rows,
        "candidates": candidates,
    }


def _demo(demo: Any, places: dict[str, int], taught: dict[str, Any], predictor: str) -> dict[str, Any]:
    """Where a demo comes from: its row, and for a bootstrapped one which of the predictor's calls it was."""
    where = {"row": places[demo.example_id], "augmented": demo.augmented}
    if not demo.augmented:
        return where
    steps = [step for step in taught[demo.example_id].trace if step.predictor == predictor]
    return {**where, "fields": dict(demo.fields), "call": [_fields(step) for step in steps].index(dict(demo.fields))}


def _fields(step: TraceStep) -> dict[str, Any]:
    return {**step.inputs, **step.outputs}


def main(arguments: list[str]) -> int:
    job, result = map(Path, arguments)
    wiring.prepare()
    program_code(dspy.ReAct("text -> answer", tools=[]), None)  # DSPy's files are searched here, not in each child
    told = json.loads(job.read_text())
    done = forking.forked(told["cases"], lambda name: work(name, result.parent), result.parent, told["at_once"])
    result.write_text(json.dumps(done))
    return 0
