"""The command end to end on the loopback endpoint: cap, peers, a kill, and running only what is missing."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mipro_studio.benchmarks.grid import runner
from mipro_studio.benchmarks.grid.halt import Cap
from mipro_studio.benchmarks.grid.marks import MARK, marks
from mipro_studio.benchmarks.grid.request import Entry, Request
from mipro_studio.benchmarks.grid.results import read_results
from mipro_studio.benchmarks.grid.splits import write_splits
from mipro_studio.optimizer_core.config import SearchSettings, parse_config
from mipro_studio.optimizer_core.errors import BadInput, StudioError
from mipro_studio.optimizer_core.inspection import inspect_request
from mipro_studio.optimizer_core.types import Role, Split, Status
from mipro_studio.sample_programs import CATALOG
from mipro_studio.storage import Reader, RunSummary, Store
from tests.inside import helpers_inside
from tests.loopback import LoopbackEndpoint

pytestmark = pytest.mark.timeout(900)

ROOT = Path(__file__).resolve().parents[2]
CAP, SIZES = 70, (12, 12, 10)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[LoopbackEndpoint]:
    gold = {row["message"]: {"queue": row["queue"], "tone": row["tone"]} for row in CATALOG["triage"].rows()}
    with LoopbackEndpoint(responder="oracle", gold=gold, correlation=0.5) as running:
        yield running


def command(endpoint: LoopbackEndpoint, store: Path, *optimizers: str, cap: int = CAP) -> list[str]:
    return [
        *(sys.executable, "-m", "benchmarks", "run", "--tasks", "triage", "--seeds", "0"),
        *("--optimizers", ",".join(optimizers), "--max-program-runs", str(cap)),
        *("--sizes", "/".join(map(str, SIZES)), "--task-model", "openai/loop", "--api-base", endpoint.base_url),
        *("--threads", "4", "--jobs", "2", "--store", str(store)),
    ]


def asked(endpoint: LoopbackEndpoint, *optimizers: str, **more: object) -> Request:
    """The same as an object."""
    model = {"model": "openai/loop", "api_base": endpoint.base_url}
    given = {"optimizers": optimizers, "seeds": (0,), "max_program_runs": CAP, "sizes": SIZES, "threads": 4}
    return request(**{**given, "task_model": model, **more})


def run(wanted: Request, store: Path, jobs: int = 1, cap: Cap = runner.NO_CAP) -> tuple[int, str]:
    """What the command does, with its inspections inside this process. Returns the missing runs and what was said."""
    said: list[str] = []
    with helpers_inside():
        missing = runner.run_benchmark(wanted, store, said.append, jobs, cap)
    return missing, "\n".join(said)


def bench(endpoint: LoopbackEndpoint, store: Path, *optimizers: str) -> str:
    """The command itself."""
    done = subprocess.run(
        command(endpoint, store, *optimizers), cwd=ROOT, capture_output=True, text=True, check=False, timeout=800
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_ours_and_a_peer_within_one_cap_counted_as_the_endpoint_counts(
    endpoint: LoopbackEndpoint, tmp_path: Path
) -> None:
    store = tmp_path / "s.db"
    endpoint.reset()
    bench(endpoint, store, "dspy.MIPROv2")
    arrived = endpoint.stats()["total"]
    (peer,) = read_results(store)
    with Reader(store) as reader:
        spending = reader.spent(peer.run_id)
        assert len(reader.cells(peer.run_id, split=Split.TEST)) in (SIZES[2], 2 * SIZES[2])
        assert reader.run(peer.run_id).optimizer == "dspy.MIPROv2"
        assert reader.run(peer.run_id).best_val == max(score for _, score in peer.curve)
    # The inspection asks the endpoint's own list, which is no call.
    assert arrived == sum(usage.calls for usage in spending.values())
    assert peer.lm_calls == arrived - spending[Role.TEST].calls
    assert CAP * 0.4 < peer.program_runs <= CAP

    _, said = run(asked(endpoint, "dspy.MIPROv2", "mipro"), store)
    assert "dspy.MIPROv2 · seed 0: is there already" in said
    results = {result.mark["optimizer"]: result for result in read_results(store)}
    assert set(results) == {"dspy.MIPROv2", "mipro"}
    assert results["mipro"].program_runs <= CAP
    assert results["mipro"].baseline == results["dspy.MIPROv2"].baseline  # same rows, same seed program

    endpoint.reset()
    assert run(asked(endpoint, "dspy.MIPROv2", "mipro"), store)[0] == 0
    assert endpoint.stats()["total"] == 0


def test_a_peer_beyond_the_cap_is_ended_and_scored_with_its_best(endpoint: LoopbackEndpoint, tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    run(asked(endpoint, "dspy.GEPA"), store)  # its own budget lets it overshoot
    (result,) = read_results(store)
    assert result.program_runs <= CAP
    with Reader(store) as reader:
        outcome = reader.outcome(result.run_id)
    assert outcome is not None
    assert outcome.best_val is not None and outcome.best_val["n"] == SIZES[1]
    assert result.capped == ("cap" in result.reason)


def test_a_killed_peer_is_begun_again_and_counted_once(endpoint: LoopbackEndpoint, tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    process = subprocess.Popen(command(endpoint, store, "dspy.COPRO"), cwd=ROOT, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not _is_running(store):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.2)
    process.kill()
    process.wait()
    (first,) = [run.id for run, _ in marks(store)]
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and first.encode() in _arguments(entry):
            os.kill(int(entry.name), signal.SIGKILL)
    give_up_waiting(store, first)
    _, said = run(asked(endpoint, "dspy.COPRO"), store)
    (result,) = read_results(store)
    assert result.run_id != first or "is there already" in said
    assert len(marks(store)) == 1


def test_a_run_whose_process_died_before_it_took_it_is_begun(
    endpoint: LoopbackEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "s.db"
    wanted = asked(endpoint, "dspy.COPRO")
    monkeypatch.setattr(runner, "_spawn", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(wanted, store)
    monkeypatch.undo()
    ((left, _),) = marks(store)
    assert left.status is Status.QUEUED
    assert run(wanted, store)[0] == 0
    ((done, _),) = marks(store)
    assert (done.id, done.status) == (left.id, Status.COMPLETED)


def test_a_halt_before_a_process_took_its_run_leaves_nothing_to_take(
    endpoint: LoopbackEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "s.db"
    wanted = asked(endpoint, "mipro")
    monkeypatch.setattr(runner, "_spawn", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(wanted, store)
    ((queued, _),) = marks(store)
    runner._let_go(next(wanted.entries()), store, queued, None)
    with Store(store) as opened:
        assert not opened.claim(queued.id, "late", 10.0)
    ((stopped, _),) = marks(store)
    assert stopped.status is Status.STOPPED


def test_a_cap_on_all_runs_together_ends_them_and_a_larger_one_goes_on(
    endpoint: LoopbackEndpoint, tmp_path: Path
) -> None:
    store, wanted = tmp_path / "s.db", asked(endpoint, "mipro", "dspy.COPRO")
    endpoint.reset()
    endpoint.control(latency_s=0.2)
    missing, said = run(wanted, store, 2, Cap(lm_calls=60))
    assert missing == 2
    spent = endpoint.stats()["total"]
    assert 60 <= spent < 300  # two runs to their ends make more
    assert "cap of 60 LM calls" in said
    assert {run.status for run, _ in marks(store)} <= {Status.PAUSED, Status.STOPPED}
    assert run(wanted, store, 2, Cap(lm_calls=60))[0] == 2
    assert endpoint.stats()["total"] == spent  # nothing more begins
    endpoint.control(latency_s=0.0)
    assert run(wanted, store, 2)[0] == 0
    assert all(run.status is Status.COMPLETED for run, _ in marks(store))
    assert endpoint.stats()["total"] > 300


def give_up_waiting(store: Path, run_id: str) -> None:
    """As if the half minute had passed after which a run without a sign of life is lost."""
    with sqlite3.connect(store) as database:
        database.execute("UPDATE runs SET lease_steady_s = 0 WHERE id = ?", [run_id])


def _is_running(store: Path) -> bool:
    try:
        return any(run.status is Status.RUNNING for run, _ in marks(store))
    except StudioError:  # the runner is just making it
        return False


def _arguments(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


def request(**more: object) -> Request:
    given = {
        "tasks": ("triage",),
        "optimizers": ("mipro", "dspy.SIMBA"),
        "seeds": (0, 1),
        "max_program_runs": 300,
        "task_model": {"model": "embedded"},
    }
    return Request(**{**given, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"tasks": ("nope",)}, "no task 'nope'"),
        ({"optimizers": ("dspy.Nope",)}, "no optimizer 'dspy.Nope'"),
        ({"sizes": (10, 0, 10)}, "three counts"),
        ({"max_program_runs": 100}, "two full evaluations"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_runs(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        request(**wrong)


def test_a_group_holds_what_may_be_compared() -> None:
    first, *others = [entry.group() for entry in request().entries()]
    assert len(others) == 3 and set(others) == {first}
    for other in ({"max_program_runs": 301}, {"sizes": (75, 75, 151)}, {"prompt_model": {"model": "openai/x"}}):
        assert next(request(**other).entries()).group() != first


def test_a_run_that_is_deleted_while_all_are_read_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, mark = tmp_path / "s.db", {"task": "triage"}
    with Store(path) as store:
        kept, gone = (
            store.create_run(
                name="a", optimizer="mipro", seed=0, config={}, plan={}, receipt={MARK: mark}, records=[]
            )
            for _ in range(2)
        )  # fmt: skip
        listed = Reader.list_runs

        def list_then_delete(reader: Reader, limit: int = 100, offset: int = 0) -> list[RunSummary]:
            runs = listed(reader, limit, offset)
            store.move(gone, Status.FAILED, "so that it may be deleted")
            store.delete_run(gone)
            return runs

        monkeypatch.setattr(Reader, "list_runs", list_then_delete)
        assert [(run.id, found) for run, found in marks(path)] == [(kept, mark)]


def test_all_seeds_read_the_same_rows(tmp_path: Path) -> None:
    paths = write_splits("triage", (20, 10, 15), tmp_path)
    before = {part: path.read_text() for part, path in paths.items()}
    assert [text.count("\n") for text in before.values()] == [20, 10, 15]
    assert write_splits("triage", (20, 10, 15), tmp_path) == paths
    entry = Entry(request(), "triage", "mipro", 1)
    assert entry.config(paths, ("message",))["data"]["val"] == str(paths["val"])


def test_other_rows_are_drawn_for_another_seed_of_rows_and_are_another_group(tmp_path: Path) -> None:
    paths = [write_splits("triage", (20, 10, 15), tmp_path, seed) for seed in (0, 1, 1)]
    first, second, again = ([part.read_text() for part in of_seed.values()] for of_seed in paths)
    assert first != second == again
    groups = {Entry(request(rows_seed=seed), "triage", "mipro", 0).group() for seed in (0, 1)}
    assert len(groups) == 2


def test_where_a_task_has_too_few_rows_of_a_part_it_is_split_as_the_sizes_ask(tmp_path: Path) -> None:
    paths = write_splits("triage", (60, 40, 100), tmp_path)
    assert [path.read_text().count("\n") for path in paths.values()] == [60, 40, 100]


@pytest.mark.parametrize("name", ["mipro", "bootstrap_rs", "bayesian_bootstrap"])
def test_a_samples_own_search_is_put_aside_and_the_trials_fill_the_cap(name: str, tmp_path: Path) -> None:
    paths = write_splits("triage", (60, 40, 40), tmp_path)
    values = Entry(request(sizes=(60, 40, 40)), "triage", name, 0).config(paths, ("message",))
    config = parse_config(inspect_request(values, tmp_path, call_models=False)["config"])
    plain = SearchSettings()
    assert (config.search.max_bootstrapped, config.search.max_labeled) == (4, 4)
    assert (config.search.instructions, config.search.lag) == (None, plain.lag)
    assert config.proposer.program_summary and config.proposer.dataset_summary
    cells = {"racing": plain.step, "minibatch": 35, "full": 40}[config.search.schedule]
    assert config.search.trials in (300 // cells, 300 // cells + 1)
