"""What a stranger, a hostile file or a hasty user may try: nothing is lost, nothing is executed, one line says why."""

from __future__ import annotations

import asyncio
import errno
import json
import math
import os
import shutil
from contextlib import suppress
from functools import wraps
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="hepad[web] is not installed")
pytest.importorskip("python_multipart", reason="hepad[web] is not installed")

from hepad.errors import UsageError
from hepad.serve.security import site_of
from hepad.serve.store import Upload

from .client import BOUNDARY, form

SCRIPT = "<script>alert(1)</script>"
TRICKS = ("../job.json", "%2e%2e/job.json", "..%2f..%2fsecret", "scores.root/../../../secret", "/etc/passwd", "", "\0")


def within_a_loop(test):
    @wraps(test)
    def run(*arguments, **fixtures):
        asyncio.run(test(*arguments, **fixtures))

    return run


@pytest.fixture
def good(server):
    """The fields of a form that is taken."""
    return {"csrf": server.csrf, "model": "snn_ae"}


def left(server):
    """What is on disk of uploads and jobs."""
    return [path for name in ("arriving", "jobs") for path in (server.store.folder / name).rglob("*") if path.is_file()]


def said(answer):
    """The reason on a page."""
    return answer.text.partition('role="alert"><div><p data-mark="&#x2717;">')[2].partition("</p>")[0]


@within_a_loop
async def test_a_form_becomes_a_job_with_its_files_under_our_names(client, server, good):
    files = [("../../x.root", b"a" * 3000), ("-o.h5", b"b")]
    answer = await client.post("/new/score", form(good, files))
    assert answer.status == 303
    (job,) = server.store
    assert answer.headers["location"] == f"/jobs/{job.id}"
    assert [(each.shown, each.name, each.size) for each in job.uploads] == [
        ("../../x.root", "events.root", 3000),
        ("-o.h5", "events-2.h5", 1),
    ]
    work = server.store.path(job, "files")
    assert {path.name: path.read_bytes() for path in work.iterdir()} == {
        "events.root": b"a" * 3000,
        "events-2.h5": b"b",
    }
    assert job.steps[0].words == ("score", "events.root", "events-2.h5", "--model", "snn_ae", "-o", "scores.root")
    assert server.arriving == 0
    assert not list((server.store.folder / "arriving").iterdir())


@within_a_loop
async def test_only_who_has_the_cookie_may_ask(client, server):
    for cookie in (None, "", "hepad-1=", "hepad-1=wrong", f"other={server.keys.key('cookie')}"):
        answer = await client.get("/jobs", cookie=cookie)
        assert (answer.status, answer.text.count("\n")) == (403, 1)
    assert (await client.get("/jobs?token=wrong", cookie=None)).status == 403
    assert (await client.get("/jobs", cookie=f"a=b; =;bad[; {client.cookie}")).status == 200
    for cookie in (f"{client.cookie}; hepad-1=tossed", f"hepad-1=tossed; {client.cookie}"):
        assert (await client.get("/jobs", cookie=cookie)).status == 200
    assert (await client.post(f"/new/score?token={server.keys.key('token')}", b"", cookie=None)).status == 403


@within_a_loop
async def test_the_token_gives_the_cookie_and_leaves_the_address(client, server):
    answer = await client.get(f"//evil.org/?token={server.keys.key('token')}&a=b", cookie=None)
    assert (answer.status, answer.headers["location"]) == (303, "/evil.org/?a=b")
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert "SameSite=lax" in answer.headers["set-cookie"]
    assert server.keys.key("token") not in answer.headers["set-cookie"]


@within_a_loop
async def test_behind_a_proxy_links_cookies_and_hosts_are_those_of_the_proxy(client, server, good):
    server.site = client.app.site = site_of(1, "https://Group.org/hepad/")
    proxied = {"host": "group.org", "origin": "https://group.org"}
    answer = await client.get(f"/jobs?token={server.keys.key('token')}", host="group.org", cookie=None)
    assert answer.headers["location"] == "/hepad/jobs"
    assert "; Path=/hepad;" in answer.headers["set-cookie"]
    assert "; Secure" in answer.headers["set-cookie"]
    page = (await client.get("/new/score", host="group.org")).text
    assert 'action="/hepad/new/score"' in page
    assert 'href="/' not in page.replace('href="/hepad/', "")
    answer = await client.post("/new/score", form(good, [("x.root", b"x")]), **proxied)
    assert answer.headers["location"].startswith("/hepad/jobs/")
    (job,) = server.store
    server.store.update(job.model_copy(update={"state": "done", "ended": 1.0}))
    shown = (await client.get(f"/jobs/{job.id}", host="group.org")).text
    assert f"https://group.org/hepad/shared/{job.id}/" in shown
    for url in ("group.org", "ftp://group.org", "https://", "https://group.org/?a=b"):
        with pytest.raises(UsageError, match="--url"):
            site_of(1, url)


@within_a_loop
async def test_another_name_of_the_host_is_not_answered(client):
    for host in ("evil.org", "127.0.0.1:2", "127.0.0.1", "127.0.0.1:1.evil.org", None):
        assert (await client.get("/", host=host)).status == 421
    assert (await client.get("/", host="LOCALHOST:1")).status == 200


@within_a_loop
async def test_a_page_of_somebody_else_cannot_post(client, server, good):
    body = form(good, [("x.root", b"x")])
    for headers in (
        {"origin": "https://evil.org"},
        {"origin": "null"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "none"},
    ):
        assert (await client.post("/new/score", body, **headers)).status == 403
    for csrf in ("", "wrong", server.keys.key("cookie")):
        answer = await client.post("/new/score", form({**good, "csrf": csrf}, [("x.root", b"x")]))
        assert answer.status == 403
        assert "load the page again" in said(answer)
    assert not left(server)
    assert (
        await client.post("/new/score", body, origin="http://127.0.0.1:1", sec_fetch_site="same-origin")
    ).status == 303


@within_a_loop
async def test_an_upload_that_is_too_large_is_refused_whatever_it_says_of_itself(client, server, good):
    body = form(good, [("x.root", bytes(60_000))])
    for length, status in (("60500", 413), ("100", 413), (None, 411), ("many", 411)):
        answer = await client.post("/new/score", body, content_length=length)
        assert answer.status == status
        assert said(answer)
        assert not left(server)
    small = form(good, [("x.root", bytes(3000))])
    for headers, status in (({"transfer_encoding": "chunked"}, 411), ({"content_length": str(len(small) - 1)}, 413)):
        assert (await client.post("/new/score", small, **headers)).status == status
        assert not left(server)
    assert server.arriving == 0


@within_a_loop
async def test_a_slow_upload_is_given_up(client, server, good, limited):
    async def stops():
        yield form(good, [("x.root", b"x")])[:300]
        await asyncio.sleep(10)

    async def trickles():
        for piece in form(good, [("x.root", b"x")]):
            yield bytes([piece])
            await asyncio.sleep(0.01)

    head = {"content-type": f"multipart/form-data; boundary={BOUNDARY}", "content-length": "300"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hepad.serve.uploads._DRAIN_SECONDS", 0.05)
        answer = await client.ask("POST", "/new/score", stops(), head)
        assert (answer.status, said(answer)) == (408, "nothing came for 0.2 s; send it again")
        answer = await client.ask("POST", "/new/score", trickles(), head)
        assert answer.status == 408
        assert "too slow" in said(answer)
    assert not left(server)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"--edge\r\n\r\n",
        b'--edge\r\nContent-Disposition: form-data; name="' + b"a" * 9000,
        b"--edge\r\nContent-Disposition: attachment\r\n\r\nx\r\n--edge--\r\n",
        form({str(i): "" for i in range(300)}),
        form({}, [("", b"")] * 300),
        form({"csrf": "x"}, [("x.root", b"x")])[:-20],
    ],
    ids=["empty", "nonsense", "no header", "long header", "no name", "many fields", "many files not chosen", "cut"],
)
@within_a_loop
async def test_a_form_that_is_none_is_refused(client, server, body):
    answer = await client.post("/new/score", body)
    assert 400 <= answer.status < 500
    assert said(answer)
    assert not left(server)


@within_a_loop
async def test_ids_keys_and_names_that_are_none_of_ours_lead_nowhere(client, server, new_job):
    job, other = new_job(), new_job()
    work = server.store.path(job, "files")
    (work / "scores.root").write_bytes(b"found")
    (work / "events.root").write_bytes(b"an input")
    job = server.store.update(job.with_step(0, state="done").model_copy(update={"state": "done", "ended": 1.0}))
    shared = server.share_url(job)
    assert (await client.get(f"{shared}/files/1/scores.root", cookie=None)).text == "found"
    for name in (*TRICKS, "events.root", "../files/events.root", "nothing"):
        assert (await client.get(f"{shared}/files/1/{name}", cookie=None)).status == 404
    for place in ("0", "2", "-1", "99999999999999999999", "x"):
        assert (await client.get(f"{shared}/files/{place}/scores.root")).status == 404
    for path in (
        f"/shared/{other.id}/{shared.split('/')[-1]}",
        f"/shared/{job.id}/x",
        f"/shared/{job.id}/",
        "/shared/",
    ):
        assert (await client.get(path, cookie=None)).status == 404
    for name in (*TRICKS, "x" * 5000, SCRIPT):
        for answer in (await client.get(f"/jobs/{name}x"), await client.post(f"/jobs/{name}x/cancel", b"")):
            assert answer.status == 404
            assert SCRIPT not in answer.text
    (work / "scores.root").unlink()
    (work / "scores.root").symlink_to(server.store.folder / "secret")
    assert (await client.get(f"{shared}/files/1/scores.root")).status == 404


@within_a_loop
async def test_card_and_scale_of_a_users_network_are_given_back(client, server):
    fields = {"csrf": server.csrf, "model": "dnn_ae", "budget": "hlt-cpu", "score": "mse"}
    assert (await client.post("/new/latency", form(fields, [("my.onnx", b"x")]))).status == 303
    (job,) = server.store
    server.store.path(job, "files", "network").mkdir()
    job = server.store.update(job.with_step(0, state="done").model_copy(update={"state": "failed", "ended": 1.0}))
    page = (await client.get(f"/jobs/{job.id}")).text
    assert "network.onnx --card card.yaml --scale scale.npz -o network" in page
    for name in ("card.yaml", "scale.npz"):
        assert f"{server.share_url(job)}/files/1/{name}" in page
        assert (await client.get(f"{server.share_url(job)}/files/1/{name}")).status == 200
    assert (await client.get(f"{server.share_url(job)}/files/1/network.onnx")).status == 404


@within_a_loop
async def test_a_shared_link_shows_one_job_and_changes_nothing(client, server, new_job):
    job = new_job()
    shared = server.share_url(job)
    answer = await client.get(shared, cookie=None)
    assert answer.status == 200
    assert "<form" not in answer.text
    assert "/jobs" not in answer.text
    for what in ("cancel", "delete"):
        assert (await client.post(f"{shared}/{what}", form({"csrf": server.csrf}), cookie=None)).status in (404, 405)
        assert (await client.post(f"/jobs/{job.id}/{what}", form({"csrf": server.csrf}), cookie=None)).status == 403
        assert (await client.post(f"/jobs/{job.id}/{what}", form({"csrf": "x"}))).status == 403
    assert server.store.get(job.id).state == "queued"


@within_a_loop
async def test_names_and_reasons_are_text_on_every_page(client, server, new_job, good):
    upload = Upload(shown=SCRIPT, name="events.root", size=1)
    job = new_job(title=SCRIPT, uploads=(upload,), state="failed", reason=SCRIPT, ended=1.0)
    server.store.update(job.with_step(0, state="failed", reason=SCRIPT, title=SCRIPT))
    done = new_job(state="done", ended=1.0)
    server.store.update(done.with_step(0, state="done", found=f"3 of 5 {SCRIPT}"))
    answers = [await client.get(path) for path in ("/", "/jobs", f"/jobs/{job.id}", server.share_url(job))]
    answers.append(await client.get(f"/new/bumphunt?numbers={SCRIPT}&low={SCRIPT}"))
    answers.append(await client.post("/new/score", form({**good, "model": SCRIPT}, [(SCRIPT, b"x")])))
    assert all("; 3 of 5 &lt;script&gt;" in answer.text for answer in answers[:2])
    for answer in answers:
        assert SCRIPT not in answer.text
        assert "&lt;script&gt;" in answer.text
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"


@within_a_loop
async def test_what_a_command_wrote_cannot_do_anything_in_a_browser(client, server, new_job):
    job = new_job()
    result = server.store.path(job, "files", "scores.root")
    result.mkdir()
    for name in ("report.html", "other.html"):
        (result / name).write_text(SCRIPT)
    server.store.update(job.with_step(0, state="done").model_copy(update={"state": "done", "ended": 1.0}))
    for name, kind in (("report.html", "text/html; charset=utf-8"), ("other.html", "application/octet-stream")):
        answer = await client.get(f"{server.share_url(job)}/files/1/{name}")
        assert answer.headers["content-security-policy"].startswith("default-src 'none'; sandbox")
        assert "script" not in answer.headers["content-security-policy"]
        assert answer.headers["content-type"] == kind
    assert 'attachment; filename="other.html"' in answer.headers["content-disposition"]
    assert '<iframe sandbox="allow-downloads"' in (await client.get(f"/jobs/{job.id}")).text


@within_a_loop
async def test_a_full_disk_is_said_and_leaves_nothing(client, server, good, limited, monkeypatch):
    body = form(good, [("x.root", b"x" * 5000)])
    limited(quota=1000)
    answer = await client.post("/new/score", body)
    assert (answer.status, "delete some" in said(answer)) == (507, True)
    limited(quota=10**6, reserve=10**18)
    answer = await client.post("/new/score", body)
    assert (answer.status, "is full" in said(answer)) == (507, True)
    limited(reserve=0)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("hepad.serve.uploads._Taker._data", full)
    answer = await client.post("/new/score", body)
    assert (answer.status, "is full" in said(answer)) == (507, True)
    assert not left(server)
    assert server.arriving == 0


@within_a_loop
async def test_no_more_jobs_wait_than_are_granted(client, server, good, limited):
    limited(waiting=2)
    answers = [await client.post("/new/score", form(good, [("x.root", b"x")])) for _ in range(3)]
    assert [answer.status for answer in answers] == [303, 303, 503]
    assert said(answers[-1]).startswith("2 jobs wait already")


@within_a_loop
async def test_files_of_the_server_are_those_of_its_list(client, server, good, tmp_path):
    share = tmp_path / "share"
    (share / "deep").mkdir(parents=True)
    (share / "deep" / "a.root").write_bytes(b"a")
    (share / ".hidden.root").write_bytes(b"h")
    (share / "two\nlines.root").write_bytes(b"l")
    with suppress(OSError):  # some disks take no such name
        Path(os.fsdecode(os.fsencode(share) + b"/latin-\xe9.root")).write_bytes(b"l")
    (share / "notes.txt").write_bytes(b"n")
    (share / "out.root").symlink_to(server.store.folder / "secret")
    server.share = share
    page = (await client.get("/new/score")).text
    assert 'value="deep/a.root"' in page
    assert ".hidden" not in page
    assert "out.root" not in page
    assert "notes" not in page
    assert "lines" not in page
    assert "latin" not in page
    (share / "gone.root").write_bytes(b"g")
    server.listed = (-math.inf, {})
    assert "gone.root" in (await client.get("/new/score")).text
    (share / "gone.root").unlink()
    assert "no longer" in said(await client.post("/new/score", form({**good, "shared": "gone.root"})))
    for name in ("out.root", ".hidden.root", "../data/secret", str(share / "deep" / "a.root")):
        assert (await client.post("/new/score", form({**good, "shared": name}))).status == 422
    assert not left(server)
    assert (await client.post("/new/score", form({**good, "shared": "deep/a.root"}))).status == 303
    (job,) = server.store
    assert server.store.path(job, "files", "events.root").read_bytes() == b"a"
    assert job.uploads[0].shown == "deep/a.root"
    shutil.rmtree(server.store.forget(job.model_copy(update={"state": "cancelled"})))
    assert (share / "deep" / "a.root").read_bytes() == b"a"


def test_a_disk_that_is_full_at_the_start_leaves_no_half_secret(tmp_path, monkeypatch):
    from hepad.serve.security import Keys

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("hepad.serve.security.os.fdopen", full)
        with pytest.raises(OSError, match="No space"):
            Keys.of(tmp_path)
    assert Keys.of(tmp_path).key("csrf") == Keys.of(tmp_path).key("csrf")


def test_a_secret_is_made_once_and_is_nobody_elses(server):
    from hepad.serve.security import Keys

    path = server.store.folder / "secret"
    assert (path.stat().st_mode & 0o777, path.stat().st_size) == (0o600, 32)
    assert Keys.of(server.store.folder).key("token") == server.keys.key("token")
    assert len({server.keys.key(what) for what in ("token", "cookie", "csrf", "job a", "job b")}) == 5
    assert json.loads(json.dumps(server.keys.key("token"))) not in path.read_bytes().decode("latin-1")
