"""The run behind the README's pictures: a real one, which opens in any studio and says what it came to."""

from pathlib import Path

from mipro_studio import ROOT
from mipro_studio.control import take_home
from mipro_studio.optimizer_core.types import TEACHER, Split
from mipro_studio.storage import Reader
from mipro_studio.ui.arms.candidate_names import names_of
from mipro_studio.ui.arms.trace_view import Seen
from mipro_studio.ui.result.evidence import evidence_of
from mipro_studio.ui.result.headline import headline
from tests.inside import helpers_inside

RUN = ROOT / "docs" / "runs" / "triage.mipro"


def test_the_committed_run_opens_and_has_its_headline(tmp_path: Path) -> None:
    store = tmp_path / "studio.db"
    with helpers_inside():
        run = take_home.open_replay(store, RUN)
    with Reader(store) as reader:
        found = evidence_of(reader, run, reader.trials(run), reader.outcome(run))
        said = headline(found, names_of(reader, run).of(found.best))
    assert said == (
        "27 % to 57 % on 65 examples that the search never saw: better on 34, worse on 9, 4.7 times the tokens."
    )
    assert b"/root/" not in RUN.read_bytes() and b"/work/" not in RUN.read_bytes()


def test_a_row_that_the_leader_solved_is_not_said_to_have_failed(tmp_path: Path) -> None:
    store = tmp_path / "studio.db"
    with helpers_inside():
        run = take_home.open_replay(store, RUN)
    with Reader(store) as reader:
        seen = Seen.read(reader, run, reader.cells(run, TEACHER, Split.TRAIN), 1.0)
    late = [fate for fate in seen.fates if fate.solved and not fate.kept]
    assert late and {fate.reason for fate in late} == {"solved during the search"}
