import json
import sqlite3
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from mipro_studio.storage import default_store, log_path, study_path
from mipro_studio.storage.codec import from_json, from_text, iso, to_json, to_text
from tests.storage.test_journal import HOSTILE


@pytest.mark.parametrize("text", [*HOSTILE, json.dumps("a"), json.dumps(json.dumps("a"))])
def test_text_goes_through_sqlite_and_back(text: str) -> None:
    column = sqlite3.connect(":memory:").execute("select ?", [to_text(text)]).fetchone()[0]
    assert from_text(column) == text


def test_ordinary_text_stays_readable_in_the_shell() -> None:
    assert [to_text(text) for text in ("Answer.", "Žluťoučký 😀")] == ["Answer.", "Žluťoučký 😀"]


def test_different_texts_have_different_columns() -> None:
    texts = [*HOSTILE, *(json.dumps(text) for text in HOSTILE)]
    assert len({to_text(text) for text in texts}) == len(set(texts))


def test_long_json_is_compressed_and_short_is_not() -> None:
    short, long = {"a": 1}, {"a": "word " * 1000}
    assert to_json(short) == '{"a":1}'
    column = to_json(long)
    assert isinstance(column, bytes)
    assert len(column) < 500
    assert [from_json(to_json(value)) for value in (short, long)] == [short, long]


def test_what_is_not_json_is_refused() -> None:
    with pytest.raises(TypeError, match="only JSON values, not datetime"):
        to_json({"when": datetime.now(UTC)})


def test_times_compare_as_text() -> None:
    start = datetime(2026, 11, 21, 23, 59, 59, tzinfo=UTC)
    moments = [start, start + timedelta(microseconds=1), start + timedelta(seconds=1)]
    assert sorted(map(iso, moments)) == [iso(moment) for moment in moments]
    assert iso(start.astimezone(timezone(timedelta(hours=5)))) == iso(start)


def test_the_store_is_named_by_the_environment_or_lies_in_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MIPRO_STUDIO_STORE", raising=False)
    assert default_store() == Path(".mipro-studio/studio.db")
    monkeypatch.setenv("MIPRO_STUDIO_STORE", "some/where.db")
    assert default_store() == Path("some/where.db")
    assert log_path(default_store(), "r") == Path("some/logs/r.log")
    assert study_path(default_store(), "r") == Path("some/studies/r.db")
