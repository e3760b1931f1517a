"""Pages and what they share stay light and short, and know nothing of the machinery behind the store."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "app.py", *sorted((ROOT / "pages").glob("*.py"))]
SHARED = sorted((ROOT / "ui").glob("*.py"))
HEAVY = {"dspy", "optuna", "sklearn", "scipy", "torch", "litellm", "xllamacpp"}
LIGHT = {f"optimizer_core.{name}" for name in ("catalogue", "changes", "comparison", "signature_text")}
CORE = {"optimizer_core.types", "optimizer_core.config", "optimizer_core.errors"} | LIGHT


def _imports(path: Path) -> list[tuple[str, bool]]:
    """(module, at the top of the file)"""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = []
    for node in ast.walk(tree):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [str(node.module)]
        found += [(name, node in tree.body) for name in names]
    return found


@pytest.mark.parametrize("path", [*PAGES, *SHARED], ids=lambda path: path.name)
def test_no_heavy_import_and_only_cores_types_at_the_top(path: Path) -> None:
    for name, at_top in _imports(path):
        assert name.split(".")[0] not in HEAVY
        if name.startswith("optimizer_core") and at_top:
            assert name in CORE
        assert not name.startswith(("worker", "cli", "pages"))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_is_under_120_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < 120


@pytest.mark.parametrize("path", SHARED, ids=lambda path: path.name)
def test_a_shared_module_is_under_300_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < 300
