"""The real embedded model behind its real server. Needs the weights; run with ``-m embedded``."""

from __future__ import annotations

import copy
import os
import pickle
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import dspy
import pytest
from dspy.utils.exceptions import ContextWindowExceededError, LMUnsupportedFeatureError

from mipro_studio.optimizer_core.errors import ModelUnavailable
from mipro_studio.optimizer_core.models.embedded import CompactAdapter, embedded_lm, runtime, weights_path
from mipro_studio.optimizer_core.models.embedded.connection import Connection, connect
from mipro_studio.optimizer_core.models.embedded.repack import fast_copy
from mipro_studio.optimizer_core.models.embedded.weights import APP_NAME, GGUF_ENV

pytestmark = pytest.mark.embedded

IDLE_S = 2.0
ROOT = Path(__file__).resolve().parents[3]


class Topic(dspy.Signature):
    """Classify the support message as billing, bug, account or feature."""

    message: str = dspy.InputField()
    topic: Literal["billing", "bug", "account", "feature"] = dspy.OutputField()


@pytest.fixture(scope="module", autouse=True)
def own_server(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A server of this module's own, which leaves soon after it; the copy that it serves is made once a machine."""
    fast, cache = fast_copy(weights), tmp_path_factory.mktemp("cache")
    patch = pytest.MonkeyPatch()
    patch.setenv(GGUF_ENV, str(weights))
    patch.setenv("XDG_CACHE_HOME", str(cache))
    if fast != weights:
        (models := cache / APP_NAME / "models").mkdir(parents=True)
        (models / fast.name).symlink_to(fast)
    patch.setenv(runtime.IDLE_ENV, str(IDLE_S))
    yield
    # A server is known by its state file, which it withdraws when it leaves.
    assert wait_until(lambda: state() is None), "the test server did not leave"
    patch.undo()


def state() -> runtime.ServerState | None:
    return runtime.read_state(runtime.server_paths(weights_path(), runtime.ServerLayout.of_this_machine()))


def wait_until(condition: object, timeout_s: float = 150.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(0.1)
    return False


@pytest.fixture
def claim() -> Iterator[Connection]:
    connection = connect()
    yield connection
    connection.close()


@pytest.fixture
def lm() -> Iterator[dspy.LM]:
    model = embedded_lm()
    with dspy.context(lm=model, adapter=CompactAdapter()):
        yield model
    model.engine.close()


def test_literal_answers_stay_in_the_set_under_concurrency_and_are_accounted(lm: dspy.LM) -> None:
    predict = dspy.Predict(Topic)
    messages = [f"I was charged {n} times" for n in range(4)] + [f"Page {n} crashes" for n in range(4)]

    def ask(message: str) -> str:
        with dspy.context(lm=lm, adapter=CompactAdapter()):
            return str(predict(message=message).topic)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, messages))
    assert set(answers) <= {"billing", "bug", "account", "feature"}
    usage = [entry["usage"] for entry in lm.history]
    assert all(entry["prompt_tokens"] > 20 and entry["completion_tokens"] >= 1 for entry in usage)
    assert any(entry["prompt_tokens_details"]["cached_tokens"] > 10 for entry in usage)


def test_two_clients_in_two_processes_share_one_server(claim: Connection) -> None:
    code = "from mipro_studio.optimizer_core.models.embedded.connection import connect; print(connect().server_pid)"
    other = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    assert int(other.stdout) == claim.server_pid


def test_the_state_file_with_the_key_is_private_and_the_key_is_needed(claim: Connection) -> None:
    import httpx

    paths = runtime.server_paths(weights_path(), runtime.ServerLayout.of_this_machine())
    assert stat.S_IMODE(paths.state.stat().st_mode) == 0o600
    assert claim.api_key not in repr(claim)
    server = runtime.read_state(paths)
    assert server is not None and claim.api_key.encode() not in Path(f"/proc/{server.pid}/cmdline").read_bytes()
    for base_url in claim.base_urls:
        stranger = httpx.post(f"{base_url}/v1/chat/completions", json={"messages": []}, trust_env=False)
        assert stranger.status_code == 401


def test_sampling_is_repeatable_for_a_rollout_and_differs_between_rollouts(lm: dspy.LM) -> None:
    predict = dspy.Predict("question -> answer")
    config = {"temperature": 1.0, "max_tokens": 12}
    first, second, again = (
        predict(question="Tell me a story", config={**config, "rollout_id": rollout}).answer for rollout in (1, 2, 1)
    )
    assert first == again
    assert first != second


def test_several_typed_outputs_and_reasoning(lm: dspy.LM) -> None:
    answer = dspy.ChainOfThought("review -> is_positive: bool, stars: int")(review="Great food, slow service")
    assert isinstance(answer.reasoning, str)
    assert isinstance(answer.is_positive, bool)
    assert isinstance(answer.stars, int)


def test_a_prompt_beyond_the_context_is_refused_by_its_own_class(lm: dspy.LM) -> None:
    with pytest.raises(ContextWindowExceededError):
        dspy.Predict(Topic)(message="word " * 9000)


def test_what_the_engine_does_not_know_is_refused(lm: dspy.LM) -> None:
    with pytest.raises(LMUnsupportedFeatureError):
        lm(dspy.lm15.Request(
            model=lm.model,
            messages=(dspy.lm15.Message.user("x"),),
            config=dspy.lm15.Config(extensions={"mirostat": 2}),
        ))  # fmt: skip


def test_a_program_with_this_lm_is_copied_pickled_saved_and_loaded(lm: dspy.LM, tmp_path: Path) -> None:
    predict = dspy.Predict(Topic)
    predict.lm = lm
    assert copy.deepcopy(predict).lm.engine is lm.engine
    assert pickle.loads(pickle.dumps(lm)).engine.dump_state() == lm.engine.dump_state()
    predict.save(str(tmp_path / "program.json"))
    loaded = dspy.Predict(Topic)
    loaded.load(str(tmp_path / "program.json"), allow_unsafe_lm_state=True)
    assert loaded(message="The page crashes").topic in {"billing", "bug", "account", "feature"}
    loaded.lm.engine.close()


def test_a_killed_server_is_replaced_within_the_call(lm: dspy.LM) -> None:
    predict = dspy.Predict(Topic)
    before = predict(message="The page crashes").topic
    dead = state()
    assert dead is not None
    os.kill(dead.pid, signal.SIGKILL)
    assert predict(message="The page crashes").topic == before
    alive = state()
    assert alive is not None
    assert alive.pid != dead.pid


def test_the_server_leaves_when_its_last_client_is_killed() -> None:
    code = (
        "import time; from mipro_studio.optimizer_core.models.embedded.connection import connect\n"
        "c = connect(); print('ready', flush=True); time.sleep(600)"
    )
    client = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert client.stdout is not None
    assert client.stdout.readline() == "ready\n"
    time.sleep(IDLE_S * 1.5)
    assert state() is not None, "the server left although a client lives"
    client.kill()
    client.wait()
    assert wait_until(lambda: state() is None)


def test_weights_that_do_not_load_are_told(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"not a model")
    with pytest.raises(ModelUnavailable, match="server process ended"):
        connect(broken, timeout_s=60)
