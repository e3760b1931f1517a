"""What `sources` remembers is what Python would find."""

import importlib.util
import inspect
import sys
from pathlib import Path
from typing import Any

import dspy
import pytest

from tests import sources


def imported(path: Path, text: str) -> Any:
    path.write_text(text)
    spec = importlib.util.spec_from_file_location("looked_through", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["looked_through"] = module
    spec.loader.exec_module(module)
    return module


def test_what_is_found_is_what_python_finds_twice_alike() -> None:
    sources.look_once()
    for kind in (dspy.ReAct, dspy.ChainOfThought, Path):
        assert inspect.findsource(kind) == inspect.findsource(kind) == sources._looked_for(kind)
    assert inspect.getsource(dspy.ReAct).startswith("class ReAct(")
    assert inspect.getsource(imported) == inspect.getsource(imported.__code__)


def test_what_is_not_there_is_said_each_time(tmp_path: Path) -> None:
    sources.look_once()
    made = imported(tmp_path / "made.py", "Other = type('Hidden', (), {})\n").Other
    for _ in range(2):
        with pytest.raises(OSError, match=r"class definition|source code"):
            inspect.getsource(made)
        with pytest.raises(TypeError):
            inspect.getsource(int)


def test_a_file_that_has_changed_is_looked_through_again(tmp_path: Path) -> None:
    sources.look_once()
    path = tmp_path / "changing.py"
    before = inspect.getsource(imported(path, "class One:\n    a = 1\n").One)
    after = inspect.getsource(imported(path, "b = 2\n\n\nclass One:\n    a = b\n").One)
    assert (before, after) == ("class One:\n    a = 1\n", "class One:\n    a = b\n")
