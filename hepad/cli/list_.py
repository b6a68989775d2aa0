"""`hepad list`."""

from __future__ import annotations

from typing import Annotated

import typer

from hepad.cli import common
from hepad.errors import UsageError

_LONG = ("reference", "fidelity")
"""Left to --json: a terminal of 80 columns has no room for them."""


def list_(
    kind: Annotated[str, typer.Argument(help="models, analyses, selections or fits.")] = "models",
    json: common.Json = False,
) -> None:
    """List what ships with hepad.

    Example: hepad list models
    """
    from hepad.pipeline.catalogue import CATALOGUES, catalogue

    if kind not in CATALOGUES:
        raise UsageError(f"cannot list {kind!r}: choose one of {', '.join(CATALOGUES)}")
    rows = catalogue(kind)
    if json:
        common.print_json(rows)
        return
    header = [key for key in rows[0] if key not in _LONG] if rows else ["name"]
    common.print_table(kind, header, [[str(row[key]) for key in header] for row in rows], numbers_from=len(header))
    common.stdout().print("--json has the references")
