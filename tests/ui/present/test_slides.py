"""The slides of a run: the report's numbers, in every state, with nothing foreign that acts."""

import html
import re
from pathlib import Path

import pytest

from mipro_studio.storage import Reader
from mipro_studio.ui.arms.candidate_names import names_of
from mipro_studio.ui.present.slides import SLIDES, presentation_html, slide_facts, slide_html
from mipro_studio.ui.result.evidence import evidence_of
from mipro_studio.ui.result.headline import headline
from mipro_studio.ui.text.format import clean

Filled = tuple[Path, dict[str, str]]


def said(page: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", " ", page))


@pytest.mark.parametrize("kind", ["finished", "nogain", "running", "queued", "failed", "review", "stopped"])
def test_every_slide_of_a_run_in_any_state_is_drawn(filled: Filled, kind: str) -> None:
    with Reader(filled[0]) as reader:
        facts = slide_facts(reader, filled[1][kind])
        run = filled[1][kind]
        found = evidence_of(reader, run, reader.trials(run), reader.outcome(run))
        sentence = headline(found, names_of(reader, run).of(found.best))
    slides = {name: slide_html(facts, name) for name in SLIDES}
    assert all("<section" in slide and facts["run"]["id"] for slide in slides.values())
    assert clean(sentence) in said(slides["result"])
    assert len(facts["sides"]) == (0 if found.val.before is None else 1 if found.best is None else 2)


def test_a_finished_run_shows_both_figures_and_what_changed(filled: Filled) -> None:
    with Reader(filled[0]) as reader:
        facts = slide_facts(reader, filled[1]["finished"])
    first = said(slide_html(facts, "result"))
    before, after = (side["figure"] for side in facts["sides"])
    assert f"{before} to {after} on " in first and first.count(after) == 2, "in the sentence and large"
    assert "Before" in slide_html(facts, "changed") and "worked example" in slide_html(facts, "changed")
    assert facts["mattered"] in said(slide_html(facts, "mattered"))
    assert "the same on the sealed test" in said(slide_html(facts, "examples"))
    assert "Task model" in slide_html(facts, "cost")


def test_the_file_holds_every_slide_and_nothing_that_runs_or_is_fetched(filled: Filled) -> None:
    with Reader(filled[0]) as reader:
        page = presentation_html(reader, filled[1]["hostile"])
    assert [page.count(f'id="{name}"') for name in SLIDES] == [1] * len(SLIDES)
    assert "default-src 'none'" in page and "break-after: page" in page
    assert "<script" not in page and "<img" not in page and "http://" not in page
    assert "&lt;script&gt;" in page
