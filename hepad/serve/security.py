"""Who may ask: the Host and Origin of a request, the token, the cookie, and what browsers are told of each page.

The token in the link that the server prints gives a cookie, and the cookie gives everything; a shared link has a key of
its own and shows one job, no more. All are made from one secret, which is in the data folder, so that links live on.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hepad.errors import UsageError

__all__ = ["Gate", "Keys", "Site", "content_policy", "site_of"]

_SAFE = frozenset({"GET", "HEAD"})
_OPEN = ("/shared/", "/style.css", "/script.js")
"""Paths that need no cookie: a shared link has its key, and looks are no secret."""

_YEAR = 365 * 86400


class Keys:
    """What is made from the secret of a data folder."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    @classmethod
    def of(cls, folder: Path) -> Keys:
        """The keys of a data folder, whose secret is made once."""
        path = folder / "secret"
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            secret = path.read_bytes()
            if len(secret) < 32:
                raise UsageError(f"{path} is no secret of hepad serve; delete it, and all links get new keys") from None
            return cls(secret)
        secret = secrets.token_bytes(32)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(secret)
        except OSError:  # a full disk: half a secret would stop every later start
            path.unlink(missing_ok=True)
            raise
        return cls(secret)

    def key(self, what: str) -> str:
        """A key that nobody guesses, the same each time."""
        digest = hmac.new(self._secret, what.encode(), hashlib.sha256).digest()
        return urlsafe_b64encode(digest[:24]).decode()

    def fits(self, what: str, given: str) -> bool:
        """Whether the key is right, in a time that does not tell how much of it is."""
        return hmac.compare_digest(self.key(what).encode(), given.encode("utf-8", "replace"))


@dataclass(frozen=True)
class Site:
    """Where browsers find the server: origin, the path before all others, and the hosts it answers to."""

    origins: frozenset[str]
    hosts: frozenset[str]
    base: str = ""
    secure: bool = False
    cookie: str = "hepad"

    @property
    def cookie_path(self) -> str:
        """Where the cookie is sent."""
        return self.base or "/"


def site_of(port: int, url: str | None = None) -> Site:
    """The site of a port of this machine, and of the URL of a reverse proxy; `UsageError` if that is none."""
    hosts = {f"{name}:{port}" for name in ("localhost", "127.0.0.1", "[::1]")}
    origins = {f"http://{host}" for host in hosts}
    if url is None:
        return Site(frozenset(origins), frozenset(hosts), cookie=f"hepad-{port}")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise UsageError(f"--url {url!r}: give what browsers see, https://HOST or https://HOST/PATH")
    hosts.add(parts.netloc.lower())
    origins.add(f"{parts.scheme}://{parts.netloc.lower()}")
    base = parts.path.rstrip("/")
    return Site(frozenset(origins), frozenset(hosts), base, parts.scheme == "https", f"hepad-{port}")


def content_policy(*, sandboxed: bool = False) -> str:
    """The Content-Security-Policy of our pages, or of a report, which may show pictures and its style and no more."""
    if sandboxed:
        rules = ("sandbox allow-downloads", "img-src data:", "style-src 'unsafe-inline'", "form-action 'none'")
        return "; ".join(("default-src 'none'", *rules, "base-uri 'none'", "frame-ancestors 'self'"))
    own = (f"{what}-src 'self'" for what in ("style", "script", "connect", "frame"))
    rules = ("img-src 'self' data:", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'")
    return "; ".join(("default-src 'none'", *own, *rules))


class Gate:
    """Lets through who may ask, and says on every answer what a browser may do with it."""

    def __init__(self, app: ASGIApp, keys: Keys, site: Site) -> None:
        self.app, self.keys, self.site = app, keys, site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # no page of ours opens a socket

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _protect(MutableHeaders(scope=message))
            await send(message)

        answer = self._answer(scope)
        await (answer or self.app)(scope, receive, send_with_headers)

    def _answer(self, scope: Scope) -> ASGIApp | None:
        """What is answered in place of the application; None to let it answer."""
        headers = Headers(scope=scope)
        if headers.get("host", "").lower() not in self.site.hosts:
            return _refused("this server does not have that name; use the link that it printed", 421)
        if scope["method"] not in _SAFE and not self._same_origin(headers):
            return _refused("this request does not come from a page of this server", 403)
        path = scope["path"]
        if any(path.startswith(each) for each in _OPEN):
            return None
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        token = next((value for name, value in query if name == "token"), None)
        if token is not None and scope["method"] in _SAFE and self.keys.fits("token", token):
            return self._with_cookie(path, [(name, value) for name, value in query if name != "token"])
        if any(self.keys.fits("cookie", value) for value in _cookies(headers, self.site.cookie)):
            return None
        return _refused("open the link with the token that hepad serve printed when it began", 403)

    def _with_cookie(self, path: str, query: Iterable[tuple[str, str]]) -> ASGIApp:
        """Go on without the token in the address, which would be in the history of the browser."""
        more = urlencode(list(query))
        place = f"/{path.lstrip('/')}"  # //host is another server
        answer = RedirectResponse(f"{self.site.base}{place}{'?' if more else ''}{more}", 303)
        answer.set_cookie(
            self.site.cookie,
            self.keys.key("cookie"),
            max_age=_YEAR,
            path=self.site.cookie_path,
            secure=self.site.secure,
            httponly=True,
            samesite="lax",  # strict is not sent after a link of a mail or a file; forms have a key and an Origin
        )
        return answer

    def _same_origin(self, headers: Headers) -> bool:
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if site is not None and site != "same-origin":
            return False
        return origin is None or origin.lower() in self.site.origins


def _cookies(headers: Headers, name: str) -> Iterator[str]:
    """All of a name: another server of this machine or domain may have set one too, which is to lock nobody out."""
    for text in headers.getlist("cookie"):
        for pair in text.split(";"):  # one that cannot be read takes no other with it
            jar = SimpleCookie()
            with suppress(CookieError):
                jar.load(pair.strip())
            if name in jar:
                yield jar[name].value


def _protect(headers: MutableHeaders) -> None:
    headers.setdefault("content-security-policy", content_policy())
    headers.setdefault("cache-control", "no-store")
    headers["x-content-type-options"] = "nosniff"
    headers["referrer-policy"] = "same-origin"  # links have keys; with none at all forms would have no origin
    headers["cross-origin-opener-policy"] = "same-origin"
    headers["cross-origin-resource-policy"] = "same-origin"
    headers.setdefault("x-frame-options", "SAMEORIGIN" if "sandbox" in headers["content-security-policy"] else "DENY")


def _refused(reason: str, status: int) -> ASGIApp:
    return PlainTextResponse(f"{reason}\n", status)
