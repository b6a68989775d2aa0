"""Asks the application without a network: one request, one answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any

BOUNDARY = "edge"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    text: str


def form(fields: dict[str, str], files: Iterable[tuple[str, bytes]] = ()) -> bytes:
    """A form as a browser sends it."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    for name, content in files:
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n'
        parts.append(f"{head}Content-Type: application/octet-stream\r\n\r\n".encode() + content + b"\r\n")
    return b"".join([*parts, f"--{BOUNDARY}--\r\n".encode()])


class Client:
    """A browser with the cookie, but for what a request says otherwise; a header that is None is not sent."""

    def __init__(self, app: Any, cookie: str) -> None:
        self.app, self.cookie = app, cookie

    async def get(self, path: str, **headers: str | None) -> Answer:
        return await self.ask("GET", path, b"", headers)

    async def post(self, path: str, body: bytes, **headers: str | None) -> Answer:
        more = {"content-type": f"multipart/form-data; boundary={BOUNDARY}", "content-length": str(len(body))}
        return await self.ask("POST", path, body, {**more, **headers})

    async def ask(
        self, method: str, path: str, body: bytes | AsyncIterator[bytes], headers: dict[str, str | None]
    ) -> Answer:
        path, _, query = path.partition("?")
        given = {"host": "127.0.0.1:1", "cookie": self.cookie, **{n.replace("_", "-"): v for n, v in headers.items()}}
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
            "path": path, "raw_path": path.encode(), "query_string": query.encode(), "root_path": "", "client": None,
            "server": ("127.0.0.1", 1), "state": {},
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in given.items() if value is not None],
        }  # fmt: skip
        sent: list[dict[str, Any]] = []
        pieces = _pieces(body) if isinstance(body, bytes) else body

        ended = False

        async def receive() -> dict[str, Any]:
            nonlocal ended
            if ended:  # whoever asks again waits for the browser to leave
                await asyncio.Event().wait()
            piece = await anext(pieces, None)
            ended = piece is None
            return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await asyncio.wait_for(self.app(scope, receive, send), 30)
        found = {name.decode(): value.decode("latin-1") for name, value in sent[0]["headers"]}
        text = b"".join(message.get("body", b"") for message in sent[1:]).decode("utf-8", "replace")
        return Answer(sent[0]["status"], found, text)


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for i in range(0, len(body), 1000):
        yield body[i : i + 1000]
