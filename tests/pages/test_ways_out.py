"""Where something cannot be done, the page names what can: a replay, an upload without its neighbours."""

from pathlib import Path

import pytest

from mipro_studio import ROOT
from mipro_studio.control import take_home
from mipro_studio.storage import Reader
from mipro_studio.ui.page import uploads
from tests.inside import helpers_inside
from tests.pages.open import open_page, texts
from tests.programs import desk
from tests.working import write_rows

pytestmark = pytest.mark.timeout(400)
REPLAY = ROOT / "docs" / "runs" / "triage.mipro"
PLACES = ("live", "instructions", "traces", "compare", "present", "export", "replay", "settings")
NOT_FOR_A_REPLAY = ("Resume it", "More trials", "more trials", "Rerun it", "Resume to go on", "Ask for more")
BUTTONS = ("live_resume", "live_more_go", "live_pause", "live_stop", "review_edit_save", "tr_make", "queue_approve")


def test_no_page_of_a_replay_advises_or_offers_what_a_replay_cannot_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "studio.db"
    with helpers_inside():
        run = take_home.open_replay(store, REPLAY)
    monkeypatch.setenv("MIPRO_STUDIO_STORE", str(store))
    with Reader(store) as reader:
        assert reader.run(run).origin
        arm = next(arm for arm in reader.instructions(run) if arm.index)
    for place in PLACES:
        app = open_page(f"pages/{place}.py", run=run, **({"arm": str(arm.index)} if place == "instructions" else {}))
        said = texts(app)
        assert not [words for words in NOT_FOR_A_REPLAY if words in said], place
        assert not {button.key for button in app.button} & {*BUTTONS}, place


def test_an_uploaded_program_whose_neighbour_is_not_here_is_told_what_to_do_instead(
    empty: Path, tmp_path: Path
) -> None:
    program = Path(desk.__file__).read_text().replace("import dspy", "import dspy\nimport rules_of_the_desk", 1)
    kept = uploads.keep_program("desk.py", program.encode())
    app = open_page("pages/new_run.py")
    app.segmented_control(key="nr_program_kind").set_value("Upload").run()
    app.session_state["nr_program_upload"] = str(kept)
    app.segmented_control(key="nr_data_kind").set_value("One file").run()
    app.text_input(key="nr_data_data").input(str(write_rows(tmp_path))).run()
    with helpers_inside():
        app.button(key="nr_check").click().run()
    assert not app.exception
    said = texts(app)
    assert "rules_of_the_desk" in said and "Name its path under My own instead" in said
    assert app.button(key="nr_start").disabled
