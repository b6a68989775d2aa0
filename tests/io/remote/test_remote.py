"""Files on servers: a real HTTP server in a thread, with the faults that servers have."""

from __future__ import annotations

import base64
import gc
import io
import json
import pickle
import re
import subprocess
import sys
import threading
from contextlib import closing
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import uproot
from typer.testing import CliRunner

from hepad.cli.main import app
from hepad.errors import InputDataError, MissingExtraError, UsageError
from hepad.io.reader import expand_files, open_events
from hepad.io.remote.path import RemotePath, as_given, input_path
from hepad.io.remote.urls import is_url
from hepad.io.tables.scores import ScoreFile
from hepad.pipeline.hist.run import HistOptions, fill_histograms
from hepad.pipeline.inspect import inspect_file
from hepad.pipeline.reinterpret.points import read_points
from hepad.pipeline.score import ScoreOptions, score
from hepad.pipeline.vectorize import vectorize
from hepad.provenance import file_record
from hepad.samples.weighting import CrossSections

pytest.importorskip("aiohttp", reason="needs hepad[remote]")

SECRET = "c0ffee"
BASIC = "Basic " + base64.b64encode(b"reader:c0ffee").decode()


class Handler(SimpleHTTPRequestHandler):
    """/FAULT/FOLDER/FILE: the file with a fault of the server; /plain/ ignores Range as Python's own server does."""

    protocol_version = "HTTP/1.1"
    folders: ClassVar[dict[str, Path]] = {}
    requests: ClassVar[list[str]] = []
    finished: ClassVar[threading.Event] = threading.Event()

    def log_message(self, *args):
        pass

    def do_GET(self):
        _, fault, folder, name = self.path.partition("?")[0].split("/")
        self.requests.append(self.path)
        path = self.folders[folder] / name
        status = {"broken": 500, "denied": 403, "flaky": 503 * (len(self.requests) % 2)}.get(fault, 0)
        if fault == "private" and self.headers.get("Authorization") not in {"Bearer me", BASIC}:
            status = 401
        if not path.is_file():
            status = 404
        if status:
            self.answer(status, b"sorry")
        elif fault == "plain":
            self.directory = str(self.folders[folder])
            self.path = f"/{name}"
            super().do_GET()
        else:
            self.part(path.read_bytes(), fault)

    def part(self, content: bytes, fault: str) -> None:
        if fault == "half":
            content = content[: len(content) // 2]
        start, end = map(int, re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"]).groups())
        if start >= len(content):
            self.answer(416, b"", f"bytes */{len(content)}")
            return
        body = content[start : end + 1]
        late = start > len(content) // 2
        size = len(content) + (fault == "grown" and late)
        told = f"bytes {start + (fault == 'shifted')}-{start + len(body) - 1}/{size}"
        if fault == "slow" and late:
            self.finished.wait()
        if fault == "more" and late:
            body += b"and more"
        if fault == "fewer" and late:
            body = body[:-1]
        self.answer(206, body, told, cut=fault == "cut" and late)

    def answer(self, status: int, body: bytes, told: str | None = None, *, cut: bool = False) -> None:
        self.send_response(status)
        if told:
            self.send_header("Content-Range", told)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT")
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection |= cut


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):  # the reader has given up, as it should
            super().handle_error(request, client_address)


@pytest.fixture(scope="module")
def scored(examples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the scores of a local file, as ROOT and as Parquet."""
    folder = tmp_path_factory.mktemp("scored")
    for kind in ("root", "parquet"):
        score(
            [str(examples / "w_lnu.root")], "snn_ae", options=ScoreOptions(output=folder / f"local.{kind}", format=kind)
        )
    return folder


@pytest.fixture(scope="module")
def server(examples: Path, data: Path, scored: Path):
    Handler.folders |= {"examples": examples, "data": data, "scored": scored}
    listening = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{listening.server_port}"
    Handler.finished.set()
    listening.shutdown()
    thread.join()
    listening.server_close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    from hepad.io.remote import http_file

    monkeypatch.setattr(http_file, "RETRY_DELAYS", (0.01, 0.01))


def test_scores_of_a_url_are_those_of_the_file(server, scored, examples, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    url = f"{server.replace('//', f'//reader:{SECRET}@')}/ok/examples/w_lnu.root?token={SECRET}"
    report = score([url], "snn_ae")
    assert report.output == Path("w_lnu.scores.root")
    assert report.cutflow.selected.events == 3331
    got, expected = (ScoreFile(path) for path in (report.output, scored / "local.root"))
    with closing(got), closing(expected), uproot.open(report.output) as a, uproot.open(scored / "local.root") as b:
        rows, wanted = (file["Scores"].arrays(library="np") for file in (a, b))
        assert rows.keys() == wanted.keys()
        assert len(rows["score"]) == 6173
        for name, column in wanted.items():
            np.testing.assert_array_equal(rows[name], column)
        assert got.info == expected.info
    assert got.info["provenance"]["inputs"] == [file_record(examples / "w_lnu.root")]
    assert SECRET not in json.dumps(got.info) + json.dumps(report.to_json())
    assert SECRET.encode() not in report.output.read_bytes()


def test_only_what_is_needed_is_read(server) -> None:
    """`inspect` of a file of 1.7 MB takes a few branches of it, in a bounded number of requests."""
    Handler.requests.clear()
    report = inspect_file(RemotePath.parse(f"{server}/ok/examples/w_lnu.root"))
    assert (report.format, report.entries) == ("delphes", 6173)
    assert len(Handler.requests) < 40


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("plain", "ignores Range requests, it sends whole files only; copy the file here"),
        ("broken", "the server answers HTTP 500, 3 times; try again later or copy the file here"),
        ("denied", "access denied (HTTP 403); put credentials"),
        ("cut", "the connection broke off before all bytes were sent, 3 times; try again later"),
        ("fewer", "bytes, 3 times; try again later or copy the file here"),
        ("slow", "the server does not answer in time, 3 times; try again later or copy the file here"),
        ("grown", "changed while it was read; run again"),
        ("shifted", "the server sent another range than asked for; copy the file here"),
        ("more", "the server sent more than was asked for; copy the file here"),
        ("half", "truncated"),
    ],
)
@pytest.mark.parametrize("name", ["examples/w_lnu.root", "examples/a4l.h5"])
def test_faults_of_servers_are_one_clear_error(server, fault, message, name, monkeypatch) -> None:
    url = f"{server}/{fault}/{name}"
    if fault == "slow":
        monkeypatch.setattr("hepad.io.remote.http_file.TIMEOUT", {"total": 300, "sock_connect": 300, "sock_read": 0.2})
    Handler.requests.clear()
    with pytest.raises(InputDataError) as caught:
        _read_all(RemotePath.parse(f"{url}?token={SECRET}"))
    assert len(Handler.requests) < 25  # it does not try for ever
    assert str(caught.value).startswith(f"{url}?...: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert SECRET not in str(caught.value)


def _read_all(path: RemotePath) -> None:
    with closing(open_events(path)) as source:
        list(source.iterate({"jets": {"pt"}, "met": {"pt"}}, step_size=1000, stop=source.entries))
    file_record(path)  # what the events did not need of it


def test_hdf5_waits_for_no_collection_of_garbage(server, examples, monkeypatch) -> None:
    """Bytes are fetched in another thread, with the lock held that garbage of h5py may need there."""
    from hepad.io.remote.http_file import HttpFile

    collected = []
    fetch = HttpFile._cat_file

    async def watched(self, *arguments, **options):
        collected.append(gc.isenabled())
        return await fetch(self, *arguments, **options)

    monkeypatch.setattr(HttpFile, "_cat_file", watched)
    with closing(open_events(RemotePath.parse(f"{server}/ok/examples/a4l.h5"))) as source:
        assert source.entries == 4670
        list(source.iterate({"jets": {"pt"}}, step_size=1000, stop=source.entries))
    assert len(collected) > 3
    assert collected[0]  # the first bytes tell the kind of the file
    assert not any(collected[1:])
    assert gc.isenabled()
    with pytest.raises(InputDataError):
        _read_all(RemotePath.parse(f"{server}/fewer/examples/a4l.h5"))
    assert gc.isenabled()


def test_a_fault_that_passes_does_no_harm(server, examples) -> None:
    assert file_record(RemotePath.parse(f"{server}/flaky/examples/a4l.h5")) == file_record(examples / "a4l.h5")


def test_credentials_outside_the_url(server, tmp_path, monkeypatch) -> None:
    """As docs/remote.md says: in ~/.netrc, and as headers in fsspec's configuration."""
    import fsspec.config

    path = RemotePath.parse(f"{server}/private/examples/a4l.h5")
    netrc = tmp_path / "netrc"
    netrc.touch()
    monkeypatch.setenv("NETRC", str(netrc))
    with pytest.raises(InputDataError, match=r"access denied \(HTTP 401\)"):
        path.stat()
    with monkeypatch.context() as configured:
        configured.setitem(fsspec.config.conf, "http", {"headers": {"Authorization": "Bearer me"}})
        assert path.stat().st_size == 378755
    netrc.write_text(f"machine 127.0.0.1 login reader password {SECRET}\n")
    assert path.stat().st_size == 378755


def test_the_command_names_the_url_and_the_remedy(server) -> None:
    result = CliRunner().invoke(app, ["score", f"{server}/ok/examples/none.root?token={SECRET}", "--model", "snn_ae"])
    assert result.exit_code == 4
    url = f"{server}/ok/examples/none.root?..."
    assert result.stderr == f"hepad: {url}: no such file on the server (HTTP 404); check the URL\n"


def test_nobody_listens(server) -> None:
    with pytest.raises(InputDataError, match=r"cannot connect \(Connection refused\), 3 times; try again later"):
        open_events(RemotePath.parse("http://127.0.0.1:1/a.root"))
    with pytest.raises(InputDataError, match=r"no secure connection|broke off"):
        open_events(RemotePath.parse(f"{server.replace('http', 'https')}/ok/examples/a4l.h5"))


@pytest.mark.parametrize(
    "name", ["examples/a4l.h5", "data/ttbar.lhe.gz", "data/ttbar_hepmc3.hepmc.gz", "data/rntuple_nanoaod.root"]
)
def test_other_formats_are_read_as_streams(server, examples, data, name) -> None:
    folder, _, file = name.partition("/")
    with (
        closing(open_events(RemotePath.parse(f"{server}/ok/{name}"))) as there,
        closing(open_events({"examples": examples, "data": data}[folder] / file)) as here,
    ):
        assert (there.format, there.entries) == (here.format, here.entries)
        assert there.format == "hepmc" or there.sample() == here.sample()  # HepMC's needs a package


@pytest.mark.parametrize("kind", ["root", "parquet"])
def test_histograms_of_remote_scores(server, examples, scored, tmp_path, kind) -> None:
    options = {"masses": ("jet1+jet2",), "edges": (0.0, 100.0, 1000.0)}
    names = {"there": f"{server}/ok/scored/local.{kind}", "here": str(scored / f"local.{kind}")}
    there, here = (
        HistOptions(output=tmp_path / f"{where}.json", scores=input_path(name), **options)
        for where, name in names.items()
    )
    a = fill_histograms([f"{server}/ok/examples/w_lnu.root"], options=there)
    b = fill_histograms([str(examples / "w_lnu.root")], options=here)
    assert (tmp_path / "there.json").read_bytes() == (tmp_path / "here.json").read_bytes()
    assert a.to_json()["histograms"] == b.to_json()["histograms"]


def test_vectors_of_a_list_of_urls(server, examples, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{server}/ok/examples/h0.h5\n{server}/ok/examples/a4l.h5\n"))
    for files, name in ((["-"], "there"), ([str(examples / "h0.h5"), str(examples / "a4l.h5")], "here")):
        vectorize(files, tmp_path / f"{name}.npz")
    with np.load(tmp_path / "there.npz") as there, np.load(tmp_path / "here.npz") as here:
        assert there.files == here.files
        for key in here.files:
            np.testing.assert_array_equal(there[key], here[key])


def test_streams_read_and_seek_as_files_do(server, examples) -> None:
    content = (examples / "w_lnu.root").read_bytes()
    with RemotePath.parse(f"{server}/ok/examples/w_lnu.root").open("rb") as stream:
        assert stream.read(4) == b"root"
        assert stream.seek(-7, io.SEEK_END) == len(content) - 7
        assert stream.read() == content[-7:]
        assert stream.read() == b""
        stream.seek(1_000_000)
        stream.seek(5, io.SEEK_CUR)
        assert stream.read(100) == content[1_000_005:1_000_105]
        stream.seek(0)
        assert stream.read() == content


def test_status_of_files(server, examples) -> None:
    status = RemotePath.parse(f"{server}/ok/examples/a4l.h5").stat()
    assert status.st_size == (examples / "a4l.h5").stat().st_size
    assert status.st_mtime_ns == 784111777 * 10**9  # the example of RFC 9110, section 5.6.7


def test_paths_travel_between_processes() -> None:
    url = f"https://me:{SECRET}@host.org:8080/data/w%20lnu.root?token={SECRET}#{SECRET}"
    path = RemotePath.parse(url)
    again = pickle.loads(pickle.dumps(path))
    assert again == path
    assert again.url == url
    assert {again: 1}[path] == 1
    assert (path.name, path.stem, path.suffix) == ("w lnu.root", "w lnu", ".root")
    assert str(again) == "https://host.org:8080/data/w%20lnu.root?..."
    assert SECRET not in repr(path)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("http://host/a.root", "HTTP://HOST:80/a.root#part"),
        ("https://me:pw@host/a%2Droot.root", "https://host:443/a-root.root"),
        ("root://host//store/a.root", "root://host:1094/store/a.root"),
    ],
)
def test_a_file_is_taken_once(one, two) -> None:
    with pytest.raises(UsageError, match="is given twice"):
        expand_files([one, two])


def test_files_that_only_their_query_tells_apart() -> None:
    paths = expand_files(["https://host/get?file=1", "https://host/get?file=2", "http://host/get", "http://[::1]/get"])
    assert len(set(paths)) == 4


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://bucket/a.root", "s3://bucket/a.root: hepad reads http://, https:// and root:// URLs"),
        ("https://host/", "names no file"),
        ("https://host", "names no file"),
        ("https:///a.root", "names no file"),
        ("https://host/folder/", "names no file"),
        ("https://host/a%00b.root", "names no file"),
        ("https://host/..", "names no file"),
        ("https://host/*.root", "give each URL"),
        ("https://me:c0ffee@[host/a.root?c0ffee", "https://[host/a.root: not a URL"),
        ("https://host:port/a.root", "not a URL"),
    ],
)
def test_urls_that_cannot_be(url, message) -> None:
    with pytest.raises(InputDataError, match=re.escape(message)) as caught:
        expand_files([url])
    assert SECRET not in str(caught.value)


def test_paths_of_the_disk_are_no_urls(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "http:").mkdir()
    (tmp_path / "http:" / "a.root").touch()
    assert expand_files(["http:/a.root"]) == [Path("http:/a.root")]
    assert not is_url("C://a.root")


def test_xrootd_by_its_fsspec_interface(monkeypatch, examples) -> None:
    """What is asked of fsspec-xrootd, answered by fsspec's file system in memory: patterns, sizes and parts."""
    import fsspec

    memory = fsspec.filesystem("memory")
    for name in ("b.h5", "a.h5", "c.root"):
        memory.pipe(f"/store/{name}", (examples / "a4l.h5").read_bytes())
    monkeypatch.setattr(RemotePath, "filesystem", lambda path: (memory, path.url.removeprefix("root://host/")))
    paths = expand_files(["root://host//store/*.h5"])
    assert [str(path) for path in paths] == ["root://host//store/a.h5", "root://host//store/b.h5"]
    assert file_record(paths[0])["sha256"] == file_record(examples / "a4l.h5")["sha256"]
    with closing(open_events(paths[1])) as source:
        assert source.entries == 4670
    with pytest.raises(InputDataError, match=re.escape("root://host//store/x*: no such file on the server")):
        expand_files(["root://host//store/x*"])
    with pytest.raises(InputDataError, match=r"d\.h5: cannot be read \(.*\); check the URL and the server"):
        open_events(RemotePath.parse("root://host//store/d.h5"))


@pytest.mark.parametrize(
    ("url", "package"), [("http://host/a.root", "aiohttp"), ("root://host//a.root", "fsspec_xrootd")]
)
def test_a_missing_package_names_the_extra(monkeypatch, url, package) -> None:
    import hepad.io.remote

    monkeypatch.delattr(hepad.io.remote, "http_file", raising=False)
    monkeypatch.delitem(sys.modules, "hepad.io.remote.http_file", raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"{package}.*install 'hepad\[remote\]"):
        open_events(RemotePath.parse(url))


def test_points_of_a_table_may_be_urls(tmp_path) -> None:
    table = tmp_path / "points.csv"
    table.write_text("mass_gev,file,cross_section_pb\n1000,root://host//a.root,1\n2000,b.root,\n")
    assert [point.file for point in read_points(table)] == ["root://host//a.root", str(tmp_path / "b.root")]


def test_cross_sections_of_urls(server) -> None:
    paths = expand_files([f"{server}/a.root?token={SECRET}", f"{server}/b1.root", f"{server}/b2.root"])
    for first in (f"{server}/a.root?token={SECRET}", "a.root"):
        sections = CrossSections.of([(first, 2.0), (f"{server}/b*.root", 3.0)], paths)
        assert sections.sample == (0, 1, 1)
        assert SECRET not in str(sections)


def test_a_path_is_made_again_of_what_was_given() -> None:
    for name in (f"https://host/a.root?token={SECRET}", "folder/a.root"):
        assert as_given(input_path(name)) == name


def test_local_files_load_nothing_of_this_and_open_files_do_no_harm(server, examples) -> None:
    code = f"""
import sys
from hepad.io.reader import expand_files, open_events
open_events(expand_files([{str(examples / "w_lnu.root")!r}])[0]).close()
assert not {{"aiohttp", "hepad.io.remote.http_file"}} & sys.modules.keys()
held = open_events(expand_files(["{server}/ok/examples/a4l.h5"])[0])  # HDF5 would crash at Python's end
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600, check=False)
    assert (result.returncode, result.stderr) == (0, "")
