"""Programs and metrics by reference: what is found, and one sentence for what is not."""

import sys
from collections.abc import Iterator
from pathlib import Path

import dspy
import pytest

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.metrics.loading import load_metric
from mipro_studio.optimizer_core.parameters.arms import Arms
from mipro_studio.optimizer_core.parameters.demos import demos_arm
from mipro_studio.optimizer_core.parameters.instruction import instruction_arm
from mipro_studio.optimizer_core.programs.importing import place_of
from mipro_studio.optimizer_core.programs.program import load_program
from mipro_studio.optimizer_core.types import Author, Candidate, Demo
from tests.arms import built
from tests.optimizer_core.builders import DESK, MORE, ROOT

HEAD = "import dspy\n"
CLASS = (
    HEAD
    + "class One(dspy.Module):\n    def __init__(self):\n        super().__init__()\n"
    + "        self.step = dspy.Predict('text -> label')\n"
)


SIGNATURE = "class {}(dspy.Signature):\n    text: str = dspy.InputField()\n    label: str = dspy.OutputField()\n"


def _uses(name: str, inner: str) -> str:
    return (
        CLASS.removeprefix(HEAD)
        .replace("One", name)
        .replace("self.step = dspy.Predict('text -> label')", f"self.of = {inner}()")
    )


@pytest.fixture(autouse=True)
def _imports_are_forgotten() -> Iterator[None]:
    before, paths = set(sys.modules), list(sys.path)
    yield
    for name in set(sys.modules) - before:
        own = getattr(sys.modules[name], "__name__", "")  # under two names it goes with both: classes say its own
        if name.startswith(("user_program", "some_package")) or own.startswith("user_program"):
            del sys.modules[name]
    sys.path[:] = paths


def write(folder: Path, code: str, name: str = "mine.py") -> str:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(code, encoding="utf-8")
    return name


BAD = {
    "missing": (None, "mine.py", "There is no file 'mine.py'"),
    "syntax": ("import dspy\ndef broken(:\n", "mine.py", "'mine.py' does not import: line 2"),
    "import": ("import nothing_of_this_name\n", "mine.py", "does not import: ModuleNotFoundError"),
    "raises": ("raise ValueError('on import')\n", "mine.py", "does not import: ValueError: on import"),
    "raises a sentence": ("raise ValueError('Say more.')\n", "mine.py", "does not import: ValueError: Say more."),
    "raises what raises": (
        "class Mute(Exception):\n    def __str__(self):\n        return 1 / 0\nraise Mute\n",
        "mine.py",
        "does not import: Mute: it cannot say what is wrong",
    ),
    "exits": ("import sys\nsys.exit(3)\n", "mine.py", "does not import: SystemExit: 3"),
    "no module": (HEAD + "x = 1\n", "mine.py", "'mine.py' has no dspy.Module"),
    "a class, and an object of another": (
        CLASS + "step = dspy.Predict('text -> tone')\n",
        "mine.py",
        "'mine.py' has 2 dspy modules (One, step)",
    ),
    "two modules": (
        CLASS + "class Two(One):\n    pass\n",
        "mine.py",
        "'mine.py' has 2 dspy modules (One, Two)",
    ),
    "code in place of prompts": (
        HEAD + "program = dspy.Flex('text -> label')\n",
        "mine.py",
        "What a dspy.Flex has is code, which dspy.GEPA rewrites",
    ),
    "two signatures": (
        HEAD + SIGNATURE.format("Ask") + SIGNATURE.format("Judge"),
        "mine.py",
        "Its signatures are Ask, Judge: mine.py:Ask is run as `dspy.Predict(Ask)`",
    ),
    "two, and a part of one": (
        CLASS.replace("One", "Inner") + _uses("Outer", "Inner") + CLASS.replace("One", "Other"),
        "mine.py",
        "'mine.py' has 2 dspy modules (Outer, Other). Say which, as mine.py:Other",
    ),
    "older DSPy": (HEAD + "lm = dspy.OpenAI()\n", "mine.py", "has no OpenAI: the program is for another one"),
    "older DSPy's import": ("from dspy.functional import Typed\n", "mine.py", "has no dspy.functional: the program"),
    "older DSPy in init": (
        CLASS.replace("dspy.Predict", "dspy.TypedPredictor"),
        "mine.py",
        "has no TypedPredictor: the",
    ),
    "not installed": (
        "from some_package_gone import x\n",
        "mine.py",
        "Install 'some_package_gone' where the studio runs",
    ),
    "a notebook": (None, "mine.ipynb", "'mine.ipynb' is a notebook"),
    "no attribute": (CLASS, "mine.py:Other", "'mine.py' has nothing named 'Other'"),
    "not a module": (CLASS + "number = 3\n", "mine.py:number", "'mine.py:number' is a int, not a dspy.Module"),
    "factory of text": (CLASS + "def make():\n    return 'x'\n", "mine.py:make", "is a str, not a dspy.Module"),
    "factory raises": (CLASS + "def make():\n    return 1 / 0\n", "mine.py:make", "raised ZeroDivisionError"),
    "factory wants": (CLASS + "def make(a):\n    return One()\n", "mine.py:make", "must work without arguments"),
    "no predictors": (
        HEAD + "class Empty(dspy.Module):\n    def forward(self, text):\n        return None\n",
        "mine.py",
        "has no predictors",
    ),
    "holds itself": (CLASS + "        self.me = self\n", "mine.py", "A module must not hold itself, nor one that"),
    "no package": (None, "no_such_package:program", "'no_such_package' does not import"),
    "a word": (None, "triage", "'triage' is not a program. Use sample:NAME"),
    "nothing": (None, "", "'' is not a program"),
    "no sample": (None, "sample:nothing", "no sample program 'nothing'"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_reference_that_is_no_program_gets_one_sentence(case: str, tmp_path: Path) -> None:
    code, reference, sentence = BAD[case]
    if code is not None:
        write(tmp_path, code)
    with pytest.raises(BadInput) as caught:
        load_program(reference, tmp_path)
    assert sentence in str(caught.value)
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize("attribute", ["One", "make", "made", ""])
def test_a_class_a_factory_and_an_instance_are_programs(attribute: str, tmp_path: Path) -> None:
    write(tmp_path, CLASS + "def make():\n    return One()\nmade = One()\nprogram = One\n")
    program = load_program(f"mine.py:{attribute}" if attribute else "mine.py", tmp_path)
    assert [info.name for info in program.predictors] == ["step"]
    assert program.predictors[0].signature == "Predict(text) -> label"


def test_the_only_module_of_a_file_need_not_be_named(tmp_path: Path) -> None:
    write(tmp_path, CLASS)
    assert load_program("mine.py", tmp_path).predictors[0].name == "step"


HOW_A_FILE_HAS_ONE = {
    "made elsewhere": "from some_package_maker import made_by\nExtractor = made_by()\n",
    "imported": "from some_package_maker import Ready\n",
    "imported, with a class of DSPy": "from dspy import ChainOfThought\nfrom some_package_maker import Ready\n",
    "a class and its object": CLASS + "answering = One()\n",
    "under two names": CLASS + "Same = One\n",
    "its own before what it imports": "from some_package_maker import Ready\n" + CLASS,
    "beside a module that scores": CLASS + "class Judge(One):\n    pass\n" + "metric = Judge()\n",
    "beside a judge of DSPy": CLASS + "from dspy.evaluate import SemanticF1\nmetric = SemanticF1()\n",
}


@pytest.mark.parametrize("how", HOW_A_FILE_HAS_ONE)
def test_the_one_program_of_a_file_is_found_however_it_got_there(how: str, tmp_path: Path) -> None:
    maker = CLASS.replace("One", "Ready") + "def made_by():\n    return Ready\n"
    write(tmp_path, maker, "some_package_maker.py")
    write(tmp_path, HOW_A_FILE_HAS_ONE[how])
    assert load_program("mine.py", tmp_path).predictors[0].name == "step"


def test_modules_that_another_one_of_the_file_uses_are_its_parts(tmp_path: Path) -> None:
    write(tmp_path, CLASS + _uses("Middle", "One") + _uses("Whole", "Middle"))
    assert load_program("mine.py", tmp_path).predictors[0].name == "of.of.step"
    write(tmp_path, CLASS + _uses("Whole", "One").replace("One()", "[One() for _ in 'ab']"), "listed.py")
    assert load_program("listed.py", tmp_path).predictors[1].name == "of[1].step"
    write(tmp_path, CLASS + _uses("Middle", "One") + "whole = Middle()\n", "made.py")
    assert load_program("made.py", tmp_path).attribute == "whole"


@pytest.mark.parametrize("name", ["my-program.v2.py", "2 steps.py", "a.b.c.py", "class.py"])
def test_a_file_may_be_called_what_no_module_is(name: str, tmp_path: Path) -> None:
    write(tmp_path, CLASS, name)
    assert load_program(name, tmp_path).predictors[0].name == "step"
    assert not place_of(name, tmp_path).has_a_name


def test_a_file_s_one_object_is_taken_home_as_it_stands(tmp_path: Path) -> None:
    write(tmp_path, CLASS + "answering = One()\n")
    program = load_program("mine.py", tmp_path)
    assert program.attribute == program.making("answering") == "answering"


def test_a_program_may_be_inside_of_an_object(tmp_path: Path) -> None:
    write(tmp_path, CLASS + "class App:\n    made = One()\n    Kind = One\n")
    assert load_program("mine.py:App.made", tmp_path).predictors[0].name == "step"
    program = load_program("mine.py:App.Kind", tmp_path)
    assert program.making("App.Kind") == "App.Kind()" and program.making("App.made") == "App.made"
    with pytest.raises(BadInput, match=r"has nothing named 'App\.gone'"):
        load_program("mine.py:App.gone", tmp_path)


def test_several_modules_are_told_apart_by_name(tmp_path: Path) -> None:
    write(
        tmp_path,
        CLASS
        + "class Two(One):\n    def __init__(self):\n        super().__init__()\n"
        + "        self.more = dspy.Predict('text -> tone')\n",
    )
    assert len(load_program("mine.py:Two", tmp_path).predictors) == 2
    assert len(load_program("mine.py:One", tmp_path).predictors) == 1


def test_a_single_predictor_is_a_program() -> None:
    program = load_program(f"{MORE}:Single", ROOT)
    assert len(program.predictors) == 1
    assert program.predictors[0].outputs == ("queue",)


def test_a_package_and_a_neighbouring_file_can_be_imported(tmp_path: Path) -> None:
    write(tmp_path, "", "some_package/__init__.py")
    write(tmp_path, CLASS, "some_package/steps.py")
    assert load_program("some_package.steps:One", tmp_path).name == "One"
    write(tmp_path, CLASS, "some_package_neighbour.py")
    write(tmp_path, "from some_package_neighbour import One\nprogram = One\n")
    assert load_program("mine.py", tmp_path).predictors[0].name == "step"


def test_two_files_of_one_name_in_two_folders_are_two_programs(tmp_path: Path) -> None:
    write(tmp_path, CLASS, "a/main.py")
    write(tmp_path, CLASS.replace("self.step", "self.other"), "b/main.py")
    assert load_program("a/main.py", tmp_path).predictors[0].name == "step"
    assert load_program("b/main.py", tmp_path).predictors[0].name == "other"
    assert load_program("a/main.py", tmp_path).predictors[0].name == "step"


def test_the_source_of_a_program_is_its_classs_and_none_where_there_is_none(tmp_path: Path) -> None:
    write(tmp_path, CLASS)
    source = load_program("mine.py", tmp_path).source
    assert source is not None and source.startswith("class One(dspy.Module)")
    module = type("Ghost", (dspy.Module,), {})()
    module.step = dspy.Predict("text -> label")
    from mipro_studio.optimizer_core.programs.program import Program

    assert Program(module, None, "ghost").source is None


def test_metrics_are_found_by_name_by_file_and_beside_the_program(tmp_path: Path) -> None:
    desk = load_program(DESK, ROOT)
    assert load_metric(None, desk, ROOT).name == "metric"
    assert load_metric("token_f1", desk, ROOT).name == "token_f1"
    write(
        tmp_path,
        "def fair(example, prediction, trace=None):\n    return 0.5\nnumber = 3\n"
        "class Strict:\n    def __init__(self, model):\n        self.model = model\n"
        "    def __call__(self, example, pred):\n        return 1\nGrader = Strict\n",
        "metrics.py",
    )
    assert load_metric("metrics.py:fair", desk, tmp_path)(None, None) == 0.5
    functions = "def help_it(text):\n    return text\ndef validate(gold, pred, trace=None):\n    return 1\n"
    functions += "def right(example, prediction):\n    return 1\n"
    write(tmp_path, CLASS + functions)
    bare = load_program("mine.py", tmp_path)
    for reference, sentence in {
        None: r"brings no metric.* The program's file has: mine\.py:validate, mine\.py:right\.$",
        "validate": r"no metric 'validate'.* The program's file has: mine\.py:validate, ",
        "accuracy": "There is no metric 'accuracy'",
        "gone.py:fair": "There is no file 'gone.py'",
        "metrics.py:number": "is a int, not a function",
        "metrics.py:gone": "nothing in it is named 'gone'",
        "metrics.py:Grader.gone": "nothing in it is named 'gone'",
        "metrics.py:Strict": "raised TypeError: Strict.__init__.. missing 1 required",
    }.items():
        with pytest.raises(BadInput, match=sentence):
            load_metric(reference, bare, tmp_path)


def test_a_metric_may_stand_in_a_class_or_be_one(tmp_path: Path) -> None:
    write(tmp_path, CLASS)
    program = load_program("mine.py", tmp_path)
    grader = "class Grader:\n    def __call__(self, example, pred):\n        return 0.25\n"
    static = "    @staticmethod\n    def strict(example, pred, trace=None):\n        return 0.75\n"
    write(tmp_path, grader + static, "metrics.py")
    assert load_metric("metrics.py:Grader.strict", program, tmp_path)(None, None) == 0.75
    assert load_metric("metrics.py:Grader", program, tmp_path)(None, None) == 0.25
    assert load_metric("dspy.evaluate:SemanticF1", program, tmp_path).name == "SemanticF1"


def test_a_signature_is_run_as_a_prediction_of_it_and_that_is_said(tmp_path: Path) -> None:
    write(tmp_path, HEAD + SIGNATURE.format("Ask"))
    for reference in ("mine.py", "mine.py:Ask"):
        program = load_program(reference, tmp_path)
        assert type(program.module) is dspy.Predict
        assert (program.attribute, program.making("Ask")) == ("Ask", "dspy.Predict(Ask)")
        assert [said for said in program.remarks if "run as `dspy.Predict(Ask)`" in said]
    write(tmp_path, HEAD + SIGNATURE.format("Ask") + "program = dspy.ChainOfThought(Ask)\n", "whole.py")
    assert load_program("whole.py", tmp_path).remarks == []


def test_what_building_a_program_raises_is_one_line(tmp_path: Path) -> None:
    made = "from pydantic import BaseModel\nclass Options(BaseModel):\n    depth: int\n"
    write(tmp_path, HEAD + made + "def make():\n    return Options()\n", "made.py")
    write(tmp_path, HEAD + made + "Options()\n", "at_import.py")
    for reference in ("made.py:make", "at_import.py"):
        with pytest.raises(BadInput, match="1 validation error") as caught:
            load_program(reference, tmp_path)
        assert "\n" not in str(caught.value)


def desk_arms() -> Arms:
    arms = Arms(load_program(DESK, ROOT))
    for name in arms.names:
        arms.add(instruction_arm(name, 0, "seed", Author.SEED))
        arms.add(instruction_arm(name, 1, f"better {name}", Author.MODEL))
        arms.add(demos_arm(name, 0, "zero_shot", ()))
        demos = (
            Demo({"message": "m", name: "x", "unknown": "u"}, augmented=True, example_id="1"),
            Demo({"message": "n", name: "y"}, augmented=False, example_id="2"),
        )
        arms.add(demos_arm(name, 1, "unshuffled", demos))
    return arms


def test_a_candidates_arms_are_put_in_and_the_seed_is_left_alone() -> None:
    arms = desk_arms()
    module = arms.module(Candidate.parse("i1d0-i0d1"))
    predictors = dict(module.named_predictors())
    assert predictors["queue"].signature.instructions == "better queue"
    assert predictors["queue"].demos == []
    assert predictors["tone"].signature.instructions == "seed"
    assert [dict(demo.items()) for demo in predictors["tone"].demos] == [
        {"augmented": True, "message": "m", "tone": "x"},
        {"message": "n", "tone": "y"},
    ]
    untouched = dict(arms.module(Candidate.baseline(2)).named_predictors())
    assert untouched["queue"].signature.instructions == "seed"
    assert untouched["tone"].demos == []


def test_a_predictor_keeps_its_own_model_unless_another_is_chosen_for_it() -> None:
    program = load_program(f"{MORE}:QueueOnly", ROOT)
    own = program.module.queue.lm = dspy.LM("openai/expensive", api_key="x")
    assert built(Arms(program), {}, {}).queue.lm is own
    chosen = dspy.LM("openai/cheap", api_key="x")
    assert built(Arms(program, {"queue": chosen}), {}, {}).queue.lm is chosen
    assert program.module.queue.lm is own
