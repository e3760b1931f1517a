"""A run for something else than the score, as a person sees it: asked for, shown, compared, told, taken home."""

import json
from collections.abc import Iterator
from pathlib import Path

import dspy
import pytest

from mipro_studio.storage import Reader
from mipro_studio.ui.export.report import report_html
from tests.inside import shell
from tests.pages.open import open_page, texts
from tests.working import arguments, inside, last_object, write_rows

OBJECTIVE = "score - 0.001*prompt_tokens - 1*usd"


@pytest.fixture(scope="module")
def priced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """(store, run) of a run that was done."""
    folder = tmp_path_factory.mktemp("priced")
    store = folder / "studio.db"
    with inside() as endpoint:
        more = [
            "--objective",
            "score-.001*prompt_tokens-usd",
            "--price",
            "1/2",
            "--seed",
            "2",
            "--executor",
            "threads",
        ]
        done = shell(*arguments(write_rows(folder), endpoint.base_url, "--store", str(store), "--json", *more))
        assert done.returncode == 0, done.stdout + done.stderr
        yield store, str(last_object(done)["run_id"])


@pytest.fixture
def studio(priced: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """The run's id; pages open its store."""
    monkeypatch.setenv("MIPRO_STUDIO_STORE", str(priced[0]))
    return priced[1]


def test_show_names_the_objective_and_lists_the_front(priced: tuple[Path, str]) -> None:
    store, run = priced
    facts = last_object(shell("show", run, "--store", str(store), "--json"))
    assert facts["objective"] == OBJECTIVE == facts["objective_found"]["text"]
    front = facts["front"]
    assert front and {"usd", "seconds", "tokens", "prompt_tokens"} <= front[0].keys()
    for row in front:
        assert row["objective"] == pytest.approx(row["score"] - 0.001 * row["prompt_tokens"] - row["usd"])
    assert max(front, key=lambda row: row["score"])["score"] >= facts["best_val"]
    told = shell("show", run, "--store", str(store))
    assert f"{OBJECTIVE}: validation" in told.stdout
    assert len(front) < 2 or "best for what they take" in told.stdout


def test_any_candidate_of_the_front_can_be_taken_home(priced: tuple[Path, str], tmp_path: Path) -> None:
    store, run = priced
    facts = last_object(shell("show", run, "--store", str(store), "--json"))
    for row in facts["front"]:
        out = tmp_path / f"{row['candidate']}.json"
        done = shell("export", run, "--candidate", row["candidate"], "--out", str(out), "--store", str(store))
        assert done.returncode == 0, done.stderr
        saved = json.loads(out.read_text())
        assert all("signature" in part for name, part in saved.items() if name != "metadata")
    refused = shell("export", run, "--candidate", "nobody", "--out", str(out), "--store", str(store))
    assert refused.returncode == 2 and "has no candidate 'nobody'" in refused.stderr


def test_pages_show_the_score_and_the_objective_each_by_its_name(studio: str) -> None:
    live = open_page("pages/live.py", run=studio)
    assert f"The search maximized the objective {OBJECTIVE}: " in texts(live)
    compare = open_page("pages/compare.py", run=studio)
    assert "Quality against what it takes" in texts(compare)
    assert f"By the objective {OBJECTIVE}, " in texts(compare)
    table = next(one.value for one in compare.dataframe if "prompt tokens" in one.value.columns)
    assert {"candidate", "score", "objective", "cost", "seconds"} <= set(table.columns)


def test_the_report_names_the_objective(priced: tuple[Path, str]) -> None:
    with Reader(priced[0]) as reader:
        page = report_html(reader, priced[1])
        assert reader.config(priced[1])["objective"] == OBJECTIVE
    assert f"The search maximized the objective {OBJECTIVE}" in page


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--objective", "score - 0.1*latency"], "nothing called 'latency' is measured"),
        (["--objective", "cost"], "an objective begins with `score`"),
        (["--set", "objective=score, tokens <= few"], "'tokens <= few' is no limit"),
        (["--objective", "score - 10*usd"], "nobody knows the price of 'openai/task'"),
    ],
)
def test_an_objective_that_cannot_be_is_refused_before_anything_is_stored(
    given: list[str], says: str, tmp_path: Path
) -> None:
    store = tmp_path / "studio.db"
    with inside() as endpoint:
        done = shell(*arguments(write_rows(tmp_path), endpoint.base_url, "--store", str(store), *given))
    assert done.returncode == 2 and says in done.stderr
    assert not store.exists()
    assert dspy.settings.lm is None
