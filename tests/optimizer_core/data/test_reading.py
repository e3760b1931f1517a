"""Files become rows, or get one sentence with the line."""

import codecs
import gzip
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from mipro_studio.optimizer_core.config import DataSpec
from mipro_studio.optimizer_core.data import gather, read_table
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.types import Split

HOSTILE = 'line\u2028sep\u2029 nel\x85 ff\x0c vt\x0b "quoted", comma; \n two lines, 🙂 \u202e rtl \x00 nul'
ROWS = [{"text": 'a, "b"\nc', "label": "x"}, {"text": "ä 🙂", "label": "y"}]
CSV = 'text,label\r\n"a, ""b""\nc",x\r\nä 🙂,y\r\n'


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\x00\xff\x00\x00")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


BAD_FILES: list[tuple[str, str | bytes | None, str]] = [
    ("gone.csv", None, "There is no file"),
    ("empty.csv", "", "'empty.csv' has no rows: it is empty (0 bytes)"),
    ("empty.json", "", "'empty.json' has no rows: it is empty (0 bytes)"),
    ("blank.csv", "\n\n", "'blank.csv' has no rows"),
    ("blank.json", " \n", "'blank.json' has no rows"),
    ("header.csv", "text,label\n", "'header.csv' has no rows"),
    ("wide.csv", "text,label\na,b\nc,d,e\n", "'wide.csv' line 3 has more cells than the header has columns"),
    ("short.csv", 'text,label\n"a\nb",c\nd\ne\n', "'short.csv' line 4 has fewer cells than the header has columns"),
    ("open.csv", 'text,label\na,b\n"c,d\ne,f\n', "'open.csv' line 3: a quote opens in this row and is never closed"),
    ("stray.csv", 'text,label\na,b\n"c" d,e\nf,g\n', "'stray.csv' line 3: a quoted cell does not end"),
    ("late.csv", 'text,label\na,b\n"c,d\ne,f\n"g",h\n', "'late.csv' lines 3 to 5: a quoted cell does not end"),
    ("twice.csv", "text,label,text\na,b,c\n", "'twice.csv' has the column 'text' 2 times (columns 1, 3)"),
    ("twice.tsv", "text\t text\na\tb\n", "'twice.tsv' has the column 'text' 2 times"),
    ("none.json", "[]", "'none.json' has no rows"),
    ("bad.json", '[{"text": 1},\n {"text": }]', "'bad.json' line 2 is not JSON"),
    ("half.json", '[{"text": 1},\n {"text": 2}', "'half.json' line 2 is not JSON"),
    ("more.json", '[{"text": 1}]\n[', "'more.json' line 2 is not JSON"),
    ("object.json", '{"text": "a"}', "'object.json' must hold a list of objects"),
    ("numbers.json", "[1, 2]", "'numbers.json' must hold a list of objects"),
    ("lists.json", '{"easy": [{"a": 1}], "hard": [{"a": 2}]}', "several lists of rows: easy, hard"),
    ("key.json", '[{"a": 1},\n{"a": 1,\n "a": 2}]', "'key.json' line 2: the key 'a' stands twice"),
    ("key.jsonl", '{"a": 1}\n{"a": {"b": 1, "b": 2}}', "'key.jsonl' line 2: the key 'b' stands twice"),
    ("wrapped.json", '{"data": [{"a": 1},\n{"a": 1, "a": 2}]}', "'wrapped.json' line 2: the key 'a' stands twice"),
    ("huge.jsonl", '{"a": 1}\n{"a": ' + "7" * 40 + "}", "'huge.jsonl' line 2: the integer 777777777777... of 40"),
    ("vast.json", '[{"a": 1},\n{"a": -' + "7" * 9000 + "}]", "'vast.json' line 2: the integer -77777777777"),
    ("float.jsonl", '{"a": 1e999}', "'float.jsonl' line 1: the number 1e999 is larger"),
    ("inf.jsonl", '{"a": 1}\n{"a": -Infinity}', "'inf.jsonl' line 2: -Infinity is not a JSON number"),
    ("deep.jsonl", '{"a": 1}\n{"a": ' + "[" * 9000 + "]" * 9000 + "}", "'deep.jsonl' line 2: the row is nested"),
    ("deeper.json", '[{"a": 1},\n{"a": ' + '{"b":' * 120 + "1" + "}" * 121 + "]", "'deeper.json' line 2: the row is"),
    ("empty.jsonl", " \n\n", "'empty.jsonl' has no rows"),
    ("bad.jsonl", '{"text": "a"}\n\n{"text": "b"\n{"text": "c"}', "'bad.jsonl' line 3 is not JSON"),
    ("list.jsonl", '{"text": "a"}\n["b"]\n', "'list.jsonl' line 2 is not an object"),
    ("two.jsonl", '{"text": "a"}{"text": "b"}\n', "'two.jsonl' line 1 holds more than one value"),
    ("noise.csv", b"text\n\xff\x00\x01\x02\xfa\n", "'noise.csv' is not UTF-8 text (line 2, byte 5)"),
    ("sjis.csv", "text\n\u3001\u3002\n".encode("shift_jis"), "'sjis.csv' is not UTF-8 text (line 2, byte 5)"),
    ("book.csv", b"PK\x03\x04" + b"x" * 50, "'book.csv' is a zip archive or an Excel workbook"),
    ("cut.csv.gz", gzip.compress(CSV.encode())[:-9], "'cut.csv.gz' is damaged"),
    ("nothing.csv.gz", gzip.compress(b""), "'nothing.csv.gz' has no rows"),
    ("rows.parquet", "no parquet", "'rows.parquet' is not a Parquet file"),
    ("rows.xlsx", "x", "'rows.xlsx' is not a kind of file I read"),
    ("pointer.csv", "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n", "is a pointer of Git LFS"),
    ("pointer.parquet", "version https://git-lfs.github.com/spec/v1\noid sha256:ab\n", "is a pointer of Git LFS"),
    ("gone.jsonl", "\n<!DOCTYPE html>\n<html><body>404</body></html>", "'gone.jsonl' is a web page"),
    (
        "comment.jsonl",
        '// rows\n{"a": 1}',
        "'comment.jsonl' line 1 is not JSON: Expecting value. JSON knows no comments",
    ),
    (
        "comma.json",
        '[{"a": 1},\n{"a": 2},\n]',
        "'comma.json' line 3 is not JSON: Expecting value. JSON knows no comma",
    ),
    ("comma.jsonl", '{"a": 1},\n{"a": 2},\n', "'comma.jsonl' line 1 ends in a comma"),
    ("repr.jsonl", "{'a': None}", "That is how Python writes a value"),
    ("tall.jsonl", '{\n "a": 1\n}\n{\n "a": 2\n}\n', "each object stands whole on its line"),
]


@pytest.mark.parametrize(("name", "content", "sentence"), BAD_FILES, ids=[name for name, _, _ in BAD_FILES])
def test_a_bad_file_gets_one_sentence_with_the_line(tmp_path: Path, name: str, content: Any, sentence: str) -> None:
    path = tmp_path / name
    if content is not None:
        written(tmp_path, name, content)
    with pytest.raises(BadInput) as caught:
        read_table(path)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is a folder"):
        read_table(tmp_path)


def test_every_format_gives_the_same_rows_packed_or_not(tmp_path: Path) -> None:
    lines = "\n\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), tmp_path / "a.parquet")
    contents = {
        "a.csv": "\ufeff" + CSV,
        "a.tsv": 'text\tlabel\n"a, ""b""\nc"\tx\nä 🙂\ty\n',
        "a.json": "\ufeff" + json.dumps(ROWS),
        "lines.json": lines,
        "a.jsonl": lines + "\r\n",
        "list.jsonl": json.dumps(ROWS, indent=1),
        "a.ndjson": lines,
        "a.parquet": (tmp_path / "a.parquet").read_bytes(),
    }
    for name, content in contents.items():
        path = written(tmp_path, name, content)
        assert read_table(path).rows == ROWS, name
        assert read_table(written(tmp_path, f"{name}.gz", gzip.compress(path.read_bytes()))).rows == ROWS, name


@pytest.mark.parametrize(
    ("mark", "encoding", "told"),
    [
        (codecs.BOM_UTF8, "utf-8", "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le", "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be", "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le", "utf-32-le"),
        (b"", "utf-8", "utf-8"),
    ],
)
def test_an_encoding_with_a_mark_is_read_without_a_word(
    tmp_path: Path, mark: bytes, encoding: str, told: str
) -> None:
    table = read_table(written(tmp_path, "a.csv", mark + CSV.encode(encoding)))
    assert (table.rows, table.notes, table.how["encoding"]) == (ROWS, (), told)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "cp1252", "latin-1"])
def test_an_encoding_that_is_guessed_is_said(tmp_path: Path, encoding: str) -> None:
    table = read_table(written(tmp_path, "a.csv", "text,label\ncafé at noon,x\n".encode(encoding)))
    assert table.rows[0] == {"text": "café at noon", "label": "x"}
    assert table.how["encoding"] == encoding.replace("latin-1", "cp1252")
    assert len(table.notes) == 1 and encoding in table.notes[0].lower()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"q1": {"a": 1, "b": 2}, "q2": {"a": 3, "b": 4}}, True),  # rows by a name of their own
        ({"5": {"a": 1, "b": 2}, "7": {"a": 3, "b": 4}}, True),  # pandas' orient="index"
        ({"q1": {"a": 1, "b": 2, "note": "x"}, "q2": {"a": 3, "b": 4}}, True),  # not all have the same fields
        ({"a": {"0": 1, "1": 3}, "b": {"0": 2, "1": 4}}, False),  # pandas when nothing is said
        ({"a": {"q1": 1, "q2": 3, "q3": 5}, "b": {"q1": 2, "q2": 4, "q3": 6}}, False),  # and with an index of names
    ],
)
def test_an_object_of_objects_is_rows_by_name_or_columns_by_row(
    tmp_path: Path, content: dict[str, Any], told: bool
) -> None:
    table = read_table(written(tmp_path, "a.json", json.dumps(content)))
    assert [(row["a"], row["b"]) for row in table.rows[:2]] == [(1, 2), (3, 4)]
    assert any("their keys are in no column" in note for note in table.notes) is told


def test_characters_without_a_width_are_no_part_of_a_columns_name(tmp_path: Path) -> None:
    assert read_table(written(tmp_path, "a.csv", "\u200btext,label\u200e\na,b\n")).rows == [
        {"text": "a", "label": "b"}
    ]


def test_an_encoding_that_is_named_goes_before_any_guess(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "text,label\nжизнь,x\n".encode("cp1251"))
    table = read_table(path, encoding="cp1251")
    assert (table.rows[0]["text"], table.notes) == ("жизнь", ())
    with pytest.raises(BadInput, match=r"'a.csv' line 2 is not utf-8 text \(byte 11\)"):
        read_table(path, encoding="utf-8")
    with pytest.raises(BadInput, match="There is no encoding 'utf-9'"):
        read_table(path, encoding="utf-9")


@pytest.mark.parametrize("mark", [";", "\t", "|"])
@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_a_delimiter_is_found_and_said(tmp_path: Path, mark: str, ending: str) -> None:
    text = f"text{mark}label\nHello, you; and|me,x{mark}y\n".replace(f"and{mark}me", "and me").replace(
        f"you{mark}", "you"
    )
    table = read_table(written(tmp_path, f"a.{ending}", text))
    assert list(table.rows[0]) == ["text", "label"] and table.rows[0]["label"] == "y"
    name = {";": "semicolon", "\t": "tab", "|": "pipe"}[mark]
    assert table.how["delimiter"] == name
    assert table.notes == (() if ending == "tsv" and mark == "\t" else (f"'a.{ending}' is separated by {name}.",))


def test_a_delimiter_that_is_named_goes_before_what_the_text_looks_like(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "a;b,c\n1;2,3\n")
    assert read_table(path, delimiter="semicolon").rows == [{"a": "1", "b,c": "2,3"}]
    assert read_table(path, delimiter=",").rows == [{"a;b": "1;2", "c": "3"}]
    with pytest.raises(BadInput, match="is not one character"):
        read_table(path, delimiter=";;")


def test_one_column_needs_no_delimiter(tmp_path: Path) -> None:
    assert read_table(written(tmp_path, "a.csv", "text\nhello; you\nagain\n")).rows == [
        {"text": "hello; you"},
        {"text": "again"},
    ]


def test_hostile_text_passes_unchanged(tmp_path: Path) -> None:
    rows = [{"text": HOSTILE, "label": "x"}, {"text": "after", "label": "y"}]
    quoted = '"' + HOSTILE.replace('"', '""') + '"'
    assert read_table(written(tmp_path, "a.csv", f"text,label\n{quoted},x\nafter,y\n")).rows == rows
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    assert read_table(written(tmp_path, "b.jsonl", lines)).rows == rows


def test_line_ends_inside_a_quoted_cell_stay_as_they_are(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, "a.csv", b'text,label\r\n"one\r\ntwo\nthree\rfour",x\r\n'))
    assert table.rows == [{"text": "one\r\ntwo\nthree\rfour", "label": "x"}]


def test_only_line_ends_end_a_row_of_a_csv(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "text,label\nbefore\u2028after\x0cpage\x85next,x\r\nsecond,y\n")
    assert [row["text"] for row in read_table(path).rows] == ["before\u2028after\x0cpage\x85next", "second"]


def test_quotes_inside_a_cell_that_does_not_begin_with_one_are_text(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, "a.csv", 'text,label\na 5" pipe,he said "no"\n'))
    assert table.rows == [{"text": 'a 5" pipe', "label": 'he said "no"'}]


def test_rows_that_two_stray_quotes_make_one_cell_of_are_told(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, "a.csv", 'text,label\nq,0\n"a,1\nb,2\nc,3\nd",4\n'))
    assert table.notes == ("'a.csv' line 3: one cell holds 4 lines that look like rows. Is a quote missing there?",)
    poem = read_table(written(tmp_path, "b.csv", 'text,label\n"a rose,\nis a rose,\nis a rose",x\n"one\ntwo",y\n'))
    assert poem.notes == ()


def test_tab_separated_text_may_know_no_quotes(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, "a.tsv", 'text\tlabel\n"Hello" she said\tx\n"open\ty\n'))
    assert [row["text"] for row in table.rows] == ['"Hello" she said', '"open']
    assert "read as text" in table.notes[0]


def test_what_spreadsheets_leave_behind_is_no_row_and_no_column(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, "a.csv", "sep=;\ntext;label;\na;b;\n;;\n;;\n"))
    assert table.rows == [{"text": "a", "label": "b"}]
    assert "'a.csv' has 2 rows of empty cells, which are left out." in table.notes
    spaced = read_table(written(tmp_path, "b.csv", 'text, label\n"a", "b, c"\n'))
    assert spaced.rows == [{"text": "a", "label": "b, c"}]
    index = read_table(written(tmp_path, "c.csv", ",text\n0,a\n1,b\n"))
    assert index.rows == [{"column_1": "0", "text": "a"}, {"column_1": "1", "text": "b"}]


def test_a_cell_may_be_longer_than_the_csv_modules_limit(tmp_path: Path) -> None:
    long = "x" * 200_000
    assert read_table(written(tmp_path, "a.csv", f"text\n{long}\n")).rows == [{"text": long}]


@pytest.mark.parametrize(
    "content",
    [
        {"rows": [{"row_idx": i, "row": row, "truncated_cells": []} for i, row in enumerate(ROWS)], "features": []},
        {"features": [{"name": "text"}], "rows": [{"row_idx": 0, "row": row} for row in ROWS], "num_rows_total": 2},
        {"data": ROWS},
        {"version": "1.1", "data": ROWS},
        {"questions": ROWS, "total": 2},
        {"text": [row["text"] for row in ROWS], "label": [row["label"] for row in ROWS]},
        {name: {str(i): row[name] for i, row in enumerate(ROWS)} for name in ("text", "label")},
        {"columns": ["text", "label"], "index": [0, 1], "data": [list(row.values()) for row in ROWS]},
        {"metadata": {"by": "me"}, "data": {"questions": ROWS}},
        {"data": {"text": [row["text"] for row in ROWS], "label": [row["label"] for row in ROWS]}},
        {"quiz": {"version": 2, "questions": ROWS}},
    ],
    ids=[
        "viewer", "viewer_features", "data", "versioned", "own_key", "lists", "pandas", "pandas_split",
        "two_levels", "wrapped_columns", "named",
    ],
)  # fmt: skip
def test_rows_in_a_wrapping_are_unwrapped(tmp_path: Path, content: Any) -> None:
    for indent in (None, 2):
        assert read_table(written(tmp_path, "a.json", json.dumps(content, indent=indent))).rows == ROWS


_SPLIT = {"train": ROWS, "dev": ROWS[:1], "labels": [{"name": "x"}]}


@pytest.mark.parametrize(
    "content",
    [
        _SPLIT,
        {"version": 2, "data": _SPLIT},
        {"task": {"train": {name: [row[name] for row in ROWS] for name in ROWS[0]}, "validation": ROWS[:1]}},
    ],
    ids=["splits", "two_levels", "columns"],
)
def test_splits_in_one_json_file_are_the_splits(tmp_path: Path, content: Any) -> None:
    path = written(tmp_path, "a.json", json.dumps(content))
    found = gather(DataSpec(data=str(path)))
    assert found.parts == {Split.TRAIN: tuple(ROWS), Split.VAL: tuple(ROWS[:1])} and not found.pool
    assert gather(DataSpec(train=str(path), val=str(path))).parts == found.parts


def test_cells_that_the_dataset_viewer_cut_short_are_told(tmp_path: Path) -> None:
    rows = [{"row_idx": 0, "row": ROWS[0], "truncated_cells": ["text"]}]
    assert (
        "1 row has cells that the dataset viewer cut"
        in (read_table(written(tmp_path, "a.json", json.dumps({"rows": rows}))).notes[0])
    )


def test_nan_is_no_value_and_said(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, "a.jsonl", '{"a": NaN, "b": "NaN"}\n{"a": 18446744073709551615, "b": 1.5}'))
    assert table.rows == [{"a": None, "b": "NaN"}, {"a": 2**64 - 1, "b": 1.5}]
    assert table.notes == ("'a.jsonl' holds NaN 1 time: it is read as null.",)


def test_dates_and_decimals_of_a_parquet_file_become_text_and_images_data_uris(tmp_path: Path) -> None:
    import datetime
    import decimal

    import dspy

    table = pyarrow.table(
        {
            "day": [datetime.date(2026, 11, 21)],
            "at": [datetime.datetime(2026, 11, 21, 8, 30)],
            "price": [decimal.Decimal("1.50")],
            "text": [b"ab"],
            "tags": [["a", "b"]],
            "image": [{"bytes": png(), "path": "a.png"}],
            "plain": [png()],
            "elsewhere": [{"bytes": None, "path": "https://example.org/a.png"}],
            "blob": [b"\xff\xfe\x00\x01"],
            "gap": [float("nan")],
        }
    )
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    found = read_table(tmp_path / "a.parquet")
    row = found.rows[0]
    assert (row["day"], row["at"], row["price"]) == ("2026-11-21", "2026-11-21T08:30:00", "1.50")
    assert (row["text"], row["tags"], row["gap"]) == ("ab", ["a", "b"], None)
    assert row["image"] == row["plain"] and dspy.Image(row["image"]).url.startswith("data:image/png;base64,")
    assert row["elsewhere"] == "https://example.org/a.png"
    assert "blob" not in row and "the column 'blob' is left out" in found.notes[0]
    assert json.loads(json.dumps(found.rows)) == found.rows


def test_a_parquet_file_with_an_infinite_number_or_a_column_twice_is_refused(tmp_path: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.table({"a": [1.0, float("inf")]}), tmp_path / "a.parquet")
    with pytest.raises(BadInput, match=r"'a\.parquet' row 2: the column 'a' holds an infinite number"):
        read_table(tmp_path / "a.parquet")
    twice = pyarrow.Table.from_arrays([pyarrow.array([1]), pyarrow.array([2])], names=["a", "a"])
    pyarrow.parquet.write_table(twice, tmp_path / "b.parquet")
    with pytest.raises(BadInput, match="the column 'a' more than once"):
        read_table(tmp_path / "b.parquet")
