"""`mipro_studio.optimize` with objects of this process."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dspy
import pytest
from pydantic import BaseModel

import mipro_studio
from mipro_studio import optimize, worker
from mipro_studio.control import launcher, take_home
from mipro_studio.optimizer_core.errors import BadInput, IllegalMove, RunFailed, RunPaused
from mipro_studio.optimizer_core.types import Candidate, Status
from mipro_studio.storage import Reader
from tests.inside import _NoMirror, helpers_inside
from tests.python_call.scripted_lm import Sorter, rows, sorter

SMALL: dict[str, Any] = {"max_program_runs": 60, "trials": 6, "display": "none", "threads": 4}


class Parity(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.sort = dspy.Predict("number: int -> parity")
        self.lock = threading.Lock()  # nothing that could be pickled

    def forward(self, number: int) -> dspy.Prediction:
        assert isinstance(number, int)
        with self.lock:
            pass
        return self.sort(number=number)


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(worker, "Mirror", _NoMirror)
    yield


def right(example: dspy.Example, prediction: dspy.Prediction, trace: Any = None) -> bool:
    return bool(example.parity == prediction.parity)


def test_a_live_module_is_optimized_with_the_model_that_dspy_is_configured_with(tmp_path: Path) -> None:
    engine, program = Sorter(), Parity()
    with dspy.context(lm=sorter(engine)):
        test = rows(10, 200)
        found = optimize(program, trainset=rows(20), valset=rows(16, 100), testset=test, metric=right, **SMALL)
        asked = engine.asked
        evaluate = dspy.Evaluate(devset=test, metric=right, num_threads=1)
        assert (evaluate(program).score, evaluate(found.program).score) == (50.0, 100.0)  # as plain DSPy says
    assert asked > 50
    assert (found.outcome.baseline_test or {})["mean"] == 0.5
    assert found.score == 1.0
    assert found.improved
    assert program.sort.demos == []
    assert found.program.lock is program.lock  # type: ignore[attr-defined]
    with Reader(found.store) as reader:
        assert reader.run(found.run_id).status is Status.COMPLETED
        assert reader.run(found.run_id).name == "Parity"
    answered = [row for row in found.examples("test") if row["winner"]["score"] == 1.0]
    assert len(answered) == 10
    assert answered[0]["winner"]["prediction"] == {"parity": answered[0]["labels"]["parity"]}


def test_the_saved_program_is_loaded_by_plain_dspy_and_the_report_is_a_page(tmp_path: Path) -> None:
    with dspy.context(lm=sorter()):
        found = optimize(Parity(), trainset=rows(30), metric=right, **SMALL)
        found.save("better.json")
        again = Parity()
        again.load("better.json")
        assert again(number=38).parity == "even"
    assert "<svg" in found.report("report.html").read_text()
    assert "<progress" not in found._repr_html_()
    assert "validation: 0." in repr(found)


def test_the_run_opens_while_it_works_and_stops_from_elsewhere(tmp_path: Path) -> None:
    seen: list[str] = []

    def metric(example: Any, prediction: Any, trace: Any = None) -> bool:
        store = tmp_path / ".mipro-studio" / "studio.db"
        if store.exists() and not seen:
            with Reader(store) as reader:
                seen.extend(run.id for run in reader.list_runs() if run.status is Status.RUNNING)
            if seen:
                launcher.stop(store, seen[0])
        time.sleep(0.1 if seen else 0.0)  # the worker hears of it once a second
        return right(example, prediction)

    with dspy.context(lm=sorter(Sorter(delay_s=0.02))):
        found = optimize(Parity(), trainset=rows(40), metric=metric, **{**SMALL, "max_program_runs": 2000})
    assert set(seen) == {found.run_id}
    assert found.status is Status.STOPPED


def test_it_can_be_awaited(tmp_path: Path) -> None:
    async def main() -> tuple[Any, int]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0.01)

        beside = asyncio.create_task(tick())
        with dspy.context(lm=sorter()):
            found = await mipro_studio.aoptimize(Parity(), trainset=rows(30), metric=right, **SMALL)
        beside.cancel()
        return found, ticks

    found, ticks = asyncio.run(main())
    assert found.score is not None
    assert ticks > 5


def test_another_process_is_told_where_the_program_is(tmp_path: Path) -> None:
    with dspy.context(lm=sorter()):
        found = optimize(Parity(), trainset=rows(20), metric=right, **SMALL)
    with helpers_inside(), pytest.raises(BadInput, match=r"object of the Python process .* result.save"):
        take_home.export(found.store, found.run_id, tmp_path / "out.json")
    with pytest.raises(IllegalMove, match=r"resume='"):
        launcher.resume(found.store, found.run_id, trials=100)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"program": 3}, "not a dspy.Module"),
        ({"metric": 3}, "cannot be called"),
        ({"program": Parity}, "The program is the class Parity, not a dspy.Module. Give an instance"),
        ({"trainset": []}, "^'trainset' has no rows"),
        ({"trainset": ["a", "b"]}, "^'trainset': row 1 is a str"),
        ({"trainset": 3}, "^'trainset' is a int and no rows"),
        ({"optimizer": "mirpo"}, "mirpo"),
        ({"max_runs": 3}, "no option 'max_runs'"),
        ({"display": "loud"}, "no display 'loud'"),
        ({"prompt_model": 3}, "no model"),
        ({"store": "."}, "store"),
    ],
)
def test_what_cannot_work_is_said_in_one_sentence(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    given = {"program": Parity(), "trainset": rows(20), "metric": right, **SMALL, **change}
    with dspy.context(lm=sorter()), pytest.raises(mipro_studio.StudioError, match=said):
        optimize(given.pop("program"), **given)


def test_without_a_model_nothing_is_created(tmp_path: Path) -> None:
    with dspy.context(lm=None), pytest.raises(BadInput, match=r"dspy\.configure"):
        optimize(Parity(), trainset=rows(20), metric=right, **SMALL)
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_a_winner_is_an_error_that_names_it(tmp_path: Path) -> None:
    class Broken(Parity):
        def forward(self, number: int) -> dspy.Prediction:
            raise ValueError("no luck")

    with dspy.context(lm=sorter()), pytest.raises(BadInput, match="no luck"):
        optimize(Broken(), trainset=rows(20), metric=right, **SMALL)
    said = r"Run (\d{8}-\S+) has no winner \(paused\).*resume='\1'\), despite_errors=True as it is\."
    with dspy.context(lm=sorter()), pytest.raises(RunPaused, match=said) as stands:
        optimize(Broken(), trainset=rows(20), metric=right, start_anyway=True, **SMALL)
    run = str(stands.value).split()[1]
    with dspy.context(lm=sorter()), pytest.raises(RunFailed, match=f"Run {run} has no winner.*Nothing was scored"):
        optimize(Broken(), trainset=rows(20), metric=right, resume=run, despite_errors=True)


def test_a_completed_run_goes_on_to_say_what_each_part_brings(tmp_path: Path) -> None:
    with dspy.context(lm=sorter()):
        found = optimize(Parity(), trainset=rows(20), metric=right, **SMALL)
        winner = Candidate.parse(str(found.outcome.winner))
        with pytest.raises(BadInput, match=r"with ablate=True what each part brings"):
            optimize(Parity(), trainset=rows(20), metric=right, resume=found.run_id)
        with pytest.raises(BadInput, match="Name a completed run with resume="):
            optimize(Parity(), trainset=rows(20), metric=right, ablate=True)
        asked = optimize(Parity(), trainset=rows(20), metric=right, resume=found.run_id, ablate=True)
    assert len(winner.arms) >= 2
    assert {part["without"] for part in asked.facts["parts"]} == {one.id for one in winner.without_each().values()}
    assert all(part["paired"] is not None for part in asked.facts["parts"])
    assert (asked.outcome, asked.status) == (found.outcome, found.status)


def test_the_callers_process_is_left_as_it_was(tmp_path: Path) -> None:
    settings: Any = sys.modules[type(dspy.settings).__module__]
    before = (list(sys.path), Path.cwd(), settings.config_owner_thread_id, dict(settings.main_thread_config))
    threads = {thread.name for thread in threading.enumerate()}
    with dspy.context(lm=sorter()):
        optimize(Parity(), trainset=rows(20), metric=right, **SMALL)
    assert (list(sys.path), Path.cwd(), settings.config_owner_thread_id, dict(settings.main_thread_config)) == before
    assert not [name for name in sys.modules if name.startswith("live_")]
    for thread in threading.enumerate():
        if thread.name.startswith("pool-") and thread.name not in threads:
            thread.join(150)
            assert not thread.is_alive()


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, mipro_studio; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=mipro_studio.ROOT
    )
    assert not {"dspy", "numpy", "pydantic", "sqlite3", "mipro_studio.python_call"} & set(done.stdout.split())


def test_a_run_that_stood_still_goes_on_with_the_objects_given_again(tmp_path: Path) -> None:
    store = tmp_path / "studio.db"

    def pausing(example: Any, prediction: Any, trace: Any = None) -> bool:
        if store.exists():
            with Reader(store) as reader:
                working = [run.id for run in reader.list_runs() if run.status is Status.RUNNING and run.cells_ok > 20]
            if working and not paused:
                paused.append(working[0])
                launcher.pause(store, working[0])
        time.sleep(0.1 if paused else 0.0)  # the worker hears of it once a second
        return right(example, prediction)

    paused: list[str] = []
    given = {"trainset": rows(40), "store": store, **SMALL, "max_program_runs": 400}
    with dspy.context(lm=sorter(Sorter(delay_s=0.02))):
        with pytest.raises(RunPaused, match="resume='"):
            optimize(Parity(), metric=pausing, **given)
        with Reader(store) as reader:
            before = reader.run(paused[0]).cells_ok
        engine = Sorter()
        found = optimize(Parity(), metric=right, resume=paused[0], task_model=sorter(engine), **given)
    assert found.run_id == paused[0]
    assert found.facts["cells"]["ok"] <= before + engine.asked  # nothing that was answered is asked again
    assert found.score == 1.0


def test_roles_take_models_of_this_process_and_the_receipt_names_them(tmp_path: Path) -> None:
    task, prompt = Sorter(), Sorter()
    models = {"task_model": sorter(task), "prompt_model": dspy.LM("openai/writer", engine=prompt, cache=False)}
    found = optimize(Parity(), trainset=rows(30), metric=right, **models, **SMALL)
    assert prompt.asked > 0
    assert prompt.asked < 30 < task.asked
    with Reader(found.store) as reader:
        used = {row["setting"]: row["effective"] for row in reader.receipt(found.run_id)["settings"]}
    assert (used["task_model"], used["prompt_model"]) == ("openai/sorter", "openai/writer")


def test_a_key_that_a_model_holds_reaches_no_file(tmp_path: Path) -> None:
    class Leaky(Sorter):
        api_key = "sk-very-secret-123"

        def complete(self, request: Any) -> Any:
            raise ValueError("the server says: bad key sk-very-secret-123")

    lm = sorter(Leaky())
    with pytest.raises(mipro_studio.StudioError) as raised:
        optimize(Parity(), trainset=rows(20), metric=right, task_model=lm, start_anyway=True, **SMALL)
    assert "sk-very-secret" not in str(raised.value)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"sk-very-secret" in path.read_bytes()]


def test_a_program_by_name_works_with_the_configured_model(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text('import dspy\n\nprogram = dspy.Predict("number: int -> parity")\n')
    path = list(sys.path)
    engine = Sorter()
    with dspy.context(lm=sorter(engine)):
        found = optimize("mine.py", trainset=rows(30), metric=right, **SMALL)
    assert found.score == 1.0
    assert engine.asked > 30
    assert sys.path == path


def test_rows_hold_any_objects_and_programs_and_metrics_see_the_same(tmp_path: Path) -> None:
    class Record(BaseModel):
        parity: str

    class Judge:
        def __init__(self, parity: str) -> None:
            self.parity, self.lock = parity, threading.Lock()

    golds = [Judge(row.parity) for row in rows(20)]
    examples = [
        dspy.Example(number=row.number, judge=gold, record=Record(parity=row.parity), plain={"a": (1, 2.0)})
        for row, gold in zip(rows(20), golds, strict=True)
    ]
    seen: list[dspy.Example] = []

    def metric(example: dspy.Example, prediction: dspy.Prediction, trace: Any = None) -> bool:
        seen.append(example)
        assert isinstance(example.record, Record)
        assert example.plain == {"a": (1, 2.0)}
        return bool(example.judge.parity == example.record.parity == prediction.parity)

    with dspy.context(lm=sorter()):
        given = [example.with_inputs("number") for example in examples]
        found = optimize(Parity(), trainset=given, metric=metric, **{**SMALL, "max_program_runs": 30})
    assert {id(example.judge) for example in seen} <= {id(gold) for gold in golds}
    assert found.facts["cells"]["error"] == 0
    assert "Judge" in str(found.examples()[0]["labels"]["judge"])  # elsewhere it is shown


def test_the_worker_beside_a_run_prints_nothing_of_its_own(tmp_path: Path) -> None:
    code = """
import dspy
from mipro_studio import optimize
from tests.python_call.scripted_lm import rows, sorter
dspy.configure(lm=sorter())
program = dspy.Predict("number: int -> parity")
metric = lambda example, prediction, trace=None: example.parity == prediction.parity
optimize(program, trainset=rows(10), metric=metric, display="none", max_program_runs=30, trials=3)
"""
    path = {**os.environ, "PYTHONPATH": str(mipro_studio.ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=path, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
