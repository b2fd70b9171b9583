"""What stands before every page: only this machine's browser, only our own script, and changes only with the token."""

from __future__ import annotations

import secrets
from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN_HEADER = "x-review-token"
MAX_BODY = 1_000_000
"""Bytes of a request's body."""


class Guard:
    """Refuses another Host (a name that was made to point here) and, on a POST, a foreign origin or a wrong token.

    The policy it sends allows one script and one style sheet, both ours, by a nonce that each answer draws anew.
    """

    def __init__(self, app: ASGIApp, port: int, token: str) -> None:
        self.app, self.token = app, token
        self.hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        nonce = secrets.token_urlsafe(16)
        scope.setdefault("state", {}).update(nonce=nonce, token=self.token)

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_headers(nonce))
            await send(message)

        refused = self._refused(scope["method"], Headers(scope=scope))
        if refused:
            await PlainTextResponse(refused, 403)(scope, receive, sent)
            return
        await self.app(scope, receive, sent)

    def _refused(self, method: str, headers: Headers) -> str:
        """Why a request is not answered; "" where it is."""
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self.hosts:
            return "This page answers to 127.0.0.1 and localhost only."
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and method != "GET":
            return "Verdicts are taken from this page only."
        if method in ("GET", "HEAD"):
            return ""
        if headers.get("origin", f"http://{hosts[0]}") not in {f"http://{host}" for host in self.hosts}:
            return "Verdicts are taken from this page only."
        if not secrets.compare_digest(headers.get(TOKEN_HEADER, "").encode(), self.token.encode()):
            return "The token is not that of this server: load the page again."
        if headers.get("content-type", "").partition(";")[0] != "application/json":
            return "Send JSON."
        return ""


def _headers(nonce: str) -> dict[str, str]:
    allowed = f"script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; form-action 'self'"
    return {
        "content-security-policy": f"default-src 'none'; {allowed}; base-uri 'none'; frame-ancestors 'none'",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "cache-control": "no-store",
    }


async def json_body(request: Request) -> MutableMapping[str, Any]:
    """The JSON object of a request. Raises ValueError for anything else."""
    import json

    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise ValueError("the request is too long")
    try:
        value = json.loads(body)
    except RecursionError as error:
        raise ValueError("the request is nested too deep") from error
    if not isinstance(value, dict):
        raise ValueError("send a JSON object")
    return value
