"""The server as a process: its folder of jobs, its socket, and how it ends."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hepad.errors import MissingExtraError, OutputError, UsageError
from hepad.serve.limits import Limits

__all__ = ["Options", "run"]

_CONNECTIONS = 200
_HEAD = 16_384
"""Bytes of the head of a request."""


@dataclass(frozen=True)
class Options:
    """Where the server keeps its jobs, where it is found, and what it grants."""

    data: Path
    port: int = 8765
    share: Path | None = None
    url: str | None = None
    limits: Limits = field(default_factory=Limits)


def run(options: Options, ready: Callable[[str], None]) -> None:
    """Serve until a signal ends it; `ready` is told the link with the token as soon as there is an answer.

    `MissingExtraError` without the extra `web`, `UsageError` if the port is taken, or the folder of jobs is by another
    server.
    """
    try:
        import python_multipart  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn
    except ImportError as error:
        package = (error.name or "starlette").partition(".")[0]
        raise MissingExtraError.of(error, "hepad serve needs", package, "web") from error
    from hepad.serve.app import Server, make_app
    from hepad.serve.commands import KINDS, choices
    from hepad.serve.connection import Connection
    from hepad.serve.queue import Queue
    from hepad.serve.security import Keys, site_of
    from hepad.serve.store import Store

    if options.share is not None and not options.share.is_dir():
        raise UsageError(f"--share {options.share} is no folder")
    with _private(), _hangup_ends(), _socket(options.port) as listener, _owned(options.data):
        port = listener.getsockname()[1]
        site = site_of(port, options.url)
        store, keys = Store(options.data.resolve(), options.limits), Keys.of(options.data)

        async def serve() -> None:
            server = Server(store, Queue(store), keys, site, options.limits, options.share)
            config = uvicorn.Config(
                make_app(server),
                http=Connection,
                loop="asyncio",
                log_level="warning",
                access_log=False,  # links have keys
                server_header=False,
                proxy_headers=False,
                ws="none",
                limit_concurrency=_CONNECTIONS,
                timeout_graceful_shutdown=3,
                h11_max_incomplete_event_size=_HEAD,
            )
            for kind in KINDS:
                choices(kind)  # which takes a second, and is kept
            place = f"http://127.0.0.1:{port}" if options.url is None else options.url.rstrip("/")
            ready(f"{place}/?token={keys.key('token')}")
            await uvicorn.Server(config).serve(sockets=[listener])

        try:
            asyncio.run(serve())
        except KeyboardInterrupt:
            return  # how one ends it
        except SystemExit as end:
            if end.code != 128 + signal.SIGTERM:  # how services are ended
                raise


@contextmanager
def _private() -> Iterator[None]:
    """What is made meanwhile, by jobs too, is nobody else's."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def _hangup_ends() -> Iterator[None]:
    """A closed terminal ends the server in good order, as SIGTERM does; under nohup it goes on."""
    before = signal.getsignal(signal.SIGHUP)
    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


@contextmanager
def _socket(port: int) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            raise UsageError(
                f"--port {port}: {error.strerror or error}; give another, 0 for any that is free"
            ) from error
        listener.listen(128)
        yield listener


@contextmanager
def _owned(folder: Path) -> Iterator[None]:
    """Make the folder of jobs, if it is not there, and keep other servers out of it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise OutputError(f"--folder {folder}: {error.strerror or error}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise UsageError(f"--folder {folder}: another hepad serve has it; give another folder") from error
    finally:
        os.close(handle)
