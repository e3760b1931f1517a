"""optuna-dashboard on a run's study: read-only, on loopback, for whoever runs the studio.

`main([FILE])` prints {"port": ...} and serves until its standard input ends, so it cannot outlive the studio.
"""

import json
import os
import sys
import threading
from collections.abc import Callable, Iterable
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import parse_qs
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from mipro_studio.control.admission import belongs_to_us, is_called, is_own_page, same_token
from mipro_studio.storage import study_url

__all__ = ["TOKEN_VARIABLE", "Guarded", "main"]

TOKEN_VARIABLE = "MIPRO_STUDIO_DASHBOARD_TOKEN"
"""Environment variable with what the address must show, unless it is opened by whoever runs it."""

ADDRESS = "127.0.0.1"
NAMES = (ADDRESS, "localhost")
COOKIE = "mipro_dashboard"

Environ = dict[str, Any]
Start = Callable[..., Any]
Application = Callable[[Environ, Start], Iterable[bytes]]


class Guarded:
    """WSGI middleware around all of the dashboard's routes, static files included.

    Args:
        token: What `?token=` must say; empty asks for none.
    """

    def __init__(self, app: Application, token: str = "") -> None:
        self._app = app
        self._token = token

    def __call__(self, environ: Environ, start: Start) -> Iterable[bytes]:
        host = environ.get("HTTP_HOST", "")
        port = int(environ["SERVER_PORT"])
        if not is_called(host, NAMES) or not is_own_page(environ.get("HTTP_ORIGIN"), host):
            return _say(start, "403 Forbidden", "It is not served under this name, or another web page asked.")
        asked = parse_qs(environ.get("QUERY_STRING", "")).get("token", [""])[0]
        if same_token(asked, self._token) and environ.get("PATH_INFO", "").startswith("/dashboard"):
            cookie = f"{COOKIE}_{port}={self._token}; Path=/; HttpOnly; SameSite=Lax"
            where = environ["PATH_INFO"]
            return _say(start, "303 See Other", "", [("Location", where), ("Set-Cookie", cookie)])
        client = (str(environ.get("REMOTE_ADDR", "")), int(environ.get("REMOTE_PORT") or 0))
        shown = (asked, _cookie(environ, f"{COOKIE}_{port}"))
        if not self._token or any(same_token(one, self._token) for one in shown):
            return self._app(environ, start)
        if belongs_to_us(client, (ADDRESS, port)):
            return self._app(environ, start)
        return _say(start, "403 Forbidden", "Open it from the studio's page.")


def _cookie(environ: Environ, name: str) -> str:
    try:
        found = SimpleCookie(environ.get("HTTP_COOKIE", "")).get(name)
    except CookieError:
        return ""
    return found.value if found is not None else ""


def _say(start: Start, status: str, words: str, headers: Iterable[tuple[str, str]] = ()) -> list[bytes]:
    start(status, [("Content-Type", "text/plain; charset=utf-8"), ("Referrer-Policy", "no-referrer"), *headers])
    return [words.encode()]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Handler(WSGIRequestHandler):
    def get_environ(self) -> Environ:
        return {**super().get_environ(), "REMOTE_PORT": str(self.client_address[1])}

    def log_message(self, format: str, *args: Any) -> None:
        return


def main(arguments: list[str]) -> int:
    import optuna
    import optuna_dashboard
    from optuna.storages import RDBStorage

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # The dashboard has no login and can delete: it reads a file that it may not write.
    url = study_url(Path(arguments[0]), read_only=True)
    storage = RDBStorage(url, skip_compatibility_check=True, skip_table_creation=True)
    guarded = Guarded(optuna_dashboard.wsgi(storage), os.environ.get(TOKEN_VARIABLE, ""))
    server = make_server(ADDRESS, 0, guarded, _Server, _Handler)
    print(json.dumps({"port": server.server_port}), flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
    return 0
