"""The triage sample: data quality, metric, program."""

from __future__ import annotations

import difflib
import itertools
import re
from collections import Counter
from types import SimpleNamespace
from typing import get_args

import dspy
import pytest

from mipro_studio.sample_programs import get_sample
from mipro_studio.sample_programs.triage import SAMPLE, AssignQueue, JudgeTone, Triage, metric

ROWS = SAMPLE.rows()
QUEUES = get_args(AssignQueue.output_fields["queue"].annotation)
TONES = get_args(JudgeTone.output_fields["tone"].annotation)


def test_schema() -> None:
    assert len(ROWS) >= 300
    assert all(list(row) == ["id", "message", "queue", "tone"] for row in ROWS)
    assert all(isinstance(value, str) for row in ROWS for value in row.values())
    assert len({row["id"] for row in ROWS}) == len(ROWS)


def test_labels_are_the_programs_own_and_balanced() -> None:
    pairs = Counter((row["queue"], row["tone"]) for row in ROWS)
    assert set(pairs) == set(itertools.product(QUEUES, TONES))
    assert max(pairs.values()) - min(pairs.values()) <= 3
    assert min(Counter(row["queue"] for row in ROWS).values()) >= 75


def test_labels_are_mixed_through_the_file() -> None:
    # A reader who takes the first rows as demos must not get one label only.
    assert {row["queue"] for row in ROWS[:20]} == set(QUEUES)
    assert {row["tone"] for row in ROWS[:20]} == set(TONES)


def test_messages_are_single_clean_lines() -> None:
    raw = SAMPLE.data.read_bytes()  # type: ignore[union-attr]
    assert b"\r" not in raw and raw.endswith(b"\n")
    assert raw.decode("utf-8").count("\n") == len(ROWS)
    for row in ROWS:
        message = row["message"]
        assert message == message.strip() and message.isprintable() and "  " not in message


def test_messages_differ_in_length() -> None:
    words = [len(row["message"].split()) for row in ROWS]
    assert min(words) >= 4 and max(words) <= 60
    assert sum(count <= 10 for count in words) >= 25
    assert sum(count >= 25 for count in words) >= 40


def test_no_near_duplicates() -> None:
    texts = [row["message"].lower() for row in ROWS]
    words = [set(re.findall(r"\w+", text)) for text in texts]
    for i, j in itertools.combinations(range(len(ROWS)), 2):
        overlap = len(words[i] & words[j]) / len(words[i] | words[j])
        assert overlap < 0.5, (texts[i], texts[j])
        # Character similarity is slow, and cannot be high where hardly a word is shared.
        if overlap > 0.2:
            assert difflib.SequenceMatcher(None, texts[i], texts[j]).ratio() < 0.7, (texts[i], texts[j])


def test_no_template_openings() -> None:
    openings = Counter(" ".join(row["message"].lower().split()[:3]) for row in ROWS)
    assert openings.most_common(1)[0][1] <= 6


@pytest.mark.parametrize(
    ("queue", "tone", "plain", "collecting"),
    [
        ("payment", "neutral", 1.0, 1.0),
        ("payment", "positive", 0.5, 0.0),
        ("account", "neutral", 0.5, 0.0),
        ("account", "positive", 0.0, 0.0),
        (None, None, 0.0, 0.0),
    ],
)
def test_metric(queue: str | None, tone: str | None, plain: float, collecting: float) -> None:
    example = dspy.Example(message="Is tax included?", queue="payment", tone="neutral").with_inputs("message")
    pred = dspy.Prediction(queue=queue, tone=tone)
    assert metric(example, pred) == plain
    assert metric(example, pred, trace=[]) == collecting
    assert isinstance(metric(example, pred), float)


def test_metric_of_a_prediction_without_the_fields_is_zero() -> None:
    example = dspy.Example(message="x", queue="payment", tone="neutral")
    assert metric(example, dspy.Prediction()) == 0.0
    assert metric(example, SimpleNamespace()) == 0.0


def test_program_has_both_predictors() -> None:
    program = get_sample("triage").program()
    assert isinstance(program, Triage)
    predictors = dict(program.named_predictors())
    assert list(predictors) == ["queue", "tone"]
    assert all(p.signature.instructions and not p.demos for p in predictors.values())


def test_program_answers_both_fields() -> None:
    program = Triage()
    lm = dspy.utils.DummyLM([{"queue": "delivery"}, {"tone": "negative"}])
    with dspy.context(lm=lm):
        pred = program(message="Where is my parcel?!")
    assert (pred.queue, pred.tone) == ("delivery", "negative")
