"""A program taken home asks what it asked in the run, in a process with plain DSPy and nothing of ours."""

import datetime
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dspy
import pytest

from mipro_studio.optimizer_core.config import parse_config
from mipro_studio.optimizer_core.exports.export import build_program, load_saved, save_program
from mipro_studio.optimizer_core.exports.loading_snippet import loading_snippet
from mipro_studio.optimizer_core.models.role_models import ADAPTERS, adapter_of
from mipro_studio.optimizer_core.parameters.demos import demos_arm
from mipro_studio.optimizer_core.parameters.instruction import instruction_arm
from mipro_studio.optimizer_core.programs.importing import _settings
from mipro_studio.optimizer_core.programs.program import Program, load_program
from mipro_studio.optimizer_core.programs.values import encode
from mipro_studio.optimizer_core.types import Arm, Author, Demo
from tests.arms import of_pairs
from tests.programs import recorder

SECRET = "sk-live-0123456789"
PROGRAM = f"""
import datetime, enum, threading
import dspy
from pydantic import BaseModel
from .words import TASK

class Level(enum.Enum):
    LOW = "low"
    HIGH = "high"

class Item(BaseModel):
    name: str
    count: int = 1

class Read(dspy.Signature):
    text: str = dspy.InputField()
    notes: str = dspy.InputField()
    items: list[Item] = dspy.OutputField()
    level: Level = dspy.OutputField()
    due: datetime.date = dspy.OutputField()

dspy.configure(adapter=dspy.JSONAdapter())

class Two(dspy.Module):
    def __init__(self):
        super().__init__()
        self.draft = dspy.Predict("text -> notes", temperature=0.3)
        self.steps = [dspy.ChainOfThought(Read.with_instructions(TASK))]
        self.lock = threading.Lock()
        self.draft.set_lm(dspy.LM("openai/cheap", api_key="{SECRET}", api_base="http://me:{SECRET}@host/v1",
                                  extra_headers={{"X-Api-Key": "{SECRET}"}}))

    def forward(self, text):
        return self.steps[0](text=text, notes=self.draft(text=text).notes)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    modules, paths, settings = set(sys.modules), list(sys.path), dict(_settings.main_thread_config)
    (tmp_path / "lib" / "export_desk").mkdir(parents=True)
    (tmp_path / "lib" / "export_desk" / "__init__.py").touch()
    (tmp_path / "lib" / "export_desk" / "words.py").write_text("TASK = 'Read the order.'\n")
    (tmp_path / "lib" / "export_desk" / "two.py").write_text(PROGRAM)
    recorder.ASKED.clear()
    yield tmp_path
    for name in set(sys.modules) - modules:
        if name.startswith("export_desk"):
            del sys.modules[name]
    sys.path[:] = paths
    _settings.main_thread_config.clear()
    _settings.main_thread_config.update(settings)


def arms_of(program: Program) -> list[Arm]:
    """Two arms a predictor: as it came, and another instruction with a teacher's demo and a labelled one."""
    home: Any = program.home
    made: list[Arm] = []
    for info in program.predictors:
        taught: dict[str, Any] = {"text": "one bolt", "notes": "n"}
        if "level" in info.outputs:
            item, level, due = home.Item(name="bolts"), home.Level.HIGH, datetime.date(2024, 5, 1)
            outputs = {"reasoning": "so", "items": [item], "level": level, "due": due}
            fields = dict(program.module.named_predictors())[info.name].signature.fields
            taught |= {name: encode(value, fields[name].annotation) for name, value in outputs.items()}
        labelled = {"text": "two nuts", "notes": "m", "items": [{"name": "nuts"}], "level": "low"}
        demos = (Demo(taught, True, "1"), Demo(labelled, False, "2"))
        made.append(instruction_arm(info.name, 0, info.instruction, Author.SEED))
        made.append(demos_arm(info.name, 0, "zero_shot", ()))
        made += [
            instruction_arm(info.name, 1, f"Better {info.name}.", Author.MODEL),
            demos_arm(info.name, 1, "shuffled", demos),
        ]
    return made


def taken_home(folder: Path, **settings: Any) -> tuple[list[Any], list[Any]]:
    """What the run's candidate asks here, and what the exported program asks in a process of its own."""
    asked = {"program": "lib/export_desk/two.py:Two", "data": {"inputs": ["text"]}, "base": str(folder), **settings}
    config = parse_config(asked)
    program = load_program(config.program, folder)
    candidate = of_pairs([(1, 1)] * len(program.predictors))
    module = build_program(config, program, arms_of(program), candidate)
    save_program(module, folder / "program.json")
    spec = config.task_model
    lm = recorder.LM(spec.model, temperature=spec.temperature)
    for name, predictor in module.named_predictors():
        if predictor.lm is not None:
            chosen = config.models.get(name)
            predictor.lm = recorder.LM(predictor.lm.model, temperature=chosen.temperature if chosen else None)
    with dspy.context(lm=lm, adapter=adapter_of(spec, config, program, lm)):
        answer = module(text="three bolts")
    here = [*recorder.ASKED, str(answer.toDict())]
    snippet = loading_snippet(config, program, "program.json").replace('text="..."', 'text="three bolts"')
    (folder / "load_it.py").write_text(snippet.replace("print(program(", "ANSWER = (program("))
    return json.loads(json.dumps(here)), played(folder)


def played(folder: Path) -> list[Any]:
    (folder / "recorder.py").write_text(Path(recorder.__file__).read_text())
    (folder / "play.py").write_text(
        "import json, runpy, sys, dspy, recorder\n"
        "dspy.LM = recorder.LM\n"
        "answer = runpy.run_path('load_it.py')['ANSWER']\n"
        "assert not [name for name in sys.modules if name.startswith(('mipro_studio', 'optimizer_core'))]\n"
        "print(json.dumps([*recorder.ASKED, str(answer.toDict())]))\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "play.py"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def test_adapter_and_models_of_the_program_go_home_with_it_and_no_key_does(folder: Path) -> None:
    here, there = taken_home(folder, task_model={"model": "openai/task"})
    assert there == here
    assert [call[0] for call in here[:-1]] == ["openai/cheap", "openai/task"]
    assert "JSON object" in here[1][2][-1][1]
    assert '"level": "high"' in json.dumps(here[1]).replace('\\"', '"')
    saved = (folder / "program.json").read_text()
    assert SECRET not in saved + (folder / "load_it.py").read_text()
    assert json.loads(saved)["draft"]["lm"]["model"] == "openai/cheap"
    assert json.loads(saved)["draft"]["lm"]["api_base"] == "http://[key hidden]@host/v1"


def test_chosen_models_and_a_chosen_adapter_go_home_too(folder: Path) -> None:
    models = {
        "draft": {"model": "openai/other", "api_base": "http://h/v1", "temperature": 0.5, "api_key_env": "DRAFT_KEY"},
        "steps[0].predict": {"model": "openai/strong"},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRAFT_KEY", SECRET)
        here, there = taken_home(folder, task_model={"model": "openai/task"}, models=models, adapter="xml")
    assert there == here
    assert [call[0] for call in here[:-1]] == ["openai/other", "openai/strong"]
    assert "<text>" in here[0][2][-1][1]
    assert "os.environ['DRAFT_KEY']" in (folder / "load_it.py").read_text()


def test_a_program_without_code_is_python_that_needs_only_dspy(folder: Path) -> None:
    text = 'chain_of_thought:text, notes: Optional[str] -> queue: Literal["billing", "it\'s"]\nFind the queue.'
    config = parse_config({"program": text, "data": {"inputs": ["text"]}, "task_model": {"model": "openai/task"}})
    program = load_program(text, folder)
    save_program(program.module, folder / "program.json")
    snippet = loading_snippet(config, program, "program.json")
    (folder / "load_it.py").write_text(snippet.replace("print(program(", "ANSWER = (program("))
    there = played(folder)
    assert "Find the queue." in there[0][2][0][1]
    assert "'queue': 'billing'" in there[-1]


@pytest.mark.parametrize("adapter", [*ADAPTERS, "auto"])
@pytest.mark.parametrize("model", ["openai/task", "program", "embedded"])
def test_every_snippet_is_python(folder: Path, adapter: str, model: str) -> None:
    config = parse_config(
        {
            "program": "lib/export_desk/two.py:Two",
            "base": str(folder),
            "adapter": adapter,
            "task_model": {"model": model},
        }
    )
    compile(loading_snippet(config, load_program(config.program, folder), "program.json"), "snippet", "exec")


def test_values_that_json_has_no_word_for_are_saved_as_they_are_shown(folder: Path) -> None:
    module = dspy.Predict("text, when, many, holder -> answer")
    when = datetime.datetime(2024, 5, 1, tzinfo=datetime.UTC)
    module.demos = [
        dspy.Example(text=("a", "b"), when=when, many={1}, holder={1: b"x"}, answer="a"),
    ]
    given = dict.fromkeys(("text", "when", "many", "holder"), "x")
    before = dspy.ChatAdapter().format(module.signature, module.demos, given)
    save_program(module, folder / "program.json")
    loaded = dspy.Predict("text, when, many, holder -> answer")
    loaded.load(folder / "program.json")
    assert dspy.ChatAdapter().format(loaded.signature, loaded.demos, given) == before
    assert module.demos[0].text == ("a", "b")


class Custom(dspy.BaseLM):
    """A model class of a person's own, which DSPy refuses to load."""


def test_a_model_that_dspy_would_not_load_is_left_to_the_program(folder: Path) -> None:
    module = dspy.Predict("text -> answer")
    module.lm = Custom("mine")
    save_program(module, folder / "program.json")
    config = parse_config({"program": "x.py"})
    loaded = load_saved(config, Program(module, None, "one"), folder / "program.json")
    assert loaded.lm is module.lm
    assert dspy.Predict("text -> answer").load(folder / "program.json") is None


class Searching(dspy.Module):  # type: ignore[misc]
    def __init__(self, k: int) -> None:
        super().__init__()
        self.search = dspy.Retrieve(k=k)
        self.ask = dspy.Predict("context, text -> answer")


def test_a_program_with_dspys_retriever_is_saved_where_dspy_itself_cannot(tmp_path: Path) -> None:
    program = Searching(k=7)
    with pytest.raises(TypeError, match="json_mode"):
        program.save(tmp_path / "plain.json")
    save_program(program, tmp_path / "ours.json")
    loaded = Searching(k=1)
    loaded.load(tmp_path / "ours.json")
    assert loaded.search.k == 7


def test_a_model_at_an_address_of_its_own_comes_back_with_the_program(folder: Path) -> None:
    module = dspy.Predict("text -> answer")
    module.lm = dspy.LM("openai/x", api_base="http://h/v1", api_key="k")
    first, second = folder / "first.json", folder / "second.json"
    save_program(module, first)
    again = load_saved(parse_config({"program": "x.py"}), Program(module, None, "one"), first)
    assert again.lm is module.lm
    save_program(again, second)
    assert first.read_text() == second.read_text()
