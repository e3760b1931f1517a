"""Listing and opening samples."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mipro_studio.sample_programs import CATALOG, get_sample, list_samples
from mipro_studio.sample_programs.types import Sample

ROOT = Path(__file__).resolve().parents[2]


def _sample(data: Path) -> Sample:
    return Sample("s", "S", "S.", "MIT", ("text",), data, (0.5, 0.25, 0.25))


def test_listing_titles_and_rows_does_not_import_dspy() -> None:
    code = (
        "import sys, sample_programs as s\n"
        "assert [s.CATALOG[n].title for n in s.list_samples()]\n"
        "s.CATALOG['triage'].rows()\n"
        "assert 'dspy' not in sys.modules and 'sklearn' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)


def test_triage_comes_first() -> None:
    assert list_samples()[:2] == ["triage", "iris"]


@pytest.mark.parametrize("name", ["nope", "types", "catalog", "../triage", ""])
def test_only_catalogued_names_open(name: str) -> None:
    with pytest.raises(KeyError, match="triage"):
        get_sample(name)


@pytest.mark.parametrize("name", ["triage", "iris"])
def test_record_fits_module_and_data(name: str) -> None:
    module = get_sample(name)
    sample = module.SAMPLE
    assert sample is CATALOG[name]
    assert sample.name == name
    assert sum(sample.split) == pytest.approx(1.0)
    assert sample.title and sample.licence and sample.description.endswith(".")
    rows = sample.rows()
    assert all(set(sample.inputs) < set(row) for row in rows)
    assert sample.stratify is None or all(sample.stratify in row for row in rows)
    json.dumps(sample.defaults)
    assert module.program() is not module.program()


def test_rows_of_jsonl_keep_types_and_odd_separators(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "a\u2028b", "n": 1}\n\n{"text": "c", "n": 2.5}\n', encoding="utf-8")
    assert _sample(path).rows() == [{"text": "a\u2028b", "n": 1}, {"text": "c", "n": 2.5}]


def test_rows_of_csv_are_text(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,n\nhello,1\n", encoding="utf-8")
    assert _sample(path).rows() == [{"text": "hello", "n": "1"}]
