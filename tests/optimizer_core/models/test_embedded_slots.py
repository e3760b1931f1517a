"""Pinning prefixes to the server's slots."""

from __future__ import annotations

from optimizer_core.models.embedded.slots import SlotBook


def test_a_prefix_keeps_its_slot_and_new_ones_get_others() -> None:
    book = SlotBook(4)
    slots = [book.slot_for(prefix) for prefix in "abcd"]
    assert sorted(slots) == [0, 1, 2, 3]
    assert [book.slot_for(prefix) for prefix in "abcd"] == slots


def test_the_slot_left_alone_longest_is_taken_over() -> None:
    book = SlotBook(2)
    first, second = book.slot_for("a"), book.slot_for("b")
    book.slot_for("a")
    assert book.slot_for("c") == second
    assert book.slot_for("a") == first
    assert book.slot_for("b") == second  # c's slot: b was forgotten and comes back as new


def test_a_warm_prefix_found_cold_moves() -> None:
    book = SlotBook(4)
    home = book.slot_for("a")
    book.report("a", cold=True)  # the first call is always cold
    assert book.slot_for("a") == home
    book.report("a", cold=False)
    book.report("a", cold=True)
    assert book.slot_for("a") != home


def test_a_report_on_a_forgotten_prefix_is_ignored() -> None:
    SlotBook(1).report("gone", cold=True)
