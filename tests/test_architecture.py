"""The arrows between the rooms, read from the imports of the whole tree. Each test lists what breaks its rule."""

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "mipro_studio"
ROOMS = ("optimizer_core", "storage", "control", "commands", "python_call", "ui", "pages", "sample_programs")
SCRIPTS = {path.stem: path for path in ROOT.glob("*.py")}
DATABASE = {"sqlite3", "sqlite_utils"}
MACHINERY = {"dspy", "optuna", "litellm", "torch", "xllamacpp"}
HEAVY = MACHINERY | {"sklearn", "scipy"}
OURS = {*ROOMS, *SCRIPTS, "benchmarks", "tests", "scripts"}
CORE_WORDS = {"optimizer_core.types", "optimizer_core.config", "optimizer_core.errors"}
CORE_LIGHT = {
    f"optimizer_core.{name}"
    for name in (
        "analysis.comparison",
        "analysis.front",
        "catalogue",
        "evaluation.attempts",
        "evaluation.objective",
        "files",
        "models.model_text",
        "objective_spec",
        "parameters.demos",
        "parameters.edits",
        "plurals",
        "parameters.instruction",
        "parameters.kinds",
        "parameters.registry",
        "parameters.tools",
        "parameters.space",
        "parameters.weights",
        "programs.instruction_frame",
        "programs.signature_text",
        "programs.shown_values",
        "roles",
        "secrets",
        "sources",
        "tips",
    )
}
OF_STORAGE = {"storage", "optimizer_core.types", "optimizer_core.errors", "optimizer_core.files"}


def files(*rooms: str) -> list[Path]:
    return sorted(path for room in rooms for path in (ROOT / room).rglob("*.py"))


CODE = [*SCRIPTS.values(), *files(*ROOMS, PACKAGE, "benchmarks")]
MOST_FILES, LONGEST_FUNCTION, LONGEST_MODULE = 19, 55, 400
PAGES = [ROOT / "app.py", *files("pages")]
WEB = [*PAGES, *files("ui")]


def resolve(module: str) -> Path | None:
    """The file of one of our modules, named without the package; None for anybody else's."""
    path = ROOT / Path(*module.split("."))
    return next((one for one in (path.with_suffix(".py"), path / "__init__.py") if one.is_file()), None)


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(path: Path, when_loaded: bool = False) -> tuple[str, ...]:
    """Modules that a file names, ours without the package's name.

    `when_loaded` leaves out the imports inside functions.
    """

    def visit(node: ast.AST) -> Iterator[str]:
        if when_loaded and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            return
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{path.name}: relative imports hide where the arrow goes"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            modules = [name for name in names if resolve(name.removeprefix(f"{PACKAGE}."))]
            yield from modules if len(modules) == len(names) else [node.module, *modules]
        for child in ast.iter_child_nodes(node):
            yield from visit(child)

    return tuple(name.removeprefix(f"{PACKAGE}.") for name in visit(parsed(path)))


def first_names(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


def offenders(paths: Iterable[Path], allowed: set[str]) -> dict[str, list[str]]:
    """{file: imports of ours that are not in `allowed`}, which names rooms or modules."""

    def outside(path: Path) -> list[str]:
        named = (module for module in imports(path) if module.split(".")[0] in OURS)
        return sorted({module for module in named if not any(f"{module}.".startswith(f"{one}.") for one in allowed)})

    return {relative(path): found for path in paths if (found := outside(path))}


def naming(paths: Iterable[Path], refused: set[str]) -> list[str]:
    """The files that import something whose first name is in `refused`."""
    return [relative(path) for path in paths if refused & first_names(path)]


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
    assert all(len(files(room)) > 3 for room in ROOMS)
    assert {"dspy", "optimizer_core", "sample_programs"} <= reached(ROOT / "worker.py", True)
    assert "streamlit" in reached(ROOT / "app.py", True)
    assert "dspy" in reached(ROOT / "cli.py", False)


def test_ours_is_imported_by_the_one_package_name() -> None:
    """A bare `storage` or `ui` could be a person's own module in a process that runs their program."""
    inside = [*SCRIPTS.values(), *files(*ROOMS, "benchmarks", "tests", "scripts", PACKAGE)]
    bare = OURS - {"tests", "scripts"}

    def named(path: Path) -> set[str]:
        nodes = [node for node in ast.walk(parsed(path)) if isinstance(node, ast.Import | ast.ImportFrom)]
        plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        return plain | {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}

    person_written = {ROOT / "tests" / "programs", ROOT / "tests" / "zoo" / "programs"}
    looked_at = [path for path in inside if not person_written & set(path.parents)]
    assert [relative(path) for path in looked_at if bare & {name.split(".")[0] for name in named(path)}] == []


def test_the_core_knows_nothing_of_store_and_screen() -> None:
    core = files("optimizer_core")
    assert offenders(core, {"optimizer_core", "sample_programs"}) == {}
    assert naming(core, {*DATABASE, "streamlit", "plotly", "typer", "rich"}) == []


def folder_of(path: Path) -> str:
    """Where a file belongs: its folder, by two names inside the core and `ui`, by its own name at the core's top."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return "/".join(parts[:2] if parts[0] in {"optimizer_core", "ui"} else parts[:1])


def test_no_two_folders_import_each_other_on_any_way() -> None:
    arrows: dict[str, set[str]] = {}
    for path in CODE:
        named = (resolve(module) for module in imports(path))
        folders = {folder_of(one) for one in named if one is not None and ROOT in one.parents}
        arrows.setdefault(folder_of(path), set()).update(folders - {folder_of(path)})

    def beyond(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            new = arrows.get(waiting.pop(), set()) - seen
            seen |= new
            waiting += new
        return seen

    assert len(arrows) > 30
    assert {one: sorted(arrows[one]) for one in arrows if one in beyond(one)} == {}


def test_a_folder_is_seen_at_one_look() -> None:
    """Tests too; `__init__.py` is no file to choose from."""
    counts: dict[str, int] = {}
    for path in [*CODE, *files("tests", "scripts")]:
        counts[relative(path.parent)] = counts.get(relative(path.parent), 0) + (path.stem != "__init__")
    assert {folder: count for folder, count in counts.items() if count > MOST_FILES} == {}


def test_a_function_is_read_at_one_look() -> None:
    """Its signature and its docstring counted."""
    functions = (
        (f"{relative(path)}:{node.name}", int(node.end_lineno or 0) - node.lineno + 1)
        for path in CODE
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    assert {name: lines for name, lines in functions if lines > LONGEST_FUNCTION} == {}


def test_a_module_has_one_subject() -> None:
    lines = {relative(path): len(path.read_text(encoding="utf-8").splitlines()) for path in CODE}
    assert {path: count for path, count in lines.items() if count > LONGEST_MODULE} == {}


def test_samples_are_programs_like_any_other() -> None:
    assert offenders(files("sample_programs"), {"sample_programs"}) == {}


def test_the_storage_knows_of_the_core_its_types_errors_and_how_files_are_written() -> None:
    assert offenders(files("storage"), OF_STORAGE) == {}
    assert naming(files("storage"), {"streamlit", "dspy"}) == []


def test_nobody_but_the_storage_opens_the_database() -> None:
    assert naming(WEB, DATABASE) == []


def test_a_page_is_asked_by_nobody_and_asks_ui() -> None:
    assert (
        offenders(PAGES, {"ui", "storage", "control.launcher", "control.new_runs", "control.review"} | CORE_WORDS)
        == {}
    )
    assert naming([*SCRIPTS.values(), *files(*ROOMS, "benchmarks")], {"pages", "app"}) == []


def test_shared_parts_of_pages_do_not_reach_for_the_worker() -> None:
    assert naming(files("ui"), {"worker", "commands", "cli", "tests", "scripts"}) == []
    asked = {"admission", "helper_client", "launcher", "new_runs", "review", "take_home"}
    assert {name for path in files("ui") for name in imports(path) if name.startswith("control.")} <= {
        f"control.{one}" for one in asked
    }


def test_the_web_process_loads_no_machinery() -> None:
    """Through however many of our own modules: a page must be there at once, and never runs a person's code."""
    assert [relative(path) for path in WEB if MACHINERY & reached(path, True)] == []
    assert naming(WEB, HEAVY) == []
    core = {
        relative(path): found
        for path in WEB
        if (found := {name for name in imports(path, True) if name.startswith("optimizer_core.")})
        and not all(any(f"{name}.".startswith(f"{one}.") for one in CORE_WORDS | CORE_LIGHT) for name in found)
    }
    assert core == {}


def test_a_page_that_only_shows_loads_none_of_what_takes_long() -> None:
    """The settings' models and what intervals are computed with take a tenth of a second each: the first visitor of a
    page waits for them only where it needs them."""
    asking = {ROOT / "pages" / name for name in ("new_run.py", "lab.py")}
    assert [
        relative(path) for path in PAGES if {"pydantic", "numpy"} & reached(path, True) and path not in asking
    ] == []
    assert all("pydantic" in reached(path, True) for path in asking)


def test_what_runs_without_a_browser_never_loads_streamlit() -> None:
    """Whenever it is imported, and through however many of our own modules."""
    without = [ROOT / "worker.py", ROOT / "cli.py", *files("control", "commands", "python_call")]
    assert [relative(path) for path in without if "streamlit" in reached(path, False)] == []


def test_tests_and_scripts_are_no_part_of_the_studio() -> None:
    assert naming([*SCRIPTS.values(), *files(*ROOMS)], {"tests", "scripts"}) == []


def test_pages_and_what_they_share_stay_short() -> None:
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in WEB}
    assert [relative(path) for path in PAGES if lines[path] >= 120] == []
    assert [relative(path) for path in files("ui") if lines[path] >= 300] == []


def test_what_the_ast_says_is_what_python_does() -> None:
    """One look at a real interpreter: the modules of all pages' shared parts, loaded."""
    names = [
        ".".join((PACKAGE, *path.relative_to(ROOT).with_suffix("").parts))
        for path in files("ui")
        if path.stem != "__init__"
    ]
    code = f"import importlib, sys; [importlib.import_module(n) for n in {names!r}]; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not MACHINERY & set(done.stdout.split())
    assert {"streamlit", "mipro_studio.ui.page.store"} <= set(done.stdout.split())


def test_the_command_line_starts_without_what_only_some_commands_need() -> None:
    """Each takes a tenth of a second and more, at every call of a command."""
    loaded = (
        "import sys, mipro_studio.cli; print(*sys.modules); import mipro_studio.ui.export.report; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", loaded], cwd=ROOT, capture_output=True, text=True, check=True)
    at_the_start, with_report = (set(line.split()) for line in done.stdout.splitlines())
    assert not {"dspy", "numpy", "pandas", "optuna", "scipy", "streamlit"} & at_the_start
    assert "streamlit" not in with_report
