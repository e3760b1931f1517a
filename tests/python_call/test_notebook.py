"""A notebook, executed as Jupyter does it: everything is defined in its cells."""

import sys
from pathlib import Path
from typing import Any

import pytest

from mipro_studio import ROOT
from mipro_studio.storage import Reader
from tests.pages.open import open_page

nbclient = pytest.importorskip("nbclient", reason="notebooks are executed with nbclient (requirements-dev.txt)")
nbformat = pytest.importorskip("nbformat")

CELLS = [
    """
import sys
sys.path.insert(0, {root!r})
import dspy
from tests.python_call.scripted_lm import Sorter, rows, sorter
dspy.configure(lm=sorter(Sorter(delay_s=0.01)))
""",
    """
from mipro_studio import aoptimize, optimize

class Parity(dspy.Module):
    def __init__(self):
        super().__init__()
        self.sort = dspy.Predict("number: int -> parity")

    def forward(self, number):
        return self.sort(number=number)

def right(example, prediction, trace=None):
    return example.parity == prediction.parity
""",
    """
result = optimize(
    Parity(), trainset=rows(20), valset=rows(16, 100), testset=rows(10, 200), metric=right,
    max_program_runs=60, trials=6, threads=4,
)
""",
    "result",
    "print(result.program(number=44).parity, result.run_id)",
    "again = await aoptimize(result.program, trainset=rows(20), metric=right, max_program_runs=30, trials=2)",
    "dspy.configure(lm=sorter()); print(again.score)",
]


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[list[Any]], Path]:
    folder = tmp_path_factory.mktemp("notebook")
    cells = [nbformat.v4.new_code_cell(source.strip().replace("{root!r}", repr(str(ROOT)))) for source in CELLS]
    book = nbformat.v4.new_notebook(cells=cells)
    manager = nbclient.client.KernelManager(kernel_name="python3")
    manager.kernel_spec.argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    client = nbclient.NotebookClient(book, km=manager, timeout=120, resources={"metadata": {"path": str(folder)}})
    client.execute()
    return [cell.outputs for cell in book.cells], folder / ".mipro-studio" / "studio.db"


@pytest.mark.timeout(240)
def test_the_cell_shows_the_run_live_and_ends_with_what_it_came_to(executed: tuple[list[list[Any]], Path]) -> None:
    shown = [output for output in executed[0][2] if output.output_type == "display_data"]
    assert len(shown) == 1  # one view, replaced as the run goes on
    page, text = shown[0].data["text/html"], shown[0].data["text/plain"]
    assert "Finished" in page
    assert "<svg" in page
    assert "<script" not in page
    assert "Finished" in text
    assert "100 %" in text


def test_the_result_is_shown_with_its_evidence(executed: tuple[list[list[Any]], Path]) -> None:
    (output,) = executed[0][3]
    page, text = output.data["text/html"], output.data["text/plain"]
    assert "sealed test: 0.50 -&gt; 1.00" in page
    assert "sealed test: 0.50 -> 1.00" in text
    assert "<details>" in page


def test_the_optimized_module_answers_and_the_run_opens_in_the_app(
    executed: tuple[list[list[Any]], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs, store = executed
    parity, run_id = outputs[4][0].text.split()
    assert parity == "even"
    with Reader(store) as reader:
        assert [run.status.value for run in reader.list_runs()] == ["completed", "completed"]
        told = "".join(str(call.request) for call in reader.prompt_calls(run_id))
    # The proposer is shown the source of a class of a cell.
    assert "def forward(self, number)" in told.replace("\\n", "\n")
    monkeypatch.setenv("MIPRO_STUDIO_STORE", str(store))
    app = open_page("pages/live.py", run=run_id)
    assert any("Finished" in str(badge.value) for badge in app.markdown)


def test_awaiting_in_a_cell_works_and_dspy_may_be_configured_afterwards(
    executed: tuple[list[list[Any]], Path],
) -> None:
    assert executed[0][6][0].text.strip() == "1.0"
