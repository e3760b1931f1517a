"""What a run in the store learned: a real run, of the sample `triage`, out of its replay file."""

import json
from pathlib import Path

import pytest

from mipro_studio.commands.earlier_runs import learned_by, with_earlier_run
from mipro_studio.control import take_home
from mipro_studio.optimizer_core.analysis.learned import WON, check_carried
from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.parameters.arm_features import WORTH
from tests.optimizer_core.builders import ROOT


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    store = tmp_path_factory.mktemp("earlier") / "studio.db"
    return store, take_home.open_replay(store, ROOT / "docs" / "runs" / "triage.mipro")


def test_its_arms_come_with_their_worth_and_the_winners_are_known(run: tuple[Path, str]) -> None:
    told = learned_by(*run)
    check_carried(json.dumps(told), told["predictors"])
    won = [row for row in told["arms"] if row[WON]]
    assert won and all(row in told["arms"][: len(won)] for row in won)
    assert max(row[WORTH] for row in won) > 0


def test_a_run_is_named_or_a_file(run: tuple[Path, str], tmp_path: Path) -> None:
    store, run_id = run
    told = with_earlier_run({"carry_from": run_id}, store)
    assert json.loads(told["carried"]) == learned_by(store, run_id)
    file = tmp_path / "learned.json"
    file.write_text("{}")
    assert with_earlier_run({"carry_from": str(file)}, store) == {"carry_from": str(file)}
    assert with_earlier_run({"seed": 1}, store) == {"seed": 1}
    with pytest.raises(StudioError):
        with_earlier_run({"carry_from": "no-such-run"}, store)
