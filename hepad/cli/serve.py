"""`hepad serve`."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from hepad.cli import common


def serve(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Of 127.0.0.1; 0 for any that is free.")] = 8765,
    open_: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Jobs side by side; others wait.")] = 1,
    folder: Annotated[Path, typer.Option("--folder", metavar="FOLDER", help="Of the jobs and their files.")] = Path(
        "hepad-serve"
    ),
    share: Annotated[
        Path | None,
        typer.Option("--share", help="A folder with files that the pages offer, beside uploads.", show_default=False),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option("--url", help="Where browsers find it, behind a reverse proxy.", show_default="this machine"),
    ] = None,
    memory: Annotated[float, typer.Option("--memory", min=0.5, help="Of a job, in GB of address space.")] = 8,
    seconds: Annotated[int, typer.Option("--seconds", min=1, help="Processor time of a command of a job.")] = 3600,
    upload: Annotated[float, typer.Option("--upload", min=0.001, help="In GB, the most of one form.")] = 2,
    quota: Annotated[float, typer.Option("--quota", min=0.001, help="In GB, all jobs together.")] = 20,
    days: Annotated[int, typer.Option("--days", min=1, help="After these, jobs that have ended are deleted.")] = 30,
) -> None:
    """Show web pages on which files are held against searches, scored and hunted in, each job a command of hepad.

    Example: hepad serve --open
    """
    from hepad.serve.limits import GB, Limits
    from hepad.serve.run import Options, run

    limits = Limits(
        jobs=jobs, memory=int(memory * GB), seconds=seconds, upload=int(upload * GB), quota=int(quota * GB), days=days
    )
    options = Options(data=folder, port=port, share=share, url=url, limits=limits)
    with ExitStack() as ended:
        run(options, lambda link: _ready(link, folder if open_ else None, ended))


def _ready(link: str, folder: Path | None, ended: ExitStack) -> None:
    common.stdout().print(f"hepad serve: {link}")
    if folder is None:
        return
    import webbrowser

    page = folder.resolve() / "open.html"
    ended.callback(page.unlink, missing_ok=True)
    # Everybody on the machine sees the words of a browser's process, so the link is in a file that nobody else reads.
    page.unlink(missing_ok=True)
    with os.fdopen(os.open(page, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(f'<!DOCTYPE html><meta http-equiv="refresh" content="0; url={link}">\n')
    webbrowser.open(page.as_uri())
