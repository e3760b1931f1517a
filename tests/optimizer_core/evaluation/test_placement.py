"""Where program runs happen, and the sentence that says why."""

import pytest

from mipro_studio.optimizer_core.evaluation.placement import Work, place
from tests.optimizer_core.builders import make_config


@pytest.mark.parametrize(
    ("threads", "work", "processors", "processes"),
    [
        (16, Work(0.003, 0.2), 8, None),  # a quarter of a processor
        (16, Work(0.0025, 0.04), 8, 2),  # all of one: calls that are answered at once
        (64, Work(0.0025, 0.04), 8, 7),
        (64, Work(0.0025, 0.04), 2, 2),  # which the run's own process shares
        (16, Work(0.0025, 0.04), 2, None),  # all of one processor, and the run's own process needs the other
        (64, Work(0.0025, 0.04), 3, 2),
        (16, Work(0.5, 1.0), 1, None),  # there is no other processor
        (2, Work(1.0, 1.0), 8, 2),
    ],
)
def test_processes_are_chosen_where_one_process_would_not_keep_up(
    threads: int, work: Work, processors: int, processes: int | None
) -> None:
    found = place(make_config(threads=threads), work, processors)
    assert found is not None and found.processes == processes
    assert f"{threads} rows at once" in found.why and "%" in found.why
    assert found.settings["executor"] == ("processes" if processes else "threads")


def test_what_a_person_chose_stays_and_nothing_is_guessed() -> None:
    slow = Work(1.0, 1.0)
    chosen = place(make_config(executor="threads"), slow, 8)
    assert chosen is not None and (chosen.processes, chosen.why) == (None, "chosen")
    chosen = place(make_config(executor="processes", processes=3), None, 8)
    assert chosen is not None and chosen.processes == 3
    assert place(make_config(), None, 8) is None
    own = place(make_config(program="live_abc:program", executor="processes"), slow, 8)
    assert own is not None and own.processes is None


def test_a_row_is_measured_by_the_least_that_one_took() -> None:
    assert Work.of([0.9, 0.003], [2.0, 0.25]) == Work(0.003, 0.25)
    assert Work.of([], [0.1]) is None
