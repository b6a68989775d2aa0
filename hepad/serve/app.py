"""The application: which path shows what, and what becomes of a form."""

from __future__ import annotations

import asyncio
import errno
import math
import shutil
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from hepad.errors import HepadError, UsageError
from hepad.printable import printable
from hepad.serve import commands
from hepad.serve.limits import Limits
from hepad.serve.pages import asset, render
from hepad.serve.queue import Queue
from hepad.serve.security import Gate, Keys, Site, content_policy
from hepad.serve.seen import seen, step_files
from hepad.serve.shared import shared_files
from hepad.serve.store import ENDED, Job, Store, Upload, new_id, size_of
from hepad.serve.uploads import Form, Refused, content_length, drain, receive_form

__all__ = ["Server", "make_app"]

_WAIT = 60.0
"""Seconds that a form waits until others have been taken in."""
_LISTED = 5.0
"""Seconds that a list of the files of the server is good for."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass
class Server:
    """What the pages work with."""

    store: Store
    queue: Queue
    keys: Keys
    site: Site
    limits: Limits
    share: Path | None = None
    listed: tuple[float, dict[str, Path]] = (-math.inf, {})
    """When the files of `share` were looked at, and what was there."""
    arriving: int = 0
    """Bytes that uploads which are not complete will take."""
    slots: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self.slots = asyncio.Semaphore(self.limits.uploads)

    @property
    def csrf(self) -> str:
        """What a form of ours has in it."""
        return self.keys.key("csrf")

    async def shared(self) -> dict[str, Path]:
        """The files that the server offers, as they were a moment ago."""
        if self.share is not None and time.monotonic() - self.listed[0] > _LISTED:
            found = await asyncio.to_thread(shared_files, self.share)
            self.listed = time.monotonic(), found
        return self.listed[1]

    def share_url(self, job: Job) -> str:
        """The path of a job for everybody who has it."""
        return f"{self.site.base}/shared/{job.id}/{self.keys.key(f'job {job.id}')}"


def make_app(server: Server) -> ASGIApp:
    """The application, with the gate before it."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        server.queue.start()
        yield
        await server.queue.stop()

    routes = [
        Route("/", _home),
        Route("/searches", _searches),
        Route("/jobs", _jobs),
        Route("/new/{kind}", _new),
        Route("/new/{kind}", _create, methods=["POST"]),
        Route("/jobs/{id}", _job),
        Route("/jobs/{id}/status", _status),
        Route("/jobs/{id}/cancel", _cancel, methods=["POST"]),
        Route("/jobs/{id}/delete", _delete, methods=["POST"]),
        Route("/shared/{id}/{key}", _job),
        Route("/shared/{id}/{key}/status", _status),
        Route("/shared/{id}/{key}/files/{step:int}/{name:path}", _file),
        Route("/style.css", _asset("style.css", "text/css")),
        Route("/script.js", _asset("script.js", "text/javascript")),
    ]
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers={HTTPException: _error, Exception: _fault})
    app.router.redirect_slashes = False  # to an address of its own, which a proxy does not know
    app.state.server = server
    return Gate(app, server.keys, server.site)


def _server(request: Request) -> Server:
    found = request.app.state.server
    assert isinstance(found, Server)  # noqa: S101
    return found


def _page(request: Request, name: str, status: int = 200, **content: Any) -> HTMLResponse:
    server = _server(request)
    content = {"here": "", "csrf": server.csrf, "limits": server.limits, **content}
    return HTMLResponse(render(name, server.site.base, **content), status)


async def _error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    reason = "there is no such page; it may have been deleted" if error.status_code == 404 else error.detail
    return _refusal(request, reason, error.status_code)


async def _fault(request: Request, _: Exception) -> Response:
    return _refusal(request, "a fault of the server; its log says more", 500)


def _refusal(request: Request, reason: str, status: int, back: str = "") -> Response:
    return _page(request, "refused.html", status, reason=reason, back=back)


async def _home(request: Request) -> Response:
    return _page(request, "home.html", found=list(_server(request).store))


async def _jobs(request: Request) -> Response:
    store = _server(request).store
    return _page(request, "jobs.html", here="jobs", found=list(store), size=store.size())


async def _searches(request: Request) -> Response:
    return _page(request, "searches.html", here="searches", searches=commands.gallery())


async def _new(request: Request) -> Response:
    return await _form_page(request, _kind(request), dict(request.query_params))


def _kind(request: Request) -> str:
    name = str(request.path_params["kind"])
    if name not in commands.KINDS:
        raise HTTPException(404)
    return name


async def _form_page(
    request: Request, kind: str, values: Mapping[str, Any], reason: str = "", status: int = 200
) -> HTMLResponse:
    return _page(
        request,
        "new.html",
        status,
        here=kind,
        kind=commands.KINDS[kind],
        names=commands.choices(kind),
        shared=sorted(await _server(request).shared()),
        values=defaultdict(str, values),
        reason=reason,
    )


async def _create(request: Request) -> Response:
    server, kind = _server(request), _kind(request)
    form = Form()
    try:
        length = await content_length(request, server.limits)
        async with _slot(request, length):
            job = await _taken(request, kind, form, length)
    except (Refused, UsageError) as error:
        return await _form_page(request, kind, _again(form), str(error), getattr(error, "status", 422))
    except OSError as error:
        if error.errno not in _FULL:
            raise
        await drain(request)
        return await _form_page(request, kind, _again(form), "the disk of the server is full; ask who runs it", 507)
    return RedirectResponse(f"{server.site.base}/jobs/{job.id}", 303)


def _again(form: Form) -> dict[str, Any]:
    """What the form is filled with when it is shown again."""
    return {**form.fields, "shared": form.values.get("shared", [])}


@asynccontextmanager
async def _slot(request: Request, length: int) -> AsyncIterator[None]:
    """Wait until others have been taken in, with room for so many bytes set apart."""
    server = _server(request)
    try:
        _check_room(server, server.arriving + length)
    except Refused:
        await drain(request)
        raise
    server.arriving += length
    try:
        try:
            await asyncio.wait_for(server.slots.acquire(), _WAIT)
        except asyncio.TimeoutError:
            raise Refused("too many uploads at once; try again in a minute", 503) from None
        try:
            yield
        finally:
            server.slots.release()
    finally:
        server.arriving -= length


def _check_room(server: Server, more: int, written: int = 0) -> None:
    """`Refused` if no job more may wait, or so many bytes cannot be taken in (`Store.lack_of_room`)."""
    if server.queue.active() >= server.limits.waiting:
        raise Refused(f"{server.limits.waiting} jobs wait already, more are not taken; try again later", 503)
    if reason := server.store.lack_of_room(more, written):
        raise Refused(reason, 507)


async def _taken(request: Request, kind: str, form: Form, length: int) -> Job:
    """Take in a form and its files, and queue the job that it asks for."""
    server, found = _server(request), commands.KINDS[kind]
    folder = server.store.arriving()
    try:
        await receive_form(
            request,
            form,
            folder,
            found.stem,
            length=length,
            limits=server.limits,
            check=_csrf(server),
            most=found.files[1],
        )
        await _link_shared(server, form, folder, found.stem)
        if not form.uploads and (text := form.fields.get("numbers", "").strip()):
            form.uploads.append(_written(commands.pasted(text), folder, found.stem))
        plan = commands.plan(kind, form.fields, [upload.name for upload in form.uploads])
        for name, content in plan.made.items():
            (folder / name).write_bytes(content)
        _check_room(server, 0, size_of(folder))  # jobs that came or ran meanwhile take some
        job = Job(
            id=new_id(),
            kind=kind,
            title=plan.title,
            created=time.time(),
            steps=plan.steps,
            uploads=tuple(form.uploads),
        )
        job = server.store.add(job, folder)
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    await server.queue.submit()
    return job


def _csrf(server: Server) -> Callable[[Form], None]:
    def check(form: Form) -> None:
        if not server.keys.fits("csrf", form.fields.get("csrf", "")):
            raise Refused("this form is not from a page of this server, or an old one; load the page again", 403)

    return check


async def _link_shared(server: Server, form: Form, folder: Path, stem: str) -> None:
    """Files of the server's own, chosen from the list that it shows: links to them beside the uploads."""
    chosen = [name for name in form.values.get("shared", []) if name]
    if not chosen:
        return
    there = await server.shared()
    for shown in dict.fromkeys(chosen):
        if shown not in there:
            raise UsageError(f"{printable(shown)[:80]!r} is no file of this server; choose one of the list")
        try:
            size = there[shown].stat().st_size
        except OSError:  # the list is some seconds old
            raise UsageError(f"{printable(shown)[:80]!r} is no longer there; choose another") from None
        name = commands.stored_name(stem, len(form.uploads) + 1, shown)
        (folder / name).symlink_to(there[shown])
        form.uploads.append(Upload(shown=shown, name=name, size=size))


def _written(text: str, folder: Path, stem: str) -> Upload:
    name = commands.stored_name(stem, 1, "pasted.csv")
    (folder / name).write_text(text, encoding="utf-8")
    return Upload(shown="pasted numbers", name=name, size=len(text))


def _found(request: Request) -> Job:
    """The job of a path, to those who may see it."""
    server, params = _server(request), request.path_params
    if "key" in params and not server.keys.fits(f"job {params['id']}", params["key"]):
        raise HTTPException(404)
    job = server.store.get(params["id"])
    if job is None:
        raise HTTPException(404)
    return job


@contextmanager
def _deleted_meanwhile(request: Request) -> Iterator[None]:
    """A job that somebody deletes while it is looked at is not there, be some of it still to be read or not."""
    try:
        yield
    except OSError:
        _found(request)
        raise
    _found(request)


async def _job(request: Request) -> Response:
    server, job = _server(request), _found(request)
    shared_link = "key" in request.path_params
    share_url = server.share_url(job)
    here_url = share_url if shared_link else f"{server.site.base}/jobs/{job.id}"
    with _deleted_meanwhile(request):
        shown = await seen(server.store, server.queue, job)
    return _page(
        request,
        "job.html",
        **shown,
        kind=commands.KINDS[job.kind],
        shared_link=shared_link,
        here_url=here_url,
        files_url=f"{share_url}/files",
        share_url=f"{_origin(request)}{share_url}",
    )


async def _status(request: Request) -> Response:
    server, job = _server(request), _found(request)
    if job.state in ENDED:
        return Response(status_code=205)
    shown = await seen(server.store, server.queue, job, results=False)
    return HTMLResponse(render("status.html", server.site.base, **shown))


def _origin(request: Request) -> str:
    """As the browser has it; the gate has seen that the host is one of ours."""
    scheme = "https" if _server(request).site.secure else "http"
    return f"{scheme}://{request.headers['host']}"


async def _file(request: Request) -> Response:
    server, job = _server(request), _found(request)
    place = int(request.path_params["step"]) - 1
    if not 0 <= place < len(job.steps) or job.steps[place].state not in ENDED:
        raise HTTPException(404)
    with _deleted_meanwhile(request):
        files = await asyncio.to_thread(step_files, server.store, job, job.steps[place])
        path = files.get(request.path_params["name"])
        if path is None:
            raise HTTPException(404)
        status = path.stat()
    headers = {"content-security-policy": content_policy(sandboxed=True)}
    if path.name == "report.html":
        return FileResponse(path, media_type="text/html", headers=headers, stat_result=status)
    return FileResponse(
        path, media_type="application/octet-stream", filename=path.name, headers=headers, stat_result=status
    )


async def _cancel(request: Request) -> Response:
    server, job = _server(request), _found(request)
    if (refused := await _only_csrf(request)) is not None:
        return refused
    await server.queue.cancel(job)
    return RedirectResponse(f"{server.site.base}/jobs/{job.id}", 303)


async def _delete(request: Request) -> Response:
    server, job = _server(request), _found(request)
    if (refused := await _only_csrf(request)) is not None:
        return refused
    try:
        folder = server.store.forget(job)
    except HepadError as error:
        return _refusal(request, str(error), 409, back=f"{server.site.base}/jobs/{job.id}")
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    return RedirectResponse(f"{server.site.base}/jobs", 303)


async def _only_csrf(request: Request) -> Response | None:
    """Read a form without files; the answer if it is not one of ours."""
    server = _server(request)
    try:
        length = await content_length(request, server.limits)
        await receive_form(
            request, Form(), Path(), "none", length=length, limits=server.limits, check=_csrf(server), most=0
        )
    except Refused as error:
        return _refusal(request, str(error), error.status)
    return None


def _asset(name: str, kind: str) -> Callable[[Request], Any]:
    async def send(_: Request) -> Response:
        return Response(asset(name), media_type=kind, headers={"cache-control": "max-age=60"})

    return send
