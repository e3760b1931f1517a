"""The strategies of a run beside each other, on the compare page."""

from pathlib import Path

import pytest

from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.types import Candidate, Status, TrialKind
from mipro_studio.storage import Reader
from mipro_studio.ui.arms.candidate_names import names_of
from mipro_studio.ui.compare.strategies_panel import strategy_rows, trained_for
from mipro_studio.ui.text.format import UNKNOWN
from tests.pages.open import open_page, texts
from tests.ui.compare.together import MEANS, TUNINGS, steps, together
from tests.ui.factory import LiveRun


def test_a_strategy_s_training_is_that_of_all_its_steps_and_of_no_other_strategy() -> None:
    trained = {name: [one.number for one in trained_for(name, TUNINGS)] for name in MEANS}
    assert trained == {"vanilla": [], "Π": [], "Π→Θ": [1], "Π→Θ→Π": [1], "Θ": [2], "Θ→Θ": [2, 3]}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, str]:
    store = tmp_path / "studio.db"
    monkeypatch.setenv("MIPRO_STUDIO_STORE", str(store))
    return store, together(store)


def test_quality_stands_beside_what_it_took(run: tuple[Path, str]) -> None:
    with Reader(run[0]) as reader:
        rows = strategy_rows(steps(), TUNINGS, {"i0d0-i0d0": 120.0}, names_of(reader, run[1]))
    by_name = {row["strategy"]: row for row in rows}
    assert list(by_name) == list(MEANS)
    assert by_name["vanilla"]["difference"] == by_name["vanilla"]["won, lost, tied"] == UNKNOWN
    assert by_name["vanilla"]["prompt tokens"] == "120"
    assert by_name["Π→Θ→Π"]["sealed test"].startswith("0.80 (")
    assert by_name["Π→Θ→Π"]["difference"].startswith("+0.60 (")
    assert (by_name["Θ→Θ"]["rows trained on"], by_name["Θ→Θ"]["training"]) == ("30", "1 m 20 s")
    assert by_name["Θ→Θ"]["training cost"] == "$0.50"


def test_the_compare_page_shows_strategies_and_the_paper_s_table_apart(run: tuple[Path, str]) -> None:
    app = open_page("pages/compare.py", run=run[1])
    assert "Strategies" in texts(app)
    shown = app.dataframe[0].value
    assert list(shown["strategy"]) == list(MEANS)
    (apart,) = (one for one in app.expander if "Table 1" in one.label)
    assert "never a number with those above" in apart.text[0].value
    assert "37.6" in apart.table[0].value.to_string()


def test_a_run_without_steps_has_no_such_panel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live = LiveRun(tmp_path / "studio.db", "plain", age_s=60, config=RunConfig(program="sample:triage"))
    live.begin()
    live.baseline()
    live.evaluate(TrialKind.FULL, Candidate.parse("i0d1-i0d0"))
    live.write(live.outcome("best"))
    live.end(Status.COMPLETED)
    live.close()
    monkeypatch.setenv("MIPRO_STUDIO_STORE", str(tmp_path / "studio.db"))
    assert "Strategies" not in texts(open_page("pages/compare.py", run=live.id))
