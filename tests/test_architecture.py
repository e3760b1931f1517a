"""The arrows between the rooms, read from the imports of the whole tree; see also `tests/ui/test_layers.py`."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("optimizer_core", "storage", "ui", "pages", "sample_programs")
SCRIPTS = {path.stem: path for path in ROOT.glob("*.py")}
TERMINAL = ("worker", "mirror", "sidecar", "cli", "launcher")
"""What runs without a browser; whatever these import is held with them."""

DATABASE = {"sqlite3", "sqlite_utils"}
MACHINERY = {"dspy", "optuna", "litellm", "torch", "xllamacpp"}
OURS = {*ROOMS, *SCRIPTS, "benchmarks", "tests", "scripts"}


def files(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def resolve(module: str) -> Path | None:
    """The file of one of our modules; None for anybody else's."""
    path = ROOT / Path(*module.split("."))
    return next((one for one in (path.with_suffix(".py"), path / "__init__.py") if one.is_file()), None)


@cache
def imports(path: Path, when_loaded: bool = False) -> tuple[str, ...]:
    """Modules that a file names; `when_loaded` leaves out the imports inside functions."""

    def visit(node: ast.AST) -> Iterator[str]:
        if when_loaded and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            return
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{path.name}: relative imports hide where the arrow goes"
            yield node.module
            yield from (name for alias in node.names if resolve(name := f"{node.module}.{alias.name}"))
        for child in ast.iter_child_nodes(node):
            yield from visit(child)

    return tuple(visit(ast.parse(path.read_text(encoding="utf-8"))))


def outside(path: Path, allowed: set[str]) -> list[str]:
    """Imports of ours that are not in `allowed`, which names rooms or modules."""
    named = (module for module in imports(path) if module.split(".")[0] in OURS)
    return sorted({module for module in named if not any(f"{module}.".startswith(f"{one}.") for one in allowed)})


@cache
def reached(start: Path, when_loaded: bool) -> frozenset[str]:
    """First names of everything that `start` imports, directly and through our own modules."""
    found: set[str] = set()
    seen: set[Path] = set()
    waiting = [start]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        for module in imports(path, when_loaded):
            found.add(module.split(".")[0])
            # Importing a.b.c runs a and a.b first.
            parts = module.split(".")
            ours = (resolve(".".join(parts[:count])) for count in range(1, len(parts) + 1))
            waiting += [one for one in ours if one is not None]
    return frozenset(found)


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_the_reader_of_imports_sees_what_is_there() -> None:
    """Were the tree somewhere else, every other test here would pass on nothing."""
    assert all(len(files(room)) > 5 for room in ROOMS)
    assert {"dspy", "optimizer_core", "sample_programs"} <= reached(ROOT / "worker.py", True)
    assert "streamlit" in reached(ROOT / "app.py", True)
    assert "dspy" in reached(ROOT / "cli.py", False)


@pytest.mark.parametrize("path", files("optimizer_core"), ids=relative)
def test_the_core_knows_nothing_of_store_and_screen(path: Path) -> None:
    assert outside(path, {"optimizer_core", "sample_programs"}) == []
    assert not {*DATABASE, "streamlit", "plotly", "typer", "rich"} & {name.split(".")[0] for name in imports(path)}


@pytest.mark.parametrize("path", files("sample_programs"), ids=relative)
def test_samples_are_programs_like_any_other(path: Path) -> None:
    assert outside(path, {"sample_programs"}) == []


@pytest.mark.parametrize("path", files("storage"), ids=relative)
def test_the_storage_knows_of_the_core_its_types_and_errors(path: Path) -> None:
    assert outside(path, {"storage", "optimizer_core.types", "optimizer_core.errors"}) == []
    assert not {"streamlit", "dspy"} & {name.split(".")[0] for name in imports(path)}


@pytest.mark.parametrize("path", [ROOT / "app.py", *files("pages"), *files("ui")], ids=relative)
def test_nobody_but_the_storage_opens_the_database(path: Path) -> None:
    assert not DATABASE & {name.split(".")[0] for name in imports(path)}


@pytest.mark.parametrize("path", [ROOT / "app.py", *files("pages")], ids=relative)
def test_a_page_is_asked_by_nobody_and_asks_ui(path: Path) -> None:
    core = {"optimizer_core.types", "optimizer_core.config", "optimizer_core.errors"}
    assert outside(path, {"ui", "storage", "launcher", "reviewing"} | core) == []


def test_nobody_imports_a_page() -> None:
    inside = [*SCRIPTS.values(), *(path for room in (*ROOMS, "benchmarks") for path in files(room))]
    assert [
        relative(path) for path in inside if {"pages", "app"} & {name.split(".")[0] for name in imports(path)}
    ] == []


@pytest.mark.parametrize("path", files("ui"), ids=relative)
def test_shared_parts_of_pages_do_not_reach_for_the_worker(path: Path) -> None:
    named = {name.split(".")[0] for name in imports(path)}
    assert not {"worker", "mirror", "takehome", "terminal", "cli", "tests", "scripts"} & named


@pytest.mark.parametrize("path", [ROOT / "app.py", *files("pages"), *files("ui")], ids=relative)
def test_the_web_process_loads_no_machinery(path: Path) -> None:
    """Through however many of our own modules: a page must be there at once, and never runs a person's code."""
    assert not MACHINERY & reached(path, True)


@pytest.mark.parametrize("script", TERMINAL)
def test_what_runs_without_a_browser_never_loads_streamlit(script: str) -> None:
    """Whenever it is imported, and through however many of our own modules."""
    assert "streamlit" not in reached(SCRIPTS[script], False)


def test_tests_and_scripts_are_no_part_of_the_studio() -> None:
    inside = [*SCRIPTS.values(), *(path for room in ROOMS for path in files(room))]
    assert [
        relative(path) for path in inside if {"tests", "scripts"} & {name.split(".")[0] for name in imports(path)}
    ] == []


def test_what_the_ast_says_is_what_python_does() -> None:
    """One look at a real interpreter: the modules of all pages' shared parts, loaded."""
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files("ui") if path.stem != "__init__"
    ]
    code = f"import importlib, sys; [importlib.import_module(n) for n in {names!r}]; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not MACHINERY & set(done.stdout.split())
    assert {"streamlit", "ui.store"} <= set(done.stdout.split())
