"""What a run is doing, in one line."""

from dataclasses import replace
from pathlib import Path

import pytest

from mipro_studio.optimizer_core.types import Phase, Status
from mipro_studio.storage import Reader
from mipro_studio.ui.text.status import phase_line


@pytest.mark.parametrize(
    ("phase", "done", "total", "words"),
    [
        (Phase.SETUP, 24, 93, "Setting up, 24 of 93 MB"),
        (Phase.BOOTSTRAP, 0, 9, "Bootstrapping demos, none of 9 sets yet"),
        (Phase.BOOTSTRAP, 0, 1, "Bootstrapping demos, set 0 of 1"),
        (Phase.BOOTSTRAP, 2, 9, "Bootstrapping demos, set 2 of 9"),
        (Phase.SEARCH, 0, 40, "Searching, none of 40 trials yet"),
        (Phase.SEARCH, 13, 40, "Searching, trial 13 of 40"),
        (Phase.TEST, 0, 130, "Scoring the sealed test, none of 130 program runs yet"),
    ],
)
def test_a_phase_says_how_far_it_is(
    filled: tuple[Path, dict[str, str]], phase: Phase, done: int, total: int, words: str
) -> None:
    with Reader(filled[0]) as reader:
        run = reader.run(filled[1]["running"])
    at_work = replace(run, status=Status.RUNNING, phase=phase, phase_done=done, phase_total=total)
    at_work = replace(at_work, trials_done=done if phase is Phase.SEARCH else 5, trials_planned=40)
    assert phase_line(at_work) == words


def test_trials_are_counted_as_everywhere_while_an_event_is_behind(filled: tuple[Path, dict[str, str]]) -> None:
    with Reader(filled[0]) as reader:
        run = reader.run(filled[1]["running"])
    behind = replace(run, phase_done=run.trials_done - 1)
    assert phase_line(behind) == f"Searching, trial {run.trials_done} of {run.trials_planned}"
