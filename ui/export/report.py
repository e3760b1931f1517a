"""A run as one HTML file for people who were not there: opens offline, with no script and no host. No Streamlit."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from mipro_studio.optimizer_core.analysis.comparison import Change, ComparedExample
from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.objective_spec import SCORE
from mipro_studio.optimizer_core.parameters.registry import KINDS, parameter_name
from mipro_studio.optimizer_core.roles import ROLE_TITLES
from mipro_studio.optimizer_core.types import (
    DEMOS,
    INSTRUCTION,
    Arm,
    Candidate,
    CellKey,
    Json,
    Split,
)
from mipro_studio.storage import Reader, RunSummary
from mipro_studio.ui.arms.arm_words import author_words
from mipro_studio.ui.arms.candidate_names import Part, names_of
from mipro_studio.ui.charts.gold import gold_of
from mipro_studio.ui.charts.report_chart import chart
from mipro_studio.ui.compare.compare_data import Comparison, compared
from mipro_studio.ui.result.evidence import Evidence, evidence_of
from mipro_studio.ui.result.headline import doubt, headline, in_common, statistics
from mipro_studio.ui.result.what_mattered import named_rows, what_mattered
from mipro_studio.ui.result.what_parts_bring import BESIDE, in_words, what_parts_bring
from mipro_studio.ui.result.what_was_tried import what_was_tried
from mipro_studio.ui.settings.settings_rows import model_rows, setting_rows
from mipro_studio.ui.text.diffs import diff, diff_html
from mipro_studio.ui.text.format import (
    UNKNOWN,
    clean,
    clip,
    cost_of,
    count,
    delta,
    delta_range,
    duration,
    estimated,
    humane,
    interval,
    one_line,
    score,
)
from mipro_studio.ui.text.status import LOOKS

__all__ = ["report_facts", "report_html"]

EXAMPLES_SHOWN = 6
_LONGEST = 4_000


def report_html(reader: Reader, run_id: str, now: datetime | None = None) -> str:
    """The report of a run in any state; what is not known yet is left out or said to be missing.

    Raises:
        StudioError: there is no such run, or it is damaged.
    """
    with reader.snapshot():
        run = reader.run(run_id)
        reader.require_whole(run.id)
        page: str = _template().render(report_facts(reader, run, now or datetime.now(UTC)))
        return page


@cache
def _template() -> Any:
    here = Path(__file__).parent
    loader = FileSystemLoader([here, here.parent / "charts"])
    # Every value is foreign until it is escaped; a name that the template knows and we forgot must not pass.
    made = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.filters["text"] = lambda value: clean(clip(value, _LONGEST))
    return made.get_template("report.html.j2")


def report_facts(reader: Reader, run: RunSummary, now: datetime) -> dict[str, Any]:
    """What the templates of report and presentation are filled with."""
    config, receipt, outcome = reader.config(run.id), reader.receipt(run.id), reader.outcome(run.id)
    trials = reader.trials(run.id)
    evidence = evidence_of(reader, run.id, trials, outcome)
    found, split = _compared(reader, run.id, evidence)
    names = names_of(reader, run.id)
    parts = what_parts_bring(reader, run.id, evidence, names)
    look = LOOKS[run.status]
    return {
        "evidence": evidence,
        "run": {
            "name": one_line(run.name, 200),
            "id": run.id,
            "status": look.word,
            "reason": humane(clean(run.reason), now) if outcome is None or evidence.best is None else "",
            "took": duration(run.wall_s) if run.started_at else "not started",
            "optimizer": one_line(run.optimizer, 60),
            "seed": run.seed,
            "origin": one_line(run.origin, 120) if run.origin else "",
        },
        "made": f"{now:%-d %B %Y, %H:%M} UTC",
        "program": _program_name(str(config.get("program", ""))),
        "metric": one_line(config.get("metric") or "the program's own metric", 80),
        "tried": what_was_tried(reader, run),
        "headline": headline(evidence, names.of(evidence.best)),
        "doubt": doubt(evidence),
        "statistics": statistics(evidence),
        "numbers": _numbers(evidence),
        "chart": chart(trials, names.of, n_val=evidence.n_val, gold=gold_of(evidence, trials)),
        "metric_name": one_line(_maximized(config), 60),
        "parts": [part.row() for part in parts if part.paired],
        "brought": in_words(parts),
        "beside": BESIDE,
        "importance": _importance(outcome.importance if outcome else ()),
        "mattered": what_mattered(named_rows(outcome.importance), False) if outcome and outcome.importance else "",
        "arms": _arms(reader, run.id, evidence.best),
        "n_steps": len(names.predictors),
        "split": {Split.TEST: "sealed test", Split.VAL: "validation"}[split],
        "won": _examples(reader, run.id, evidence.best, found, split, Change.IMPROVED),
        "lost": _examples(reader, run.id, evidence.best, found, split, Change.REGRESSED),
        "counts": {change.value: n for change, n in found.counts.items()} if found else {},
        "spent": _spent(reader, run.id),
        "splits": {s.value: len(reader.examples(run.id, s)) for s in Split},
        "models": model_rows(config),
        "settings": _without_folder(setting_rows(config, receipt), str(config.get("base") or "")),
        "versions": receipt.get("versions") if isinstance(receipt.get("versions"), Mapping) else {},
    }


def _maximized(config: Mapping[str, Any]) -> str:
    """What the chart shows: the objective where it is not the score, else the metric."""
    objective = str(config.get("objective") or SCORE)
    return objective if objective != SCORE else str(config.get("metric") or SCORE)


def _program_name(program: str) -> str:
    """Without the folders of this machine, which tell a reader nothing."""
    return one_line(program.rsplit("/", 1)[-1] if program.startswith("/") else program, 200)


def _without_folder(rows: Sequence[Mapping[str, str]], folder: str) -> list[dict[str, str]]:
    return [{name: value.replace(f"{folder}/", "") if folder else value for name, value in r.items()} for r in rows]


def _numbers(evidence: Evidence) -> list[dict[str, str]]:
    blocks = [("Sealed test (never seen before)", evidence.test)] if evidence.tested else []
    blocks.append(("Validation (the search chose by it)", evidence.val))
    rows = []
    for title, block in blocks:
        if block.before is None:
            continue
        after, paired = (block.after, block.paired) if evidence.best is not None else (None, None)
        known = paired if paired and paired.get("difference") is not None else None
        rows.append(
            {
                "on": title,
                "before": score(block.before.get("mean")),
                "before_note": interval(block.before),
                "after": score(after.get("mean")) if after else UNKNOWN,
                "after_note": interval(after) if after else "the program stays as it came",
                "difference": delta(known["difference"]) if known else UNKNOWN,
                "difference_note": in_common(known, block) + _spread(known) if known else "",
            }
        )
    return rows


def _spread(paired: Mapping[str, Any]) -> str:
    p = paired.get("p_value")
    chance = "" if p is None else ", p < 0.001" if p < 0.001 else f", p = {p:.3f}"
    bounds = f"{delta_range(paired['low'], paired['high'])}; " if paired.get("low") is not None else ""
    return f"{bounds}{paired['won']} won, {paired['lost']} lost, {paired['tied']} tied{chance}"


def _importance(rows: Sequence[Json]) -> list[dict[str, Any]]:
    known = named_rows(rows)
    widest = float(known[0]["spread"]) if known else 0.0
    return [
        {
            "name": one_line(row["name"], 60),
            "spread": row["said"],
            "width": round(100 * float(row["spread"]) / widest) if widest else 0,
            "real": bool(row.get("real")),
        }
        for row in known
    ]


def _arms(reader: Reader, run_id: str, best: str | None) -> list[dict[str, Any]]:
    names = names_of(reader, run_id)
    pairs = zip(names.parts(None), names.parts(best), strict=False)
    return [
        _arm_record(part, kind, first.arms[kind], arm)
        for first, part in pairs
        for kind, arm in part.arms.items()
        if kind == INSTRUCTION or (kind != DEMOS and arm != first.arms[kind])
    ]


def _arm_record(part: Part, kind: str, first: Arm | None, arm: Arm | None) -> dict[str, Any]:
    """What was before and after; with an instruction the demos that are shown beside it."""
    before, after = (KINDS[kind].describe(one) if one else "" for one in (first, arm))
    demos = part.demo_set.demos if part.demo_set and kind == INSTRUCTION else ()
    return {
        "predictor": one_line(part.owner if kind == INSTRUCTION else parameter_name(part.owner, kind), 80),
        "before": before,
        "after": after,
        "by": author_words(arm) if arm else "",
        "same": before == after,
        # diff_html escapes every piece itself; its tags are ours.
        "diff": Markup(diff_html(diff(before, after))),
        "demos": [{"fields": dict(demo.fields), "by": "teacher" if demo.augmented else "labels"} for demo in demos],
    }


def _compared(reader: Reader, run_id: str, evidence: Evidence) -> tuple[Comparison | None, Split]:
    if evidence.best is None:
        return None, Split.VAL
    n = Candidate.parse(evidence.best).n_predictors
    sides = ((run_id, Candidate.baseline(n).id), (run_id, evidence.best))
    tested = compared(reader, *sides, Split.TEST)
    if tested.paired["n"]:
        return tested, Split.TEST
    return compared(reader, *sides, Split.VAL), Split.VAL


def _examples(
    reader: Reader, run_id: str, best: str | None, found: Comparison | None, split: Split, change: Change
) -> list[dict[str, Any]]:
    if found is None or best is None:
        return []
    baseline = Candidate.baseline(Candidate.parse(best).n_predictors).id
    rows = [row for row in found.rows if row.change is change][:EXAMPLES_SHOWN]
    return [_example(reader, run_id, (baseline, best), found, split, row) for row in rows]


def _example(
    reader: Reader, run_id: str, sides: tuple[str, str], found: Comparison, split: Split, row: ComparedExample
) -> dict[str, Any]:
    example = found.examples.get(row.example)
    before, after = (_prediction(reader, run_id, CellKey(side, split, row.example)) for side in sides)
    return {
        "inputs": dict(example.inputs) if example else {},
        "labels": dict(example.labels) if example else {},
        "before": before,
        "after": after,
        "before_score": score(row.before.score if row.before else None),
        "after_score": score(row.after.score if row.after else None),
    }


def _prediction(reader: Reader, run_id: str, key: CellKey) -> dict[str, Any]:
    try:
        return dict(reader.cell(run_id, key).prediction)
    except StudioError:
        return {}


def _spent(reader: Reader, run_id: str) -> list[dict[str, str]]:
    return [
        {
            "role": ROLE_TITLES[role],
            "calls": count(usage.calls),
            "tokens_in": estimated(usage, count(usage.input_tokens)),
            "tokens_out": estimated(usage, count(usage.output_tokens)),
            "cost": cost_of(usage),
        }
        for role, usage in sorted(reader.spent(run_id).items(), key=lambda pair: [*ROLE_TITLES].index(pair[0]))
    ]
