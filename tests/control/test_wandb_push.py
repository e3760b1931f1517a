"""A winner through W&B's own client, which keeps it here: there is no server of theirs to send it to."""

import json
import os
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


def kept(folder: Path) -> bytes:
    """What the client wrote of the run, to send it later."""
    (log,) = folder.glob("wandb/offline-run-*/*.wandb")
    return log.read_bytes()


def test_the_run_has_its_numbers_and_says_what_it_is(pushed: tuple[dict[str, Any], Path]) -> None:
    found, folder = pushed
    assert (found["project"], found["artifact"]) == ("support-desk", "support-desk-program")
    with Reader(folder / "studio.db") as reader:
        outcome = reader.outcome(found["run_id"])
    assert outcome is not None and outcome.best_test is not None
    written = kept(folder)
    for said in (found["run_id"], found["candidate"], "test.mean", json.dumps(outcome.best_test["mean"])):
        assert said.encode() in written
    assert any("wandb sync" in note for note in found["notes"])


def test_the_program_lies_beside_it_as_dspy_saves_it(pushed: tuple[dict[str, Any], Path]) -> None:
    found, folder = pushed
    assert found["artifact"].encode() in kept(folder)
    texts = [path.read_text() for path in (folder / "data").rglob("*") if path.is_file()]
    (program,) = [said for text in texts if "metadata" in (said := json.loads(text))]
    with Reader(folder / "studio.db") as reader:
        chosen = {arm.owner: arm.text for arm in reader.instructions(found["run_id"])}
    assert {*program} >= {*chosen}
    (messages,) = [said for text in texts if "predictors" in (said := json.loads(text))]
    assert [one["name"] for one in messages["predictors"]] == ["queue", "tone"]


def test_nothing_of_the_machine_and_no_key_is_in_it(pushed: tuple[dict[str, Any], Path]) -> None:
    _, folder = pushed
    files = [path for name in ("wandb", "data", "cache") for path in (folder / name).rglob("*") if path.is_file()]
    assert files
    for path in files:
        content = path.read_bytes()
        assert KEY.encode() not in content
        assert os.uname().nodename.encode() not in content or path.suffix == ".log"
    assert {path.name for path in files} & {"requirements.txt", "wandb-metadata.json", "output.log"} == set()


def test_no_account_is_said_in_one_sentence(
    pushed: tuple[dict[str, Any], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    found, folder = pushed
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("HOME", str(folder))
    done = shell(
        "push", found["run_id"], "--to", "wandb", "--store", str(folder / "studio.db"), "--uri", "http://127.0.0.1:9"
    )
    assert done.returncode == 2
    assert "W&B refused" in done.stderr
