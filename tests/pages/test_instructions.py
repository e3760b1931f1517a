"""The instructions of a run in every state; what a person asks is stored, and what cannot be is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from mipro_studio.control import review
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.parameters.instruction import instruction_arm
from mipro_studio.optimizer_core.types import INSTRUCTION, Arm, Author, Candidate, ChangeKind, Event, Settled, Status
from mipro_studio.storage import Reader, SqliteJournal, Store
from tests.pages.open import open_page, texts
from tests.ui.factory import MARKER, TEXTS

pytestmark = pytest.mark.timeout(400)
PAGE = "pages/instructions.py"
Filled = tuple[Path, dict[str, str]]


def asked(store: Filled, kind: str) -> list[tuple[str, dict[str, Any]]]:
    with Reader(store[0]) as reader:
        return [(one.change.kind.value, dict(one.change.payload)) for one in reader.changes(store[1][kind])]


@pytest.mark.parametrize("kind", ["running", "review", "finished", "paused", "stopped", "lost", "capped", "hostile"])
@pytest.mark.parametrize("view", ["Table", "Read all"])
def test_every_state_with_instructions_shows_them(store: Filled, kind: str, view: str) -> None:
    app = open_page(PAGE, run=store[1][kind])
    app.segmented_control(key="ins_view").set_value(view).run()
    assert not app.exception, [error.value for error in app.exception]
    with Reader(store[0]) as reader:
        outcome = reader.outcome(store[1][kind])
    won = Candidate.parse(outcome.winner).arm(0, INSTRUCTION) if outcome and outcome.winner else 0
    assert f"Instruction {won or 1}" in texts(app), "the winner's is open, else the first proposal"
    assert app.selectbox(key="pick_predictor").options == ["classify", "answer"]


@pytest.mark.parametrize(
    ("kind", "word", "scored", "may_change", "gate"),
    [
        ("running", "Running", True, True, False),
        ("review", "Waiting for you", False, True, True),
        ("finished", "Finished", True, False, False),
        ("lost", "Lost", True, True, False),
    ],
)
def test_a_state_says_what_is_known_and_what_can_be_done(
    store: Filled, kind: str, word: str, scored: bool, may_change: bool, gate: bool
) -> None:
    app = open_page(PAGE, run=store[1][kind])
    app.segmented_control(key="ins_view").set_value("Table").run()
    assert word in texts(app)
    table = app.dataframe[0].value
    assert list(table["no."]) == [0, 1, 2, 3, 4]
    assert bool(table["n"].sum()) is scored
    assert ("review_ask" in {button.key for button in app.button}) is may_change
    assert bool([button for button in app.button if button.key == "review_approve"]) is gate


@pytest.mark.parametrize(("kind", "says"), [("queued", "is written yet"), ("failed", "ended before any instruction")])
def test_a_run_without_instructions_says_why(store: Filled, kind: str, says: str) -> None:
    assert says in texts(open_page(PAGE, run=store[1][kind]))


def test_the_address_chooses_predictor_instruction_and_what_it_is_compared_with(store: Filled) -> None:
    app = open_page(PAGE, run=store[1]["review"], predictor="answer", arm="3", against="2")
    assert app.selectbox(key="pick_predictor").value == "answer"
    assert "Instruction 3" in texts(app)
    assert "against instruction 2" in texts(app)
    app.selectbox(key="pick_arm").select(4).run()
    assert app.query_params["arm"] in ("4", ["4"])
    odd = open_page(PAGE, run=store[1]["review"], predictor="nobody", arm="99", against="x")
    assert "Instruction 1" in texts(odd)


def test_the_provenance_card_says_what_was_used_and_what_fell_back(store: Filled) -> None:
    app = open_page(PAGE, run=store[1]["review"], arm="3")
    said = texts(app)
    assert "creative: Don't be afraid" in said
    assert "Use the information below" in said
    assert "Messages of customers, each for one of four queues." in said
    assert "✓ demos: used" in said
    assert "✕ program and module description: fell back, the module could not be described" in said
    assert "○ earlier instructions with scores: off" in said


def test_scores_come_with_their_count_and_interval(store: Filled) -> None:
    app = open_page(PAGE, run=store[1]["finished"])
    table = app.dataframe[0].value
    tried = table[table["n"] > 0]
    assert len(tried) >= 3
    assert "(90 %), n = " in texts(app)
    with Reader(store[0]) as reader:
        run_id = store[1]["finished"]
        users = {t.candidate for t in reader.trials(run_id) if t.candidate.startswith("i0d")}
        means = reader.example_means(run_id, sorted(users))
    assert table.iloc[0]["mean"] == f"{sum(means) / len(means):.2f}"
    assert table.iloc[0]["n"] == len(means)


def test_an_edit_is_stored_and_shown_as_waiting(store: Filled) -> None:
    app = open_page(PAGE, run=store[1]["review"], arm="1")
    app.text_area(key="review_text_classify_1").input("Name the queue, and only the queue.").run()
    app.text_input(key="review_why_classify_1").input("shorter").run()
    app.button(key="review_edit_save").click().run()
    payload = {"predictor": "classify", "index": 1, "text": "Name the queue, and only the queue."}
    assert asked(store, "review") == [("edit", {**payload, "reason": "shorter", "keep": False})]
    said = texts(app)
    assert "Saved as a new instruction" in app.toast[0].value
    assert app.text_area(key="review_text_classify_1").value == TEXTS[1], "so that it is not saved twice"
    assert "Edit of instruction 1 · classify" in said
    assert "taken up when you start the search" in said
    with Reader(store[0]) as reader:
        number = reader.changes(store[1]["review"])[0].change.id
    app.button(key=f"review_withdraw_{number}").click().run()
    assert asked(store, "review") == []


def test_a_rejection_with_a_reason_is_stored_once(store: Filled) -> None:
    app = open_page(PAGE, run=store[1]["review"], arm="2")
    app.text_input(key="review_reject_instruction_classify_2").input("a persona").run()
    app.button(key="review_reject_instruction").click().run()
    target = {"predictor": "classify", "kind": "instruction", "index": 2, "reason": "a persona"}
    assert asked(store, "review") == [("reject", target)]
    assert app.button(key="review_reject_instruction").disabled
    assert "rejection waits" in set(app.dataframe[0].value["standing"])


def test_the_seed_cannot_be_rejected_and_the_page_says_why(store: Filled) -> None:
    app = open_page(PAGE, run=store[1]["review"], arm="0")
    assert app.button(key="review_reject_instruction").disabled
    assert "the baseline that all is compared with" in texts(app)


def test_a_persons_own_instruction_and_a_request_for_more(store: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    spawned: list[str] = []
    monkeypatch.setattr("mipro_studio.control.launcher.spawn", lambda path, run_id: spawned.append(run_id))
    app = open_page(PAGE, run=store[1]["review"])
    app.button(key="queue_write").click().run()
    app.text_area(key="queue_new_text").input("My own rules.").run()
    app.button(key="queue_add").click().run()
    assert "queue_new_text" not in {area.key for area in app.text_area}, "the form closes once it is stored"
    app.text_area(key="review_more_hint_classify").input("Mention refunds.").run()
    app.button(key="review_ask").click().run()
    assert [kind for kind, _ in asked(store, "review")] == ["write", "ask"]
    assert asked(store, "review")[1][1] == {"predictor": "classify", "hint": "Mention refunds.", "count": 2}
    assert spawned == [store[1]["review"]], "the gate's worker writes them and comes back"
    assert "Queued" in texts(app)


def test_a_refusal_is_shown_and_what_was_typed_is_kept(store: Filled) -> None:
    app = open_page(PAGE, run=store[1]["running"])
    app.text_area(key="review_new_text_classify").input(TEXTS[2]).run()
    app.button(key="review_write").click().run()
    assert "Instruction 2 has this text already" in texts(app)
    assert app.text_area(key="review_new_text_classify").value == TEXTS[2]
    assert asked(store, "running") == []


def test_a_completed_run_says_how_to_change_it(store: Filled) -> None:
    app = open_page(PAGE, run=store[1]["finished"])
    assert "Ask for more trials on the page Live" in texts(app)
    there = {button.key for button in app.button}
    assert not there & {"review_edit_save", "review_reject_instruction", "review_write", "review_ask"}


def test_the_gate_opens_the_search(store: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mipro_studio.control.launcher.spawn", lambda path, run_id: 1)
    app = open_page(PAGE, run=store[1]["review"])
    assert "8 instructions proposed" in texts(app)
    app.button(key="review_approve").click().run()
    with Reader(store[0]) as reader:
        assert reader.run(store[1]["review"]).status is Status.QUEUED
        assert [command["kind"] for command in reader.commands(store[1]["review"])] == ["approve"]
    assert not [button for button in app.button if button.key == "review_approve"]


def test_notes_are_kept(store: Filled) -> None:
    app = open_page(PAGE, run=store[1]["finished"], arm="2")
    words = "**Good**, but see ![x](http://example.com/x.png)"
    app.text_area(key="review_note_instruction/classify/2").input(words).run()
    (preview,) = [one.proto.body for one in app.get("html") if "<strong>Good</strong>" in one.proto.body]
    assert "<img" not in preview
    app.button(key="review_note_instruction/classify/2_save").click().run()
    with Reader(store[0]) as reader:
        assert reader.notes(store[1]["finished"])["instruction/classify/2"].body == words
    for kind in ("markdown", "caption"):
        assert not [element for element in app.get(kind) if "example.com" in str(element.value)]


def test_what_became_of_changes_is_told(store: Filled) -> None:
    path, ids = store
    with Store(path) as opened:
        number = opened.send(ids["running"], "reject", {"predictor": "classify", "kind": "instruction", "index": 0})
        later = opened.send(ids["running"], "write", {"predictor": "classify", "text": "By me."})
        mine = instruction_arm("classify", 5, "By me.", Author.PERSON, {"change": later})
        SqliteJournal(opened, ids["running"], f"worker-{ids['running']}").commit(
            [Settled(number, 4, (), "It is the baseline."), mine, Settled(later, 4, (5,)), Event("change", {})]
        )
    app = open_page(PAGE, run=ids["running"])
    assert "It is the baseline." in texts(app)
    table = app.dataframe[0].value
    assert table[table["no."] == 5].iloc[0]["by"] == "a person"


def test_foreign_text_is_never_markdown(store: Filled) -> None:
    app = open_page(PAGE, run=store[1]["hostile"], arm="5")
    assert MARKER in texts(app)
    for kind in ("markdown", "caption", "title", "subheader"):
        assert not [element for element in app.get(kind) if MARKER in str(element.value)]
    for element in app.get("html"):
        assert "<script" not in element.proto.body
    for button in app.button:
        assert MARKER not in button.label
    assert max(len(str(element.value)) for element in app.code) < 5000, "a megabyte is clipped"
    assert len(app.get("download_button")) >= 1


def test_tool_descriptions_are_read_edited_and_rejected_beside_the_instructions(store: Filled) -> None:
    path, ids = store
    run = ids["running"]
    told = {"look_up": {"description": "Looks it up.", "arguments": {"number": "its number"}}}
    better = {"look_up": {**told["look_up"], "description": "Looks it up. Call it first."}}
    arms = [
        Arm("classify", "tools", index, {"tools": content}, Author.MODEL if index else Author.SEED)
        for index, content in enumerate((told, better))
    ]
    with Store(path) as opened:
        SqliteJournal(opened, run, f"worker-{run}").commit(arms)
    app = open_page(PAGE, run=run)
    assert "Tool descriptions" in texts(app) and "This run does not search tool descriptions" in texts(app)
    assert "review_edit_save_tools" not in {button.key for button in app.button}
    with Store(path) as opened:
        takes = {"takes": ["instruction", "demos", "tools"], "drops": True}
        opened.db.execute("update run_documents set receipt = ? where run_id = ?", [json.dumps(takes), run])
    app = open_page(PAGE, run=run)
    text = app.text_area(key="review_text_tools_classify_1")
    assert text.value == "# look_up\nLooks it up. Call it first.\n\n## number\nits number"
    text.input("# look_up\nAlways call it.")
    app.button(key="review_edit_save_tools").click().run()
    app.text_input(key="review_reject_tools_classify_1").input("too eager")
    app.button(key="review_reject_tools").click().run()
    target = {"predictor": "classify", "kind": "tools", "index": 1}
    assert asked(store, "running") == [
        ("edit", {**target, "text": "# look_up\nAlways call it.", "reason": "", "keep": False}),
        ("reject", {**target, "reason": "too eager"}),
    ]
    app.text_area(key="review_text_tools_classify_1").input("# look_ap\nA typing error.")
    app.button(key="review_edit_save_tools").click().run()
    assert "Begin with a line `# look_up`" in texts(app) and len(asked(store, "running")) == 2


def test_a_change_during_the_sealed_test_is_refused_as_too_late(store: Filled) -> None:
    path, ids = store
    with Reader(path) as reader:
        worker = reader.worker_of(ids["running"])
    with Store(path) as opened:
        told = Event("phase", {"phase": "test", "done": 0, "total": 40, "note": ""})
        SqliteJournal(opened, ids["running"], str(worker)).commit([told])
    asked_for = {"kind": "instruction", "predictor": "classify", "index": 2}
    with pytest.raises(BadInput, match="a change comes too late"):
        review.change(path, ids["running"], ChangeKind.REJECT, asked_for)
    assert asked(store, "running") == []
