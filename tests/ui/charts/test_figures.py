"""Figures: what is drawn, what is not, and that nothing moves between refreshes."""

import json

from mipro_studio.optimizer_core.types import Trial, TrialKind
from mipro_studio.ui.charts.figures import best_mark, sized, trials_alt, trials_figure
from mipro_studio.ui.charts.importance_figures import importance_figure, shares_figure
from mipro_studio.ui.charts.report_chart import chart

BASE = Trial(1, 0, TrialKind.BASELINE, "i0d0", (), True, 0.4, 40, 0, 40)
SMALL = Trial(2, 1, TrialKind.MINIBATCH, "i1d2", (), True, 0.9, 25, 1, 65)
FULL = Trial(3, 1, TrialKind.FULL, "i1d2", (), True, 0.7, 40, 0, 80)
WORSE = Trial(4, 5, TrialKind.FULL, "i1d1", (), True, 0.5, 40, 0, 120)
FLYING = Trial(5, 6, TrialKind.MINIBATCH, "i2d2", (), False, None, 0, 0, 145)
ALL = [BASE, SMALL, FULL, WORSE, FLYING]


def test_the_traces_are_the_same_ones_from_the_first_refresh_to_the_last() -> None:
    names = [[trace["name"] for trace in trials_figure(ALL[:n])["data"]] for n in range(6)]
    assert all(line == names[0] for line in names)


def test_minibatches_and_full_evaluations_are_two_series_of_marks() -> None:
    upper, lower, line, small, full, best, ghost = trials_figure(ALL, n_val=40, gold=best_mark(ALL, 40, "i1d2"))[
        "data"
    ]
    assert (small["y"], full["y"], best["y"]) == ([0.9], [0.7, 0.5], [0.7])
    assert {small["mode"], full["mode"]} == {"markers"}
    assert line["y"] == [0.4, 0.9, 0.7, 0.7], "who leads, with what it has so far, to the end of the axis"
    assert all(low <= mean <= high for low, mean, high in zip(lower["y"], line["y"], upper["y"], strict=True))
    assert ghost["x"] == [145]


def test_only_the_best_is_gold() -> None:
    assert trials_figure(ALL, gold=best_mark(ALL, 40, "i1d1"))["data"][5]["y"] == [0.5]
    assert trials_figure(ALL)["data"][5]["x"] == []


def test_a_dot_is_as_large_as_the_rows_behind_it_are_many() -> None:
    few = Trial(6, 7, TrialKind.MINIBATCH, "i1d0", (), True, 1.0, 6, 0, 160)
    few_px, many_px = sized([few, FULL], 40)
    assert few_px < many_px == 16.0


def test_scores_that_are_no_shares_have_a_line_and_no_band() -> None:
    data = trials_figure([Trial(1, 0, TrialKind.BASELINE, "i0d0", (), True, -5.0, 4, 0, 4)])["data"]
    assert (data[0]["y"], data[1]["y"], data[2]["y"]) == ([], [], [-5.0])


def test_the_baseline_is_a_line_and_no_trial() -> None:
    figure = trials_figure(ALL, "number")
    assert figure["layout"]["shapes"][0]["y0"] == 0.4
    assert 0 not in figure["data"][3]["x"] + figure["data"][4]["x"]


def test_a_search_without_a_score_says_so() -> None:
    assert "No score yet" in trials_figure([])["layout"]["annotations"][0]["text"]
    assert trials_alt([]) == "Scores of 0 minibatches and 0 full evaluations."


def test_negative_and_constant_scores_have_room() -> None:
    flat = [Trial(1, 0, TrialKind.BASELINE, "i0d0", (), True, -5.0, 4, 0, 4)]
    low, high = trials_figure(flat)["layout"]["yaxis"]["range"]
    assert low < -5.0 < high


def test_hover_says_candidate_and_n_and_reads_no_tags() -> None:
    hostile = Trial(2, 1, TrialKind.MINIBATCH, "<b>x</b>", (), True, 0.9, 25, 1, 65)
    text = trials_figure([hostile])["data"][3]["hovertext"][0]
    assert "n = 25, 1 error" in text
    assert "&lt;b&gt;x" in text


def test_the_best_stands_at_the_mean_over_all_its_rows() -> None:
    again = Trial(6, 7, TrialKind.MINIBATCH, "i2d0", (), True, 1.0, 10, 0, 160)
    more = Trial(7, 8, TrialKind.MINIBATCH, "i2d0", (), True, 0.8, 10, 0, 170)
    gold = best_mark([BASE, again, more], 40, "i2d0")
    assert gold is not None and (gold.order, gold.mean, gold.n_ok) == (7, 0.9, 20)
    assert best_mark(ALL, 40, None) is None and best_mark(ALL, 40, "i2d2") is None, "one in flight has no score"


def test_the_leader_s_line_ends_at_the_mean_that_the_headline_gives() -> None:
    twice = [BASE, *(Trial(n, n, TrialKind.MINIBATCH, "i2d0", ("a",), True, 0.9, 25, 0, 60 + n) for n in (2, 3))]
    gold = best_mark(twice, 40, "i2d0", {"mean": 0.62, "n": 34})
    data = trials_figure(twice, n_val=40, gold=gold)["data"]
    assert (data[5]["y"], data[2]["y"][-1]) == ([0.62], 0.62) and data[0]["y"][-1] < 0.9


def test_the_report_marks_the_same_best_at_the_same_place_as_the_page() -> None:
    for best in ("i1d2", "i1d1"):
        gold = best_mark(ALL, 40, best)
        figure, drawn = trials_figure(ALL, n_val=40, gold=gold)["data"][5], chart(ALL, n_val=40, gold=gold)
        assert drawn is not None
        marks = [mark for mark in drawn.marks if mark["kind"] == "best"]
        assert len(marks) == 1 and f": {figure['y'][0]:.2f}, n = 40, after" in marks[0]["title"]
        assert drawn.alt == trials_alt(ALL, gold)
    none = chart(ALL, n_val=40)
    assert none is not None and all(mark["kind"] != "best" for mark in none.marks)


def test_the_report_draws_more_rows_larger_and_the_leader_within_its_interval() -> None:
    few = Trial(6, 7, TrialKind.MINIBATCH, "i1d0", (), True, 0.6, 6, 0, 160)
    drawn = chart([*ALL, few], n_val=40)
    assert drawn is not None and drawn.leader.startswith("M") and drawn.band.endswith("Z")
    by_n = sorted((mark["title"].split("n = ")[1].split(",")[0].zfill(3), mark["r"]) for mark in drawn.marks)
    assert [r for _, r in by_n] == sorted(r for _, r in by_n) and by_n[0][1] < by_n[-1][1]
    wide = chart([Trial(1, 0, TrialKind.BASELINE, "i0d0", (), True, -5.0, 4, 0, 4)])
    assert wide is not None and wide.band == "" and wide.leader, "scores that are no shares have no interval"
    assert chart([FLYING]) is None


def test_shares_are_bars_without_a_band() -> None:
    figure = shares_figure([{"parameter": "<i>x</i>: demos", "share": 0.8}, {"parameter": "b: demos", "share": 0.2}])
    assert figure["data"][0]["x"] == [0.2, 0.8]
    assert figure["data"][0]["y"][1].endswith("<b>0.80</b>")
    assert "<i>" not in figure["data"][0]["y"][1]
    assert "shapes" not in figure["layout"]
    json.dumps(figure, allow_nan=False)


def test_importance_greys_what_is_noise_and_names_as_people_do() -> None:
    rows = [
        {"name": "answer: demos", "said": "0.08", "spread": 0.08, "null": 0.03, "real": True},
        {"name": "<i>x</i>: demos", "said": "0.01", "spread": 0.01, "null": 0.03, "real": False},
    ]
    figure = importance_figure(rows)
    assert figure["data"][0]["marker"]["color"] == ["@muted/0.6", "@c0"]
    assert figure["data"][0]["y"][1].startswith("answer: demos")
    assert "<i>" not in figure["data"][0]["y"][0]
    assert figure["layout"]["shapes"][0]["x1"] == 0.03
    json.dumps(figure, allow_nan=False)
    alone = [{**rows[0], "name": f"judge_urgency: {kind}"} for kind in ("demos", "tip of instruction")]
    shown = importance_figure(alone)["data"][0]["y"]
    assert [name.partition("  ")[0] for name in shown] == ["tip of instruction", "demos"], "of one predictor, uncut"
