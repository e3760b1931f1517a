"""Instructions asked for by evidence."""

from mipro_studio.optimizer_core.proposers.reflecting import copied, evidence_text
from mipro_studio.optimizer_core.types import TEACHER, Cell, CellKey, Example, Split, TraceStep

ROW = Example(
    "1",
    Split.TRAIN,
    0,
    {"message": "My invoice of last month lists a fee that nobody told me about"},
    {"queue": "billing"},
)


def test_an_instruction_that_repeats_a_row_is_found_out_whatever_its_case_and_stops() -> None:
    assert "invoice of last month" in copied(
        "E.g. 'my INVOICE of last month, lists a fee that nobody...' is billing.", [ROW]
    )
    whole = Example("2", Split.VAL, 0, {"message": "Where is my blue parcel today?"}, {})
    assert copied("When they ask: where is my blue parcel today, say shipping.", [ROW, whole])


def test_labels_and_words_of_the_task_are_no_copies() -> None:
    assert copied("Say billing where an invoice or a fee is named, else account.", [ROW]) == ""
    assert copied("", [ROW]) == ""


def cell(row: str, score: float, said: str, feedback: str = "") -> Cell:
    steps = (
        TraceStep("queue", {"message": row}, {"queue": said}, feedback),
        TraceStep("tone", {"message": row}, {"tone": "calm"}),
    )
    return Cell(CellKey(TEACHER, Split.TRAIN, row, 1018), score, trace=steps, feedback="half right")


def test_what_went_wrong_comes_first_with_what_the_metric_said_of_the_predictor() -> None:
    told = evidence_text([cell("b", 1.0, "billing"), cell("a", 0.0, "account", "it asks for money")], "queue")
    assert told.index("account") < told.index("billing")
    assert "feedback: it asks for money half right" in told
    assert "tone" not in told
