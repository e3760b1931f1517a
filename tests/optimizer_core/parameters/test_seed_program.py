"""A run that begins as a saved program left off; plain DSPy, which saved it, is the oracle."""

import json
import pickle
from pathlib import Path
from typing import Any

import dspy
import pytest

from mipro_studio.optimizer_core.config import parse_config
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.parameters.saved_state import read_saved
from mipro_studio.optimizer_core.parameters.seed_program import seed_program
from tests.inside import shell
from tests.programs import desk
from tests.python_call.scripted_lm import rows
from tests.working import DESK, ROOT, last_object

PARITY = f"{ROOT}/tests/programs/parity.py"


def saved(folder: Path) -> Path:
    made = desk.Desk()
    made.queue.signature = made.queue.signature.with_instructions("Which queue? Think of who can help.")
    made.tone.demos = [dspy.Example(message="late again!", tone="angry"), dspy.Example(message="thanks", tone="calm")]
    made.set_lm(dspy.LM("openai/elsewhere", api_base="http://elsewhere.invalid/v1"))
    made.save(folder / "saved.json")
    return folder / "saved.json"


def test_it_is_the_program_that_plain_dspy_loads_but_for_the_saved_models(tmp_path: Path) -> None:
    path = saved(tmp_path)
    state = read_saved("saved.json", tmp_path)
    config = parse_config({"program": DESK, "start_from": "saved.json", "start_state": state})
    program = seed_program(config, tmp_path)
    plain = desk.Desk()
    plain.load(path)
    plain.set_lm(None)
    assert program.module.dump_state() == plain.dump_state()
    assert next(info.instruction for info in program.predictors) == "Which queue? Think of who can help."
    assert program.attribute == "program"


def test_the_baseline_of_a_run_is_the_saved_program_also_when_the_file_is_gone(tmp_path: Path) -> None:
    good = dspy.Predict("number: int -> parity")
    good.demos = rows(2)
    good.save(tmp_path / "good.json")
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(dict(row.items())) for row in rows(40, 500)))
    store = str(tmp_path / "studio.db")
    given = ["--data", str(tmp_path / "rows.jsonl"), "--store", store, "--trials", "2", "--json"]
    plain = last_object(shell("run", PARITY, *given))
    started = last_object(shell("run", PARITY, *given, "--start-from", str(tmp_path / "good.json")))
    assert plain["baseline_val"] < 1.0
    assert (started["baseline_val"], started["baseline_test"]) == (1.0, 1.0)
    (tmp_path / "good.json").unlink()
    done = shell("export", started["run_id"], "--store", store, "--out", str(tmp_path / "out.json"))
    assert done.returncode == 0, done.stderr
    again = dspy.Predict("number: int -> parity")
    again.load(tmp_path / "out.json")
    assert len(again.demos) >= 2


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("state.bin", pickle.dumps({"a": 1}), "is a pickle"),
        ("state.json", pickle.dumps({"a": 1}), "is a pickle"),
        ("gepa_state.bin", b"\x80\x05\x95", "is a pickle"),
        ("state.json", b"{", "is no JSON"),
        ("state.json", b"[" * 100_000, "is no JSON"),
        ("state.json", b"[]", "holds no program"),
        ("none.json", None, "There is no file"),
    ],
)
def test_what_is_no_saved_program_is_refused_and_nothing_in_it_is_run(
    name: str, content: Any, said: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=said):
        read_saved(name, tmp_path)


def test_a_saved_program_of_another_kind_is_refused_with_what_is_wanted(tmp_path: Path) -> None:
    dspy.Predict("question -> answer").save(tmp_path / "other.json")
    state = read_saved("other.json", tmp_path)
    with pytest.raises(BadInput, match="predictors queue, tone"):
        seed_program(parse_config({"program": DESK, "start_from": "other.json", "start_state": state}), tmp_path)
