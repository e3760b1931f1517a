"""Differences and copies, as pure functions."""

from mipro_studio.ui.arms.copies import copied
from mipro_studio.ui.text.diffs import LONGEST, Piece, diff, diff_html, summary


def test_short_texts_differ_by_words() -> None:
    pieces = diff("Name the queue of a message.", "Name one queue of a message.")
    assert pieces == [
        Piece("same", "Name "), Piece("del", "the"), Piece("ins", "one"), Piece("same", " queue of a message.")
    ]  # fmt: skip
    assert summary(pieces) == "1 word added, 1 word taken out"


def test_either_text_can_be_read_back() -> None:
    before, after = "Take the first queue that can act on it today.", "Take the one queue that can act today, please."
    pieces = diff(before, after)
    assert "".join(piece.text for piece in pieces if piece.kind != "ins") == before
    assert "".join(piece.text for piece in pieces if piece.kind != "del") == after


def test_another_text_is_shown_whole() -> None:
    assert [piece.kind for piece in diff("Name the queue.", "You are a patient lead, think of them.")] == [
        "del", "same", "ins"
    ]  # fmt: skip


def test_long_texts_differ_by_lines() -> None:
    lines = [f"Rule {n}: do the right thing in case {n}.\n" for n in range(300)]
    changed = [*lines[:150], "A new rule.\n", *lines[150:]]
    added = [piece for piece in diff("".join(lines), "".join(changed)) if piece.kind != "same"]
    assert added == [Piece("ins", "A new rule.\n")]


def test_the_same_text_is_said_to_be_the_same_and_an_empty_one_is_fine() -> None:
    assert summary(diff("a", "a")) == "The same text."
    assert diff("", "") == []
    assert diff("", "new") == [Piece("ins", "new")]


def test_foreign_text_is_escaped_and_huge_text_is_cut() -> None:
    shown = diff_html(diff("safe", "<script>alert(1)</script>\0\ud83d"))
    assert "<script" not in shown and "&lt;script&gt;" in shown
    kept = diff_html(diff("Name <b>one</b> queue of many.", "Name <b>one</b> queue of four."))
    assert "<b>" not in kept and "Name &lt;b&gt;one&lt;/b&gt; queue" in kept
    pieces = diff("word " * 300_000, "x" * 1_000_000)
    assert sum(len(piece.text) for piece in pieces) <= 2 * LONGEST + 1


def test_a_passage_of_what_was_shown_is_a_copy() -> None:
    text = "Answer like: the GDP of the country where the first female laureate was born, in dollars."
    demos = ["What is the GDP of the country where the first female laureate was born?"]
    assert copied(text, {"a demo": demos}) == [
        ("a demo", "the GDP of the country where the first female laureate was born")
    ]


def test_what_the_seed_says_too_is_no_copy_and_few_words_are_none() -> None:
    seed = "Given the fields message produce the field queue"
    assert copied(seed, {"a demo": [seed]}, seed) == []
    assert copied("Name the queue.", {"a demo": ["Name the queue."]}) == []
    assert copied("", {"its tip": [""]}) == []
