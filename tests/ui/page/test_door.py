"""The studio's server: other names, other pages and other accounts stay outside, on every route."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from streamlit import config as streamlit_config

from mipro_studio.ui.page import door as at_the_door
from mipro_studio.ui.page.door import Door

TOKEN = "t0ken"
HERE = ("127.0.0.1", 8501)
STRANGER = ("10.0.0.7", 4711)
OURS = {"host": "127.0.0.1:8501"}
PATHS = ["/", "/app/static/plotly.min.js", "/_stcore/upload_file/x", "/_stcore/stream", "/media/x", "/new_run"]


@pytest.fixture(autouse=True)
def _studios_own_settings() -> Iterator[None]:
    before = streamlit_config.get_option("server.allowedHosts")
    streamlit_config._set_option("server.allowedHosts", ["localhost", "127.0.0.1"], "a test")
    yield
    streamlit_config._set_option("server.allowedHosts", before, "a test")


def ask(path: str = "/", query: str = "", kind: str = "http", token: str = TOKEN, **headers: str) -> dict[str, Any]:
    """What comes of a stranger's request: {passed, status, headers, closed}."""
    found: dict[str, Any] = {"passed": False, "status": None, "headers": {}, "closed": None}

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        found["passed"] = True
        if kind == "http":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"y")]})

    async def receive() -> Any:
        return {"type": f"{kind}.connect"}

    async def send(message: Any) -> None:
        found["status"] = message.get("status", found["status"])
        found["headers"] |= {name.decode(): value.decode() for name, value in message.get("headers", ())}
        found["closed"] = message.get("code", found["closed"])

    scope = {
        "type": kind, "method": "GET", "scheme": "http", "path": path, "query_string": query.encode(),
        "client": STRANGER, "server": HERE,
        "headers": [(name.encode(), value.encode()) for name, value in {**OURS, **headers}.items()],
    }  # fmt: skip
    asyncio.run(Door(inner, token)(scope, receive, send))
    return found


@pytest.fixture
def ourselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(at_the_door, "belongs_to_us", lambda client, server: True)


@pytest.mark.parametrize("path", PATHS)
def test_a_stranger_without_the_token_stays_outside_on_every_route(path: str) -> None:
    answer = ask(path)
    assert (answer["passed"], answer["status"]) == (False, 403)
    socket = ask(path, kind="websocket")
    assert (socket["passed"], socket["closed"]) == (False, 1008)


@pytest.mark.parametrize("path", PATHS)
def test_whoever_runs_the_studio_needs_no_token(ourselves: None, path: str) -> None:
    assert ask(path)["passed"] and ask(path, kind="websocket")["passed"]


def test_whoever_runs_the_studio_is_looked_up_once_a_browser(
    ourselves: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    cookie = ask("/")["headers"]["set-cookie"].partition(";")[0]
    monkeypatch.setattr(at_the_door, "belongs_to_us", lambda client, server: pytest.fail("looked up again"))
    again = ask("/_stcore/host-config", cookie=cookie)
    assert again["passed"] and "set-cookie" not in again["headers"]


def test_a_token_in_the_address_becomes_a_cookie_and_leaves_the_address() -> None:
    answer = ask("/replay", f"run=abc&token={TOKEN}&at=3")
    assert (answer["status"], answer["headers"]["location"]) == (303, "/replay?run=abc&at=3")
    cookie = answer["headers"]["set-cookie"]
    assert cookie == f"mipro_studio_8501={TOKEN}; Path=/; HttpOnly; SameSite=Lax"
    shown = {"cookie": cookie.partition(";")[0]}
    assert all(ask(path, **shown)["passed"] and ask(path, kind="websocket", **shown)["passed"] for path in PATHS)


@pytest.mark.parametrize("wrong", ["", "T0KEN", "t0ken2", "off"])
def test_another_token_opens_nothing(wrong: str) -> None:
    assert ask("/", f"token={wrong}")["status"] == 403
    assert ask("/", cookie=f"mipro_studio_8501={wrong}")["status"] == 403
    assert ask("/", cookie=f"mipro_studio_8502={TOKEN}")["status"] == 403


def test_the_way_after_the_token_leads_to_no_other_host() -> None:
    assert ask("//evil.example/x", f"token={TOKEN}")["headers"]["location"] == "/evil.example/x"


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example:8501"},
        {"host": ""},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
    ],
)
@pytest.mark.parametrize("path", [*PATHS, at_the_door.HEALTH])
def test_a_page_elsewhere_gets_nothing_whoever_looks_at_it(
    ourselves: None, path: str, headers: dict[str, str]
) -> None:
    for kind in ("http", "websocket"):
        answer = ask(path, kind=kind, cookie=f"mipro_studio_8501={TOKEN}", **headers)
        assert not answer["passed"] and answer["status"] in (403, None)


def test_the_health_of_the_server_is_no_secret_and_off_asks_nobody() -> None:
    assert ask(at_the_door.HEALTH)["passed"]
    assert all(ask(path, token="off")["passed"] for path in PATHS)


def test_asking_from_elsewhere_does_not_look_up_the_machines_address(
    ourselves: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamlit.net_util.get_external_ip", lambda: pytest.fail("it was looked up"))
    assert not ask("/_stcore/stream", kind="websocket", origin="http://evil.example")["passed"]


def test_the_studios_own_settings_name_its_address_so_that_none_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    from streamlit.web import bootstrap

    monkeypatch.setattr("streamlit.net_util.get_external_ip", lambda: pytest.fail("it was looked up"))
    for address in ("127.0.0.1", "0.0.0.0"):
        monkeypatch.setattr(
            streamlit_config, "get_option", _with({"server.address": address, "server.headless": True})
        )
        bootstrap._print_url(is_running_hello=False)


def _with(values: dict[str, Any]) -> Any:
    real = streamlit_config.get_option
    return lambda name: values.get(name, real(name))
