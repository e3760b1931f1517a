"""What a person is told of their rows."""

import datetime
from typing import Any, Literal

import dspy
import pytest
from dspy.experimental import Choice

from mipro_studio.optimizer_core.config import DataSpec
from mipro_studio.optimizer_core.data import Fields, Gathered, data_report, load_dataset
from mipro_studio.optimizer_core.data.program_fields import fields_of
from mipro_studio.optimizer_core.data.report import MOST_CLASSES, OTHERS
from mipro_studio.optimizer_core.metrics.built_in import built_in_metric
from mipro_studio.optimizer_core.metrics.label_score import (
    input_misfits,
    label_score,
    misfits,
    output_types,
    unanswered,
)
from mipro_studio.optimizer_core.metrics.scoring import Scorer
from mipro_studio.optimizer_core.types import Cell, CellKey, ErrorClass, Example, Split

FIELDS = Fields(("text",), outputs=("label",), within=frozenset({"reasoning"}))


def report(rows: list[dict[str, Any]], fields: Fields = FIELDS, built_in: bool = True, **spec: Any) -> dict[str, Any]:
    return data_report(load_dataset(DataSpec(**spec), Gathered(pool=tuple(rows)), fields, 0), "exact_match", built_in)


def rows_of(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"text": f"text {n}", "label": "ab"[n % 2], **more} for n in range(count)]


def test_columns_have_their_role_gaps_values_and_longest() -> None:
    rows = rows_of(10, source="web", reasoning="because")
    rows[0]["label"] = rows[1]["source"] = rows[2]["source"] = None
    columns = {one["column"]: one for one in report(rows)["columns"]}
    assert [columns[name]["role"] for name in columns] == ["input", "label", "other", "other"]
    assert [columns[name]["missing"] for name in columns] == [0, 1, 2, 0]
    assert [columns[name]["distinct"] for name in columns] == [9, 2, 1, 1]
    assert [columns[name]["longest"] for name in columns] == [6, 1, 3, 7]
    assert columns["reasoning"]["why"] == "what the model thinks on the way"


def test_what_is_scored_is_said_by_column() -> None:
    rows = rows_of(10, reasoning="because", source="web")
    aside = "'reasoning' (what the model thinks on the way), 'source' (no output of the program)"
    assert f"exact_match scores 'label'. Kept beside it: {aside}." in report(rows)["sentences"]
    own = report(rows, built_in=False)["sentences"]
    assert any(text.startswith("'label' is the label; exact_match is the program's own.") for text in own)
    both = report(rows, labels=("label", "source"))["sentences"]
    assert any(text.startswith("exact_match scores 'label', 'source'. Kept beside them:") for text in both)
    unnamed = report([{"text": row["text"], "x": 1, "y": n} for n, row in enumerate(rows)])["sentences"]
    assert any("No column is named like an output" in text for text in unnamed)


def test_classes_are_counted_by_split_and_one_that_a_split_lacks_is_named() -> None:
    rows = [{"text": f"t{n}", "label": "rare" if n < 2 else "ab"[n % 2]} for n in range(30)]
    found = report(rows)
    assert {value: sum(counts.values()) for value, counts in found["classes"]["label"].items()} == {
        "a": 14,
        "b": 14,
        "rare": 2,
    }
    assert len([text for text in found["sentences"] if text.endswith('has label = "rare".')]) == 1


def test_many_classes_are_counted_together() -> None:
    rows = [{"text": f"t{n}", "label": str(n % 30)} for n in range(120)]
    classes = report(rows)["classes"]["label"]
    assert len(classes) == MOST_CLASSES + 1
    assert sum(classes[OTHERS].values()) == (30 - MOST_CLASSES) * 4


def test_labels_that_are_no_classes_are_not_listed() -> None:
    assert report([{"text": f"t{n}", "label": f"answer {n}"} for n in range(30)])["classes"] == {}


class Sort(dspy.Signature):
    text: str = dspy.InputField()
    label: bool = dspy.OutputField()
    size: int | None = dspy.OutputField()


def test_fields_of_a_program_by_its_signature() -> None:
    fields = fields_of(dspy.ChainOfThought(Sort), ("text",), frozenset())
    assert fields == Fields(("text",), frozenset(), ("label", "size"), frozenset({"reasoning"}), frozenset({"size"}))
    react = fields_of(dspy.ReAct("question -> answer", tools=[]), ("question",), frozenset())
    assert react.outputs == ("answer",)
    assert {"next_thought", "next_tool_name", "reasoning"} <= react.within
    held = dspy.Predict("record: dict[str, int], pair: tuple -> label")
    assert fields_of(held, ("record", "pair"), frozenset()).records == {"record"}


def examples(*labels: Any) -> list[Example]:
    return [Example(str(n), Split.TRAIN, n, {"text": "t"}, {"label": label}) for n, label in enumerate(labels)]


def test_a_metric_is_asked_about_the_labels_themselves() -> None:
    exact = Scorer(built_in_metric("exact_match"), "exact_match")
    found = label_score(exact, examples("true", "FALSE", True), output_types(dspy.Predict(Sort)))
    assert found is not None and (found["mean"], found["n"]) == (1.0, 3)
    numeric = label_score(Scorer(built_in_metric("numeric"), "numeric"), examples("3", "three", "4 or 5"), {})
    assert numeric is not None and numeric["mean"] == pytest.approx(1 / 3)
    assert numeric["lowest"] == {"score": 0.0, "labels": {"label": "three"}}


def test_a_metric_that_cannot_be_asked_so_says_nothing() -> None:
    def needs_more(example: Any, prediction: Any, trace: Any = None) -> float:
        return float(prediction.only_the_program_gives_this == example.label)

    def asks_a_model(example: Any, prediction: Any, trace: Any = None) -> float:
        return float(dspy.Predict("label -> good: bool")(label=example.label).good)

    for metric in (needs_more, asks_a_model):
        assert label_score(Scorer(metric, "mine"), examples("a", "b"), {}) is None


def test_a_score_of_the_labels_below_1_is_said_with_a_row() -> None:
    data = load_dataset(DataSpec(), Gathered(pool=tuple(rows_of(10))), FIELDS, 0)
    given = {"mean": 0.5, "n": 10, "lowest": {"score": 0.0, "labels": {"label": "three"}}}
    said = data_report(data, "numeric", True, given)["sentences"]
    expected = "numeric gives the labels themselves 0.50 (mean of 10 rows): the right answer is not always right"
    assert f'{expected} by it. The lowest is 0.00, of {{"label": "three"}}.' in said


def test_labels_that_the_real_answers_lack_are_told() -> None:
    cell = Cell(CellKey("i0d0", Split.TRAIN, "a"), 1.0, prediction={"label": "x", "reasoning": "so"})
    failed = Cell(CellKey("i0d0", Split.TRAIN, "b"), None, error=ErrorClass.PARSE)
    assert unanswered(["label", "summary"], [cell, failed], "exact_match") == [
        "What the program answers has no 'summary': exact_match scores only the rest."
    ]
    assert unanswered(["label"], [cell], "exact_match") == unanswered(["label"], [failed], "exact_match") == []


@pytest.mark.parametrize(
    ("annotation", "labels", "wrong"),
    [
        (list[str], ["a; b", '["a"]', "['a', 'b']", ["a"]], "a; b"),
        (Literal["low", "high"], ["low", " high ", "High"], "High"),
        (int, [3, "3", 3.0, "3 apples"], "3 apples"),
        (float, ["0.5", 1, "3,5"], "3,5"),
        (bool, ["yes", "FALSE", "1", 0, "t", "maybe"], "maybe"),
        (datetime.date, ["2026-01-02", "02/01/2026"], "02/01/2026"),
        (Choice[("low", ""), ("high", "")], ["low", {"value": "high", "confidence": 1}, "middle"], "middle"),
    ],
    ids=str,
)
def test_labels_that_the_program_cannot_put_out_are_told(annotation: Any, labels: list[Any], wrong: str) -> None:
    (said,) = misfits(["label", "other"], examples(*labels), {"label": annotation})
    assert said.startswith(f"1 of {len(labels)} labels 'label' are nothing that the program can put out")
    assert said.endswith(f"such as {wrong!r}.")
    assert misfits(["label"], examples(*[one for one in labels if one != wrong]), {"label": annotation}) == []


def test_inputs_that_are_not_what_the_program_takes_are_told() -> None:
    cells = ["['a', 'b']", '["a"]', "a; b", ["a"], None]
    rows = [
        Example(str(n), Split.TRAIN, n, {"context": cell, "k": "", "text": 3}, {}) for n, cell in enumerate(cells)
    ]
    types = {"context": list[str], "k": int | None, "text": str, "image": dspy.Image}
    assert input_misfits(rows, types) == [
        "1 of 4 inputs 'context' are not what the program takes there (list[str]), such as 'a; b': it gets them as "
        "they are."
    ]


def test_the_words_for_null_in_a_file_of_text_are_told_as_the_answers_that_they_are() -> None:
    rows = [{"text": str(n), "label": label} for n, label in enumerate(["nan", "nan", "None", "x", "nano"])]
    said = report(rows, Fields(("text",), outputs=("label",)))["sentences"]
    assert [one for one in said if "an answer as any other" in one] == [
        "2 labels are the text 'nan' in 'label', an answer as any other: empty it if it is none.",
        "1 label is the text 'None' in 'label', an answer as any other: empty it if it is none.",
    ]
