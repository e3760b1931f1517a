"""Rows become examples of three splits, and what was done with them is said."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from mipro_studio.optimizer_core.config import DataSpec
from mipro_studio.optimizer_core.data import (
    Dataset,
    Fields,
    Gathered,
    end_outputs,
    example_id,
    gather,
    load_dataset,
)
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.types import Split

TEXT = Fields(("text",), outputs=("label",))


def rows_of(count: int, classes: int = 3) -> list[dict[str, Any]]:
    return [{"text": f"text {n}", "label": f"class {n % classes}"} for n in range(count)]


def loaded(rows: list[dict[str, Any]], fields: Fields = TEXT, seed: int = 0, **spec: Any) -> Dataset:
    return load_dataset(DataSpec(**spec), Gathered(pool=tuple(rows)), fields, seed)


def from_files(spec: DataSpec, fields: Fields = TEXT) -> Dataset:
    return load_dataset(spec, gather(spec), fields, 0)


def jsonl(folder: Path, name: str, rows: list[dict[str, Any]]) -> str:
    path = folder / name
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return str(path)


def test_the_same_row_has_the_same_id_everywhere_and_others_have_others() -> None:
    assert example_id({"a": 1, "b": 2}, {"c": 3}) == example_id({"b": 2, "a": 1}, {"c": 3})
    different = [
        example_id({"a": 1}, {}),
        example_id({}, {"a": 1}),
        example_id({"a": "1"}, {}),
        example_id({"a": 1}, {"b": None}),
        example_id({"a": "\ud800"}, {}),
    ]
    assert len(set(different)) == len(different)


# Columns


def test_a_column_called_split_is_the_splits_where_it_names_them(tmp_path: Path) -> None:
    told = ["train", "Validation", "test", "train"]
    rows = [{**row, "split": told[n % 4]} for n, row in enumerate(rows_of(8))]
    source = jsonl(tmp_path, "a.jsonl", rows)
    data = from_files(DataSpec(data=source))
    assert [len(data.of(split)) for split in Split] == [4, 2, 2]
    assert "split" not in data.columns and data.notes == ("The rows name their splits.",)
    for otherwise in ({"group": "split"}, {"columns": {"split": "part"}}):
        assert "drawn into" in from_files(DataSpec(data=source, **otherwise)).notes[0]
    rows[0]["split"] = "left"
    assert "drawn into" in from_files(DataSpec(data=jsonl(tmp_path, "b.jsonl", rows))).notes[0]


def test_a_column_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(BadInput) as caught:
        loaded(rows_of(9), Fields(("texte",)))
    assert "'texte'" in str(caught.value) and "text, label" in str(caught.value)
    with pytest.raises(BadInput, match="--rename Text=text; in"):
        loaded([{"Text": "x", "label": "y"}])
    with pytest.raises(BadInput, match=r'Write rows as {"record": {...}, "label": ...}'):
        loaded(rows_of(9), Fields(("record",), outputs=("label",), records=frozenset({"record"})))
    squad = [{"title": "t", "paragraphs": [{"context": "c", "qas": [{"text": "q", "label": "a"}]}]}]
    with pytest.raises(BadInput, match="It stands inside: paragraphs > qas > text"):
        loaded(squad)
    with pytest.raises(BadInput, match="It stands inside: inputs > text"):
        loaded([{"inputs": {"text": "q"}, "outputs": {"label": "a"}}])
    with pytest.raises(BadInput, match="no column 'queue' to stratify by"):
        loaded(rows_of(9), stratify="queue")
    with pytest.raises(BadInput, match="no column 'user' to group by"):
        loaded(rows_of(9), group="user")
    with pytest.raises(BadInput, match="which columns are inputs"):
        loaded(rows_of(9), Fields(()))
    with pytest.raises(BadInput, match="The label 'queue' is no column"):
        loaded(rows_of(9), labels=("queue",))
    with pytest.raises(BadInput, match="The label 'text' is an input"):
        loaded(rows_of(9), labels=("text",))


def test_a_row_without_a_required_input_is_named_by_its_number() -> None:
    rows = rows_of(9)
    rows[4]["text"] = None
    with pytest.raises(BadInput, match="Row 5 has no value in the column 'text'"):
        loaded(rows)
    del rows[4]["text"]
    with pytest.raises(BadInput, match="Row 5 has no value in the column 'text'"):
        loaded(rows)


def test_an_optional_input_may_be_null_or_have_no_column_at_all() -> None:
    fields = Fields(("text", "context", "k"), optional=frozenset({"context", "k"}), outputs=("label",))
    rows = [{**row, "context": None if n % 2 else "c"} for n, row in enumerate(rows_of(9))]
    del rows[0]["context"]
    data = loaded(rows, fields)
    assert data.roles.inputs == ("text", "context")
    given = {row.inputs["text"]: row.inputs for row in data.examples}
    assert given["text 0"] == {"text": "text 0"}
    assert given["text 1"] == {"text": "text 1", "context": None}


def test_columns_may_be_renamed_but_not_onto_one_that_is_there() -> None:
    data = loaded(rows_of(9), Fields(("message",)), columns={"text": "message"})
    assert all(set(row.inputs) == {"message"} and set(row.labels) == {"label"} for row in data.examples)
    with pytest.raises(BadInput, match="cannot be renamed to 'label': 'label' would have that name too"):
        loaded(rows_of(9), Fields(("label",)), columns={"text": "label"})
    with pytest.raises(BadInput, match="cannot be renamed to 'x'"):
        loaded(rows_of(9), Fields(("x",)), columns={"text": "x", "label": "x"})
    with pytest.raises(BadInput, match="no column 'texte' to rename"):
        loaded(rows_of(9), Fields(("x",)), columns={"texte": "x"})
    mixed = [{"text": "a", "label": "x"}, {"message": "b", "label": "y"}] * 5
    data = loaded(mixed, Fields(("message",)), columns={"text": "message"})
    assert {row.inputs["message"] for row in data.examples} == {"a", "b"}
    swapped = loaded(rows_of(9), Fields(("label",)), columns={"text": "label", "label": "text"})
    assert swapped.examples[0].inputs["label"].startswith("text")


def test_outputs_on_the_way_are_told_from_those_of_the_end() -> None:
    think = (["question"], ["reasoning", "answer"])
    assert end_outputs([think]) == (("answer",), {"reasoning"})
    chain = [(["text"], ["summary"]), (["summary"], ["reasoning", "label"])]
    assert end_outputs(chain) == (("label",), {"summary", "reasoning"})
    refine = [(["question"], ["answer"]), (["question", "answer"], ["answer"])]
    assert end_outputs(refine) == (("answer",), frozenset())
    assert end_outputs([(["text"], ["reasoning"])]) == (("reasoning",), frozenset())


def test_labels_are_the_outputs_of_the_end_and_the_rest_is_kept_unscored() -> None:
    fields = Fields(("text",), outputs=("label",), within=frozenset({"reasoning"}))
    rows = [{**row, "reasoning": "because", "source": "web"} for row in rows_of(9)]
    roles = loaded(rows, fields).roles
    assert roles.labels == ("label",)
    assert roles.others == {"reasoning": "what the model thinks on the way", "source": "no output of the program"}
    assert loaded(rows, fields).examples[0].labels.keys() == {"label", "reasoning", "source"}
    assert loaded(rows, fields, labels=("reasoning",)).roles.labels == ("reasoning",)
    only = [{"text": f"t{n}", "reasoning": "so"} for n in range(9)]
    assert loaded(only, fields).roles.labels == ("reasoning",)
    unlike = [{"text": row["text"], "gold": row["label"]} for row in rows_of(9)]
    assert loaded(unlike, fields).roles.labels == ("gold",)
    assert loaded([{**row, "id": 1} for row in unlike], fields).roles.labels == ()


# Missing labels


@pytest.mark.parametrize("empty", [None, "", "  "])
def test_a_row_without_a_label_is_left_out_and_counted(empty: Any) -> None:
    rows = rows_of(20)
    for n in (3, 4, 11):
        rows[n]["label"] = empty
    del rows[12]["label"]
    data = loaded(rows)
    assert len(data.examples) == 16
    assert all(row.labels["label"] for row in data.examples)
    assert data.warnings == ("4 rows have no label 'label' and are left out.",)


def test_empty_is_an_answer_when_a_person_says_so() -> None:
    rows = rows_of(20)
    rows[3]["label"], rows[4]["label"] = None, ""
    data = loaded(rows, empty_is_answer=True)
    assert Counter(row.labels["label"] for row in data.examples)[""] == 2
    assert data.warnings == ()


def test_null_is_an_answer_of_an_output_that_may_be_none() -> None:
    rows = rows_of(20)
    rows[3]["label"] = None
    data = loaded(rows, Fields(("text",), outputs=("label",), nullable=frozenset({"label"})))
    assert len(data.examples) == 20 and None in [row.labels["label"] for row in data.examples]


def test_a_row_with_some_of_its_labels_is_scored_on_those() -> None:
    fields = Fields(("text",), outputs=("label", "tone"), within=frozenset({"reasoning"}))
    rows = [{**row, "tone": "calm", "reasoning": "r"} for row in rows_of(20)]
    rows[3]["tone"] = rows[5]["reasoning"] = None
    rows[4]["tone"] = rows[4]["label"] = None
    data = loaded(rows, fields)
    by_text = {row.inputs["text"]: row.labels for row in data.examples}
    assert "text 4" not in by_text
    assert by_text["text 3"] == {"label": "class 0", "reasoning": "r"}
    assert by_text["text 5"] == {"label": "class 2", "tone": "calm"}
    assert data.warnings == (
        "1 row has no label 'label' or 'tone' and is left out.",
        "1 row has no label 'tone': scored on the others.",
    )


def test_no_row_with_a_label_is_refused_unless_labels_are_not_needed() -> None:
    rows = [{"text": f"t{n}", "label": None} for n in range(9)]
    with pytest.raises(BadInput, match="No row has a label 'label'"):
        loaded(rows)
    judged = load_dataset(DataSpec(), Gathered(pool=tuple(rows)), TEXT, 0, labels_needed=False)
    assert [row.labels for row in judged.examples] == [{}] * 9 and judged.warnings == ()


def test_empty_lists_and_false_and_0_are_labels() -> None:
    rows = [{"text": f"t{n}", "label": value} for n, value in enumerate([[], False, 0, 0.0, {}] * 2)]
    assert len(loaded(rows).examples) == 10


# Splits


def test_the_label_of_the_program_is_stratified_by_and_no_other_column() -> None:
    rows = [{"id": str(n), "channel": "ab"[n % 2], **row} for n, row in enumerate(rows_of(30))]
    assert loaded(rows).stratified_by == "label"
    assert loaded(rows, stratify="id").stratified_by == "id"
    assert loaded(rows, stratify="none").stratified_by is None
    unique = [{**row, "label": f"{n}"} for n, row in enumerate(rows)]
    assert loaded(unique).stratified_by is None
    assert loaded(rows, Fields(("text",), outputs=("answer",))).stratified_by is None


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7])
def test_few_rows_are_split_as_well(count: int) -> None:
    data = loaded(rows_of(count, 2))
    assert sum(len(data.of(split)) for split in Split) == count


def test_a_rare_label_is_in_every_split_that_can_have_it() -> None:
    rows = [{"text": f"t{n}", "label": "spam" if n in (5, 6, 33) else "ham"} for n in range(40)]
    for seed in range(20):
        data = loaded(rows, seed=seed)
        assert all(any(row.labels["label"] == "spam" for row in data.of(split)) for split in Split)


def test_repeats_stay_in_one_split_and_the_same_row_is_used_once() -> None:
    rows = [{"text": f"t{n % 8}", "label": "x" if n < 16 else "y"} for n in range(24)]
    data = loaded(rows)
    homes = {split: {row.inputs["text"] for row in data.of(split)} for split in Split}
    assert not (homes[Split.TEST] & (homes[Split.TRAIN] | homes[Split.VAL]) or homes[Split.TRAIN] & homes[Split.VAL])
    assert data.warnings == (
        "8 rows stood twice and are used once.",
        "The same inputs stand with different labels 8 times.",
    )
    assert (data.repeats.same, data.repeats.asked, data.repeats.differing) == (8, 8, 8)
    assert "16 rows with the inputs of another stay with it in one split" in data.notes[0]


def test_groups_stay_whole_and_too_few_of_them_are_refused() -> None:
    rows = [{**row, "user": n // 5} for n, row in enumerate(rows_of(40))]
    data = loaded(rows, group="user")
    homes = [{row.labels["user"] for row in data.of(split)} for split in Split]
    assert sum(map(len, homes)) == 8
    assert "the 8 groups of 'user' stay whole" in data.notes[0]
    with pytest.raises(BadInput, match="no rows are left for test: there are 2 groups"):
        loaded([{**row, "user": n // 20} for n, row in enumerate(rows)], group="user")


def test_how_rows_were_split_is_said_in_one_sentence() -> None:
    assert loaded(rows_of(30), seed=3).notes == (
        "30 rows were drawn into 12 train, 12 val, 6 test (seed 3), stratified by 'label' (3 classes).",
    )


def test_positions_count_within_a_split() -> None:
    data = loaded(rows_of(30))
    for split in Split:
        assert [row.position for row in data.of(split)] == list(range(len(data.of(split))))
    assert {split: len(data.of(split)) for split in Split} == {Split.TRAIN: 12, Split.VAL: 12, Split.TEST: 6}


# Files of their own


def test_a_row_in_two_splits_is_warned_about_even_with_another_label(tmp_path: Path) -> None:
    rows = rows_of(12)
    relabelled = [{"text": f" {row['text'].upper()}", "label": "other"} for row in rows[:2]]
    spec = DataSpec(
        train=jsonl(tmp_path, "train.jsonl", rows[:6]),
        val=jsonl(tmp_path, "val.jsonl", relabelled + rows[6:]),
        test=jsonl(tmp_path, "test.jsonl", [*rows[:1], *rows_of(20)[15:]]),
    )
    data = from_files(spec)
    assert [warning.split(":")[0] for warning in data.warnings if "with the same inputs stand" in warning] == [
        "2 rows with the same inputs stand in both train and val",
        "1 row with the same inputs stands in both train and test",
    ]
    assert {split: len(data.of(split)) for split in Split} == {Split.TRAIN: 6, Split.VAL: 8, Split.TEST: 6}


def test_a_group_in_two_splits_is_warned_about(tmp_path: Path) -> None:
    rows = [{**row, "user": n // 4} for n, row in enumerate(rows_of(12))]
    spec = DataSpec(
        train=jsonl(tmp_path, "train.jsonl", rows[:6]), val=jsonl(tmp_path, "val.jsonl", rows[6:]), group="user"
    )
    said = "2 rows of the same 'user' stand in both train and val: scores on val flatter."
    assert said in from_files(spec).warnings


def test_a_row_twice_in_a_split_is_used_once_and_said(tmp_path: Path) -> None:
    rows = rows_of(6)
    spec = DataSpec(
        train=jsonl(tmp_path, "train.jsonl", rows[:3] + rows[:2]), val=jsonl(tmp_path, "val.jsonl", rows[3:])
    )
    data = from_files(spec)
    assert len(data.of(Split.TRAIN)) == 3
    assert data.warnings == ("2 rows stood twice in the same split and are used once.",)


def test_without_a_validation_file_half_of_the_training_rows_becomes_it(tmp_path: Path) -> None:
    data = from_files(DataSpec(train=jsonl(tmp_path, "train.jsonl", rows_of(20))))
    assert (len(data.of(Split.TRAIN)), len(data.of(Split.VAL)), len(data.of(Split.TEST))) == (10, 10, 0)
    assert not {row.id for row in data.of(Split.TRAIN)} & {row.id for row in data.of(Split.VAL)}
    assert "No validation file" in data.warnings[0]


def test_files_without_a_training_file_and_no_data_at_all_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="training file is needed"):
        from_files(DataSpec(val=jsonl(tmp_path, "val.jsonl", rows_of(5))))
    with pytest.raises(BadInput, match="There is no data"):
        from_files(DataSpec())


def test_one_file_for_all_and_a_file_for_one_are_not_both_taken(tmp_path: Path) -> None:
    path = jsonl(tmp_path, "rows.jsonl", rows_of(20))
    with pytest.raises(BadInput, match="not both"):
        from_files(DataSpec(data=path, train=path))


def test_a_limit_holds_for_every_file(tmp_path: Path) -> None:
    spec = DataSpec(
        train=jsonl(tmp_path, "train.jsonl", rows_of(20)),
        val=jsonl(tmp_path, "val.jsonl", rows_of(40)[20:]),
        limit=5,
    )
    data = from_files(spec)
    assert (len(data.of(Split.TRAIN)), len(data.of(Split.VAL))) == (5, 5)
    assert len(from_files(DataSpec(data=spec.train, limit=10)).examples) == 10


def test_how_a_file_was_read_goes_with_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"text;label\n" + "\n".join(f"é{n};x" for n in range(9)).encode("cp1252"))
    data = from_files(DataSpec(data=str(path)))
    assert data.tables == {"rows.csv": {"format": "csv", "encoding": "cp1252", "delimiter": "semicolon", "rows": 9}}
    assert len(data.warnings) == 2
    told = from_files(DataSpec(data=str(path), delimiter=";", encoding="cp1252"))
    assert told.warnings == ()
