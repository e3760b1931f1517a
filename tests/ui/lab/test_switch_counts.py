"""Counting the proposer's switches: each trial once, with its own cells, and no winner where intervals meet."""

from pathlib import Path

from mipro_studio.storage import Reader
from mipro_studio.ui.lab.switch_counts import ahead, switch_counts
from tests.ui.lab_factory import switch_search


def test_each_trial_counts_once_with_its_own_mean(tmp_path: Path) -> None:
    run = switch_search(tmp_path / "studio.db")
    run.close()
    with Reader(tmp_path / "studio.db") as reader:
        found = switch_counts(list(reader.instructions(run.id)), reader.trials(run.id))
    rows = {(row.switch, row.setting): row for row in found}
    assert (rows["dataset summary", "on"].trials, rows["dataset summary", "off"].trials) == (3, 3)
    assert abs(rows["dataset summary", "on"].mean - 0.75) < 1e-9
    assert rows["dataset summary", "on"].cells == 75
    assert rows["temperature", "up to 0.6"].trials == 2
    assert rows["temperature", "up to 0.6"].low is None
    assert rows["tip", "high stakes"].trials == 6
    said = ahead(found)
    assert any("dataset summary: on leads after 3 trials; its interval stands apart" in text for text in said)
    assert any("temperature: over 1.0 leads" in text and "too few trials" in text for text in said)
    assert not [text for text in said if text.startswith("tip")]
