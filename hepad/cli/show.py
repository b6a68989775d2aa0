"""`hepad show`."""

from __future__ import annotations

from typing import Annotated

import typer

from hepad.cli import common


def show(
    name: Annotated[
        str,
        typer.Argument(
            help="Of anything in 'hepad list KIND', KIND/NAME where two kinds have it; or the folder of a bundle.",
            show_default=False,
        ),
    ],
    json: common.Json = False,
) -> None:
    """Show all of something that ships with hepad, or of a model in a folder: what it is, what of, its card.

    Example: hepad show models/snn_ae
    """
    from hepad.pipeline.catalogue import shown

    found = shown(name)
    if json:
        common.print_json([vars(thing) for thing in found])
        return
    for thing in found:
        common.stdout().print(f"{thing.kind}/{thing.name}", style="bold")
        common.print_lines(
            "".join(f"  {key}: {value}\n" for key, value in thing.row.items() if value and key != "name")
        )
        if thing.card:
            common.print_lines(f"\n{thing.card}")
    if len(found) > 1:
        common.stdout().print(f"hepad show KIND/NAME shows one of {', '.join(f'{t.kind}/{t.name}' for t in found)}")
