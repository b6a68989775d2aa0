"""`hepad list`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from hepad.cli import common
from hepad.errors import UsageError

_BRIEF = ("name", "kind", "title")


def list_(
    kind: Annotated[
        str | None,
        typer.Argument(
            help="models, analyses, methods, hunts, studies, selections, fits, budgets, menus, kinds; without: how "
            "many of each.",
            show_default=False,
        ),
    ] = None,
    cite: Annotated[
        str | None, typer.Option("--cite", metavar="NAME", help="Print what to cite for it.", show_default=False)
    ] = None,
    json: common.Json = False,
) -> None:
    """List what ships with hepad, or say what to cite for one of them; hepad show NAME has all of one.

    Example: hepad list models
    """
    from hepad.pipeline.catalogue import CATALOGUES, catalogue

    if kind is not None and kind not in CATALOGUES:
        raise UsageError(f"cannot list {kind!r}: choose one of {', '.join(CATALOGUES)}")
    if cite is not None:
        _cite(kind or "models", cite, json=json)
    elif kind is None:
        _overview(json=json)
    elif json:
        common.print_json(catalogue(kind))
    else:
        _table(kind, catalogue(kind))


def _overview(*, json: bool) -> None:
    from hepad.pipeline.catalogue import overview

    found = overview()
    if json:
        common.print_json({kind: [*names] for kind, (_, names) in found.items()})
        return
    rows = [[kind, f"{len(names)}", what] for kind, (what, names) in found.items()]
    common.print_table("What ships with hepad", ["kind", "number", "what"], rows, numbers_from=3)
    common.stdout().print("hepad list KIND has one line for each, hepad show NAME all of one")


def _table(kind: str, rows: list[dict[str, Any]]) -> None:
    from hepad.bundles.citation import arxiv

    header = [key for key in _BRIEF if key in rows[0]] if rows else ["name"]
    cells = [[*(str(row[key]) for key in header), arxiv(row.get("reference", ""))] for row in rows]
    if any(row[-1] for row in cells):
        header.append("arXiv")
    common.print_table(kind, header, [row[: len(header)] for row in cells], numbers_from=len(header))
    common.stdout().print("hepad show NAME has all of one; --json has the references of all")


def _cite(kind: str, name: str, *, json: bool) -> None:
    from hepad.bundles.citation import citations

    found = citations(kind, name)
    if json:
        common.print_json([vars(citation) for citation in found])
        return
    for citation in found:
        common.stdout().print(f"{citation.what}: {citation.text}", markup=False)
    for citation in found:
        common.print_lines(f"\n{citation.bibtex}")
