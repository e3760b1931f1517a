"""Imports of a person's code: from where, under which name, and what it may find there.

A file finds its neighbours, as with `python file.py`, and the packages of its project's root, as with `python -m`
there. One that imports relatively is imported as part of its package. Code may call `dspy.configure`, and what it set
is noted.
"""

import ast
import importlib
import importlib.machinery
import importlib.util
import keyword
import re
import sys
import threading
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import dspy

from mipro_studio.optimizer_core.errors import BadInput, told_in_line
from mipro_studio.optimizer_core.programs.live_objects import LiveModule, live_module

__all__ = [
    "configured_by",
    "configured_model",
    "configuring",
    "import_reference",
    "named_in",
    "place_of",
    "way_out",
    "way_out_of",
]

ROOT_MARKS = ("pyproject.toml", "setup.py", "setup.cfg", ".git")
_settings: Any = sys.modules[type(dspy.settings).__module__]
_ALONE = "user_program_"
"""How the names of files begin that are imported alone, so that they hide no module of the same name."""

_GONE = re.compile(
    r"module 'dspy[\w.]*' has no attribute '(?P<a>\w+)'|cannot import name '(?P<b>\w+)' from 'dspy\b|"
    r"No module named '(?P<c>dspy\.[\w.]+)'"
)
"""What Python says where a program is for another version of DSPy."""

_by_module: dict[str, dict[str, Any]] = {}
"""What the import of a module configured: it is imported once and may be asked for again."""


@contextmanager
def configuring() -> Iterator[dict[str, Any]]:
    """Let the code inside call `dspy.configure` from whatever thread or task this is; yields what it sets, by name.

    Afterwards this thread is the one that may: a program that configures DSPy in the threads of a run is refused, as
    under `dspy.Evaluate`.
    """
    _settings.config_owner_thread_id = _settings.config_owner_async_task = None
    before = dict(_settings.main_thread_config)
    made: dict[str, Any] = {}
    try:
        yield made
    finally:
        _settings.config_owner_thread_id = threading.get_ident()
        _settings.config_owner_async_task = None
        for name, value in _settings.main_thread_config.items():
            if name not in before or before[name] is not value:
                made[name] = value


@contextmanager
def configured_model(lm: dspy.BaseLM | None) -> Iterator[None]:
    """Let DSPy's model be `lm` inside, until the code there configures another: a script configures it first.

    A model that is configured already stays.
    """
    config = _settings.main_thread_config
    if config["lm"] is None:
        config["lm"] = lm
    try:
        yield
    finally:
        if config["lm"] is lm:
            config["lm"] = None


def configured_by(home: ModuleType | None) -> dict[str, Any]:
    """What the import of `home` gave `dspy.configure`, by name."""
    if isinstance(home, LiveModule):
        return dict(home.configured)
    return dict(_by_module.get(home.__name__, {})) if home is not None else {}


def import_reference(reference: str, base: Path) -> tuple[ModuleType, str]:
    """The module and the attribute that `path.py[:attr]` or `package.module:attr` names; the attribute may be "".

    Args:
        base: Folder that relative paths and packages are looked up in.

    Raises:
        BadInput: there is no such module, or it does not import; one sentence says which.
    """
    target, _, attribute = reference.partition(":")
    if (live := live_module(reference)) is not None:
        return live, attribute
    if not target.endswith((".py", ".ipynb")) and not attribute:
        raise BadInput(
            f"{reference!r} is not a program.", "Use sample:NAME, path/to/file.py[:attr] or package.module:attr."
        )
    _check_target(target)
    with _readable_errors(target), configuring() as configured:
        home = _import(place_of(target, base))
        for name, value in _by_module.get(home.__name__, {}).items():  # it was imported before
            _settings.main_thread_config[name] = value
    _by_module.setdefault(home.__name__, configured)
    return home, attribute


def named_in(home: Any, attribute: str) -> Any:
    """What is called `attribute` in a module, also inside of another object (`app.program`).

    Raises:
        LookupError: with the part of the name that is not there.
    """
    found = home
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise LookupError(part) from None
    return found


def _check_target(target: str) -> None:
    """Refuse what is neither a Python file nor the name of a module, before Python says something about packages."""
    if target.endswith(".ipynb"):
        raise BadInput(
            f"{target!r} is a notebook, which cannot be imported.",
            "Save its cells as a .py file, or call mipro_studio.optimize inside it.",
        )
    if not target.endswith(".py") and ({"/", "\\"} & set(target) or not all(target.split("."))):
        raise BadInput(f"{target!r} is neither a .py file nor a module.", "Name path/to/file.py or package.module.")


@contextmanager
def _readable_errors(target: str) -> Iterator[None]:
    """A person's file may fail in any way when it is run; whatever it is becomes one sentence."""
    arguments = sys.argv
    sys.argv = [target]  # as with `python file.py`: ours are none of its business
    try:
        yield
    except BadInput:
        raise
    except SyntaxError as error:
        raise BadInput(f"{target!r} does not import: line {error.lineno}: {error.msg}.") from error
    except (Exception, SystemExit) as error:
        said = told_in_line(error)  # pydantic's errors are a paragraph
        raise BadInput(f"{target!r} does not import: {said}.", way_out(error)) from error
    finally:
        sys.argv = arguments


def way_out(error: BaseException) -> str:
    """A sentence on what to do about an error of a person's code; empty where its own words say all."""
    if isinstance(error, SystemExit | EOFError):  # argparse without arguments, input() without anybody
        return 'Put what reads arguments or asks a person under `if __name__ == "__main__":`.'
    last = deque(traceback.walk_tb(error.__traceback__), maxlen=1)
    if isinstance(error, KeyError) and any(frame.f_globals.get("__name__") == "os" for frame, _ in last):
        return f"The environment variable {error.args[0]} is not set: set it, and start again from where it is."
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("dspy."):
        missing = error.name.partition(".")[0]
        return f"Install {missing!r} where the studio runs; where it is yours, start in the folder that holds it."
    return way_out_of(str(error)) if isinstance(error, AttributeError | ImportError) else ""


def way_out_of(words: str) -> str:
    """The same by an error's words alone."""
    if (found := _GONE.search(words)) is None:
        return ""
    name = next(filter(None, found.groups()))
    return f"The DSPy installed here, {dspy.__version__}, has no {name}: the program is for another one."


@dataclass(frozen=True)
class Place:
    """Where a module is found.

    Attributes:
        folders: What must stand first on the path that modules are looked up in.
        module: The name that it is imported by from there.
        path: Its file; None for a package's module, which Python finds.
        alone: It is imported as that file, and not as a part of its package.
    """

    folders: tuple[Path, ...]
    module: str
    path: Path | None = None
    alone: bool = False

    @property
    def has_a_name(self) -> bool:
        """Whether `from module import ...` can be written."""
        parts = [self.module] if self.alone else self.module.split(".")
        return all(part.isidentifier() and not keyword.iskeyword(part) for part in parts)


def place_of(target: str, base: Path) -> Place:
    """Where `path.py` or `package.module` is found from the folder `base`.

    Raises:
        BadInput: there is no such file.
    """
    base = base.resolve()
    if not target.endswith(".py"):
        return Place(_once([base, *_roots(base)]), target)
    path = (base / Path(target).expanduser()).resolve()
    if not path.is_file():
        raise BadInput(f"There is no file {target!r}.")
    package = _package_root(path)
    inside = package != path.parent and _imports_relatively(path)
    parts = path.relative_to(package).with_suffix("").parts if inside else (path.stem,)
    if inside and parts[-1] == "__init__":
        parts = parts[:-1]
    # As with `python -m`, the folder of a package's own file is not looked in: its `types.py` would hide Python's.
    first = [package] if inside else [path.parent, package]
    roots = [root for root in _roots(path.parent) if not inside or root != path.parent]
    return Place(_once([*first, *roots, base]), ".".join(parts), path, alone=not inside)


def _once(folders: Sequence[Path]) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(folders))


def _import(place: Place) -> ModuleType:
    first = list(map(str, place.folders))
    sys.path[:] = [*first, *(entry for entry in sys.path if entry not in first)]
    if place.path is None:
        return importlib.import_module(place.module)
    return _import_alone(place.path) if place.alone else _of_this_file(place.module, place.path)


def _of_this_file(name: str, path: Path) -> ModuleType:
    module = importlib.import_module(name)
    if Path(module.__file__ or "").resolve() != path:
        raise BadInput(
            f"{path.name!r} imports relatively, and another module is called {module.__name__!r}: {module.__file__}.",
            "Rename its package, or start where only one of them is found.",
        )
    return module


def _import_alone(path: Path) -> ModuleType:
    name = f"{_ALONE}{path.stem.replace('.', '_')}"  # a dot would part it from a package
    for known in (name, path.stem):  # the second: another file of theirs has imported it
        loaded = sys.modules.get(known)
        # Another folder may have a file of the same name.
        if loaded is not None and getattr(loaded, "__file__", None) == str(path):
            return loaded
    _by_module.pop(name, None)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BadInput(f"{path.name!r} cannot be imported as Python.")
    module = importlib.util.module_from_spec(spec)
    names = [name, *([path.stem] if _is_found_as(path.stem, path) else [])]
    for one in names:  # registered before running: pydantic and inspect look classes up there
        sys.modules[one] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        for one in names:
            del sys.modules[one]
        raise
    return module


def _is_found_as(name: str, path: Path) -> bool:
    """Whether `import name` in a person's other files would import `path` once more, with classes of its own."""
    known = sys.modules.get(name)
    if not name.isidentifier() or (known is not None and not known.__name__.startswith(_ALONE)):
        return False
    found = importlib.machinery.PathFinder.find_spec(name)
    return found is not None and found.origin == str(path)


def _package_root(path: Path) -> Path:
    """The folder that holds the outermost package `path` is part of; its own folder when it is part of none."""
    folder = path.parent
    while (folder / "__init__.py").is_file() and folder.name.isidentifier() and folder.parent != folder:
        folder = folder.parent
    return folder


def _roots(folder: Path) -> list[Path]:
    """The root of the project that `folder` is part of, and its `src`; `folder` itself where there is no project."""
    for root in (folder, *folder.parents):
        if any((root / mark).exists() for mark in ROOT_MARKS):
            source = root / "src"
            return [root, *([source] if source.is_dir() else []), folder]
    return [folder]


def _imports_relatively(path: Path) -> bool:
    tree = ast.parse(path.read_bytes())
    return any(isinstance(node, ast.ImportFrom) and node.level > 0 for node in ast.walk(tree))
