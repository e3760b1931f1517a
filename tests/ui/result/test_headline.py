"""The headline: one sentence for every shape of a run, and the numbers that it takes."""

from dataclasses import replace
from pathlib import Path

import pytest

from mipro_studio.optimizer_core.types import Status, Trial, TrialKind
from mipro_studio.storage import Reader
from mipro_studio.ui.result.evidence import Block, Evidence, evidence_of
from mipro_studio.ui.result.headline import doubt, figure, headline, in_common, of_tokens, statistics
from mipro_studio.ui.result.leaders import candidates_tried, leader_path, leading

VAL = {"mean": 0.55, "low": 0.4, "high": 0.7, "level": 0.9, "n": 40, "n_error": 0}
TEST = {"mean": 0.625, "low": 0.4, "high": 0.8, "level": 0.9, "n": 24, "n_error": 0}
PAIRED = {
    "difference": 1 / 3,
    "low": 0.2,
    "high": 0.5,
    "level": 0.9,
    "n": 24,
    "won": 8,
    "lost": 0,
    "tied": 16,
    "p_value": 0.008,
}
NONE = Block(None, None, None)
WON = Evidence(
    best="i1d1", final=True,
    val=Block(VAL, {**VAL, "mean": 1.0}, {**PAIRED, "n": 40, "difference": 0.45}),
    test=Block(TEST, {**TEST, "mean": 0.9583}, PAIRED),
    n_val=40, tried=57, shares=True, tokens=(200.0, 401.0), corrected=None,
)  # fmt: skip

AHEAD = Block(VAL, {**VAL, "mean": 1.0, "n": 24}, {**PAIRED, "difference": 0.5})
NOTHING = replace(WON, val=NONE, test=NONE, best=None, final=False)
LEADING = replace(WON, final=False, test=NONE, val=AHEAD)


def test_a_program_that_stays_as_it_is_has_not_nothing_to_gain_where_examples_failed() -> None:
    full, failed = {**VAL, "mean": 1.0}, {**TEST, "mean": 1.0, "n": 4, "n_error": 4}
    found = replace(WON, best=None, val=Block(full, None, None), test=Block(failed, None, None))
    assert headline(found, "").startswith(
        "The program stays as it is: 100 % on 4 examples that the search never saw;"
    )
    assert doubt(found) == "4 examples failed and count in no score."
    assert doubt(replace(found, test=Block({**failed, "n_error": 0}, None, None))) == ""


def test_a_tested_winner_is_told_in_one_sentence() -> None:
    assert headline(WON, "") == (
        "62 % to 96 % on 24 examples that the search never saw: better on 8, worse on none, twice the tokens."
    )
    assert doubt(WON) == ""


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (replace(WON, test=NONE), "55 % to 100 % on the 40 examples that the search chose by: better on 8"),
        (replace(WON, shares=False), "0.62 to 0.96 on 24 examples"),
        (replace(WON, best=None), "stays as it is: 62 % on 24 examples that the search never saw; none of 57 candid"),
        (replace(WON, best=None, tried=1), "the one candidate tried was not shown to be better."),
        (replace(WON, best=None, tried=0), "no candidate was scored."),
        (replace(WON, best=None, val=Block({**VAL, "mean": 1.0}, None, None)), "it had nothing to gain, 62 %"),
        (NOTHING, "Nothing has been scored yet."),
        (replace(NOTHING, ended=Status.FAILED), "The run failed before anything was scored."),
        (replace(NOTHING, ended=Status.STOPPED), "The run was stopped before anything was scored."),
        (replace(WON, test=NONE, best=None, final=False), "as it came scores 55 % on 40 examples of the validation"),
        (
            LEADING,
            "Instruction 3 leads with 100 % on 24 of 40 validation examples, not final; the program as it came has 5",
        ),
        (
            replace(WON, test=Block({**TEST, "mean": 0.951}, {**TEST, "mean": 0.954}, PAIRED)),
            "95.1 % to 95.4 % on 24",
        ),
        (replace(WON, test=Block(TEST, {**TEST, "mean": 0.9958}, PAIRED)), "62 % to 99.6 % on 24"),
        (replace(WON, test=Block(TEST, TEST, {**PAIRED, "n": 22})), "of the 22 that both answered, better on 8"),
    ],
)  # fmt: skip
def test_every_shape_of_a_run_has_its_sentence(changed: Evidence, says: str) -> None:
    assert says in headline(changed, "instruction 3")


@pytest.mark.parametrize(
    ("pair", "says"),
    [
        ({**PAIRED, "p_value": 0.4}, "comes up by chance often: do not count on it."),
        ({**PAIRED, "p_value": 0.4, "difference": -0.1}, "comes up by chance often: keep the program as it came."),
        ({**PAIRED, "difference": -0.2, "p_value": 0.01}, "worse than the program as it came: do not use it."),
    ],
)
def test_what_must_not_be_left_out_stands_beside_it(pair: dict[str, float], says: str) -> None:
    assert says in doubt(replace(WON, test=replace(WON.test, paired=pair)))


def test_failed_examples_are_said_and_a_choice_without_a_test_too() -> None:
    failed = replace(WON, test=replace(WON.test, after={**TEST, "n_error": 2}))
    assert "2 examples failed and count in no score." in doubt(failed)
    assert "the sealed test was not scored" in doubt(replace(WON, test=NONE))


def test_the_luck_of_the_choice_is_only_spoken_of_where_no_sealed_test_says_it() -> None:
    lucky = {"low": 0.99, "high": 1.0, "level": 0.9, "n_candidates": 58}
    assert not any("0.99" in said for said in statistics(replace(WON, corrected=lucky)))
    said = " ".join(statistics(replace(WON, corrected=lucky, test=NONE)))
    assert "Chosen from 57 candidates" in said and "between 0.99 and 1.00" in said


@pytest.mark.parametrize(
    ("after", "says"),
    [(50, "50 % fewer tokens"), (100, "as many tokens"), (140, "40 % more tokens"), (200, "twice the tokens"),
     (1234, "12.3 times the tokens")],
)  # fmt: skip
def test_tokens_are_told_as_people_would(after: float, says: str) -> None:
    assert of_tokens((100, after)) == says


def test_a_mean_is_rounded_in_per_cent_as_it_is_as_a_score() -> None:
    for mean in (0.425, 0.8 - 0.375, 0.145, 0.005, 0.995, 2 / 3):
        digits = f"{round(mean, 9):.2f}"
        if digits not in ("0.00", "1.00"):
            assert figure({"mean": mean}, True) == f"{float(digits) * 100:.0f} %"


def trial(order: int, kind: TrialKind, candidate: str, mean: float, n: int) -> Trial:
    return Trial(order, order, kind, candidate, (), True, mean, n, 0, 10 * order)


BASE = trial(0, TrialKind.BASELINE, "i0d0", 0.6, 40)
LUCKY = trial(1, TrialKind.MINIBATCH, "i1d0", 1.0, 3)
STEADY = trial(2, TrialKind.MINIBATCH, "i2d0", 0.9, 20)


def test_a_few_lucky_rows_do_not_lead_many_good_ones() -> None:
    found = leading([BASE, LUCKY, STEADY], 40)
    assert found is not None and (found.candidate, found.n_ok) == ("i2d0", 20)
    assert leading([BASE, trial(1, TrialKind.MINIBATCH, "i1d0", 0.5, 20)], 40) is None
    assert leading([LUCKY], 40) is None, "without a baseline nothing leads it"


def test_the_rows_of_a_candidate_add_up_until_it_has_them_all() -> None:
    more = trial(3, TrialKind.MINIBATCH, "i2d0", 0.7, 20)
    found = leading([BASE, STEADY, more], 40)
    assert found is not None and found.n_ok == 40 and found.mean == pytest.approx(0.8)
    whole = trial(4, TrialKind.FULL, "i2d0", 0.75, 40)
    assert leading([BASE, STEADY, more, whole], 40) == whole


def test_the_belief_after_each_trial_has_an_interval_within_the_metric() -> None:
    path = leader_path([BASE, LUCKY, STEADY], 40)
    assert [one.candidate for one in path] == ["i0d0", "i1d0", "i2d0"]
    assert all(0 <= (one.low or 0) <= one.mean <= (one.high or 1) <= 1 for one in path)
    assert path[1].low is not None and path[2].low is not None and path[1].high == 1.0
    wild = leader_path([replace(BASE, mean=-3.0)], 40)
    assert wild[0].low is None


def test_candidates_are_counted_once_and_only_with_a_score() -> None:
    nothing = replace(STEADY, candidate="i9d9", n_ok=0, mean=None)
    assert candidates_tried([BASE, LUCKY, LUCKY, STEADY, nothing]) == 2


def test_a_run_under_way_leads_with_what_its_cells_say(filled: tuple[Path, dict[str, str]]) -> None:
    path, ids = filled
    with Reader(path) as reader:
        trials = reader.trials(ids["running"])
        found = evidence_of(reader, ids["running"], trials, None)
        assert found.best is not None and found.val.after is not None and not found.final
        cells = reader.candidate_scores(ids["running"], found.best).values()
        scores = [score for score in cells if score is not None]
        assert found.val.after["mean"] == pytest.approx(sum(scores) / len(scores))
        assert found.val.after["n"] == len(scores)
        low = [replace(t, mean=0.01) if t.kind is not TrialKind.BASELINE and t.done else t for t in trials]
        assert evidence_of(reader, ids["running"], low, None).best is None


def test_a_difference_over_other_rows_than_the_means_beside_it_says_so() -> None:
    whole, part, pair = {"mean": 0.35, "n": 40}, {"mean": 0.68, "n": 25}, {**PAIRED, "n": 25}
    assert in_common(pair, Block(whole, part, pair)) == "on the 25 scored by both: "
    assert in_common(pair, Block({**whole, "n": 25}, part, pair)) == ""
