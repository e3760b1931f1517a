"""What stands before everything that the studio serves: pages, static files, uploads and the socket.

Whoever opens the studio from the machine and the account it runs on is let in. Anybody else shows a token, which the
studio prints as a part of its address when it starts; a browser that has shown it once keeps it in a cookie.
"""

import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode

import streamlit as st
from starlette.middleware import Middleware

from mipro_studio.control.admission import belongs_to_us, is_called, is_own_page, same_token

__all__ = ["TOKEN_VARIABLE", "Door", "announced", "door"]

TOKEN_VARIABLE = "MIPRO_STUDIO_TOKEN"
"""Environment variable with the token to ask for; `off` asks nobody for one. Without it each start makes its own."""

OFF = "off"
PARAMETER = "token"
HEALTH = "/_stcore/health"
NOT_OURS = "The studio is not served under this name, or another web page asked for this."
NO_TOKEN = "Open the studio by the whole address that it printed when it started, with its token."

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_TOKEN = os.environ.get(TOKEN_VARIABLE) or secrets.token_urlsafe(24)


def door() -> Middleware:
    """The middleware for Streamlit's app, with this process's token."""
    return Middleware(Door, token=_TOKEN)


@asynccontextmanager
async def announced(app: Any) -> AsyncIterator[None]:
    """Print the address with the token once the server's is known."""
    if _TOKEN != OFF:
        address = f"http://{st.get_option('server.address') or 'localhost'}:{st.get_option('server.port')}"
        print(f"  From another account or machine: {address}/?{PARAMETER}={_TOKEN}\n", flush=True)
    yield


class Door:
    """ASGI middleware around all of Streamlit's routes."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], token: str) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if _is_foreign(headers):
            await _refuse(scope, receive, send, NOT_OURS)
        elif scope["type"] == "http" and same_token(_query(scope).get(PARAMETER, ""), self._token):
            await self._let_in(scope, send)
        elif self._is_known(scope, headers):
            await self._app(scope, receive, send)
        elif _is_us(scope):
            await self._app(scope, receive, self._with_cookie(scope, send))
        else:
            await _refuse(scope, receive, send, NO_TOKEN)

    def _is_known(self, scope: Scope, headers: dict[str, str]) -> bool:
        if self._token == OFF or scope["path"] == HEALTH:
            return True
        return same_token(_cookies(headers).get(_cookie_name(scope), ""), self._token)

    def _cookie(self, scope: Scope) -> str:
        secure = "; Secure" if scope["scheme"] == "https" else ""
        return f"{_cookie_name(scope)}={self._token}; Path=/; HttpOnly; SameSite=Lax{secure}"

    def _with_cookie(self, scope: Scope, send: Send) -> Send:
        """`send` that also keeps the token in a cookie: looking up who is connected takes milliseconds."""

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                cookie = (b"set-cookie", self._cookie(scope).encode())
                message = {**message, "headers": [*message.get("headers", ()), cookie]}
            await send(message)

        return keep

    async def _let_in(self, scope: Scope, send: Send) -> None:
        """Keep the token in a cookie, and open the same page without it in its address."""
        asked = {name: value for name, value in _query(scope).items() if name != PARAMETER}
        path = "/" + scope["path"].lstrip("/")  # two slashes would lead to another host
        headers = {
            "location": path + (f"?{urlencode(asked)}" if asked else ""),
            "set-cookie": self._cookie(scope),
            "referrer-policy": "no-referrer",
            "cache-control": "no-store",
        }
        await _answer(send, 303, headers, "")


def _is_foreign(headers: dict[str, str]) -> bool:
    """Whether a web page elsewhere asks: by a name that is not ours (DNS rebinding), or from another origin."""
    host, origin = headers.get("host", ""), headers.get("origin")
    allowed = st.get_option("server.allowedHosts") or ["*"]
    if "*" not in allowed and not is_called(host, allowed):
        return True
    known = origin in (st.get_option("server.corsAllowedOrigins") or ())
    return bool(st.get_option("server.enableCORS")) and not known and not is_own_page(origin, host)


def _is_us(scope: Scope) -> bool:
    client, server = scope.get("client") or ("", 0), scope.get("server") or ("", 0)
    return belongs_to_us(tuple(client[:2]), tuple(server[:2]))


def _query(scope: Scope) -> dict[str, str]:
    return dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))


def _cookie_name(scope: Scope) -> str:
    # Cookies know no ports, and two studios on one machine have two tokens.
    return f"mipro_studio_{(scope.get('server') or ('', 0))[1]}"


def _cookies(headers: dict[str, str]) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(headers.get("cookie", "")).items()}
    except CookieError:
        return {}


async def _refuse(scope: Scope, receive: Receive, send: Send, why: str) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": why})
    else:
        await _answer(send, 403, {"content-type": "text/plain; charset=utf-8"}, why)


async def _answer(send: Send, status: int, headers: dict[str, str], body: str) -> None:
    content = body.encode()
    given = {**headers, "content-length": str(len(content))}
    encoded = [(name.encode(), value.encode("latin-1", "replace")) for name, value in given.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": content})
