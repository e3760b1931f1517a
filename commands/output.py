"""What the command line shows of runs: tables and paragraphs for people, one JSON object for scripts."""

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from mipro_studio.commands.called_as import called_as
from mipro_studio.commands.front_output import front_facts, objective_rows, print_front
from mipro_studio.optimizer_core.parameters.demos import made_how
from mipro_studio.optimizer_core.parameters.registry import KINDS, OF_THE_PROGRAM, title
from mipro_studio.optimizer_core.roles import MODEL_PLACES
from mipro_studio.optimizer_core.types import DEMOS, INSTRUCTION, Arm, EventKind, Role, Split, Status
from mipro_studio.storage import Reader, RunSummary
from mipro_studio.ui.arms.candidate_names import names_of
from mipro_studio.ui.result.evidence import evidence_of
from mipro_studio.ui.result.headline import doubt, headline
from mipro_studio.ui.result.leaders import candidates_tried
from mipro_studio.ui.result.what_parts_bring import Brought, in_words, what_parts_bring
from mipro_studio.ui.text.format import interval, score

__all__ = [
    "exit_code",
    "print_facts",
    "print_json",
    "print_review",
    "print_table",
    "review_facts",
    "row",
    "run_facts",
]

EXIT_CODES = {Status.COMPLETED: 0, Status.FAILED: 1, Status.LOST: 1}


def run_facts(reader: Reader, run_id: str) -> dict[str, Any]:
    """What scripts read: scores, counts and times of a run, None where there is no such number (yet)."""
    summary = reader.run(run_id)
    reader.require_whole(run_id)
    spending = reader.spent(run_id)
    outcome = reader.outcome(run_id)
    ended = [event.data for _, _, event in reader.events(run_id, limit=1_000_000) if event.kind == EventKind.ENDED]
    best_test = outcome.best_test if outcome else None
    counted = [role for role in MODEL_PLACES if role is not Role.JUDGE or role in spending]
    usage = {role: spending[role].calls if role in spending else 0 for role in Role}
    test_cells = reader.count_cells(run_id, Split.TEST)
    trials = reader.trials(run_id)
    found = evidence_of(reader, run_id, trials, outcome)
    names = names_of(reader, run_id)
    named = names.of(found.best)
    return {
        "headline": headline(found, named),
        "doubt": doubt(found),
        "run_id": summary.id,
        "name": summary.name,
        "status": summary.status.value,
        "reason": summary.reason,
        "capped": bool(ended and ended[-1].get("capped")),
        "optimizer": summary.optimizer,
        "seed": summary.seed,
        "objective_found": dict(outcome.objective) if outcome and outcome.objective else None,
        "baseline_val": _mean(found.val.before),
        "best_val": _mean(found.val.after),
        "baseline_test": summary.baseline_test,
        "best_test": summary.best_test,
        "test_examples": (best_test or {}).get("n", 0),
        "paired_test": dict(outcome.paired_test) if outcome and outcome.paired_test else None,
        "winner": outcome.winner if outcome else None,
        "winner_name": named if outcome else None,
        "candidates": candidates_tried(trials),
        "trials": summary.trials_done,
        "program_runs": summary.cells_ok + summary.cells_error - test_cells,
        "test_program_runs": test_cells,
        "lm_calls": {role.value: usage[role] for role in counted},
        "test_lm_calls": sum(usage[role] for role in Role if role.sealed),
        "cells": {"ok": summary.cells_ok, "error": summary.cells_error},
        "errors": reader.errors_by_class(run_id),
        "wall_s": round(summary.wall_s, 2),
        "error": summary.error or None,
        "parts": [asdict(part) for part in what_parts_bring(reader, run_id, found, names)],
        "steps": [{**step, "name": names.of(step["candidate"])} for step in outcome.steps] if outcome else [],
        "people": [asdict(deed) for deed in reader.deeds(run_id)],
        **front_facts(reader, summary.id),
    }


def _mean(estimate: Mapping[str, Any] | None) -> float | None:
    return None if estimate is None else estimate.get("mean")


def review_facts(reader: Reader, run_id: str) -> dict[str, Any]:
    """The arms of a run with their authors, and the changes that wait."""
    waiting = [asked for asked in reader.changes(run_id) if asked.settled is None]
    arms = reader.arms(run_id)
    return {
        "run_id": run_id,
        "status": reader.run(run_id).status.value,
        "instructions": [{**_arm_facts(arm), "text": arm.text} for arm in arms if arm.kind == INSTRUCTION],
        "demo_sets": [
            {**_arm_facts(arm), "made": made_how(arm), "demos": [asdict(demo) for demo in arm.demos]}
            for arm in arms
            if arm.kind == DEMOS
        ],
        "others": [
            {**_arm_facts(arm), "text": KINDS[arm.kind].describe(arm)}
            for arm in arms
            if arm.kind in KINDS and arm.kind not in (INSTRUCTION, DEMOS)
        ],
        "waiting": [asdict(asked.change) for asked in waiting],
    }


def _arm_facts(arm: Arm) -> dict[str, Any]:
    facts = {"predictor": arm.owner, "kind": arm.kind, "index": arm.index, "author": arm.author.value}
    return {**facts, "provenance": dict(arm.provenance), "active": arm.active, "reason": arm.reason}


def print_review(facts: dict[str, Any]) -> None:
    """One instruction a paragraph, then the arms of further kinds."""
    console = Console()
    for arm in (*facts["instructions"], *facts["others"]):
        state = "" if arm["active"] else f", not searched: {arm['reason'] or 'inactive'}"
        named = f"{arm['predictor'] or OF_THE_PROGRAM}, {title(arm['kind'])} {arm['index']}"
        console.print(f"{named}, by {arm['author']}{state}", markup=False)
        console.print(arm["text"], markup=False, style="dim" if not arm["active"] else "")
        console.print()
    for change in facts["waiting"]:
        console.print(f"waits: {change['kind']} {change['payload'].get('predictor', '')}", markup=False)


def exit_code(facts: dict[str, Any]) -> int:
    """0 completed, 1 failed or lost, 3 ended at a cap, stopped, paused or waiting for a review."""
    if facts["status"] == Status.COMPLETED and facts["capped"]:
        return 3
    return EXIT_CODES.get(Status(facts["status"]), 3)


def print_json(facts: dict[str, Any]) -> None:
    print(json.dumps(facts, default=str), flush=True)


def row(summary: RunSummary) -> dict[str, Any]:
    return {**asdict(summary), "status": summary.status.value}


def print_facts(facts: dict[str, Any]) -> None:
    """The headline, then the numbers behind it, each as the pages show it."""
    table = Table(show_header=False, box=None, pad_edge=False)
    paired = facts["paired_test"] or {}
    test_runs = facts["test_program_runs"]
    rows = {
        "run": facts["run_id"],
        "status": facts["status"] + (f": {facts['reason']}" if facts["reason"] else ""),
        "validation": f"{score(facts['baseline_val'])} -> {score(facts['best_val'])}",
        f"test (n={facts['test_examples']})": f"{score(facts['baseline_test'])} -> {score(facts['best_test'])}",
        "won, lost, tied": f"{paired['won']}, {paired['lost']}, {paired['tied']}" if paired else "-",
        **objective_rows(facts["objective_found"], score),
        "winner": f"{facts['winner_name']} ({facts['winner']})" if facts["winner"] else "-",
        "candidates": str(facts["candidates"]),
        "program runs": f"{facts['program_runs'] + test_runs}, {test_runs} of them on the sealed test",
        "LM calls": ", ".join(f"{role} {count}" for role, count in facts["lm_calls"].items())
        + f", test {facts['test_lm_calls']}",
        "errors": str(facts["cells"]["error"]),
        "wall": f"{facts['wall_s']:.0f} s",
        **({"people": ", ".join(_deeds(facts["people"]))} if facts["people"] else {}),
    }
    for name, value in rows.items():
        table.add_row(name, value)
    console = Console()
    console.print(facts["headline"], markup=False, soft_wrap=True, style="bold")
    if facts["doubt"]:
        console.print(facts["doubt"], markup=False, soft_wrap=True)
    console.print(table, markup=False, soft_wrap=True)
    parts = [Brought(**part) for part in facts["parts"]]
    if said := in_words(parts):
        console.print(said, markup=False, soft_wrap=True)
        console.print(_parts_table([part.row() for part in parts if part.paired]), markup=False)
    if facts["steps"]:
        console.print(_steps_table(facts["steps"]))
    print_front(facts)


def _deeds(people: list[dict[str, str]]) -> list[str]:
    """`anna (created, note)` for each person, in the order of their first deeds."""
    did: dict[str, list[str]] = {}
    for deed in people:
        did.setdefault(deed["name"], []).append(deed["did"])
    return [f"{name} ({', '.join(dict.fromkeys(kinds))})" for name, kinds in did.items()]


def _parts_table(rows: list[dict[str, str]]) -> Table:
    """What each part of the winner brings."""
    table = Table(*rows[0], box=None)
    for row in rows:
        table.add_row(*row.values())
    return table


def _steps_table(steps: list[dict[str, Any]]) -> Table:
    """What every step ended with, on validation and on the sealed test."""
    table = Table("step", "candidate", "validation", "sealed test", "against the original", box=None)
    for step in steps:
        paired = step["paired_test"]
        against = f"{paired['difference']:+.3f}" if paired and paired["difference"] is not None else "-"
        shown = [f"{score(one['mean'])} ({interval(one)})" if one else "-" for one in (step["val"], step["test"])]
        table.add_row(step["strategy"], step["name"], *shown, against)
    return table


def print_table(runs: list[RunSummary]) -> None:
    """The runs as a table, as they are given; where there are none, what to do on standard error."""
    if not runs:
        print(f"No runs yet. Try: {called_as()} run sample:triage", file=sys.stderr)
        return
    table = Table(box=None)
    table.add_column("run", no_wrap=True, min_width=max(len(run.id) for run in runs))  # to be copied
    for name in ("name", "status", "optimizer", "trials", "baseline", "best", "test"):
        table.add_column(name, no_wrap=name == "status", min_width=9 if name == "status" else None)
    for run in runs:
        scores = [score(value) for value in (run.baseline_val, run.best_val, run.best_test)]
        table.add_row(run.id, run.name, run.status.value, run.optimizer, str(run.trials_done), *scores)
    Console().print(table)
