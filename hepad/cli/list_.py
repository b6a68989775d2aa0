"""`hepad list`."""

from __future__ import annotations

from typing import Annotated

import typer

from hepad.cli import common
from hepad.errors import UsageError

_LONG = ("reference", "fidelity")
"""Left to --json: a terminal of 80 columns has no room for them."""


def list_(
    kind: Annotated[
        str, typer.Argument(help="models, analyses, methods, hunts, studies, selections, fits, budgets, menus, kinds.")
    ] = "models",
    cite: Annotated[
        str | None, typer.Option("--cite", metavar="NAME", help="Print what to cite for it.", show_default=False)
    ] = None,
    json: common.Json = False,
) -> None:
    """List what ships with hepad, or say what to cite for one of them.

    Example: hepad list models
    """
    from hepad.pipeline.catalogue import CATALOGUES, catalogue

    if kind not in CATALOGUES:
        raise UsageError(f"cannot list {kind!r}: choose one of {', '.join(CATALOGUES)}")
    if cite is not None:
        _cite(kind, cite, json=json)
        return
    rows = catalogue(kind)
    if json:
        common.print_json(rows)
        return
    header = [key for key in rows[0] if key not in _LONG] if rows else ["name"]
    common.print_table(kind, header, [[str(row[key]) for key in header] for row in rows], numbers_from=len(header))
    common.stdout().print("--json has the references")


def _cite(kind: str, name: str, *, json: bool) -> None:
    from hepad.pipeline.citation import citations

    found = citations(kind, name)
    if json:
        common.print_json([vars(citation) for citation in found])
        return
    for citation in found:
        common.stdout().print(f"{citation.what}: {citation.text}", markup=False)
    for citation in found:
        common.print_lines(f"\n{citation.bibtex}")
