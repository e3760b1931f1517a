"""The review queue: one instruction at a time, decided, counted, filtered, undone."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from mipro_studio.optimizer_core.types import Author, ChangeKind
from mipro_studio.storage import Reader
from mipro_studio.ui.arms.queue_items import items_of, next_unread
from mipro_studio.ui.page.person import person
from mipro_studio.ui.text.sentences import aligned, columns_html, sentences
from tests.pages.open import open_page, texts

pytestmark = pytest.mark.timeout(400)
PAGE = "pages/instructions.py"
Filled = tuple[Path, dict[str, str]]


def opened(store: Filled) -> AppTest:
    return open_page(PAGE, run=store[1]["review"])


def press(app: AppTest, key: str) -> AppTest:
    app.button(key=f"queue_{key}").click().run()
    assert not app.exception, [error.value for error in app.exception]
    return app


def decisions(store: Filled, whose: str = "") -> list[str]:
    with Reader(store[0]) as reader:
        run = store[1]["review"]
        known = reader.instructions(run), reader.changes(run), reader.notes(run)
    return [item.decision for item in items_of(*known, whose or person())]


def test_the_gate_opens_at_the_queue_and_shows_every_key(store: Filled) -> None:
    app = opened(store)
    assert "1 of 8" in texts(app) and "Instruction 1" in texts(app)
    keys = {button.key: button.proto.shortcut for button in app.button if button.key.startswith("queue_")}
    assert {keys[f"queue_{name}"].lower() for name in ("approve", "edit", "reject", "note", "undo")} == set("aexnu")
    assert keys["queue_back"].lower() == "left" and keys["queue_next"].lower() == "right"


def test_a_decision_is_kept_and_the_next_that_is_not_read_opens(store: Filled) -> None:
    app = press(press(opened(store), "approve"), "reject")
    assert decisions(store)[:3] == ["approved", "rejected", "unread"]
    assert "Instruction 3" in texts(app)
    again = opened(store)
    assert "Instruction 3" in texts(again), "who comes back goes on where they were"
    with Reader(store[0]) as reader:
        (asked,) = reader.changes(store[1]["review"])
    assert asked.change.kind is ChangeKind.REJECT and asked.change.payload["index"] == 2


def test_what_one_has_read_is_not_read_for_another_and_what_one_rejects_is_for_all(store: Filled) -> None:
    press(press(opened(store), "approve"), "reject")
    assert decisions(store)[:2] == ["approved", "rejected"]
    assert decisions(store, "somebody else")[:2] == ["unread", "rejected"]


def test_undo_takes_back_the_last_decision_first(store: Filled) -> None:
    app = press(press(opened(store), "approve"), "reject")
    app = press(app, "undo")
    assert decisions(store)[:2] == ["approved", "unread"] and "Instruction 2" in texts(app)
    press(app, "undo")
    assert decisions(store)[:2] == ["unread", "unread"]


def test_an_edit_takes_the_place_of_what_was_proposed(store: Filled) -> None:
    app = press(opened(store), "edit")
    app.text_area[0].set_value("Name the queue, and nothing else.").run()
    press(app, "save")
    with Reader(store[0]) as reader:
        (asked,) = reader.changes(store[1]["review"])
    assert dict(asked.change.payload) == {
        "predictor": "classify", "index": 1, "text": "Name the queue, and nothing else.", "reason": "", "keep": False,
    }  # fmt: skip
    assert decisions(store)[0] == "edited"


def test_several_are_decided_at_once_and_a_filter_leaves_out_what_is_read(store: Filled) -> None:
    app = opened(store)
    app.multiselect(key="queue_many").set_value([("classify", 1), ("classify", 2), ("answer", 4)]).run()
    press(app, "many_approve")
    assert decisions(store).count("approved") == 3
    app.toggle(key="queue_unread").set_value(True).run()
    assert "1 of 5" in texts(app) or "of 5 ·" in texts(app)
    app.selectbox(key="queue_predictor").set_value("answer").run()
    assert "of 3 ·" in texts(app)


def test_a_note_is_kept_with_the_instruction(store: Filled) -> None:
    app = press(opened(store), "note")
    app.text_area[0].set_value("Too long.").run()
    press(app, "keep")
    with Reader(store[0]) as reader:
        assert reader.notes(store[1]["review"])["instruction/classify/1"].body == "Too long."


def test_a_run_that_is_over_is_read_and_not_changed(store: Filled) -> None:
    app = open_page(PAGE, run=store[1]["finished"])
    app.segmented_control(key="ins_view").set_value("One by one").run()
    assert app.button(key="queue_reject").disabled and not app.button(key="queue_approve").disabled


def test_hostile_instructions_are_only_text(store: Filled) -> None:
    app = open_page(PAGE, run=store[1]["hostile"])
    app.segmented_control(key="ins_view").set_value("One by one").run()
    app.selectbox(key="queue_predictor").set_value("answer").run()
    for element in app.get("html"):
        assert "<script" not in element.proto.body


def test_nobody_is_asked_about_what_came_with_the_program(store: Filled) -> None:
    with Reader(store[0]) as reader:
        run = store[1]["review"]
        items = items_of(reader.instructions(run), [], {}, "me")
    assert all(item.arm.author is not Author.SEED for item in items)
    assert next_unread(items, items[-1].key) == items[0].key and next_unread([], None) is None


def test_sentences_stand_beside_those_they_came_from() -> None:
    old = "Name the queue. Be brief.\nNever guess."
    new = "First read it all. Name the one queue. Never guess."
    assert sentences(old) == ["Name the queue.", "Be brief.", "Never guess."]
    assert aligned(old, new) == [
        ("", "First read it all."), ("Name the queue.", "Name the one queue."), ("Be brief.", ""),
        ("Never guess.", "Never guess."),
    ]  # fmt: skip
    assert aligned("Given fields, produce it.", "Read on. Answer well.") == [
        ("Given fields, produce it.", "Read on."), ("", "Answer well."),
    ], "a rewrite stands beside what it replaces"  # fmt: skip
    shown = columns_html("a <b> c d.", "a <b> e d.", ("Old", "New"))
    assert "<b>" not in shown and "&lt;b&gt;" in shown and "<ins" in shown and "<del" in shown
    assert aligned("", "One.") == [("", "One.")] and aligned("One.", "") == [("One.", "")]
