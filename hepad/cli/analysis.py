"""`hepad analysis`: what belongs to the cards of published searches."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hepad.cli import common

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Make and check what belongs to a published search.")


@app.command("background")
def background(
    analysis: Annotated[str, typer.Argument(help="A search ('hepad list analyses') or a card.", show_default=False)],
    files: common.Files,
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to write.", show_default=False)],
    cross_section: common.CrossSection = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Another model.", show_default="the card's")
    ] = None,
    selection: Annotated[
        str | None, typer.Option("--selection", "-s", help="Another selection.", show_default="the card's")
    ] = None,
    sqrt_s: Annotated[float | None, typer.Option("--sqrt-s", help="In GeV.", show_default="the files'")] = None,
    step_size: common.StepSize = 100_000,
    json: common.Json = False,
) -> None:
    """Make the background of a search from simulated events that its model was not trained on.

    Example: hepad analysis background card.yaml w_lnu.root --cross-section w_lnu.root=20970 -o background
    """
    from hepad.pipeline.search_background import BackgroundOptions, make_background

    with common.event_progress("reading") as on_events:
        options = BackgroundOptions(
            output=output,
            cross_sections=common.parse_cross_sections(cross_section),
            model=model,
            selection=selection,
            sqrt_s_gev=sqrt_s,
            step_size=step_size,
            on_events=on_events,
        )
        report = make_background(analysis, files, options=options)
    if json:
        common.print_json(report.to_json())
        return
    for category in report.record["categories"]:
        rows = [
            [name, f"{r['events']}", f"{r['cross_section_pb']:.4g} ± {r['error_pb']:.2g}"]
            for name, r in category["regions"].items()
        ]
        common.print_table(f"Background of {category['name']}", ["region", "events", "cross section [pb]"], rows)
    common.stdout().print(f"wrote {report.output}")
