"""Diffs, comparisons, receipts, report and replay states: the pure parts behind the pages."""

import csv
import html
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from mipro_studio.optimizer_core.analysis.comparison import Change, ComparedExample
from mipro_studio.optimizer_core.programs.shown_values import TAG
from mipro_studio.optimizer_core.types import Example, Role, Split
from mipro_studio.storage import Reader
from mipro_studio.ui.charts.report_chart import ticks
from mipro_studio.ui.compare.compare_data import (
    Comparison,
    Means,
    against_first,
    answers,
    choices,
    compared,
    in_words,
)
from mipro_studio.ui.compare.compare_files import to_csv, to_json
from mipro_studio.ui.compare.examples_table import sought_in
from mipro_studio.ui.export.report import report_html
from mipro_studio.ui.replay.replay_state import history
from mipro_studio.ui.settings.settings_rows import changed, differences, model_rows, setting_rows
from tests.ui.factory import MARKER

Filled = tuple[Path, dict[str, str]]


def test_baseline_and_winner_come_first_among_the_candidates(filled: Filled) -> None:
    with Reader(filled[0]) as reader:
        found = choices(reader, filled[1]["finished"], Split.VAL)
        assert list(found.labels)[:2] == [found.baseline, found.best]
        assert found.labels[str(found.best)].startswith("winner · ")
        assert choices(reader, filled[1]["review"], Split.VAL).labels == {}
        assert list(choices(reader, filled[1]["finished"], Split.TEST).labels) == [found.baseline, found.best]


def test_counts_and_pairs_are_those_of_the_run(filled: Filled) -> None:
    path, ids = filled
    with Reader(path) as reader:
        found = choices(reader, ids["finished"], Split.VAL)
        sides = (ids["finished"], str(found.baseline)), (ids["finished"], str(found.best))
        made = compared(reader, *sides, Split.VAL)
        outcome = reader.outcome(ids["finished"])
    assert outcome is not None and outcome.paired_val is not None
    assert dict(made.paired) == dict(outcome.paired_val)
    assert (made.counts[Change.IMPROVED], made.counts[Change.REGRESSED], made.counts[Change.SAME]) == (
        outcome.paired_val["won"],
        outcome.paired_val["lost"],
        outcome.paired_val["tied"],
    )
    assert (made.before.tokens, made.before.cost_usd) == (562.0, None)
    assert f"better on {outcome.paired_val['won']}" in in_words(made.paired)


def test_a_minibatch_candidate_leaves_examples_not_evaluated(filled: Filled) -> None:
    path, ids = filled
    with Reader(path) as reader:
        found = choices(reader, ids["finished"], Split.VAL)
        small = next(mean for mean in reader.candidate_means(ids["finished"]) if mean.n_ok < 40)
        sides = (ids["finished"], str(found.baseline)), (ids["finished"], small.candidate)
        made = compared(reader, *sides, Split.VAL)
    assert made.counts[Change.NOT_EVALUATED] == 40 - small.n_ok
    assert [row.change for row in made.rows[-3:]] == [Change.NOT_EVALUATED] * 3


def test_two_runs_are_compared_on_the_examples_they_share(filled: Filled) -> None:
    path, ids = filled
    with Reader(path) as reader:
        one, two = (choices(reader, ids[kind], Split.VAL) for kind in ("finished", "capped"))
        sides = (ids["finished"], str(one.best)), (ids["capped"], str(two.best))
        assert compared(reader, *sides, Split.VAL).paired["n"] == 40


def test_the_csv_holds_every_example_and_no_formula(filled: Filled) -> None:
    path, ids = filled
    with Reader(path) as reader:
        found = choices(reader, ids["finished"], Split.VAL)
        sides = (ids["finished"], str(found.baseline)), (ids["finished"], str(found.best))
        made = compared(reader, *sides, Split.VAL)
    rows = list(csv.DictReader(io.StringIO(to_csv(made))))
    assert len(rows) == 40
    assert {"example", "change", "before_score", "after_tokens", "input_message", "label_queue"} <= set(rows[0])
    for name, example in made.examples.items():
        object.__setattr__(example, "inputs", {"message": "=HYPERLINK(1)"})
        assert name
    assert "\n=" not in to_csv(made).replace(",", "\n")


def test_the_json_has_every_candidates_answer(filled: Filled) -> None:
    path, ids = filled
    with Reader(path) as reader:
        found = choices(reader, ids["finished"], Split.VAL)
        sides = [str(found.baseline), str(found.best)]
        sides.append(next(name for name in found.labels if name not in sides))
        placed = [(ids["finished"], side) for side in sides]
        made = compared(reader, placed[0], placed[1], Split.VAL, placed[2:])
        said = answers(reader, placed, Split.VAL)
        scores = reader.candidate_scores(ids["finished"], sides[2])
    rows = json.loads(to_json(made, sides, said))
    assert len(rows) == 40 and rows[0]["change"] in ("improved", "regressed")
    first = rows[0]["candidates"]
    assert [one["candidate"] for one in first] == sides and all(one["answer"]["queue"] for one in first[:2])
    assert {row["example"]: row["candidates"][2]["score"] for row in rows} == {
        row["example"]: scores.get(row["example"]) for row in rows
    }
    table = list(csv.DictReader(io.StringIO(to_csv(made, said))))
    assert {row["beside_1_score"] for row in table} <= {"0.0", "1.0", ""} and "beside_1_answer_queue" in table[0]


def test_each_candidate_is_held_against_the_first(filled: Filled) -> None:
    path, ids = filled
    with Reader(path) as reader:
        found = choices(reader, ids["finished"], Split.VAL)
        third = next(name for name in found.labels if name not in (found.baseline, found.best))
        sides = [(ids["finished"], str(name)) for name in (found.baseline, found.best, third)]
        made = compared(reader, sides[0], sides[1], Split.VAL, sides[2:])
        alone = compared(reader, sides[0], sides[2], Split.VAL)
    assert against_first(made, 1) == (made.paired, made.after)
    assert against_first(made, 2)[0] == alone.paired and against_first(made, 2)[1].score == alone.after.score


def test_what_is_sought_stands_as_it_is_or_is_a_regular_expression() -> None:
    pattern, refused = sought_in("a.c")
    assert pattern and not refused and pattern.search("xA.Cx") and not pattern.search("abc")
    pattern, refused = sought_in("/^a.c$/")
    assert pattern and not refused and pattern.search("ABC") and not pattern.search("abcd")
    assert sought_in("/(/")[0] is None and sought_in("/(/")[1].startswith("That is no regular expression")
    assert sought_in("") == (None, "")


def test_the_csv_has_what_both_answered(filled: Filled) -> None:
    path, ids = filled
    with Reader(path) as reader:
        found = choices(reader, ids["finished"], Split.VAL)
        sides = (ids["finished"], str(found.baseline)), (ids["finished"], str(found.best))
        made, said = compared(reader, *sides, Split.VAL), answers(reader, sides, Split.VAL)
    rows = list(csv.DictReader(io.StringIO(to_csv(made, said))))
    for row, compared_row in zip(rows, made.rows, strict=True):
        assert row["before_answer_queue"] == said[0][compared_row.example]["queue"]
        assert row["after_answer_queue"] == said[1][compared_row.example]["queue"]


VALUES: list[tuple[Any, str]] = [
    (-6, "-6"),
    (-0.5, "-0.5"),
    (True, "True"),
    (None, ""),
    ("-6", "-6"),
    ("+1.5e-3", "+1.5e-3"),
    ("-6+cmd|' /C calc'!A0", "'-6+cmd|' /C calc'!A0"),
    ("=1+1", "'=1+1"),
    ("@SUM(A1)", "'@SUM(A1)"),
    ("- a list item", "'- a list item"),
    ("\tx", "'\tx"),
    ({"a": [1, "é"]}, '{"a": [1, "é"]}'),
    (["=1"], '["=1"]'),
    ({TAG: "date", "value": "2026-11-21"}, "2026-11-21"),
    ({TAG: "set", "value": ["x"]}, '["x"]'),
]


@pytest.mark.parametrize(("value", "written"), VALUES, ids=[repr(value) for value, _ in VALUES])
def test_a_cell_of_the_csv_is_a_number_json_or_text_that_is_no_formula(value: Any, written: str) -> None:
    example = Example("e", Split.VAL, 0, {"given": value}, {"wanted": value})
    rows = [ComparedExample("e", None, None)]
    means = Means(None, None, None, None)
    made = Comparison(rows, {"e": example}, {}, {}, means, means)
    (row,) = csv.DictReader(io.StringIO(to_csv(made, ({"e": {"said": value}}, {}))))
    assert [row[name] for name in ("input_given", "label_wanted", "before_answer_said")] == [written] * 3


def test_what_was_asked_and_what_took_effect() -> None:
    config = {"program": "p.py", "search": {"trials": 20, "lag": 4}, "task_model": {"model": "openai/x"}}
    receipt = {
        "asked": {"program": "p.py", "search": {"trials": 30}},
        "settings": [{"setting": "stratify", "requested": None, "effective": "queue", "why": "first label"}],
    }
    rows = {row["setting"]: row for row in setting_rows(config, receipt)}
    assert next(iter(rows)) == "search.trials"
    assert (rows["search.trials"]["requested"], rows["search.trials"]["effective"]) == ("30", "20")
    assert changed(rows["search.trials"]) and not changed(rows["program"]) and not changed(rows["stratify"])
    assert rows["search.lag"]["requested"] == "left open"
    assert setting_rows({}, {}) == []
    assert model_rows(config)[1]["same as"] == "task model"
    assert differences(config, {**config, "search": {"trials": 5, "lag": 4}}) == [
        {"setting": "search.trials", "first": "20", "second": "5"}
    ]


@pytest.mark.parametrize("kind", ["queued", "running", "review", "finished", "nogain", "capped", "failed", "lost"])
def test_every_state_has_a_report_without_script_or_host(filled: Filled, kind: str) -> None:
    with Reader(filled[0]) as reader:
        page = report_html(reader, filled[1][kind])
    assert "<script" not in page
    assert not re.findall(r"""(?:src|href)=|url\(""", page)
    assert len(page) < 200_000


def test_a_report_says_what_won_by_how_much_and_how_sure(filled: Filled) -> None:
    with Reader(filled[0]) as reader:
        page = html.unescape(report_html(reader, filled[1]["finished"]))
        unsure = report_html(reader, filled[1]["capped"])
    for said in (
        "40 % to 80 % on 20 examples that the search never saw",
        "p = 0.008",
        "+0.40",
        "n = 40",
        "Won",
        "Lost",
        "What was wanted",
    ):
        assert said in page
    assert "the sealed test was not scored" in unsure


def test_a_hostile_run_is_only_text_in_the_report(filled: Filled) -> None:
    with Reader(filled[0]) as reader:
        page = report_html(reader, filled[1]["hostile"])
    assert f"{MARKER} &lt;script&gt;alert(1)" in page
    assert "<script" not in page and "<img" not in page
    assert "\0" not in page and "\u202e" not in page
    page.encode()


def test_axis_ticks_are_round_and_inside() -> None:
    assert ticks(0, 880) == [0, 200, 400, 600, 800]
    assert ticks(-0.13, 0.41) == pytest.approx([0.0, 0.2, 0.4])
    assert ticks(0.5, 0.5) == [0.5]


def test_a_replay_ends_where_the_run_ended_and_begins_with_nothing(filled: Filled) -> None:
    path, ids = filled
    with Reader(path) as reader:
        run = reader.run(ids["finished"])
        told = history(reader, run)
        whole = reader.trials(run.id)
        asked = len(reader.cells(run.id, split=Split.VAL))
    first, last = told.state(0), told.state(len(told.moments) - 1)
    assert (first.trials, first.program_runs, dict(first.spent), first.outcome) == ([], 0, {}, None)
    assert last.trials == whole
    assert last.program_runs == run.cells_ok + run.cells_error and last.outcome is not None
    assert last.spent[Role.TASK].calls == 2 * asked and last.spent[Role.PROMPT].calls == 18


def test_a_replay_never_knows_the_future(filled: Filled) -> None:
    path, ids = filled
    with Reader(path) as reader:
        run = reader.run(ids["finished"])
        told = history(reader, run)
    runs = 0
    for index, moment in enumerate(told.moments):
        state = told.state(index)
        assert all(at <= moment.at for _, at, _ in state.events)
        assert all(trial.mean is None for trial in state.trials if not trial.done)
        assert state.program_runs >= runs
        runs = state.program_runs
