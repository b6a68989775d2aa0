"""`hepad schema`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hepad.cli import common
from hepad.errors import UsageError


def schema(
    name: Annotated[
        str | None, typer.Argument(help="selection, analysis, model.vae, output.score, ...", show_default="all names")
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the tables as Markdown.")] = False,
    json: common.Json = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write the JSON Schemas of all to a folder.", show_default=False),
    ] = None,
) -> None:
    """Which keys a card may have, or a JSON file of hepad's: tables, or a JSON Schema with --json.

    Example: hepad schema analysis

    What a command prints with --json, and writes: hepad schema output.limit, hepad schema output.limit/limit.json

    For editors: hepad schema -o schemas
    """
    from hepad.pipeline import schemas

    if output is not None:
        if name is not None or markdown or json:
            raise UsageError("--output writes the JSON Schemas of all cards and outputs: give nothing beside it")
        schemas.write_schemas(output)
        common.stdout().print(f"wrote {output}: card.schema.json, which knows all kinds of cards, and what it needs")
    elif name is None:
        _names(json=json)
    elif json and markdown:
        raise UsageError("give --json or --markdown, not both")
    elif json:
        common.print_json(schemas.json_schema(name))
    elif markdown:
        common.print_lines(schemas.markdown(name))
    else:
        for table in schemas.tables(name):
            rows = [[key.key, key.value, key.default] for key in table.keys]
            common.print_table(table.name, schemas.columns(name), rows, numbers_from=3)
            common.print_lines(table.about)
            common.stdout().print()


def _names(*, json: bool) -> None:
    from hepad.pipeline import schemas

    rows = [{"name": name, "what": what} for name, what in schemas.names().items()]
    if json:
        common.print_json(rows)
        return
    common.print_table("schemas", ["name", "what"], [[row["name"], row["what"]] for row in rows], numbers_from=2)
