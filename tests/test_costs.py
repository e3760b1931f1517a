"""What a run costs, from the command line: plans, prices and caps."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mipro_studio.storage import Reader
from tests.inside import shell
from tests.loopback import LoopbackEndpoint
from tests.working import arguments, inside, last_object, write_rows

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def running() -> Iterator[LoopbackEndpoint]:
    with inside() as endpoint:
        yield endpoint


def test_more_trials_are_planned_anew(running: LoopbackEndpoint, tmp_path: Path) -> None:
    store = tmp_path / "studio.db"
    asked = arguments(write_rows(tmp_path), running.base_url, "--schedule", "full", "--trials", "2")
    done = shell(*asked, "--store", str(store), "--json")
    run_id = last_object(done)["run_id"]

    def plan() -> tuple[int, int]:
        with Reader(store) as reader:
            found = reader.plan(run_id)
            assert reader.run(run_id).trials_planned == found["trials"]
            return found["trials"], found["program_runs"]["total"][1]

    trials, most = plan()
    done = shell("resume", run_id, "--trials", "4", "--store", str(store), "--json")
    assert done.returncode == 0, done.stderr
    with Reader(store) as reader:
        n_val = reader.run(run_id).n_val
    assert (trials, plan()) == (2, (4, most + 2 * n_val))


def test_prices_from_the_command_line_make_dollars(running: LoopbackEndpoint, tmp_path: Path) -> None:
    store = tmp_path / "studio.db"
    asked = arguments(write_rows(tmp_path), running.base_url, "--price", "2/10", "--trials", "1")
    done = shell(*asked, "--store", str(store), "--json")
    assert done.returncode == 0, done.stderr
    run_id = last_object(done)["run_id"]
    with Reader(store) as reader:
        burns, plan = reader.burns(run_id), reader.plan(run_id)
    for usage in burns.values():
        assert usage.cost_usd == pytest.approx(usage.input_tokens * 2e-6 + usage.output_tokens * 1e-5)
    assert plan["usd"] is not None and plan["usd"][1] > 0
    assert "is no price" in shell(*asked, "--price", "cheap").stderr
