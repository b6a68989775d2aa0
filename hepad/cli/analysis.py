"""`hepad analysis`: what is done with the card of an analysis itself."""

from __future__ import annotations

import typer

app = typer.Typer(no_args_is_help=True, help="Check, pack and unpack an analysis.")
