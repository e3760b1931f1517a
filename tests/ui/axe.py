"""axe-core in the browser tests' Chromium: what it finds wrong on a page.

The script comes from npm (`npm install --no-save axe-core@4.14.1` in the project, or `AXE_CORE` names the file).
"""

import os
from pathlib import Path

from playwright.sync_api import Page

from tests.ui.browser import ROOT

__all__ = ["SCRIPT", "violations"]

SCRIPT = Path(os.environ.get("AXE_CORE", ROOT / "node_modules" / "axe-core" / "axe.min.js"))
_FOUND = """async () => {
  const found = await axe.run(document, {resultTypes: ["violations"]});
  const field = ".stMultiSelect, .stSelectbox, .stTextInput, .stTextArea, .stNumberInput";
  const off = (node) => document.querySelector(node.target[0])?.closest(field)?.querySelector("[disabled]");
  return found.violations
    .map((one) => [one.id, one.nodes.filter((node) => !(one.id === "color-contrast" && off(node)))])
    .filter(([, nodes]) => nodes.length)
    .map(([id, nodes]) => id + ": " + nodes.map((node) => node.target.join(" ")).join(" | "));
}"""


def violations(page: Page) -> list[str]:
    """Rule and elements of each violation, as `color-contrast: .a | .b`; empty for a clean page.

    The contrast of a control that is off is left out: WCAG asks none of it, and axe does not know Streamlit's labels.
    """
    page.evaluate(SCRIPT.read_text(encoding="utf-8"))
    found: list[str] = page.evaluate(_FOUND)
    return found
