"""Results and events in words."""

from dataclasses import replace
from pathlib import Path

import pytest

from mipro_studio.optimizer_core.types import Demo, DemoSet, Event, Example, Outcome, Split
from mipro_studio.storage import Reader
from mipro_studio.ui.arms.demo_sets import answer_counts, answer_words
from mipro_studio.ui.live.evidence import evidence_of
from mipro_studio.ui.live.result_words import sentences
from mipro_studio.ui.text.events import event_words
from mipro_studio.ui.text.format import UNKNOWN

TEST = {"mean": 0.4, "low": 0.2, "high": 0.6, "level": 0.9, "n": 20, "n_error": 0}
PAIRED = {"difference": 0.4, "low": 0.2, "high": 0.6, "level": 0.9, "n": 20, "won": 9, "lost": 1, "tied": 10}
OUTCOME = Outcome("i1d1", "", None, None, TEST, {**TEST, "mean": 0.8}, None, {**PAIRED, "p_value": 0.02})


@pytest.mark.parametrize(
    ("difference", "p", "says"),
    [(0.4, 0.02, "would be rare (p = 0.020)"), (0.4, 0.00001, "p < 0.001"), (0.02, 0.6, "do not count on it"),
     (-0.3, 0.01, "do not use it")],
)  # fmt: skip
def test_the_sealed_test_is_told_with_its_doubt(difference: float, p: float, says: str) -> None:
    said = sentences(replace(OUTCOME, paired_test={**PAIRED, "difference": difference, "p_value": p}))
    assert says in said[-1]


def test_a_winner_that_is_the_baseline_is_no_gain() -> None:
    (said,) = sentences(replace(OUTCOME, winner="i0d0-i0d0"))
    assert "stays as it is" in said


def test_what_was_not_tested_is_not_claimed() -> None:
    assert sentences(replace(OUTCOME, best_test=None)) == []


def test_a_full_evaluation_below_the_baseline_leads_nothing(filled: tuple[Path, dict[str, str]]) -> None:
    path, ids = filled
    with Reader(path) as reader:
        trials = reader.trials(ids["running"])
        leading = evidence_of(reader, ids["running"], trials, None)
        assert leading.best is not None
        assert leading.best_val is not None
        assert leading.best_val["mean"] == max(t.mean for t in trials if t.kind == "full" and t.mean is not None)
        low = [replace(t, mean=0.01) if t.kind == "full" else t for t in trials]
        assert evidence_of(reader, ids["running"], low, None).best is None


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (Event("phase", {"phase": "search", "total": 20, "note": ""}), "Searching, 20 trials"),
        (Event("status", {"from": "running", "to": "paused", "reason": "why"}), "running → paused: why"),
        (Event("traces", {"rows": 39, "passed": 12, "threshold": 1.0, "traces": [1]}), "39 training rows tried"),
        (Event("warning", {"text": "Lower the\nthreshold."}), "Lower the threshold."),
        (Event("unheard_of", {"a": 1, "b": [], "c": "x"}), "a 1, c x"),
    ],
)
def test_events_are_sentences(event: Event, words: str) -> None:
    assert event_words(event).startswith(words)


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        (["yes", "no", "yes"], "2 yes, 1 no"),
        (["one two three four five", "x"], "2 different"),
        (["one two three four five"] * 2, "all the same"),
        ([], UNKNOWN),
    ],
)
def test_the_answers_of_a_demo_set_are_counted(answers: list[str], says: str) -> None:
    rows = {"e": Example("e", Split.TRAIN, 0, {"question": "?"}, {"answer": "yes"})}
    demos = tuple(Demo({"question": "?", "reasoning": "why", "answer": given}, True, "e") for given in answers)
    assert answer_words(answer_counts(DemoSet("p", 1, "shuffled", demos), rows)) == says
