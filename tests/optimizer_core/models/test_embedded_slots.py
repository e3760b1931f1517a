"""Pinning prefixes to the server's slots."""

from __future__ import annotations

from mipro_studio.optimizer_core.models.embedded.slots import SlotBook


def ask(book: SlotBook, prefix: str, cold: bool | None = None) -> int:
    """One call from begin to end."""
    slot = book.begin(prefix)
    book.end(prefix, slot, cold=cold)
    return slot


def test_a_prefix_keeps_its_slot_and_new_ones_get_others() -> None:
    book = SlotBook(2, 2)
    slots = [ask(book, prefix) for prefix in "abcd"]
    assert sorted(slots) == [0, 1, 2, 3]
    assert [ask(book, prefix) for prefix in "abcd"] == slots


def test_a_new_prefix_goes_to_the_lane_with_the_least_to_do() -> None:
    book = SlotBook(3, 2)
    busy = {book.begin(prefix * 5000) % 3 for prefix in "ab"}
    assert len(busy) == 2
    assert {ask(book, prefix * 5000) % 3 for prefix in "cd"}.isdisjoint(busy)


def test_the_slot_left_alone_longest_is_taken_over() -> None:
    book = SlotBook(1, 2)
    first, second = ask(book, "a"), ask(book, "b")
    ask(book, "a")
    assert ask(book, "c") == second
    assert ask(book, "a") == first
    assert ask(book, "b") == second  # c's slot: b was forgotten and comes back as new


def test_a_warm_prefix_found_cold_moves() -> None:
    book = SlotBook(1, 4)
    home = ask(book, "a", cold=True)  # the first call is always cold
    assert ask(book, "a", cold=False) == home
    assert ask(book, "a", cold=True) == home
    assert ask(book, "a") != home


def test_a_call_without_an_answer_frees_its_slot_and_teaches_nothing() -> None:
    book = SlotBook(2, 1)
    slots = {ask(book, "a", cold=None) for _ in range(50)}
    assert len(slots) == 1  # were they counted as running, the crowd would have moved on


def test_a_crowded_prefix_gets_a_slot_on_an_idle_lane_the_later_the_longer_it_is() -> None:
    calls = {}
    for length in (300, 3000):
        book = SlotBook(2, 2)
        slots = [book.begin("a" * length) for _ in range(40)]
        calls[length] = slots.index(next(slot for slot in slots if slot != slots[0]))
        assert {slot % 2 for slot in slots} == {0, 1}
        assert len(set(slots)) == 2
    assert 2 < calls[300] < calls[3000]


def test_calls_that_share_no_beginning_spread_at_once() -> None:
    book = SlotBook(4, 2)
    assert {book.begin("") % 4 for _ in range(4)} == {0, 1, 2, 3}


def test_a_crowded_prefix_stays_where_it_is_while_the_other_lane_works() -> None:
    book = SlotBook(2, 2)
    first = book.begin("a")
    other = book.begin("other")
    assert other % 2 != first % 2
    assert {book.begin("a") for _ in range(20)} == {first}


def test_the_end_of_a_forgotten_prefix_is_ignored() -> None:
    book = SlotBook(1, 1)
    slot = book.begin("gone")
    book.begin("new")
    book.end("gone", slot, cold=True)
    assert book.begin("new") == slot
