"""What every page of the menu owes, whatever it shows."""

from pathlib import Path

import pytest

from mipro_studio import ROOT
from mipro_studio.ui.page.frame import HOME, MENU
from tests.pages.open import open_page, texts

pytestmark = pytest.mark.timeout(240)
OF_RUN = [page.path for page in MENU if page.of_run]


def test_every_page_is_in_the_menu_once() -> None:
    assert sorted(page.path for page in MENU if page != HOME) == sorted(
        f"pages/{path.name}" for path in (ROOT / "pages").glob("*.py")
    )
    assert len({page.title for page in MENU}) == len(MENU)


@pytest.mark.parametrize("path", [page.path for page in MENU if not page.of_run])
def test_a_page_opens_on_an_empty_store(empty: Path, path: str) -> None:
    open_page(path)


@pytest.mark.parametrize("path", OF_RUN)
def test_a_page_about_a_run_leads_back_where_there_is_none(empty: Path, path: str) -> None:
    assert "No run is chosen here" in texts(open_page(path))
    assert "No run is chosen here" in texts(open_page(path, run="x"))


@pytest.mark.parametrize("path", OF_RUN)
def test_a_run_that_is_not_there_is_named(store: tuple[Path, dict[str, str]], path: str) -> None:
    assert "There is no run 'nobody'" in texts(open_page(path, run="nobody"))
