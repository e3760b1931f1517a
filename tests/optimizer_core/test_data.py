"""Files become rows, rows become examples of three splits."""

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from mipro_studio.optimizer_core.config import DataSpec
from mipro_studio.optimizer_core.data import example_id, load_dataset, read_rows, split_rows
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.types import Split

HOSTILE = 'line\u2028sep\u2029 nel\x85 ff\x0c vt\x0b "quoted", comma; \n two lines, 🙂 \u202e rtl \x00 nul'


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def rows_of(count: int, classes: int = 3) -> list[dict[str, Any]]:
    return [{"text": f"text {n}", "label": f"class {n % classes}"} for n in range(count)]


BAD_FILES = [
    ("gone.csv", None, "There is no file"),
    ("empty.csv", "", "'empty.csv' has no rows"),
    ("header.csv", "text,label\n", "'header.csv' has no rows"),
    ("wide.csv", "text,label\na,b\nc,d,e\n", "'wide.csv' line 3 has more cells than the header has columns"),
    ("empty.json", "", "'empty.json' has no rows"),
    ("none.json", "[]", "'none.json' has no rows"),
    ("bad.json", '[{"text": 1},\n {"text": }]', "'bad.json' line 2 is not JSON"),
    ("object.json", '{"text": "a"}', "'object.json' must hold a list of objects"),
    ("numbers.json", "[1, 2]", "'numbers.json' must hold a list of objects"),
    ("empty.jsonl", " \n\n", "'empty.jsonl' has no rows"),
    ("bad.jsonl", '{"text": "a"}\n\n{"text": "b"\n{"text": "c"}', "'bad.jsonl' line 3 is not JSON"),
    ("list.jsonl", '{"text": "a"}\n["b"]\n', "'list.jsonl' line 2 is not an object"),
    ("bytes.csv", b"text\n\xff\xfe\xfa\n", "'bytes.csv' is not UTF-8 text (byte 5)"),
    ("rows.parquet", "no parquet", "'rows.parquet' is not a Parquet file"),
    ("rows.xlsx", "x", "'rows.xlsx' is not a kind of file I read"),
]


@pytest.mark.parametrize(("name", "content", "sentence"), BAD_FILES, ids=[name for name, _, _ in BAD_FILES])
def test_a_bad_file_gets_one_sentence(tmp_path: Path, name: str, content: Any, sentence: str) -> None:
    path = tmp_path / name
    if content is not None:
        written(tmp_path, name, content)
    with pytest.raises(BadInput) as caught:
        read_rows(path)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="There is no file"):
        read_rows(tmp_path)


def test_every_format_gives_the_same_rows(tmp_path: Path) -> None:
    rows = [{"text": 'a, "b"\nc', "label": "x"}, {"text": "ä 🙂", "label": "y"}]
    files = [
        written(tmp_path, "a.csv", '\ufefftext,label\r\n"a, ""b""\nc",x\r\nä 🙂,y\r\n'),
        written(tmp_path, "a.json", "\ufeff" + json.dumps(rows)),
        written(tmp_path, "a.jsonl", "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)),
    ]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    for path in (*files, tmp_path / "a.parquet"):
        assert read_rows(path) == rows, path.name


def test_hostile_text_passes_unchanged(tmp_path: Path) -> None:
    rows = [{"text": HOSTILE, "label": "x"}, {"text": "after", "label": "y"}]
    quoted = '"' + HOSTILE.replace('"', '""') + '"'
    assert read_rows(written(tmp_path, "a.csv", f"text,label\n{quoted},x\nafter,y\n")) == rows
    assert (
        read_rows(written(tmp_path, "b.jsonl", "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)))
        == rows
    )


def test_only_line_ends_end_a_row_of_a_csv(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "text,label\nbefore\u2028after\x0cpage\x85next,x\r\nsecond,y\n")
    assert read_rows(path) == [
        {"text": "before\u2028after\x0cpage\x85next", "label": "x"},
        {"text": "second", "label": "y"},
    ]


def test_a_cell_may_be_longer_than_the_csv_modules_limit(tmp_path: Path) -> None:
    long = "x" * 200_000
    assert read_rows(written(tmp_path, "a.csv", f"text\n{long}\n")) == [{"text": long}]


def test_dates_and_bytes_of_a_parquet_file_become_text(tmp_path: Path) -> None:
    import datetime
    import decimal

    day = datetime.date(2026, 11, 21)
    table = pyarrow.table({"day": [day], "price": [decimal.Decimal("1.50")], "raw": [b"ab"], "tags": [["a", "b"]]})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    rows = read_rows(tmp_path / "a.parquet")
    assert rows[0]["day"] == "2026-11-21"
    assert rows[0]["price"] == "1.50"
    assert rows[0]["tags"] == ["a", "b"]
    assert json.loads(json.dumps(rows)) == rows


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


@pytest.mark.parametrize("stratify", [None, "label"])
def test_split_sizes_are_off_by_at_most_one_row(stratify: str | None) -> None:
    draw = random.Random(0)
    for _ in range(300):
        raw = [draw.random() for _ in range(3)]
        shares = (raw[0] / sum(raw), raw[1] / sum(raw), 0.0)
        shares = (shares[0], shares[1], 1 - shares[0] - shares[1])
        rows = rows_of(draw.randint(1, 60), draw.randint(1, 7))
        parts = split_rows(rows, shares, stratify, draw.randint(0, 9))
        assert sorted(row["text"] for part in parts for row in part) == sorted(row["text"] for row in rows)
        for part, share in zip(parts, shares, strict=True):
            assert abs(len(part) - share * len(rows)) <= 1


def test_a_share_of_0_gets_no_row() -> None:
    for seed in range(20):
        assert split_rows(rows_of(31), (0.5, 0.5, 0.0), "label", seed)[2] == []


def test_strata_keep_their_shares() -> None:
    rows = [{"text": str(n), "label": "rare" if n % 10 == 0 else "common"} for n in range(200)]
    for seed in range(5):
        for part, share in zip(split_rows(rows, (0.4, 0.4, 0.2), "label", seed), (0.4, 0.4, 0.2), strict=True):
            assert abs(Counter(row["label"] for row in part)["rare"] - 20 * share) <= 1
            # In order of drawing, not stratum after stratum: bootstrapping walks the rows as they stand.
            assert part != sorted(part, key=lambda row: row["label"])


def test_the_split_depends_on_the_seed_and_0_is_one() -> None:
    parts = [json.dumps(split_rows(rows_of(40), (0.4, 0.4, 0.2), None, seed)) for seed in (0, 0, 1, 2)]
    assert parts[0] == parts[1]
    assert len(set(parts)) == 3


@pytest.mark.parametrize("shares", [(0.5, 0.5, 0.5), (-0.1, 0.6, 0.5), (0.0, 0.0, 0.0)])
def test_shares_that_are_no_shares_are_refused(shares: tuple[float, float, float]) -> None:
    with pytest.raises(BadInput, match="sum to 1"):
        split_rows(rows_of(9), shares, None, 0)


def test_a_column_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(BadInput) as caught:
        load_dataset(DataSpec(), rows_of(9), ["texte"], 0)
    assert "'texte'" in str(caught.value) and "text, label" in str(caught.value)
    with pytest.raises(BadInput, match="no column 'queue' to stratify by"):
        load_dataset(DataSpec(stratify="queue"), rows_of(9), ["text"], 0)
    with pytest.raises(BadInput, match="which columns are inputs"):
        load_dataset(DataSpec(), rows_of(9), [], 0)


def test_a_row_without_an_input_is_named_by_its_number() -> None:
    rows = rows_of(9)
    rows[4].pop("text")
    with pytest.raises(BadInput, match="Row 5 has no column 'text'"):
        load_dataset(DataSpec(), rows, ["text"], 0)


def test_columns_may_be_renamed() -> None:
    data = load_dataset(DataSpec(columns={"text": "message"}), rows_of(9), ["message"], 0)
    assert all(set(row.inputs) == {"message"} and set(row.labels) == {"label"} for row in data.examples)


def test_the_first_categorical_label_is_stratified_by_when_none_is_named() -> None:
    rows = [{"id": str(n), **row} for n, row in enumerate(rows_of(30))]
    assert load_dataset(DataSpec(), rows, ["text"], 0).stratified_by == "label"
    assert load_dataset(DataSpec(), rows, ["text", "label"], 0).stratified_by is None
    assert load_dataset(DataSpec(stratify="id"), rows, ["text"], 0).stratified_by == "id"


def test_positions_count_within_a_split() -> None:
    data = load_dataset(DataSpec(), rows_of(30), ["text"], 0)
    for split in Split:
        assert [row.position for row in data.of(split)] == list(range(len(data.of(split))))
    assert {split: len(data.of(split)) for split in Split} == {Split.TRAIN: 12, Split.VAL: 12, Split.TEST: 6}


def jsonl(folder: Path, name: str, rows: list[dict[str, Any]]) -> str:
    return str(written(folder, name, "\n".join(json.dumps(row) for row in rows)))


def test_a_row_in_two_splits_is_warned_about_even_with_another_label(tmp_path: Path) -> None:
    rows = rows_of(12)
    relabelled = [{**row, "label": "other"} for row in rows[:2]]
    spec = DataSpec(
        train=jsonl(tmp_path, "train.jsonl", rows[:6]),
        val=jsonl(tmp_path, "val.jsonl", relabelled + rows[6:]),
        test=jsonl(tmp_path, "test.jsonl", [*rows[:1], *rows_of(20)[15:]]),
    )
    data = load_dataset(spec, None, ["text"], 0)
    assert [warning.split(":")[0] for warning in data.warnings] == [
        "2 rows with the same inputs stand in both train and val",
        "1 rows with the same inputs stand in both train and test",
    ]
    assert {split: len(data.of(split)) for split in Split} == {Split.TRAIN: 6, Split.VAL: 8, Split.TEST: 6}


def test_a_row_twice_in_a_split_is_used_once_and_said(tmp_path: Path) -> None:
    rows = rows_of(6)
    spec = DataSpec(
        train=jsonl(tmp_path, "train.jsonl", rows[:3] + rows[:2]), val=jsonl(tmp_path, "val.jsonl", rows[3:])
    )
    data = load_dataset(spec, None, ["text"], 0)
    assert len(data.of(Split.TRAIN)) == 3
    assert data.warnings == ("2 rows stood twice in the same split and are used once.",)


def test_without_a_validation_file_half_of_the_training_rows_becomes_it(tmp_path: Path) -> None:
    spec = DataSpec(train=jsonl(tmp_path, "train.jsonl", rows_of(20)))
    data = load_dataset(spec, None, ["text"], 0)
    assert (len(data.of(Split.TRAIN)), len(data.of(Split.VAL)), len(data.of(Split.TEST))) == (10, 10, 0)
    assert not {row.id for row in data.of(Split.TRAIN)} & {row.id for row in data.of(Split.VAL)}
    assert "No validation file" in data.warnings[0]


def test_files_without_a_training_file_and_no_data_at_all_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="training file is needed"):
        load_dataset(DataSpec(val=jsonl(tmp_path, "val.jsonl", rows_of(5))), None, ["text"], 0)
    with pytest.raises(BadInput, match="There is no data"):
        load_dataset(DataSpec(), None, ["text"], 0)


def test_one_file_for_all_and_a_file_for_one_are_not_both_taken(tmp_path: Path) -> None:
    path = jsonl(tmp_path, "rows.jsonl", rows_of(20))
    with pytest.raises(BadInput, match="not both"):
        load_dataset(DataSpec(data=path, train=path), None, ["text"], 0)


def test_a_limit_holds_for_every_file(tmp_path: Path) -> None:
    spec = DataSpec(
        train=jsonl(tmp_path, "train.jsonl", rows_of(20)),
        val=jsonl(tmp_path, "val.jsonl", rows_of(40)[20:]),
        limit=5,
    )
    data = load_dataset(spec, None, ["text"], 0)
    assert (len(data.of(Split.TRAIN)), len(data.of(Split.VAL))) == (5, 5)
    assert len(load_dataset(DataSpec(limit=10), rows_of(20), ["text"], 0).examples) == 10
