"""Processes that are played inside a test leave the test's own process, and the others of its session, alone."""

import os

from mipro_studio import worker
from tests.inside import _its_end


def test_one_that_ends_at_once_with_its_session_is_over_and_no_more() -> None:
    def main(given: list[str]) -> int:
        worker.end_rest_of_session()
        worker.os._exit(len(given))
        return 0

    real = os._exit
    assert _its_end(main, ["a", "b", "c"]) == 3
    assert worker.os is os and os._exit is real
