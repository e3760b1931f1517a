"""The run behind the README's pictures: a real one, which opens in any studio and says what it came to."""

from dataclasses import replace
from pathlib import Path

from mipro_studio import ROOT
from mipro_studio.control import take_home
from mipro_studio.optimizer_core.evaluation.attempts import best_attempts
from mipro_studio.optimizer_core.types import TEACHER, EventKind, Split
from mipro_studio.storage import Reader
from mipro_studio.ui.arms.candidate_names import names_of
from mipro_studio.ui.arms.trace_view import fates
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
        "28 % to 62 % on 65 examples that the search never saw: better on 41, worse on 3, 3.7 times the tokens."
    )
    assert b"/root/" not in RUN.read_bytes() and b"/work/" not in RUN.read_bytes()


def test_a_row_that_the_leader_solved_is_not_said_to_have_failed(tmp_path: Path) -> None:
    store = tmp_path / "studio.db"
    with helpers_inside():
        run = take_home.open_replay(store, RUN)
    with Reader(store) as reader:
        cells, event = (
            best_attempts(reader.cells(run, TEACHER, Split.TRAIN)),
            reader.latest_event(run, EventKind.TRACES),
        )
        rows = {row.id: row for row in reader.examples(run, Split.TRAIN)}
    assert event is not None
    spare = next(fate.row for fate in fates(cells, event, rows, 1.0) if fate.solved and not fate.kept)
    failed = {"score": 0.0, "reason": "score 0 is below the threshold 1"}  # when the sets were built
    told = [{**one, **failed} if one["example"] == spare else one for one in event.data["traces"]]
    earlier = replace(event, data={**event.data, "traces": told})
    assert next(fate for fate in fates(cells, earlier, rows, 1.0) if fate.row == spare).reason == (
        "solved during the search"
    )
