"""The iris sample: data, metric, program."""

from __future__ import annotations

from collections import Counter

import dspy

from mipro_studio.sample_programs.iris import SAMPLE, ClassifyIris, Iris, metric

ROWS = SAMPLE.rows()


def test_rows_are_the_149_distinct_flowers() -> None:
    assert Counter(row["answer"] for row in ROWS) == {"setosa": 50, "versicolor": 50, "virginica": 49}
    assert len({tuple(row[name] for name in SAMPLE.inputs) for row in ROWS}) == len(ROWS) == 149
    assert all(type(row[name]) is float for row in ROWS for name in SAMPLE.inputs)


def test_columns_are_not_mixed_up() -> None:
    first = ROWS[0]
    assert first == {
        "petal_length": 1.4,
        "petal_width": 0.2,
        "sepal_length": 5.1,
        "sepal_width": 3.5,
        "answer": "setosa",
    }


def test_seed_instruction_is_the_papers() -> None:
    assert ClassifyIris.instructions == ("Given the petal and sepal dimensions in cm, predict the iris species.")
    assert tuple(ClassifyIris.input_fields) == SAMPLE.inputs


def test_metric() -> None:
    example = dspy.Example(**ROWS[0]).with_inputs(*SAMPLE.inputs)
    assert metric(example, dspy.Prediction(answer="setosa")) == 1.0
    assert metric(example, dspy.Prediction(answer="virginica")) == 0.0
    assert metric(example, dspy.Prediction()) == 0.0


def test_program() -> None:
    program = Iris()
    assert [name for name, _ in program.named_predictors()] == ["classify"]
    with dspy.context(lm=dspy.utils.DummyLM([{"answer": "versicolor"}])):
        row = {name: ROWS[60][name] for name in SAMPLE.inputs}
        assert program(**row).answer == "versicolor"
