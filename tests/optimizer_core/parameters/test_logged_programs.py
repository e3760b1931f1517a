"""Arms out of the log folders of DSPy's own optimizers."""

import json
import pickle
from pathlib import Path

import dspy
import pytest
from dspy.teleprompt.utils import save_candidate_program

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.parameters.logged_programs import distinct, logged_predictors
from mipro_studio.optimizer_core.parameters.saved_state import SavedPredictor
from tests.programs import desk

DEMO = dspy.Example(message="thanks", tone="calm")


def test_every_program_that_miprov2_tried_is_read_in_the_order_of_its_trials(tmp_path: Path) -> None:
    for trial in (-1, 2, 10):
        made = desk.Desk()
        made.queue.signature = made.queue.signature.with_instructions(f"Tried in {trial}.")
        made.tone.demos = [DEMO] if trial > 2 else []
        save_candidate_program(made, str(tmp_path), trial)
    found = logged_predictors(str(tmp_path), Path())
    assert found is not None
    assert found == logged_predictors("evaluated_programs", tmp_path)
    tried = [one.instruction for one in found if one.name == "queue"]
    assert tried == ["Tried in -1.", "Tried in 2.", "Tried in 10."]
    kept = distinct(found)
    assert [(one.instruction, len(one.demos)) for one in kept if one.name == "tone"] == [
        (desk.Tone.instructions, 0),
        ("", 1),
    ]


def test_the_candidates_of_gepa_are_read_beside_its_pickle_which_is_not(tmp_path: Path) -> None:
    candidates = [{"queue": "First.", "tone": "Hear."}, {"queue": "Second.", "tone": "Hear."}]
    (tmp_path / "candidates.json").write_text(json.dumps(candidates))
    (tmp_path / "gepa_state.bin").write_bytes(pickle.dumps({"program_candidates": candidates}))
    found = logged_predictors(str(tmp_path), Path())
    assert found == logged_predictors("candidates.json", tmp_path)
    assert distinct(found or []) == [
        SavedPredictor("queue", "First.", ()),
        SavedPredictor("tone", "Hear.", ()),
        SavedPredictor("queue", "Second.", ()),
    ]
    with pytest.raises(BadInput, match="is a pickle") as said:
        logged_predictors("gepa_state.bin", tmp_path)
    assert "candidates.json beside it" in said.value.hint


@pytest.mark.parametrize("content", ["{}", "[1]", '[{"queue": 1}]', "not json", "[" * 100_000])
def test_what_gepa_did_not_write_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "candidates.json").write_text(content)
    with pytest.raises(BadInput, match=r"candidates\.json"):
        logged_predictors("candidates.json", tmp_path)


def test_a_folder_without_programs_says_what_it_should_hold_and_a_file_is_no_log(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no program in the folder") as said:
        logged_predictors(str(tmp_path), Path())
    assert "evaluated_programs/" in said.value.hint
    assert logged_predictors("saved.json", tmp_path) is None
