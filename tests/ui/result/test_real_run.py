"""The run behind the README's pictures: a real one, which opens in any studio and says what it came to."""

from pathlib import Path

from mipro_studio import ROOT
from mipro_studio.control import take_home
from mipro_studio.storage import Reader
from mipro_studio.ui.arms.candidate_names import names_of
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
