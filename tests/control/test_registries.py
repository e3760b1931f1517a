"""Programs and prompts out of registries. A server of ours answers as theirs do; the clients are their own."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from mipro_studio.control import registries
from mipro_studio.control.registries import predictors_of, program_of
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.storage import Reader
from tests.inside import shell
from tests.working import arguments, endpoint, last_object, write_rows

STATE = {"signature": {"instructions": "Say which queue.", "fields": []}, "demos": [{"message": "m", "queue": "q"}]}
KEY = "sk-lf-0123456789abcdef"


class Langfuse(ThreadingHTTPServer):
    """As much of Langfuse's prompt API as its client asks for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.prompts: dict[str, list[dict[str, Any]]] = {}
        self.keys: list[str] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answers(BaseHTTPRequestHandler):
    server: Langfuse

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        name, which = unquote(asked.path.rpartition("/")[2]), parse_qs(asked.query)
        versions = self.server.prompts.get(name, [])
        if "version" in which:
            versions = [one for one in versions if str(one["version"]) in which["version"]]
        else:
            versions = [one for one in versions if which.get("label", ["production"])[0] in one["labels"]]
        self._say(200, versions[-1]) if versions else self._say(404, {"message": "no such prompt", "error": "x"})

    def do_POST(self) -> None:
        self.server.keys.append(str(self.headers.get("Authorization")))
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = self.server.prompts.setdefault(body["name"], [])
        said = {name: value for name, value in body.items() if value is not None}
        made = {"tags": [], "config": {}, "labels": [], **said, "version": len(known) + 1}
        known.append(made)
        self._say(201, made)

    def _say(self, status: int, body: Any) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture(scope="module")
def langfuse() -> Iterator[Langfuse]:
    pytest.importorskip("langfuse", reason="the extra `langfuse` is not installed (requirements-langfuse.txt)")
    server = Langfuse()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LANGFUSE_HOST", server.url)
        patch.setenv("LANGFUSE_BASE_URL", server.url)
        patch.setenv("LANGFUSE_PUBLIC_KEY", "pk-lf-1")
        patch.setenv("LANGFUSE_SECRET_KEY", KEY)
        patch.setenv("LANGFUSE_TRACING_ENABLED", "false")
        yield server
    server.shutdown()


def test_a_prompt_of_langfuse_is_the_instruction_of_the_predictor_that_is_named(langfuse: Langfuse) -> None:
    text = {"name": "team/desk", "type": "text", "prompt": "Read {{message}}. Say which queue."}
    langfuse.prompts["team/desk"] = [
        {**text, "version": 1, "labels": ["production"], "tags": [], "config": {}},
        {**text, "prompt": "Newer.", "version": 2, "labels": ["latest"], "tags": [], "config": {}},
    ]
    (found,) = predictors_of("langfuse:team/desk", Path(), "queue")
    assert (found.name, found.instruction, found.demos) == ("queue", "Read `message`. Say which queue.", ())
    assert predictors_of("langfuse:team/desk@latest", Path(), "queue")[0].instruction == "Newer."
    assert predictors_of("langfuse:team/desk/2", Path(), "queue")[0].instruction == "Newer."
    with pytest.raises(BadInput, match="which predictor"):
        predictors_of("langfuse:team/desk", Path())
    with pytest.raises(BadInput, match="Langfuse refused"):
        predictors_of("langfuse:nothing", Path(), "queue")


def test_a_winner_goes_to_langfuse_and_comes_back_as_arms_of_another_run(langfuse: Langfuse, tmp_path: Path) -> None:
    store = str(tmp_path / "studio.db")
    with endpoint() as running:
        given = arguments(
            write_rows(tmp_path), running.base_url, "--name", "support desk", "--store", store, "--json"
        )
        ran = last_object(shell(*given))
        done = shell("push", ran["run_id"], "--to", "langfuse", "--store", store, "--json")
        assert done.returncode == 0, done.stderr
        pushed = last_object(done)
        assert pushed["prompts"] == ["langfuse:support-desk-queue/1", "langfuse:support-desk-tone/1"]
        other = last_object(shell(*given, "--review"))["run_id"]
        taken = shell("take", other, "langfuse:support-desk-queue/1", "--store", store, "--json")
        assert taken.returncode == 0, taken.stderr
    with Reader(Path(store)) as reader:
        winner = {arm.owner: arm for arm in reader.arms(ran["run_id"], "instruction")}
        asked = [change.change.payload for change in reader.changes(other)]
    saved = langfuse.prompts["support-desk-queue"][0]
    assert saved["prompt"][0]["role"] == "system" and "queue" in winner
    assert saved["config"]["saved"]["signature"]["instructions"] in saved["prompt"][0]["content"]
    assert all(one["predictor"] == "queue" for one in asked)
    assert KEY not in json.dumps(langfuse.prompts)


def test_a_prompt_is_no_program_and_what_is_no_uri_is_a_file(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is a prompt and no program"):
        program_of("prompts:/desk/1", tmp_path)
    (tmp_path / "desk.json").write_text(json.dumps(STATE))
    assert json.loads(program_of("desk.json", tmp_path)) == STATE
    assert predictors_of("desk.json", tmp_path)[0].demos == ({"message": "m", "queue": "q"},)


def test_a_client_that_is_not_installed_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(named: str) -> Any:
        raise ImportError("no module")

    monkeypatch.setattr(registries, "_langfuse_prompt", missing)
    with pytest.raises(BadInput, match="Langfuse is not installed") as said:
        predictors_of("langfuse:x", Path(), "queue")
    assert "requirements-langfuse.txt" in said.value.hint
