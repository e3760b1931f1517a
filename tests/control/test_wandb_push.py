"""A winner through W&B's own client, which keeps it here: there is no server of theirs to send it to."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mipro_studio.storage import Reader
from tests.inside import shell
from tests.working import arguments, endpoint, last_object, write_rows

wandb = pytest.importorskip("wandb", reason="the extra `wandb` is not installed (requirements-wandb.txt)")

pytestmark = pytest.mark.timeout(300)
KEY = "sk-desk-0123456789"


@pytest.fixture(scope="module")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Any], Path]]:
    folder = tmp_path_factory.mktemp("push")
    store = folder / "studio.db"
    with pytest.MonkeyPatch.context() as patch, endpoint() as running:
        patch.setenv("DESK_KEY", KEY)
        patch.setenv("WANDB_MODE", "offline")
        patch.setenv("WANDB_DATA_DIR", str(folder / "data"))
        patch.setenv("WANDB_CACHE_DIR", str(folder / "cache"))
        given = arguments(write_rows(folder), running.base_url, "--api-key-env", "DESK_KEY", "--name", "support desk")
        ran = last_object(shell(*given, "--store", str(store), "--json"))
        done = shell("push", ran["run_id"], "--to", "wandb", "--store", str(store), "--json")
        assert done.returncode == 0, done.stderr
        yield last_object(done), folder


def test_the_run_is_kept_to_be_sent_later(pushed: tuple[dict[str, Any], Path]) -> None:
    """What the client keeps of it is compressed; its numbers are not read back here."""
    found, folder = pushed
    assert (found["project"], found["artifact"]) == ("support-desk", "support-desk-program")
    (log,) = folder.glob("wandb/offline-run-*/*.wandb")
    assert log.stat().st_size > 0
    assert any("wandb sync" in note and str(log.parent) in note for note in found["notes"])


def test_the_program_lies_beside_it_as_dspy_saves_it(pushed: tuple[dict[str, Any], Path]) -> None:
    found, folder = pushed
    texts = [path.read_text() for path in (folder / "data").rglob("*") if path.is_file()]
    (program,) = [said for text in texts if "metadata" in (said := json.loads(text))]
    with Reader(folder / "studio.db") as reader:
        chosen = {arm.owner: arm.text for arm in reader.instructions(found["run_id"])}
    assert {*program} >= {*chosen}
    (messages,) = [said for text in texts if "predictors" in (said := json.loads(text))]
    assert [one["name"] for one in messages["predictors"]] == ["queue", "tone"]


def test_no_key_and_no_list_of_packages_lies_in_its_files(pushed: tuple[dict[str, Any], Path]) -> None:
    """The client's own log is compressed: a key in there would not be found by this."""
    _, folder = pushed
    files = [path for name in ("wandb", "data", "cache") for path in (folder / name).rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert KEY.encode() not in path.read_bytes()
    assert {path.name for path in files} & {"requirements.txt", "wandb-metadata.json", "output.log"} == set()
