"""What is told of an error: the person's own lines, by file, and no frame of the studio's."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import dspy
import pytest
from dspy.utils import DummyLM

from mipro_studio.optimizer_core.evaluation.program_run import ProgramRun, Purpose, execute, run_once
from mipro_studio.optimizer_core.evaluation.tracebacks import frames_of, where, without_folders
from mipro_studio.optimizer_core.metrics.scoring import Scorer
from mipro_studio.optimizer_core.models.role_model import RoleModel
from mipro_studio.optimizer_core.types import CellKey, ErrorClass, Example, Split

PROGRAM = """
import json
import dspy

class Program(dspy.Module):
    def __init__(self):
        super().__init__()
        self.step = dspy.Predict("text -> answer")

    def forward(self, text):
        return self.look_up(text)

    def look_up(self, text):
        if text == "not json":
            return json.loads(text)
        return {}["colour"]

def metric(example, prediction, trace=None):
    return prediction.answer.upper()

program = Program()
"""


@pytest.fixture
def mine(tmp_path: Path) -> ModuleType:
    (tmp_path / "mine.py").write_text(PROGRAM)
    spec = importlib.util.spec_from_file_location("mine", tmp_path / "mine.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def cell_of(module: Any, metric: Any, text: str, base: Path) -> Any:
    row = Example("e", Split.TRAIN, 0, {"text": text}, {})
    return run_once(module, row, RoleModel(None, None), Scorer(metric, "metric"), "i0d0", (base,))


def test_an_error_of_the_program_is_told_by_its_own_lines(mine: ModuleType, tmp_path: Path) -> None:
    cell = cell_of(mine.program, mine.metric, "hello", tmp_path)
    assert cell.error is ErrorClass.PROGRAM
    assert cell.frames == (
        "mine.py, line 11, in forward: return self.look_up(text)",
        'mine.py, line 16, in look_up: return {}["colour"]',
    )
    assert cell.error_message == "KeyError: 'colour'. At mine.py, line 16, in look_up."


def test_of_a_library_the_innermost_line_is_told_behind_them(mine: ModuleType, tmp_path: Path) -> None:
    cell = cell_of(mine.program, mine.metric, "not json", tmp_path)
    assert cell.frames[1] == "mine.py, line 15, in look_up: return json.loads(text)"
    assert cell.frames[2].startswith("inside json/decoder.py, line ")
    assert where(cell.frames) == "mine.py, line 15, in look_up"


def test_an_error_of_the_metric_is_told_by_the_metrics_lines(mine: ModuleType, tmp_path: Path) -> None:
    class Answers(dspy.Module):
        def forward(self, text: str) -> dspy.Prediction:
            return dspy.Prediction(answer=3)

    cell = cell_of(Answers(), mine.metric, "hello", tmp_path)
    assert cell.error is ErrorClass.METRIC
    assert cell.frames == ("mine.py, line 19, in metric: return prediction.answer.upper()",)
    assert "raised AttributeError" in cell.error_message and "At mine.py, line 19, in metric." in cell.error_message


def test_an_error_when_asked_about_a_predictor_leaves_no_score_behind() -> None:
    def metric(gold: Any, pred: Any, trace: Any = None, pred_name: Any = None, pred_trace: Any = None) -> float:
        return 1.0 if pred_name is None else {}["words"]

    role_model = RoleModel(DummyLM([{"answer": "yes"}]), dspy.ChatAdapter())
    row = Example("e", Split.TRAIN, 0, {"text": "hello"}, {})
    key = CellKey("i0d0", Split.TRAIN, "e")
    run = ProgramRun(key, dspy.Predict("text -> answer"), row, role_model, Purpose.REFLECT)
    cell = execute(run, Scorer(metric, "metric"))
    assert (cell.score, cell.error) == (None, ErrorClass.METRIC)
    assert "KeyError: 'words'" in cell.error_message


def test_a_file_that_does_not_parse_is_told_by_its_line(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("x = 1\nif x\n")
    try:
        compile((tmp_path / "broken.py").read_text(), str(tmp_path / "broken.py"), "exec")
    except SyntaxError as error:
        assert frames_of(error, tmp_path)[-1] == "broken.py, line 2: if x"


def test_a_path_outside_the_folder_is_whole() -> None:
    try:
        json.loads("{")
    except ValueError as error:
        here, inside = frames_of(error, Path("/nowhere"))
        assert here.startswith(f"{__file__}, line ")
        assert inside.startswith("inside json/decoder.py")


def test_what_is_kept_of_an_error_is_the_same_in_every_copy_of_the_folder(tmp_path: Path) -> None:
    told = []
    for name in ("home", "copy-on-a-node"):
        copy = tmp_path / name
        copy.mkdir()
        source = "import dspy\nclass P(dspy.Module):\n    def forward(self, text):\n        open(HERE + '/rows')\n"
        made = ModuleType(name)
        made.__dict__["HERE"] = str(copy)
        (copy / "prog.py").write_text(source)
        exec(compile(source, str(copy / "prog.py"), "exec"), made.__dict__)
        told.append(replace(cell_of(made.P(), lambda example, prediction, trace=None: 1.0, "x", copy), seconds_s=0.0))
    assert told[0] == told[1]
    assert "No such file or directory: 'rows'. At prog.py, line 4, in forward." in told[0].error_message


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("in /home/me/proj/a.txt, or '/home/me/proj/b c.txt'", "in a.txt, or 'b c.txt'"),
        ("/home/me/proj is no file; /home/me/proj.", ". is no file; .."),
        ("/home/me/proj-2/a.txt /data/home/me/proj/a.txt", "/home/me/proj-2/a.txt /data/home/me/proj/a.txt"),
        (f"cannot import x ({json.__file__})", "cannot import x (json/__init__.py)"),
    ],
)
def test_paths_in_words_are_those_below_the_folder(text: str, shown: str) -> None:
    assert without_folders(text, Path("/home/me/proj")) == shown
    assert without_folders(text, Path("/")) == without_folders(text)
