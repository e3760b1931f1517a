"""The panel of one candidate, and the names that candidates have."""

from pathlib import Path

from streamlit.testing.v1 import AppTest

from mipro_studio.optimizer_core.parameters.demos import demos_arm
from mipro_studio.optimizer_core.parameters.instruction import instruction_arm
from mipro_studio.optimizer_core.types import Arm, Author, Candidate, Demo
from mipro_studio.storage import Reader
from mipro_studio.ui.arms.arm_words import lineage
from mipro_studio.ui.arms.candidate_names import BASELINE, Names
from mipro_studio.ui.candidate.candidate_panel import row_records
from tests.pages.open import texts

Filled = tuple[Path, dict[str, str]]


def instruction(index: int, author: Author = Author.MODEL, **facts: object) -> Arm:
    return instruction_arm("p", index, f"text {index}", author if index else Author.SEED, facts)


def named(*more: Arm) -> Names:
    arms = [instruction(0), instruction(3), *more]
    demos = (Demo({"q": "?"}, True, "e"),)
    sets = [demos_arm("p", index, "shuffled", demos[: index // 5]) for index in (0, 1, 5)]
    return Names.among([*arms, *sets])


def test_candidates_are_named_as_people_would() -> None:
    by_hand = {7: {"edited_from": 3}, 8: {}, 9: {"edited_from": 0}}
    names = named(*(instruction(index, Author.PERSON, **facts) for index, facts in by_hand.items()))
    assert names.of("i0d0") == names.of(None) == BASELINE
    assert names.of("i3d5") == "instruction 3 + demo set 5"
    assert names.of("i7d5") == "edit of instruction 3 + demo set 5"
    assert names.of("i8d0") == "your instruction 8"
    assert names.of("i9d1") == "edit of the first instruction + no demos"
    assert names.of("teacher") == "the teacher"
    assert names.of("what") == "what" and names.of("i0d0-i1d1") == "i0d0-i1d1"


def test_two_edits_of_one_instruction_have_two_names() -> None:
    edits = [instruction(index, Author.PERSON, edited_from=3) for index in (7, 8)]
    names = named(*edits)
    assert names.of("i7d0") == "edit of instruction 3 (number 7)" != names.of("i8d0")


def test_only_what_changed_is_named_where_there_are_several_predictors() -> None:
    both = Names(tuple((name, kind) for name in "ab" for kind in ("instruction", "demos")), {})
    assert both.of("i0d0-i2d1") == "b: instruction 2 + demo set 1"
    assert both.of("i1d0-i2d1") == "a: instruction 1 · b: instruction 2 + demo set 1"


def test_where_an_instruction_comes_from_is_one_line() -> None:
    assert lineage(instruction(0)) == "As it came with the program."
    assert lineage(instruction(7, Author.PERSON, edited_from=3)) == "Edited by a person, from instruction 3."
    said = lineage(instruction(3, parent=2, tip="high_stakes", demos_shown=["a", "b"]))
    assert said == (
        "Written by the prompt model, from instruction 2, with the tip “high stakes”, having seen 2 demos."
    )


def test_the_rows_of_a_candidate_have_answers_and_the_largest_change_comes_first(filled: Filled) -> None:
    path, ids = filled
    with Reader(path) as reader:
        best = reader.outcome(ids["finished"])
        assert best is not None and best.winner
        rows = row_records(reader, ids["finished"], Candidate.baseline(2).id, best.winner)
    assert len(rows) == 40 and rows[0]["change"] in ("▲ better", "▼ worse") and rows[-1]["change"] == "= same"
    assert all(row["answer"] and row["wanted"] and row["input"] for row in rows)
    wrong = [row for row in rows if row["score"] == "0.00"]
    assert all(row["answer"] != row["wanted"] for row in wrong) and wrong


def opened() -> None:
    import os

    import streamlit as st

    from mipro_studio.ui.candidate.candidate_panel import panel
    from mipro_studio.ui.page.store import reading

    with reading() as reader:
        assert reader is not None
        panel(reader, st.query_params["run"], os.environ["CANDIDATE"])


def test_the_panel_says_what_it_is_(store: Filled, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    path, ids = store
    with Reader(path) as reader:
        outcome = reader.outcome(ids["finished"])
    assert outcome is not None and outcome.winner
    monkeypatch.setenv("CANDIDATE", outcome.winner)
    app = AppTest.from_function(opened, default_timeout=60)
    app.query_params["run"] = ids["finished"]
    app.run()
    assert not app.exception, [one.value for one in app.exception]
    said = texts(app)
    assert "lassify: instruction" in said and "against the program as it came on the same rows: better on" in said
    assert "Written by the prompt model" in said and f"it is called {outcome.winner}" in said
