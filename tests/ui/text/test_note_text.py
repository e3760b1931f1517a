"""Notes as Markdown: what a person writes looks as meant, and what a stranger writes does nothing."""

import pytest

from mipro_studio.ui.text.note_text import note_html
from tests.ui.factory import HOSTILE


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("**Keep** it", "<strong>Keep</strong> it"),
        ("- one\n- two", "<li>one</li>"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "<td>1</td>"),
        ("`x < 1`", "<code>x &lt; 1</code>"),
        ("[paper](https://example.com/a)", 'href="https://example.com/a" target="_blank" rel="noopener noreferrer"'),
    ],
)
def test_markdown_is_rendered(written: str, shown: str) -> None:
    assert shown in note_html(written)


@pytest.mark.parametrize(
    "written",
    [
        HOSTILE,
        "![x](http://example.com/x.png)",
        "![x][far]\n\n[far]: http://example.com/x.png",
        "<img src=http://example.com/x.png>",
        "<style>@import 'http://example.com/x.css'</style>",
        "[x](javascript:alert(1)) [y](data:text/html,<script>alert(1)</script>) <javascript:alert(1)>",
    ],
)
def test_nothing_is_fetched_and_nothing_runs(written: str) -> None:
    html = note_html(written)
    assert not [tag for tag in ("<img", "<script", "<style", 'href="javascript:', 'href="data:', "\0") if tag in html]


def test_a_megabyte_is_cut_with_a_count() -> None:
    html = note_html("word " * 200_000)
    assert len(html) < 25_000
    assert "more characters" in html
