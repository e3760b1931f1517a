"""The papers' tasks: predictors, seeds, splits, and every program end to end with a scripted model."""

from __future__ import annotations

import json
import os
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dspy
import pytest

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.inspection import inspect_request
from mipro_studio.sample_programs import CATALOG, get_sample
from mipro_studio.sample_programs.tasks import files
from mipro_studio.sample_programs.tasks.retrieval import search, titles

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
REAL = Path(os.environ.get(files.FOLDER_VARIABLE) or SHARED)

PREDICTORS = {
    "iris_typo": 1,
    "scone": 1,
    "hotpotqa": 2,
    "hotpotqa_conditional": 2,
    "hotpotqa_better_together": 3,
    "hover": 4,
    "heart_disease": 4,
    "gsm8k": 1,
    "sst2": 1,
    "trec": 1,
}
CALLS = PREDICTORS | {"hotpotqa": 3, "hotpotqa_conditional": 3}

PASSAGES = [
    {"title": "Ada Lovelace", "text": "Ada Lovelace wrote the first program for the Analytical Engine."},
    {"title": "Charles Babbage", "text": ["Charles Babbage designed ", "the Analytical Engine."]},
    {"title": "Analytical Engine", "text": "The Analytical Engine was a mechanical computer."},
]
QUESTION = {"question": "Who wrote for Babbage's engine?", "answer": "Ada Lovelace", "gold_titles": ["Ada Lovelace"]}
PATIENT = dict.fromkeys(CATALOG["heart_disease"].inputs, "unknown")
ROWS: dict[str, dict[str, Any]] = {
    "hotpotqa": QUESTION,
    "hotpotqa_conditional": {**QUESTION, "answer_category": "person"},
    "hover": {"claim": "Ada wrote for Babbage.", "gold_titles": [row["title"] for row in PASSAGES], "hpqa_id": "x"},
    "scone": {"context": "A.", "question": "B?", "answer": "Yes", "category": "no_negation", "set_id": "s"},
    "heart_disease": {**PATIENT, "num": 2, "answer": "yes"},
    "gsm8k": {"question": "2 + 40?", "answer": "42"},
    "sst2": {"text": "a delight", "label": "positive"},
    "trec": {"text": "How many ?", "label": "number"},
}


@pytest.fixture
def small_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with ten numbered rows a file, so that every split has some."""
    for name, row in ROWS.items():
        key = next(iter(row))
        group = next((column for column in ("set_id", "hpqa_id") if column in row), None)
        lines = [
            json.dumps({**row, key: f"{row[key]} {number}", **({group: str(number)} if group else {})})
            for number in range(10)
        ]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
    for name in ("hotpotqa_corpus.jsonl", "hover_corpus.jsonl"):
        (tmp_path / name).write_text("\n".join(map(json.dumps, PASSAGES)))
    monkeypatch.setenv(files.FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.delenv(files.COLBERT_VARIABLE, raising=False)
    yield tmp_path


def scripted(**outputs: str) -> dspy.utils.DummyLM:
    return dspy.utils.DummyLM([{"reasoning": "so it is", **outputs}] * 8)


@pytest.mark.parametrize("name", PREDICTORS)
def test_every_task_runs_end_to_end_and_calls_as_often_as_the_paper_says(name: str, small_data: Path) -> None:
    module, sample = get_sample(name), CATALOG[name]
    row = sample.rows()[0]
    right = {"answer": str(row.get("answer")), "label": str(row.get("label"))}
    if name == "hotpotqa_conditional":
        right["answer"] = right["answer"].lower()
    program = module.program()
    assert len(program.named_predictors()) == PREDICTORS[name]
    lm = scripted(search_query="Ada Lovelace", query="Analytical Engine", summary="Ada, Babbage", **right)
    example = dspy.Example(**row).with_inputs(*sample.inputs)
    with dspy.context(lm=lm, adapter=dspy.ChatAdapter(), trace=[]):
        prediction = program(**example.inputs())
        assert len(dspy.settings.trace) == CALLS[name]
    assert module.metric(example, prediction) == 1.0
    assert module.metric(example, dspy.Prediction(answer="no such thing", label="", retrieved_docs=[])) == 0.0


@pytest.mark.parametrize("name", ROWS)
def test_fixed_splits_are_the_same_for_every_seed_and_share_no_row(name: str, small_data: Path) -> None:
    sample = CATALOG[name]
    assert sample.fixed_split and not sample.missing()
    rows = sample.rows()
    assert rows == sample.rows()
    assert {row["split"] for row in rows} == {"train", "val", "test"}
    assert len({json.dumps({**row, "split": ""}) for row in rows}) == len(rows)


def test_a_request_takes_the_tasks_own_split_and_hides_what_gives_the_label_away(small_data: Path) -> None:
    model = {"model": "openai/x", "api_base": "http://127.0.0.1:9/v1"}
    answers = [
        inspect_request({"program": "sample:heart_disease", "task_model": model, "seed": seed}, small_data,
                        call_models=False)
        for seed in (0, 1)
    ]  # fmt: skip
    assert answers[0]["records"] == answers[1]["records"]
    assert sum(answers[0]["data"]["splits"].values()) <= 10
    assert "num" not in answers[0]["data"]["columns"] and "split" not in answers[0]["data"]["columns"]


def test_a_task_beyond_the_embedded_model_is_refused_unless_somebody_insists(small_data: Path) -> None:
    with pytest.raises(BadInput, match="beyond the embedded model"):
        inspect_request({"program": "sample:gsm8k"}, small_data, call_models=False)
    insisted = {"program": "sample:gsm8k", "task_model": {"model": "embedded"}}
    assert any("beyond the embedded model" in text for text in inspect_request(insisted, small_data)["warnings"])


def test_missing_data_and_passages_say_how_to_get_them(small_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = {"task_model": {"model": "openai/x", "api_base": "http://127.0.0.1:9/v1"}}
    (small_data / "hotpotqa_corpus.jsonl").unlink()
    assert CATALOG["hotpotqa"].missing() == ["hotpotqa_corpus.jsonl"]
    with pytest.raises(BadInput, match=r"passages 'hotpotqa_corpus\.jsonl'"):
        inspect_request({"program": "sample:hotpotqa", **model}, small_data, call_models=False)
    monkeypatch.setenv(files.COLBERT_VARIABLE, "http://127.0.0.1:9")
    assert CATALOG["hotpotqa"].missing() == []
    (small_data / "gsm8k.jsonl").unlink()
    with pytest.raises(BadInput, match=r"sample_programs\.fetch gsm8k"):
        inspect_request({"program": "sample:gsm8k", **model}, small_data, call_models=False)


def test_families_are_never_torn_apart_and_official_splits_are_kept() -> None:
    rows = [{"text": f"{family}-{i}", "family": str(family)} for family in range(20) for i in range(3)]
    dealt = files.dealt(rows, (20, 20, 20), ("text", "family"), group="family")
    homes = {(row["family"], row["split"]) for row in dealt}
    assert len(homes) == 20
    official = [{"text": str(i), "split": "test" if i % 2 else "train"} for i in range(40)]
    kept = files.dealt(official, (10, 10, 5), ("text",))
    assert [sum(row["split"] == part for row in kept) for part in ("train", "val", "test")] == [10, 10, 5]
    assert all(int(row["text"]) % 2 == (row["split"] == "test") for row in kept)


def test_bm25_finds_the_passage_and_gives_titles(small_data: Path) -> None:
    found = search("hover_corpus.jsonl", "who designed the engine, Babbage?", 2)
    assert titles(found)[0] == "Charles Babbage"
    assert found[0] == "Charles Babbage | Charles Babbage designed the Analytical Engine."
    assert len(search("hover_corpus.jsonl", "", 7)) == len(PASSAGES)


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("hotpotqa", (174, 174, 698)),
        ("hotpotqa_conditional", (500, 200, 200)),
        ("hover", (238, 238, 724)),
        ("scone", (390, 390, 600)),
        ("heart_disease", (60, 60, 183)),
        ("gsm8k", (533, 266, 400)),
        ("sst2", (150, 150, 300)),
        ("trec", (150, 150, 300)),
    ],
)
def test_the_real_data_is_dealt_in_the_papers_proportions(
    name: str, sizes: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not (REAL / f"{name}.jsonl").is_file():
        pytest.skip(f"no {name}.jsonl in the shared data")
    monkeypatch.setenv(files.FOLDER_VARIABLE, str(REAL))
    rows = CATALOG[name].rows()
    assert tuple(sum(row["split"] == part for row in rows) for part in ("train", "val", "test")) == sizes


def test_hover_on_real_passages_is_all_or_nothing_and_bm25_has_room_to_gain(monkeypatch: pytest.MonkeyPatch) -> None:
    if not (REAL / "hover_corpus.jsonl").is_file():
        pytest.skip("no HoVer passages in the shared data")
    monkeypatch.setenv(files.FOLDER_VARIABLE, str(REAL))
    module = get_sample("hover")
    rows = [row for row in CATALOG["hover"].rows() if row["split"] == "test"][:40]
    lm = dspy.utils.DummyLM([{"reasoning": "", "summary": "", "query": ""}] * 400)
    scores = []
    with dspy.context(lm=lm, adapter=dspy.ChatAdapter()):
        for row in rows:
            scores.append(module.metric(dspy.Example(**row), module.program()(claim=row["claim"])))
    assert set(scores) <= {0.0, 1.0}
    assert 0.2 < sum(scores) / len(scores) < 0.9


def in_form(answer: str, category: str, ending: str) -> str:
    """The gold answer as the rules of the conditional task want it."""
    plain = "".join(mark for mark in answer if mark not in string.punctuation)
    forms = {"person": answer.lower(), "place": plain, "date": f"{answer}{ending}"}
    return forms.get(category, answer.upper())


@pytest.mark.parametrize("name", PREDICTORS)
def test_every_task_runs_on_real_rows_and_takes_the_gold_answer_for_right(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(files.FOLDER_VARIABLE, str(REAL))
    sample, module = CATALOG[name], get_sample(name)
    if missing := sample.missing():
        pytest.skip(f"no {', '.join(missing)} in the shared data")
    every = sample.rows()
    rows = every[:: len(every) // 6]
    for row in rows:
        gold = str(row.get("answer"))
        if name == "hotpotqa_conditional":
            gold = in_form(gold, row["category"], module.ENDING)
        right = {"answer": gold, "label": str(row.get("label"))}
        about = str(row.get("question") or row.get("claim") or "")
        lm = scripted(search_query=about, query=about, summary="", **right)
        example = dspy.Example(**row).with_inputs(*sample.inputs)
        with dspy.context(lm=lm, adapter=dspy.ChatAdapter(), trace=[]):
            prediction = module.program()(**example.inputs())
            assert len(dspy.settings.trace) == CALLS[name]
        value = module.metric(example, prediction)
        assert value in (0.0, 1.0) if name == "hover" else value == 1.0, row
