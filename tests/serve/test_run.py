"""What `hepad serve` says where it cannot begin."""

from __future__ import annotations

import socket
import sys

import pytest

from hepad.errors import MissingExtraError, OutputError, UsageError
from hepad.serve.run import Options, _owned, run


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
    with pytest.raises(OutputError, match=r"--data .*file: File exists"):
        run(Options(tmp_path / "file", port=0), never)
    with pytest.raises(UsageError, match="is no folder"):
        run(Options(tmp_path / "data", port=0, share=tmp_path / "none"), never)
    with pytest.raises(UsageError, match="--url"):
        run(Options(tmp_path / "data", port=0, url="nonsense"), never)
