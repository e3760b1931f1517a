"""Locks between processes: SQLite's are POSIX locks, which a careless close() in the same process drops."""

import subprocess
import sys
from pathlib import Path

from mipro_studio.storage import Reader, Store

LOOK = "import pathlib, sys\nfrom mipro_studio.storage import Store\nStore(pathlib.Path(sys.argv[1])).close()"


def test_opening_the_store_again_does_not_let_others_delete_the_log_under_us(tmp_path: Path) -> None:
    path = tmp_path / "studio.db"
    first = Store(path)
    first.create_run(name="a", optimizer="mipro", seed=0, config={}, plan={}, receipt={})
    Store(path).close()  # as a worker's heart does: a second connection of the same process

    subprocess.run([sys.executable, "-c", LOOK, str(path)], check=True, timeout=60)

    assert path.with_name("studio.db-wal").exists()
    first.create_run(name="b", optimizer="mipro", seed=0, config={}, plan={}, receipt={})
    with Reader(path) as reader:
        assert [run.name for run in reader.list_runs()] == ["b", "a"]
