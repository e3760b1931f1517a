"""The one bar of the live page: it only grows, and tells time from what was measured."""

from dataclasses import replace
from pathlib import Path

import pytest

from mipro_studio.optimizer_core.types import Phase, Split, Status
from mipro_studio.storage import LiveView, Reader
from mipro_studio.ui.live.work_done import WorkDone, work_done

PLAN = {
    "program_runs": {"bootstrap": [20, 40], "baseline": 40, "minibatch": 400, "full": 120, "test": 40},
    "lm_calls": {"prompt": [10, 14]},
}


@pytest.fixture
def view(filled: tuple[Path, dict[str, str]]) -> LiveView:
    with Reader(filled[0]) as reader:
        return reader.live(filled[1]["running"])


def at(view: LiveView, phase: Phase, cells: int, trials: int = 0, test: int = 0) -> LiveView:
    run = replace(
        view.summary, status=Status.RUNNING, phase=phase, cells_ok=cells, cells_error=0, trials_done=trials,
        trials_planned=30, wall_s=100.0,
    )  # fmt: skip
    return replace(view, summary=run, test_cells=test, events=[])


def test_the_bar_only_grows_from_set_up_to_the_sealed_test(view: LiveView) -> None:
    life = [
        work_done(at(view, Phase.SETUP, 0), PLAN, 0, 0),
        work_done(at(view, Phase.BOOTSTRAP, 5), PLAN, 5, 0),
        work_done(at(view, Phase.BOOTSTRAP, 28), PLAN, 28, 0),
        work_done(at(view, Phase.PROPOSE, 50), PLAN, 28, 4),
        work_done(at(view, Phase.PROPOSE, 68), PLAN, 28, 10),
        work_done(at(view, Phase.SEARCH, 68), PLAN, 28, 10),
        *(work_done(at(view, Phase.SEARCH, 68 + 17 * n, n), PLAN, 28, 10) for n in range(1, 31)),
        work_done(at(view, Phase.TEST, 600, 30, 20), PLAN, 28, 10),
        work_done(at(view, Phase.TEST, 620, 30, 40), PLAN, 28, 10),
    ]
    shares = [one.share for one in life]
    assert shares == sorted(shares) and 0.0 <= shares[0] < 0.02 and shares[-1] == 0.99
    done = replace(view, summary=replace(view.summary, status=Status.COMPLETED))
    assert work_done(done, PLAN, 28, 10).share == 1.0


def test_time_left_is_what_the_work_so_far_took(view: LiveView) -> None:
    early = work_done(at(view, Phase.BOOTSTRAP, 5), PLAN, 5, 0)
    assert early.left_s is None, "five program runs are no rate"
    half = work_done(at(view, Phase.SEARCH, 350, 15), PLAN, 28, 10)
    assert half.left_s is not None and 60 < half.left_s < 140
    assert work_done(at(view, Phase.SEARCH, 500, 25), PLAN, 28, 10).left_s < half.left_s
    assert half.words.endswith("left") and "% of the work" in half.words
    assert WorkDone(0.5, 200.0).words == "50 % of the work · about 3 min left"
    assert WorkDone(0.5, None).words == "50 % of the work"


def test_a_run_without_a_plan_has_a_bar_too(filled: tuple[Path, dict[str, str]], view: LiveView) -> None:
    with Reader(filled[0]) as reader:
        n_train = reader.count_cells(view.summary.id, Split.TRAIN)
    assert 0.0 < work_done(view, {}, n_train, 8).share < 1.0
