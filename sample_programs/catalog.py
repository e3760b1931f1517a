"""The records of all sample programs. Free of DSPy: lists and forms are drawn from here."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from mipro_studio.sample_programs.tasks.paper_tasks import PAPER_TASKS
from mipro_studio.sample_programs.tasks.returns_data import return_rows
from mipro_studio.sample_programs.types import Row, Sample

__all__ = ["CATALOG", "IRIS", "IRIS_TYPO", "RETURNS", "TRIAGE", "iris_rows"]

_HERE: Final = Path(__file__).parent


def iris_rows() -> list[Row]:
    """Fisher's flowers from scikit-learn, less one of two rows with the same measurements."""
    from sklearn.datasets import load_iris  # 1 s of import, wanted only when this sample is opened

    flowers = load_iris()
    rows: dict[tuple[float, ...], Row] = {}
    for values, species in zip(flowers.data.tolist(), flowers.target.tolist(), strict=True):
        sepal_length, sepal_width, petal_length, petal_width = values
        row = {
            "petal_length": petal_length,
            "petal_width": petal_width,
            "sepal_length": sepal_length,
            "sepal_width": sepal_width,
            "answer": str(flowers.target_names[species]),
        }
        rows.setdefault(tuple(values), row)
    return list(rows.values())


TRIAGE: Final = Sample(
    name="triage",
    title="Support triage",
    description=(
        "A support desk sorts incoming messages: one predictor picks the queue, a second one the tone. "
        "The small built-in model does poorly when it is only asked, and clearly better with the right "
        "worked examples. Runs offline, so it is the place to see an optimizer at work."
    ),
    licence="MIT (messages written for this project)",
    inputs=("message",),
    data=_HERE / "triage.jsonl",
    split=(0.6, 0.2, 0.2),
    stratify="queue",
    # Five minutes on two cores. Worked examples help this model more than the instructions that it writes itself, so
    # there are many sets of them, and it is not asked to sum up data and source, which costs it a minute.
    defaults={
        "search": {
            "trials": 40,
            "candidates": 16,
            "instructions": 3,
            "max_bootstrapped": 1,
            "max_labeled": 4,
            "lag": 3,
            "finalists": 3,
        },
        "proposer": {"program_summary": False, "dataset_summary": False},
    },
)

IRIS: Final = Sample(
    name="iris",
    title="Iris species",
    description=(
        "Four measurements of a flower go in, one of three iris species comes out. "
        "It is the smallest task of the MIPRO paper, with 75 flowers kept for the final test as there. "
        "Language models find plain numbers hard, so worked examples matter a lot."
    ),
    licence="BSD-3-Clause (Fisher's iris data as distributed with scikit-learn)",
    inputs=("petal_length", "petal_width", "sepal_length", "sepal_width"),
    data=iris_rows,
    split=(0.25, 0.25, 0.5),
    stratify="answer",
    defaults={},
    paper=(
        "The paper asks Llama-3-8B to reason first and splits 75 to 75. Here the answer comes at once, from the "
        "given names only, and half of the 75 training flowers validate."
    ),
)

IRIS_TYPO: Final = Sample(
    name="iris_typo",
    title="Iris, with the typo",
    description=(
        "The paper's iris prompt said 'versicolour', which is in no label: a model that obeys it is wrong on a third "
        "of the flowers until the search finds out. One reasoning predictor."
    ),
    licence=IRIS.licence,
    inputs=IRIS.inputs,
    data=iris_rows,
    split=IRIS.split,
    stratify="answer",
    embedded_ok=False,
    defaults={"search": {"max_bootstrapped": 4, "max_labeled": 0}},
    paper="MIPRO's seventh task, and the iris of BetterTogether. The paper's task model is Llama-3-8B.",
)

RETURNS: Final = Sample(
    name="returns",
    title="Returns desk with tools",
    description=(
        "An agent with two tools decides what a customer gets for goods that come back: it has to look up the order "
        "and the rules for its kind, and passes or fails by decision and amount together. One ReAct agent of two "
        "predictors. Its tools need no network, but the built-in model cannot do it: it takes one that can use tools."
    ),
    licence="MIT (orders and requests made for this project)",
    inputs=("request",),
    data=return_rows,
    split=(0.4, 0.3, 0.3),
    stratify="decision",
    embedded_ok=False,
    # An agent is led by what it is told of its tools as much as by its instruction.
    defaults={"search": {"max_bootstrapped": 2, "max_labeled": 0, "kinds": ["tools"]}},
)

CATALOG: Final[dict[str, Sample]] = {
    sample.name: sample for sample in (TRIAGE, IRIS, RETURNS, *PAPER_TASKS[:2], IRIS_TYPO, *PAPER_TASKS[2:])
}
