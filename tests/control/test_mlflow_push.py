"""A winner in a real local MLflow server, loaded back by MLflow alone."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mipro_studio.control.registries import predictors_of
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.types import Split
from mipro_studio.storage import Reader
from tests.inside import shell
from tests.working import arguments, endpoint, last_object, write_rows

mlflow = pytest.importorskip("mlflow", reason="the extra `mlflow` is not installed (requirements-mlflow.txt)")

pytestmark = pytest.mark.timeout(300)
ALONE = """
import json, sys
import mlflow
assert not [name for name in sys.modules if name.startswith("mipro_studio")]
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model(sys.argv[2])
answers = [model.predict(row) for row in json.loads(sys.stdin.read())]
prompts = [mlflow.genai.load_prompt(uri) for uri in sys.argv[3:]]
print(json.dumps({"answers": answers, "prompts": [[p.name, p.template] for p in prompts]}))
assert not [name for name in sys.modules if name.startswith("mipro_studio")]
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    where = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "files")]
    started = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    log = (folder / "log").open("wb")
    quiet = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    process = subprocess.Popen(
        [*started, *where], cwd=folder, stdout=log, stderr=log, env=quiet, start_new_session=True
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{url}/health", timeout=1)
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.5)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(120)


@pytest.fixture(scope="module")
def pushed(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Any], Path]]:
    folder = tmp_path_factory.mktemp("push")
    store = folder / "studio.db"
    os.environ["DESK_KEY"] = "sk-desk-0123456789"
    with endpoint() as running:
        given = arguments(write_rows(folder), running.base_url, "--api-key-env", "DESK_KEY", "--name", "support desk")
        ran = last_object(shell(*given, "--store", str(store), "--json"))
        done = shell("push", ran["run_id"], "--store", str(store), "--uri", server, "--json")
        assert done.returncode == 0, done.stderr
        yield last_object(done), store
    del os.environ["DESK_KEY"]


def test_mlflow_alone_loads_the_winner_and_it_gives_the_same_answers(
    server: str, pushed: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    found, store = pushed
    with Reader(store) as reader:
        rows = reader.examples(found["run_id"], Split.TEST)
        wanted = [
            reader.cell(found["run_id"], cell.key).prediction
            for row in rows
            for cell in reader.cells(found["run_id"], found["candidate"], Split.TEST)
            if cell.key.example == row.id
        ]
    asked = json.dumps([dict(row.inputs) for row in rows])
    bare = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", ALONE, server, found["model_uri"], *found["prompts"]],
        input=asked, cwd=tmp_path, capture_output=True, text=True, env={**bare, "OPENAI_API_KEY": "none"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert len(wanted) == len(rows) > 5
    assert told["answers"] == wanted
    assert [name for name, _ in told["prompts"]] == ["support-desk-queue", "support-desk-tone"]
    assert all("{{message}}" in template[-1]["content"] for _, template in told["prompts"])


def test_the_numbers_of_the_run_stand_beside_it_and_no_key_does(
    server: str, pushed: tuple[dict[str, Any], Path], tmp_path_factory: pytest.TempPathFactory
) -> None:
    found, store = pushed
    client = mlflow.MlflowClient(server)
    run = client.get_run(found["mlflow_run"])
    with Reader(store) as reader:
        outcome = reader.outcome(found["run_id"])
    assert outcome is not None
    assert run.data.metrics["test.mean"] == pytest.approx((outcome.best_test or {})["mean"])
    assert run.data.tags["mipro_studio.run"] == found["run_id"]
    assert [file.path for file in client.list_artifacts(found["mlflow_run"])] == ["program.json"]
    assert any("DESK_KEY" in note for note in found["notes"])
    kept = [path for path in tmp_path_factory.getbasetemp().glob("mlflow*/**/*") if path.is_file()]
    assert any(path.name == "model.pkl" for path in kept)
    assert not [path for path in kept if b"sk-desk-0123456789" in path.read_bytes()]


def test_a_server_that_is_not_there_is_said_in_one_sentence(
    pushed: tuple[dict[str, Any], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    found, store = pushed
    done = shell("push", found["run_id"], "--store", str(store), "--uri", "http://127.0.0.1:9")
    assert done.returncode == 2
    assert "MLflow refused" in done.stderr


def test_what_was_pushed_comes_back_as_arms_and_as_a_seed(
    server: str, pushed: tuple[dict[str, Any], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    mlflow.set_tracking_uri(server)  # the test before left MLflow, which keeps it, with a server that is not there
    found, _ = pushed
    saved = {one.name: one for one in predictors_of(f"runs:/{found['mlflow_run']}/program.json", tmp_path)}
    for uri, name in zip(found["prompts"], ("queue", "tone"), strict=True):
        assert predictors_of(uri, tmp_path) == [saved[name]]
    assert {one.name: one for one in predictors_of(found["model_uri"], tmp_path)} == saved
    with endpoint() as running:
        given = arguments(write_rows(tmp_path), running.base_url, "--store", str(tmp_path / "studio.db"), "--json")
        done = shell(*given, "--start-from", found["model_uri"])
    assert done.returncode == 0, done.stderr
    with Reader(tmp_path / "studio.db") as reader:
        seeds = {arm.owner: arm.text for arm in reader.instructions(last_object(done)["run_id"]) if arm.index == 0}
    assert seeds == {name: one.instruction for name, one in saved.items()}


def test_a_prompt_that_others_wrote_is_an_instruction(
    server: str, pushed: tuple[dict[str, Any], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    mlflow.set_tracking_uri(server)
    mlflow.genai.register_prompt(name="theirs", template="Read {{message}} and say which queue.")
    (found,) = predictors_of("prompts:/theirs/1", tmp_path, "queue")
    assert found.instruction == "Read `message` and say which queue."
    with pytest.raises(BadInput, match="MLflow refused"):
        predictors_of("prompts:/nobody/7", tmp_path, "queue")
