"""What `hepad serve` says where it cannot begin."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys

import pytest

from hepad.cli.serve import serve
from hepad.errors import MissingExtraError, OutputError, UsageError
from hepad.serve.run import Options, _hangup_ends, _owned, run


def never(_):
    pytest.fail("it began")


@pytest.mark.parametrize("package", ["starlette", "uvicorn", "python_multipart"])
def test_without_its_packages_it_says_how_to_get_them(package, tmp_path, monkeypatch):
    for name in ("starlette", "uvicorn", "python_multipart"):
        monkeypatch.setitem(sys.modules, name, None if name == package else sys)
    with pytest.raises(MissingExtraError, match=rf"{package}: pip install 'hepad\[web\]'"):
        run(Options(tmp_path / "data"), never)
    assert not (tmp_path / "data").exists()


def test_a_port_or_folder_that_is_taken_is_said(tmp_path):
    pytest.importorskip("uvicorn", reason="hepad[web] is not installed")
    pytest.importorskip("starlette", reason="hepad[web] is not installed")
    pytest.importorskip("python_multipart", reason="hepad[web] is not installed")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(UsageError, match=rf"--port {port}: .*; give another, 0 for any"):
            run(Options(tmp_path / "data", port=port), never)
    with _owned(tmp_path / "data"), pytest.raises(UsageError, match="another hepad serve has it"):
        run(Options(tmp_path / "data", port=0), never)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"--folder .*file: File exists"):
        run(Options(tmp_path / "file", port=0), never)
    with pytest.raises(UsageError, match="is no folder"):
        run(Options(tmp_path / "data", port=0, share=tmp_path / "none"), never)
    with pytest.raises(UsageError, match="--url"):
        run(Options(tmp_path / "data", port=0, url="nonsense"), never)


def test_the_page_that_a_browser_opens_is_read_by_nobody_else_and_goes(tmp_path, monkeypatch):
    page, seen = tmp_path / "open.html", []
    page.touch(0o644)
    page.chmod(0o644)
    monkeypatch.setattr("hepad.serve.run.run", lambda _, ready: ready("http://127.0.0.1:1/?token=x"))
    monkeypatch.setattr("webbrowser.open", lambda _: seen.append((page.stat().st_mode & 0o777, page.read_text())))
    serve(folder=tmp_path, open_=True)
    ((mode, text),) = seen
    assert mode == 0o600
    assert "url=http://127.0.0.1:1/?token=x" in text
    assert not page.exists()


def test_a_closed_terminal_ends_the_server_as_a_service_is_ended():
    heard = []
    before = [(number, signal.getsignal(number)) for number in (signal.SIGTERM, signal.SIGHUP)]
    try:
        signal.signal(signal.SIGTERM, lambda *_: heard.append("end"))
        for handler, expected in ((signal.SIG_DFL, ["end"]), (signal.SIG_IGN, [])):  # the second is nohup's
            signal.signal(signal.SIGHUP, handler)
            heard.clear()
            with _hangup_ends():
                signal.raise_signal(signal.SIGHUP)
            assert (heard, signal.getsignal(signal.SIGHUP)) == (expected, handler)
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def test_a_connection_that_comes_to_no_request_is_closed(monkeypatch):
    """One that says nothing, a head that trickles, a second head on a connection that was answered; but no request."""
    uvicorn = pytest.importorskip("uvicorn", reason="hepad[web] is not installed")
    from hepad.serve import connection

    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.3)
    request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"

    async def app(scope, receive, send):
        await asyncio.sleep(0.4)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"done"})

    async def ask(port, *pieces, answered):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for piece in pieces:
                if piece == b"answer":
                    assert (await reader.readuntil(b"done")).startswith(b"HTTP/1.1 200")
                    continue
                writer.write(piece)
                await asyncio.sleep(0.02)
            if answered:
                assert (await reader.readuntil(b"done")).startswith(b"HTTP/1.1 200")
            else:
                with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                    await asyncio.wait_for(reader.readuntil(b"done"), 3)
        finally:
            writer.close()

    async def main():
        config = uvicorn.Config(app, http=connection.Connection, lifespan="off", log_level="warning")
        config.load()
        state = uvicorn.server.ServerState()
        server = await asyncio.get_running_loop().create_server(
            lambda: connection.Connection(config, state, {}), "127.0.0.1", 0
        )
        port = server.sockets[0].getsockname()[1]
        await asyncio.gather(
            ask(port, answered=False),
            ask(port, *(bytes([each]) for each in request[:-1]), answered=False),
            ask(port, request, b"answer", request[:5], answered=False),
            ask(port, request, b"answer", request, answered=True),
        )
        server.close()

    asyncio.run(main())
