"""Whose model and whose adapter: the program's, unless a person chose otherwise; counted in either case."""

from pathlib import Path
from typing import Any

import dspy
import pytest

from mipro_studio.optimizer_core.config import OF_PROGRAM, Budget, RunConfig, parse_config
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.evaluation.program_run import run_once
from mipro_studio.optimizer_core.metrics.scoring import Scorer
from mipro_studio.optimizer_core.models.guests import GuestLM
from mipro_studio.optimizer_core.models.meter import Meter
from mipro_studio.optimizer_core.models.role_model import RoleModel
from mipro_studio.optimizer_core.models.role_models import (
    adapter_of,
    build_role_model,
    chosen_models,
    model_rows,
    model_when_made,
    overridden,
    own_model,
    with_own_model,
)
from mipro_studio.optimizer_core.parameters.arms import Arms
from mipro_studio.optimizer_core.programs.program import Program, load_program
from mipro_studio.optimizer_core.roles import MODEL_PLACES
from mipro_studio.optimizer_core.types import Example, Role, Split
from tests.arms import built
from tests.optimizer_core.scripted import ScriptedEngine, chat, scripted

ROW = Example("i", Split.VAL, 0, {"text": "t"}, {})


class Two(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.draft = dspy.Predict("text -> notes")
        self.decide = dspy.Predict("text, notes -> answer")

    def forward(self, text: str) -> dspy.Prediction:
        return self.decide(text=text, notes=self.draft(text=text).notes)


def plain_lm(name: str, asked: list[str]) -> dspy.LM:
    """A model as a person makes one: not metered by itself."""

    def reply(request: Any) -> str:
        asked.append(name)
        return chat(notes="n", answer="a")

    return dspy.LM(name, engine=ScriptedEngine(reply), cache=False)


def config_of(**settings: Any) -> RunConfig:
    return parse_config(
        {"program": "x.py", "task_model": {"model": "openai/task", "api_base": "http://h/v1"}, **settings}
    )


def one(*_: Any) -> float:
    return 1.0


def test_calls_of_a_predictors_own_model_are_counted_in_its_cell_and_under_the_role() -> None:
    asked: list[str] = []
    module = Two()
    module.draft.set_lm(plain_lm("openai/cheap", asked))
    meter = Meter(Budget())
    lm = scripted(lambda request: chat(answer="a"), meter, Role.TEST)
    made = built(Arms(Program(module, None, "two")), {"draft": "Note it."}, {})
    cell = run_once(made, ROW, RoleModel(lm, dspy.ChatAdapter()), Scorer(one, "one"), "c")
    assert asked == ["openai/cheap"]
    assert (cell.usage.calls, cell.usage.input_tokens) == (2, 20)
    assert {name: (share.calls, share.output_tokens) for name, share in cell.by_predictor.items()} == {
        "draft": (1, 5),
        "decide": (1, 5),
    }
    assert meter.total(Role.TEST).calls == 2


def test_a_chosen_model_is_counted_under_the_role_that_runs_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    module = Two()
    program = Program(module, None, "two")
    config = config_of(
        models={
            "draft": {
                "model": "openai/strong",
                "api_base": "http://h/v1",
                "input_usd_per_mtok": 1e6,
                "output_usd_per_mtok": 0,
            }
        }
    )
    models: dict[str, Any] = chosen_models(config, program)
    assert type(models["draft"]) is GuestLM
    models["draft"]._engine_spec = ScriptedEngine(lambda request: chat(notes="n"))
    made = built(Arms(program, models), {}, {})
    for role in (Role.TEACHER, Role.TEST):
        meter = Meter(Budget())
        lm = scripted(lambda request: chat(answer="a"), meter, role, prices=(0.0, 0.0))
        cell = run_once(made, ROW, RoleModel(lm, dspy.ChatAdapter()), Scorer(one, "one"), "c")
        assert meter.total(role).calls == cell.usage.calls == 2
        assert cell.usage.cost_usd == pytest.approx(10.0)  # ten tokens at the chosen model's price


def test_the_configured_model_is_the_task_model_where_nobody_names_one() -> None:
    asked: list[str] = []
    program = Program(Two(), None, "two")
    assert own_model(program) is None
    assert with_own_model(parse_config({"program": "x.py"}), {}, program).task_model.model == "embedded"
    program.configured = {"lm": plain_lm("openai/mine", asked)}
    config = with_own_model(parse_config({"program": "x.py"}), {}, program)
    assert config.task_model.model == OF_PROGRAM
    meter = Meter(Budget(max_lm_calls=3))
    played = build_role_model(config.task_model, Role.TASK, meter, config, program)
    cell = run_once(program.module, ROW, played, Scorer(one, "one"), "c")
    assert asked == ["openai/mine"] * 2
    assert meter.total(Role.TASK).calls == cell.usage.calls == 2
    assert with_own_model(config_of(), {"task_model": {}}, program).task_model.model == "openai/task"
    assert [text for text in overridden(config_of(), program) if "openai/mine" in text and "openai/task" in text]
    assert overridden(config, program) == []


def test_a_program_without_a_model_of_its_own_cannot_lend_one() -> None:
    config = config_of(task_model={"model": "program"})
    with pytest.raises(BadInput, match="configures no model of its own"):
        build_role_model(config.task_model, Role.TASK, Meter(Budget()), config, Program(Two(), None, "two"))


ADAPTERS = {"chat": "ChatAdapter", "json": "JSONAdapter", "xml": "XMLAdapter", "two_step": "TwoStepAdapter"}


class Shouting(dspy.ChatAdapter):
    """An adapter of a person's own."""


def test_the_adapter_is_the_chosen_one_else_the_programs_else_chat() -> None:
    program = Program(Two(), None, "two")

    def used(**settings: Any) -> str:
        config = config_of(**settings)
        return type(adapter_of(config.task_model, config, program)).__name__

    assert used() == "ChatAdapter"
    program.configured = {"adapter": Shouting()}
    assert used() == "Shouting"
    for name, kind in {**ADAPTERS, "baml": "BAMLAdapter"}.items():
        assert used(adapter=name) == kind
    config = config_of(adapter="two_step")
    played = build_role_model(config.task_model, Role.TASK, Meter(Budget()), config, program)
    assert played.adapter.extraction_model is played.lm
    proposing = build_role_model(config.task_model, Role.PROMPT, Meter(Budget()), config, program)
    assert type(proposing.adapter) is dspy.ChatAdapter


def test_the_embedded_models_adapter_is_not_for_others() -> None:
    module = Two()
    config = parse_config({"program": "x.py", "models": {"decide": {"model": "openai/x"}}})
    assert type(adapter_of(config.task_model, config, Program(module, None, "two"))).__name__ == "CompactAdapter"
    module.draft.set_lm(plain_lm("openai/cheap", []))
    assert type(adapter_of(config.task_model, config, Program(module, None, "two"))) is dspy.ChatAdapter


def test_the_receipt_says_in_a_sentence_what_is_kept_and_what_is_replaced() -> None:
    module = Two()
    module.draft.set_lm(plain_lm("openai/cheap", []))
    module.decide.set_lm(plain_lm("openai/strong", []))
    program = Program(module, None, "two")
    program.configured = {"adapter": dspy.JSONAdapter()}
    config = config_of(adapter="xml", models={"decide": {"model": "openai/other"}})
    rows = {setting: (asked, used, why) for setting, asked, used, why in model_rows(config, program)}
    shared = [place[0] for place in MODEL_PLACES.values() if len(place) == 1 and place != Role.TASK.place]
    assert rows == {
        "task_model": ("openai/task", "openai/task", ""),
        **dict.fromkeys(shared, (None, "openai/task", "the task model")),
        "adapter": ("xml", "XMLAdapter", "chosen, instead of JSONAdapter, which the program configures"),
        "model of draft": (None, "openai/cheap", "the program sets it, and it stays"),
        "model of decide": (
            "openai/other",
            "openai/other",
            "chosen, instead of openai/strong, which the program sets",
        ),
    }
    said = " ".join(overridden(config, program))
    assert "openai/strong for decide" in said and "JSONAdapter" in said and "cheap" not in said


def test_a_model_for_a_predictor_that_is_not_there_is_refused() -> None:
    with pytest.raises(BadInput, match="no predictor 'drafft' to give a model"):
        chosen_models(config_of(models={"drafft": {"model": "openai/x"}}), Program(Two(), None, "two"))


def test_settings_of_predictors_and_callbacks_reach_the_model() -> None:
    seen: list[Any] = []

    def reply(request: Any) -> str:
        seen.append(request.config.temperature)
        return chat(notes="n", answer="a")

    heard: list[str] = []

    class Hearing(dspy.utils.BaseCallback):  # type: ignore[misc]
        def on_lm_end(self, call_id: str, outputs: Any, exception: Any = None) -> None:
            heard.append(call_id)

    module = Two()
    module.draft.config = {"temperature": 0.9, "n": 1}
    made = built(Arms(Program(module, None, "two")), {}, {})
    with dspy.context(callbacks=[Hearing()], track_usage=True):
        run_once(made, ROW, RoleModel(scripted(reply), dspy.ChatAdapter()), Scorer(one, "one"), "c")
    assert seen == [0.9, None]
    assert len(heard) == 2


COOL = """
import dspy
{configured}
class Cool(dspy.Module):
    def __init__(self):
        super().__init__()
        self.cool = dspy.settings.lm.copy(temperature=0.1)
        self.ask = dspy.Predict("text -> answer")

    def forward(self, text):
        with dspy.context(lm=self.cool):
            return self.ask(text=text)
"""


@pytest.mark.parametrize("configured", ["", 'dspy.configure(lm=dspy.LM("openai/own", api_key="x"))'])
def test_a_program_finds_a_configured_model_when_it_is_made(tmp_path: Path, configured: str) -> None:
    name = f"cool{len(configured)}"
    (tmp_path / f"{name}.py").write_text(COOL.format(configured=configured))
    dspy.configure(lm=None)
    made = load_program(f"{name}.py:Cool", tmp_path, model_when_made(config_of())).module.cool
    assert (made.model, made.kwargs["temperature"]) == ("openai/own" if configured else "openai/task", 0.1)
    assert (dspy.settings.lm is None) is not bool(configured)
    dspy.configure(lm=None)


def test_a_copy_of_the_model_that_a_program_keeps_is_counted_under_the_role_that_runs_it(tmp_path: Path) -> None:
    (tmp_path / "keeps.py").write_text(COOL.format(configured=""))
    found = model_when_made(config_of())
    assert isinstance(found, GuestLM)
    found._engine = ScriptedEngine(lambda request: chat(answer="a"))
    program = load_program("keeps.py:Cool", tmp_path, found)
    meter = Meter(Budget())
    teacher = RoleModel(scripted(lambda request: chat(answer="b"), meter, Role.TEACHER), dspy.ChatAdapter())
    cell = run_once(program.module, ROW, teacher, Scorer(one, "one"), "i0d0")
    assert (cell.prediction["answer"], cell.usage.calls, meter.total(Role.TEACHER).calls) == ("a", 1, 1)


def test_the_receipt_names_the_model_that_the_program_configures() -> None:
    program = Program(Two(), None, "two")
    program.configured = {"lm": plain_lm("openai/mine", [])}

    def task_row(**settings: Any) -> tuple[Any, ...]:
        return next(row for row in model_rows(config_of(**settings), program) if row[0] == "task_model")

    assert task_row(task_model={"model": "program"}) == ("task_model", "program", "openai/mine", "the program's own")
    assert task_row() == (
        *["task_model", "openai/task", "openai/task"],
        "instead of openai/mine, which the program configures",
    )
