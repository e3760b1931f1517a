"""The benchmarks page with no store, with runs of no benchmark, and with measured ones."""

from pathlib import Path

import pytest

from mipro_studio.benchmarks.grid.marks import MARK
from mipro_studio.optimizer_core.types import Cell, CellKey, Event, Example, Outcome, Split, Status, Trial, TrialKind
from mipro_studio.storage import SqliteJournal, Store
from mipro_studio.ui.benchmarks import benchmark_view
from mipro_studio.ui.benchmarks.paper_table import COLUMNS, PAPER_ROWS
from tests.pages.open import open_page, texts

pytestmark = pytest.mark.timeout(400)
PAGE = "pages/benchmarks.py"


@pytest.fixture(autouse=True)
def _fresh() -> None:
    benchmark_view.read_groups.clear()


def one_run(
    store: Store, optimizer: str, scores: list[float], status: Status | None = Status.COMPLETED, lease_s: float = 60
) -> str:
    """A measured run as the benchmark leaves it; `status` None: it still works, or is lost once its lease is over."""
    mark = {
        "group": "g",
        "task": "triage",
        "optimizer": optimizer,
        "seed": 0,
        "max_program_runs": 300,
        "sizes": [40, 40, len(scores)],
        "task_model": "embedded",
        "prompt_model": "embedded",
    }
    examples = [Example(f"e{i}", Split.TEST, i, {"message": str(i)}, {"queue": "a"}) for i in range(len(scores))]
    run_id = store.create_run(
        name=optimizer, optimizer=optimizer, seed=0, config={}, plan={}, receipt={MARK: mark}, records=examples
    )
    assert store.claim(run_id, "w", lease_s)
    records = [Trial(0, 0, TrialKind.BASELINE, "i0d0", (), True, 0.25, 40, 0, 40)]
    for candidate, given in (("i0d0", [0.0] * len(scores)), ("i1d1", scores)):
        cells = [Cell(CellKey(candidate, Split.TEST, f"e{i}"), score) for i, score in enumerate(given)]
        records += cells  # type: ignore[arg-type]
    records += [Event("phase", {"phase": "test"}), Outcome("i1d1", "")]  # type: ignore[list-item]
    SqliteJournal(store, run_id, "w").commit(records)
    if status is not None:
        store.release(run_id, "w", status)
    return run_id


def test_an_empty_page_says_how_to_run_one_beside_the_papers_table(empty: Path) -> None:
    app = open_page(PAGE)
    said = texts(app)
    assert "Nothing has been measured on this machine yet" in said
    assert "python -m benchmarks run --tasks" in said
    table = app.dataframe[0].value
    assert list(table["Optimizer"]) == [name for _, name, _ in PAPER_ROWS]
    assert table.set_index("Optimizer").loc["MIPRO", "HotPotQA Cond."] == "23.3"
    assert not empty.exists()


def test_runs_of_no_benchmark_are_no_measurement(store: tuple[Path, dict[str, str]]) -> None:
    assert "Nothing has been measured on this machine yet" in texts(open_page(PAGE))


@pytest.mark.parametrize(
    ("status", "lease_s"), [(None, 60.0), (None, 0.001), (Status.AWAITING_REVIEW, 60.0), (Status.FAILED, 60.0)]
)
def test_only_a_finished_run_counts_as_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: Status | None, lease_s: float
) -> None:
    path = tmp_path / "studio.db"
    with Store(path) as store:
        one_run(store, "dspy.MIPROv2", [1.0, 1.0], status, lease_s)
        monkeypatch.setenv("MIPRO_STUDIO_STORE", str(path))
        assert "Nothing has been measured on this machine yet" in texts(open_page(PAGE))
        one_run(store, "mipro", [1.0, 0.0])
    app = open_page(PAGE)
    assert list(app.dataframe[0].value["Optimizer"]) == ["mipro"]
    assert ("No result: dspy.MIPROv2, seed 0." in texts(app)) is (status is Status.FAILED)


def test_measured_runs_stand_in_a_table_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "studio.db"
    with Store(path) as store:
        one_run(store, "mipro", [1.0, 1.0, 0.0, 1.0])
        one_run(store, "dspy.MIPROv2", [1.0, 0.0, 0.0, 0.0])
    monkeypatch.setenv("MIPRO_STUDIO_STORE", str(path))
    app = open_page(PAGE)
    assert "Measured on this machine" in texts(app)
    measured, runs, paper = (element.value for element in app.dataframe)
    assert list(measured["Optimizer"]) == ["mipro", "dspy.MIPROv2"]
    assert list(measured["Test"]) == ["0.75", "0.25"]
    assert list(measured["Test rows"]) == [4, 4]
    assert list(runs["Optimizer"]) == ["dspy.MIPROv2", "mipro"]
    assert tuple(paper.columns[2:]) == COLUMNS
