"""Rows from an object of a Python file: of many shapes, with their types, and one sentence when it is none."""

import itertools
import sys
from pathlib import Path
from typing import Any

import pytest

from mipro_studio.optimizer_core.config import DataSpec
from mipro_studio.optimizer_core.data import Fields, Gathered, gather, load_dataset
from mipro_studio.optimizer_core.data.python_rows import import_classes, python_rows
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.programs.program_inputs import as_dspy
from mipro_studio.optimizer_core.sources import is_python_source
from mipro_studio.optimizer_core.types import Split

HEAD = """
import dataclasses, datetime, enum
import dspy
from pydantic import BaseModel

class Level(enum.Enum):
    LOW = 1

class Part(BaseModel):
    name: str

@dataclasses.dataclass
class Row:
    q: str
    a: str

rows = [dspy.Example(q=f"q{n}", a=f"a{n}", note=n).with_inputs("q") for n in range(6)]
plain = [{"q": row.q, "a": row.a} for row in rows]
"""
_names = (f"rows_{n}" for n in itertools.count())


def source(folder: Path, code: str, attribute: str = "it", types: dict[str, Any] | None = None) -> Gathered:
    path = folder / f"{next(_names)}.py"
    path.write_text(HEAD + code)
    return python_rows(folder, types or {})(f"{path}:{attribute}")


def test_examples_name_their_inputs(tmp_path: Path) -> None:
    found = source(tmp_path, "", "rows")
    assert found.inputs == ("q",)
    assert found.pool[1] == {"q": "q1", "a": "a1", "note": 1}
    assert list(found.tables.values()) == [{"format": "python", "rows": 6}]


@pytest.mark.parametrize(
    "code",
    [
        "it = plain",
        "it = tuple(plain)",
        "def it(): return plain",
        "def it():\n    yield from plain",
        "it = [Row(row.q, row.a) for row in rows]",
        "import pyarrow\nit = pyarrow.Table.from_pylist(plain)",
        "class It:\n    def __len__(self): return 6\n    def __getitem__(self, at): return plain[at % 6]\nit = It()",
        "import pandas\nit = pandas.DataFrame(plain)",
        "class Home:\n    it = plain\nHome = Home()",
    ],
    ids=["list", "tuple", "function", "generator", "dataclasses", "arrow", "indexed", "frame", "nested"],
)
def test_rows_come_in_many_shapes(tmp_path: Path, code: str) -> None:
    found = source(tmp_path, code, "Home.it" if "Home" in code else "it")
    assert found.pool == tuple({"q": f"q{n}", "a": f"a{n}"} for n in range(6))


@pytest.mark.parametrize(
    ("code", "sizes"),
    [
        ("it = {'train': plain[:3], 'validation': plain[3:5], 'test': plain[5:]}", (3, 2, 1)),
        ("def it(): return rows[:4], rows[4:]", (4, 2, 0)),
        ("it = (plain[:3], plain[3:5], plain[5:])", (3, 2, 1)),
        ("class it:\n    train, dev = rows[:4], rows[4:]", (4, 2, 0)),
        ("it = (rows[:3], rows[3:5], rows[5:], plain[:3], plain[3:5], plain[5:])", (3, 2, 1)),
        ("it = rows[:4], rows[4:], ['name of a label']", (4, 2, 0)),
        ("it = [rows[:4], rows[4:], {'a': 'name'}, 7]", (4, 2, 0)),
        (
            "from dspy.datasets.dataset import Dataset\nclass it(Dataset):\n    def __init__(self):\n"
            "        super().__init__(input_keys=['q'])\n        self._train, self._dev = plain[:4], plain[4:]",
            (4, 2, 0),
        ),
    ],
    ids=["dict", "pair", "triple", "object", "raw too", "labels too", "more too", "dspy"],
)
def test_a_source_may_hold_its_splits(tmp_path: Path, code: str, sizes: tuple[int, int, int]) -> None:
    found = source(tmp_path, code)
    assert tuple(len(found.parts.get(split, ())) for split in Split) == sizes
    assert all(set(row) <= {"q", "a", "note"} for part in found.parts.values() for row in part)


def test_values_keep_their_types_in_inputs_and_labels(tmp_path: Path) -> None:
    code = """
when = datetime.date(2026, 11, 21)
it = [dspy.Example(q=when, image=dspy.Image("https://example.org/a.png"), part=Part(name="nut"), level=Level.LOW,
                   tags={"x"}, day=when).with_inputs("q", "image", "part")]
"""
    found = source(tmp_path, code)
    data = load_dataset(DataSpec(), found, Fields(found.inputs, outputs=("level",)), 0)
    row = as_dspy(data.examples[0])
    assert type(row.q).__name__ == "date" and type(row.image).__name__ == "Image" and row.part.name == "nut"
    assert row.level.name == "LOW" and row.tags == {"x"} and row.day == row.q
    assert set(row.inputs().keys()) == {"q", "image", "part"}


@pytest.mark.parametrize(
    "column",
    [
        "[1.0, float('nan'), 3.0]",
        "pandas.array([1, None, 3], dtype='Int64')",
        "['x', pandas.NA, 'y']",
        "pandas.to_datetime(['2026-01-02', None, '2026-01-03'])",
        "numpy.array([1.5, float('nan'), 2.5], dtype='float32')",
    ],
    ids=["nan", "Int64", "NA", "NaT", "float32"],
)
@pytest.mark.parametrize("rows", ["table", "[dspy.Example(q=q, a=a) for q, a in zip('abc', column)]"])
def test_a_missing_value_of_a_table_is_no_label(tmp_path: Path, column: str, rows: str) -> None:
    code = f"import numpy, pandas\ncolumn = {column}\ntable = pandas.DataFrame({{'q': list('abc'), 'a': column}})\n"
    found = source(tmp_path, f"{code}it = {rows}")
    data = load_dataset(DataSpec(split=(0.5, 0.5, 0.0)), found, Fields(("q",), outputs=("a",)), 0)
    assert sorted(row.inputs["q"] for row in data.examples) == ["a", "c"]
    assert data.warnings == ("1 row has no label 'a' and is left out.",)


def test_a_class_that_only_the_rows_define_is_found_in_another_process(tmp_path: Path) -> None:
    """Another process is played by forgetting the module."""
    found = source(tmp_path, "it = [dspy.Example(q='x', gold=Part(name='nut')).with_inputs('q')]")
    (path,) = tmp_path.glob("*.py")
    (row,) = load_dataset(DataSpec(), found, Fields(("q",)), 0).examples
    for name in (path.stem, f"user_program_{path.stem}"):
        sys.modules.pop(name, None)
    assert as_dspy(row).gold == {"name": "nut"}
    import_classes(DataSpec(data="rows.csv"), [row], tmp_path)
    assert as_dspy(row).gold == {"name": "nut"}
    import_classes(DataSpec(data=f"{path}:it"), [row], tmp_path)
    assert as_dspy(row).gold.name == "nut"
    path.unlink()
    import_classes(DataSpec(data=f"{path}:it"), [row], tmp_path)  # all classes are known: nothing is imported


def test_inputs_are_kept_as_json_where_the_signature_is_enough(tmp_path: Path) -> None:
    from pydantic import BaseModel

    class Part(BaseModel):
        name: str

    code = "it = [dspy.Example(part={'name': 'nut'}, gold={'name': 'nut'}).with_inputs('part')]"
    row = source(tmp_path, code, types={"part": Part}).pool[0]
    assert row["gold"] == {"name": "nut"}
    assert isinstance(row["part"], dict)


def test_what_cannot_be_kept_is_said(tmp_path: Path) -> None:
    found = source(tmp_path, "it = [{'q': 'x', 'tool': print}]")
    assert "values of 'tool' (builtin_function_or_method) cannot be kept" in found.notes[0]


BAD = [
    ("", "gone", "has nothing named 'gone'"),
    ("", "", "names no rows"),
    ("it = 3", "it", "is a int and no rows"),
    ("it = 'text'", "it", "is a str and no rows"),
    ("it = []", "it", "has no rows"),
    ("it = [1]", "it", "row 1 is a int and no row"),
    ("it = [plain, plain, plain, plain]", "it", "lists of them are taken as splits where there are two or three"),
    ("it = [rows, rows, rows, rows]", "it", "row 1 is a list and no row"),
    ("def it(): raise ValueError('Use another.')", "it", "raised ValueError: Use another. It is called"),
    ("it = [{1: 2}]", "it", "row 1 is a dict and no row"),
    ("def it(): raise RuntimeError('no net')", "it", "raised RuntimeError: no net"),
    ("def it():\n    yield {'q': 1}\n    1 / 0", "it", "raised ZeroDivisionError"),
    ("def it(path): return []", "it", "called without arguments"),
    ("raise ValueError('at import')", "it", "does not import: ValueError: at import"),
]


@pytest.mark.parametrize(("code", "attribute", "sentence"), BAD)
def test_what_is_no_rows_gets_one_sentence(tmp_path: Path, code: str, attribute: str, sentence: str) -> None:
    path = tmp_path / f"{next(_names)}.py"
    path.write_text(HEAD + code)
    with pytest.raises(BadInput) as caught:
        python_rows(tmp_path, {})(f"{path}:{attribute}" if attribute else str(path))
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


def test_a_source_a_split_and_one_of_several_splits(tmp_path: Path) -> None:
    path = tmp_path / f"{next(_names)}.py"
    path.write_text(HEAD + "both = {'train': plain[:4], 'dev': plain[4:]}\nmore = plain[:2]")
    spec = DataSpec(train=f"{path}:both", val=f"{path}:both", test=f"{path}:more")
    found = gather(spec, python_rows(tmp_path, {}))
    assert {split: len(rows) for split, rows in found.parts.items()} == {
        Split.TRAIN: 4,
        Split.VAL: 2,
        Split.TEST: 2,
    }
    limited = gather(DataSpec(data=f"{path}:plain", limit=3), python_rows(tmp_path, {}))
    assert len(limited.pool) == 3


def test_code_is_not_run_where_nobody_asked_for_it(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is Python code, which is not run here"):
        gather(DataSpec(data="rows.py:it"))


@pytest.mark.parametrize(
    ("reference", "is_code"),
    [
        ("rows.py:train", True), ("/a b/rows.py:Home.train", True), ("rows.py", True), ("package.data:train", True),
        ("rows.csv", False), ("/a:b/rows.csv", False), ("C:\\rows.csv", False), ("rows.csv.gz", False),
        ("folder.py/rows.json", False), ("", False),
    ],
)  # fmt: skip
def test_python_sources_are_told_from_files_by_name(reference: str, is_code: bool) -> None:
    assert is_python_source(reference) is is_code
