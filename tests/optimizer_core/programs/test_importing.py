"""Imports of a person's code: packages, neighbours, project roots, and what it configures."""

import importlib
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import dspy
import pytest

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.metrics.loading import load_metric
from mipro_studio.optimizer_core.programs.importing import _settings, import_reference
from mipro_studio.optimizer_core.programs.program import load_program

PROGRAM = """
import dspy

class One(dspy.Module):
    def __init__(self):
        super().__init__()
        self.step = dspy.Predict("text -> label")
"""


@pytest.fixture(autouse=True)
def _imports_are_forgotten() -> Iterator[None]:
    modules, paths, settings = set(sys.modules), list(sys.path), dict(_settings.main_thread_config)
    yield
    for name in set(sys.modules) - modules:
        own = getattr(sys.modules[name], "__name__", "")  # under two names it goes with both: classes say its own
        if name.startswith(("user_program", "a_desk", "beside_it", "under_src")) or own.startswith("user_program"):
            del sys.modules[name]
    sys.path[:] = paths
    _settings.main_thread_config.clear()
    _settings.main_thread_config.update(settings)
    _settings.config_owner_thread_id = _settings.config_owner_async_task = None


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def test_a_file_that_imports_relatively_is_imported_as_part_of_its_package(tmp_path: Path) -> None:
    files = {
        "lib/a_desk/__init__.py": "",
        "lib/a_desk/words.py": "SIGNATURE = 'text -> label'\n",
        "lib/a_desk/steps/__init__.py": "from ..words import SIGNATURE\n",
        "lib/a_desk/steps/first.py": "from . import SIGNATURE\nfrom ..words import SIGNATURE as same\n"
        + PROGRAM.replace('"text -> label"', "same"),
        "lib/a_desk/scores.py": "from .words import SIGNATURE\n"
        "def right(example, prediction, trace=None):\n    return 1\n",
    }
    write(tmp_path, files)
    program = load_program("lib/a_desk/steps/first.py", tmp_path)
    assert type(program.module).__module__ == "a_desk.steps.first"
    assert load_program("a_desk.steps.first:One", tmp_path / "lib").predictors == program.predictors
    assert load_metric("lib/a_desk/scores.py:right", program, tmp_path)(None, None) == 1.0


def test_a_packages_files_hide_no_module_of_python(tmp_path: Path) -> None:
    files = {
        "a_desk/__init__.py": "",
        "a_desk/colorsys.py": "raise RuntimeError('not this one')\n",
        "a_desk/words.py": "SIGNATURE = 'text -> label'\n",
        "a_desk/main.py": "import colorsys\nfrom .words import SIGNATURE\n" + PROGRAM,
    }
    write(tmp_path, files)
    sys.modules.pop("colorsys", None)
    assert load_program("a_desk/main.py", tmp_path).name == "main"


def test_another_module_of_the_packages_name_is_named(tmp_path: Path) -> None:
    write(tmp_path, {"json/__init__.py": "", "json/tool.py": "from .x import y\n", "json/x.py": "y = 1\n"})
    with pytest.raises(BadInput, match=r"another module is called 'json.tool'"):
        load_program("json/tool.py", tmp_path)


def test_a_file_finds_its_neighbours_and_what_its_projects_root_holds(tmp_path: Path) -> None:
    files = {
        "pyproject.toml": "",
        "beside_it_all.py": "A = 'text'\n",
        "src/under_src/__init__.py": "B = 'label'\n",
        "scripts/beside_it.py": "ARROW = ' -> '\n",
        "scripts/run.py": "import beside_it, beside_it_all, under_src\n"
        + PROGRAM.replace('"text -> label"', "beside_it_all.A + beside_it.ARROW + under_src.B")
        + "if __name__ == '__main__':\n    raise SystemExit('as a script')\n",
    }
    write(tmp_path, files)
    assert load_program("run.py", tmp_path / "scripts").predictors[0].signature == "Predict(text) -> label"
    assert sys.path[:3] == [str(tmp_path / "scripts"), str(tmp_path), str(tmp_path / "src")]


@pytest.mark.parametrize("first", ["beside_it_rows.py:rows", "beside_it_main.py"])
def test_a_file_that_another_imports_is_one_module(tmp_path: Path, first: str) -> None:
    """Were it imported twice, a class of it would be two, and its instances unequal."""
    (tmp_path / "beside_it_main.py").write_text("class Part:\n    pass\n")
    (tmp_path / "beside_it_rows.py").write_text("from beside_it_main import Part\nrows = [Part()]\n")
    import_reference(first, tmp_path)
    main, _ = import_reference("beside_it_main.py", tmp_path)
    rows, _ = import_reference("beside_it_rows.py:rows", tmp_path)
    assert type(rows.rows[0]) is main.Part
    other = tmp_path / "other"
    other.mkdir()
    (other / "beside_it_main.py").write_text("class Part:\n    pass\n")
    again, _ = import_reference("beside_it_main.py", other)
    assert again.Part is not main.Part and sys.modules["beside_it_main"] in (main, again)


def test_a_package_of_a_files_name_is_not_hidden(tmp_path: Path) -> None:
    write(tmp_path, {"beside_it.py": "HERE = 1\n", "beside_it/__init__.py": "HERE = 2\n"})
    import_reference("beside_it.py", tmp_path)
    assert importlib.import_module("beside_it").HERE == 2


def test_a_file_sees_no_arguments_of_ours(tmp_path: Path) -> None:
    write(tmp_path, {"mine.py": "import argparse\nargparse.ArgumentParser().parse_args()\n" + PROGRAM})
    assert load_program("mine.py", tmp_path).name == "mine"


@pytest.mark.parametrize(
    ("reference", "code", "sentence"),
    [
        ("mine.ipynb:program", "", "'mine.ipynb' is a notebook, which cannot be imported"),
        (".:program", "", "'.' is neither a .py file nor a module"),
        ("folder/mine:program", "", "'folder/mine' is neither a .py file nor a module"),
        (
            "mine.py",
            "import argparse\np = argparse.ArgumentParser()\np.add_argument('name')\np.parse_args()\n",
            r"does not import: SystemExit: 2. Put what reads arguments or asks a person under `if __name__",
        ),
        (
            "mine.py",
            "import os\nkey = os.environ['NO_SUCH_KEY_HERE']\n",
            r"does not import: KeyError: 'NO_SUCH_KEY_HERE'. The environment variable NO_SUCH_KEY_HERE is not set",
        ),
        ("mine.py", "{}['a key of its own']\n", r"does not import: KeyError: 'a key of its own'.$"),
    ],
)
def test_what_cannot_be_imported_is_told_with_the_way_out(
    tmp_path: Path, reference: str, code: str, sentence: str
) -> None:
    write(tmp_path, {"mine.py": code + PROGRAM, "mine.ipynb": "{}"})
    with pytest.raises(BadInput, match=sentence):
        import_reference(reference, tmp_path)


CONFIGURES = "import dspy\ndspy.configure(adapter=dspy.JSONAdapter(), track_usage=True)\n" + PROGRAM


def test_what_a_program_configures_is_known_and_known_again(tmp_path: Path) -> None:
    write(tmp_path, {"mine.py": CONFIGURES})
    before = dict(_settings.main_thread_config)
    first = load_program("mine.py", tmp_path)
    assert type(first.configured["adapter"]) is dspy.JSONAdapter
    assert first.configured["track_usage"] is True
    _settings.main_thread_config.update(before)
    again = load_program("mine.py:One", tmp_path)
    assert again.configured == first.configured
    assert dspy.settings.adapter is first.configured["adapter"]


def test_a_factory_may_configure_too(tmp_path: Path) -> None:
    made = "def make():\n    dspy.configure(adapter=dspy.XMLAdapter())\n    return One()\n"
    write(tmp_path, {"mine.py": CONFIGURES + made})
    program = load_program("mine.py:make", tmp_path)
    assert type(program.configured["adapter"]) is dspy.XMLAdapter
    assert program.configured["track_usage"] is True


def test_a_program_is_imported_in_any_thread_and_the_threads_of_a_run_are_refused(tmp_path: Path) -> None:
    write(tmp_path, {"mine.py": CONFIGURES})
    dspy.configure(num_threads=3)
    failures: list[BaseException] = []

    def load() -> None:
        try:
            load_program("mine.py", tmp_path)
        except BaseException as error:  # noqa: BLE001 - shown below
            failures.append(error)

    thread = threading.Thread(target=load)
    thread.start()
    thread.join()
    assert failures == []
    import_reference("mine.py", tmp_path)

    def configure() -> None:
        try:
            dspy.configure(num_threads=4)
        except RuntimeError as error:
            failures.append(error)

    thread = threading.Thread(target=configure)
    thread.start()
    thread.join()
    assert "can only be changed by the thread" in str(failures)
