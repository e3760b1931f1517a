"""A plan from facts alone is the plan that an inspection makes."""

import json
from pathlib import Path

import pytest

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.inspection import inspect_request
from mipro_studio.optimizer_core.runs.draft_plan import draft, facts_of

HERE = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"preset": "light"},
        {"optimizer": "bootstrap_rs", "search": {"trials": 5}},
        {"search": {"freeze": ["tone"]}, "budget": {"max_program_runs": 300}},
        {"budget": {"max_program_runs": 150}},
    ],
)
def test_it_says_what_the_inspection_says(changes: dict[str, object]) -> None:
    values = {"program": "sample:triage", **changes}
    found = inspect_request(values, HERE, call_models=False)
    said = draft(values, facts_of(json.loads(json.dumps(found["facts"]))))
    assert said["plan"] == found["plan"]
    assert said["presets"] == found["presets"]
    assert said["settings"]["search"] == json.loads(json.dumps(found["config"]))["search"]


def test_an_endpoint_that_does_not_answer_is_a_warning_and_a_missing_forward_is_refused(tmp_path: Path) -> None:
    nobody = {"model": "openai/x", "api_base": "http://127.0.0.1:9/v1"}
    found = inspect_request({"program": "sample:triage", "task_model": nobody}, HERE)
    assert sum("did not answer just now" in text for text in found["warnings"]) == 1, found["warnings"]
    (tmp_path / "still.py").write_text(
        "import dspy\n\nclass Still(dspy.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.step = dspy.Predict('message -> queue')\n\n\ndef metric(example, prediction, trace=None):\n"
        "    return 1.0\n"
    )
    (tmp_path / "rows.jsonl").write_text('{"message": "a", "queue": "b"}\n' * 9)
    values = {"program": str(tmp_path / "still.py"), "data": {"data": str(tmp_path / "rows.jsonl")}}
    with pytest.raises(BadInput, match=r"no forward\(\)") as refused:
        inspect_request(values, tmp_path, call_models=False)
    assert refused.value.fields == {"inputs": [], "outputs": ["queue"]}


def test_fields_of_a_program_are_those_that_it_is_called_with_and_not_those_of_its_first_step(tmp_path: Path) -> None:
    (tmp_path / "hops.py").write_text(
        "import dspy\n\nclass Hops(dspy.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.ask = dspy.Predict('context, question -> query')\n"
        "        self.answer = dspy.Predict('query, question -> answer')\n"
        "    def forward(self, question, hint=None):\n"
        "        query = self.ask(context=[], question=question).query\n"
        "        return self.answer(query=query, question=question)\n"
    )
    (tmp_path / "rows.jsonl").write_text("".join(f'{{"question": "q{n}", "answer": "b"}}\n' for n in range(9)))
    values = {"program": "hops.py", "data": {"data": "rows.jsonl"}, "metric": "exact_match"}
    fields = {"inputs": ["question", "hint"], "outputs": ["answer"]}
    assert inspect_request(values, tmp_path, call_models=False)["facts"]["fields"] == fields
    with pytest.raises(BadInput, match="brings no metric") as refused:
        inspect_request({**values, "metric": None}, tmp_path, call_models=False)
    assert refused.value.fields == fields
