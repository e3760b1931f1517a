"""axe-core finds nothing wrong on any page, light and dark."""

from pathlib import Path

import pytest

from tests.ui.axe import SCRIPT, violations
from tests.ui.browser import chromium, serve, visit
from tests.ui.factory import fill

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not SCRIPT.exists(), reason="npm install --no-save axe-core@4.14.1"),
]
OF_RUN = {
    "live": "finished", "instructions": "review", "traces": "finished", "compare": "finished", "export": "finished",
    "replay": "finished", "settings": "finished",
}  # fmt: skip
PLAIN = {"": "Runs", "new_run?sample=triage": "New run", "lab": "Proposer lab", "benchmarks": "Benchmarks"}
SETTLE_MS = 2600


def test_every_page_is_clean_in_light_and_dark(tmp_path: Path) -> None:
    store = tmp_path / "studio.db"
    ids = fill(store, ["finished", "review"])
    names = {"finished": "triage, embedded model", "review": "triage, with review"}
    places = dict(PLAIN) | {f"{page}?run={ids[kind]}": names[kind] for page, kind in OF_RUN.items()}
    found: dict[str, list[str]] = {}
    with serve(store) as url, chromium() as browser:
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport={"width": 1440, "height": 900}, color_scheme=scheme)
            for path, heading in places.items():
                visit(page, f"{url}/{path}", heading)
                page.wait_for_timeout(SETTLE_MS)
                found[f"{scheme} {path}"] = violations(page)
            page.close()
    assert not any(found.values()), {place: said for place, said in found.items() if said}
