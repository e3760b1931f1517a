"""What an endpoint's own list proves, and what it does not."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mipro_studio.optimizer_core.config import ModelSpec
from mipro_studio.optimizer_core.models import listing as module
from mipro_studio.optimizer_core.models.listing import lists_model
from tests.loopback.raw import RawEndpoint, without_end
from tests.loopback.raw import http as answer


@contextmanager
def listing(needs_key: str | None = None) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            allowed = needs_key is None or self.headers.get("Authorization") == f"Bearer {needs_key}"
            self.send_response(200 if allowed else 401)
            self.end_headers()
            self.wfile.write(json.dumps({"data": [{"id": "here"}]} if allowed else {}).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()


def test_a_name_on_an_open_list_is_enough_where_no_key_is_used() -> None:
    with listing() as base:
        assert lists_model(ModelSpec(model="openai/here", api_base=base))
        assert not lists_model(ModelSpec(model="openai/elsewhere", api_base=base))


def test_an_open_list_says_nothing_about_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIST_KEY", "sk-1")
    with listing() as base:
        assert not lists_model(ModelSpec(model="openai/here", api_base=base, api_key_env="LIST_KEY"))


def test_a_guarded_list_proves_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    with listing(needs_key="sk-right") as base:
        spec = ModelSpec(model="openai/here", api_base=base, api_key_env="LIST_KEY")
        monkeypatch.setenv("LIST_KEY", "sk-right")
        assert lists_model(spec)
        monkeypatch.setenv("LIST_KEY", "sk-wrong")
        assert not lists_model(spec)


def test_no_list_no_proof() -> None:
    assert not lists_model(ModelSpec(model="openai/here", api_base="http://127.0.0.1:9/v1"))
    assert not lists_model(ModelSpec(model="openai/here"))


def test_a_list_without_end_or_a_byte_at_a_time_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DEADLINE_S", 0.5)
    trickle = answer(b'{"data": [{"id": "here"}]}')
    for said, pause_s in ((without_end, 0.0), (lambda: (trickle[n : n + 1] for n in range(len(trickle))), 0.05)):
        with RawEndpoint(said, pause_s) as endpoint:
            assert not lists_model(ModelSpec(model="openai/here", api_base=endpoint.base_url))
            assert endpoint.sent_bytes < 64 * 1024 * 1024
