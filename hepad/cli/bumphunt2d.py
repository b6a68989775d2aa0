"""`hepad bumphunt2d`: the most significant rectangle of a plane."""

from __future__ import annotations

from typing import Annotated

import typer

from hepad.cli.common import Json, Output, Seed, print_json, say_wrote, stdout

__all__ = ["bumphunt2d"]


def bumphunt2d(
    plane: Annotated[str, typer.Argument(help="Data: file.root:histogram, a TH2.", show_default=False)],
    reference: Annotated[
        str, typer.Option("--reference", help="Expected background: a TH2 with the same bins.", show_default=False)
    ],
    exact_reference: Annotated[
        bool, typer.Option("--exact-reference", help="Leave out the reference's own uncertainty.")
    ] = False,
    width_min: Annotated[int, typer.Option("--width-min", min=1, help="Narrowest side in bins.")] = 2,
    width_max: Annotated[
        int | None, typer.Option("--width-max", min=1, help="Widest side in bins.", show_default="half the bins")
    ] = None,
    direction: Annotated[str, typer.Option("--direction", help="excess, deficit or both.")] = "excess",
    toys: Annotated[int, typer.Option("--toys", min=0, help="Pseudo-experiments for the global p-value.")] = 10_000,
    seed: Seed = 0,
    output: Output = None,
    json: Json = False,
) -> None:
    """Find the rectangle of a plane that deviates most from the background, and how often background gives one like it.

    Example: hepad bumphunt2d examples/data/plane.root:data --reference examples/data/plane.root:background -o plane
    """
    from hepad.pipeline.bumphunt.plane import PlaneOptions, bumphunt_plane
    from hepad.stats.bumphunt import ScanOptions

    options = PlaneOptions(
        scan=ScanOptions(width_min, width_max, direction=direction),  # type: ignore[arg-type]
        exact_reference=exact_reference,
        toys=toys,
        seed=seed,
        output=output,
    )
    result = bumphunt_plane(plane, reference, options=options).to_json()
    if json:
        print_json(result)
        return
    (x0, x1), (y0, y1) = result["window"]
    console = stdout()
    console.print(f"window    {x0:g} to {x1:g} by {y0:g} to {y1:g}, the best of {result['windows']}")
    console.print(
        f"events    {result['observed']:g} observed, {result['expected']:.6g} expected: {result['direction']}"
    )
    z = "" if result["local_z"] is None else f" ({result['local_z']:.2f} sigma)"
    p = f"{result['local_p']:.4g}" if result["local_p"] > 0 else f"10^{result['log10_local_p']:.1f}"
    console.print(f"local p   {p}{z}")
    if result["global_p"] is not None:
        how = "reference fluctuates too" if result["counted_reference"] else "reference held fixed"
        console.print(f"global p  {result['global_p']:.4g} ± {result['global_p_error']:.2g} ({toys} toys, {how})")
    say_wrote(output)
