"""What all commands share: consoles, option types, JSON output. Imports nothing heavy."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Files", "Json", "Output", "Seed", "print_json", "stderr", "stdout"]

Files = Annotated[
    list[str], typer.Argument(help="Input files; globs are expanded, '-' reads names from stdin.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON to stdout.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Where to write the result.", show_default=False)]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of the random numbers.")]


def stdout() -> Console:
    """The console for results."""
    from rich.console import Console

    return Console(soft_wrap=not sys.stdout.isatty(), highlight=False)


def stderr() -> Console:
    """The console for progress and remarks; keeps stdout clean."""
    from rich.console import Console

    return Console(stderr=True, soft_wrap=not sys.stderr.isatty(), highlight=False)


def print_json(result: dict[str, Any]) -> None:
    """Print one JSON document to stdout; a NaN is a fault, never printed."""
    sys.stdout.write(json.dumps(result, indent=2, allow_nan=False) + "\n")
