"""Who is at the other end: our own processes, and nobody else's."""

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mipro_studio.control.admission import belongs_to_us, is_called, is_own_page, same_token

NAMES = ["localhost", "127.0.0.1"]
LINUX = pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="only Linux lists connections")


@pytest.mark.parametrize("host", ["localhost:8501", "127.0.0.1", "LOCALHOST:1"])
def test_our_own_names_are_ours(host: str) -> None:
    assert is_called(host, NAMES)


@pytest.mark.parametrize("host", ["", "evil.example:8501", "127.0.0.1.evil.example", "127.0.0.1@evil.example", "["])
def test_a_name_that_a_page_elsewhere_points_here_is_not(host: str) -> None:
    assert not is_called(host, NAMES)


@pytest.mark.parametrize("origin", [None, "http://127.0.0.1:8501"])
def test_a_page_of_ours_or_no_page_may_ask(origin: str | None) -> None:
    assert is_own_page(origin, "127.0.0.1:8501")


@pytest.mark.parametrize(
    "origin", ["", "null", "http://evil.example", "http://127.0.0.1:8502", "http://localhost:8501", "http://["]
)
def test_any_other_page_may_not(origin: str) -> None:
    assert not is_own_page(origin, "127.0.0.1:8501")


def test_an_empty_token_fits_nothing() -> None:
    assert same_token("abc", "abc")
    assert not same_token("", "")
    assert not same_token("ü\ud83d", "abc")


@pytest.fixture(params=["127.0.0.1", "::1"])
def listening(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.socket(family) as server:
        try:
            server.bind((request.param, 0))
        except OSError:
            pytest.skip("there is no such address here")
        server.listen()
        yield server


@LINUX
def test_a_process_of_our_own_is_told_from_another_accounts(listening: socket.socket) -> None:
    host, port = address = listening.getsockname()[:2]
    accounts = [None] + ([65534] if os.getuid() == 0 else [])
    for account in accounts:
        child = subprocess.Popen(["bash", "-c", f"exec 3<>/dev/tcp/{host}/{port}; sleep 20"], user=account)
        try:
            connection, client = listening.accept()
            assert belongs_to_us(client[:2], address) is (account is None)
            connection.close()
        finally:
            child.kill()
            child.wait()


@pytest.mark.parametrize("client", [("127.0.0.1", 1), ("10.1.2.3", 80), ("", 0), ("testclient", 50000), ("::1", 2)])
def test_who_is_not_connected_is_nobody(client: tuple[str, int]) -> None:
    assert not belongs_to_us(client, ("127.0.0.1", 8501))
