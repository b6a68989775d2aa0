"""`hepad examples`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hepad.cli import common


def examples(
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to write.")] = Path("examples"),
    json: common.Json = False,
) -> None:
    """Write the events, spectra and cards on which the examples of all commands run.

    Example: hepad examples && hepad score examples/data/w_lnu.root --model snn_ae
    """
    from hepad.pipeline.examples import write_examples

    names = write_examples(output)
    if json:
        common.print_json({"output": str(output), "files": names})
        return
    common.stdout().print(f"wrote {len(names)} files into {output}; hepad COMMAND -h has an example that runs on them")
