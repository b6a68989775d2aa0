"""`hepad analysis`: what belongs to the card of an analysis: test vectors, archives, background, HEPData's list."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hepad.cli import common
from hepad.cli.progress import counts

if TYPE_CHECKING:
    from hepad.pipeline.analysis.package import PackageReport
    from hepad.pipeline.analysis.vectors import ValidateReport
    from hepad.pipeline.validation.report import ValidationReport
    from hepad.search.background import BackgroundReport

__all__ = ["app"]

app = typer.Typer(
    name="analysis",
    rich_markup_mode="rich",
    add_completion=False,
    no_args_is_help=True,
    help="Make, check, pack and unpack what belongs to an analysis.",
)

Analysis = Annotated[
    str, typer.Argument(help="A bundled analysis, a card, or a folder that was unpacked.", show_default=False)
]
Bundle = Annotated[
    str | None, typer.Option("--model", "-m", help="A bundle in place of the card's own.", show_default="the card's")
]
Vectors = Annotated[
    Path | None, typer.Option("--vectors", help="A vectors.json.", show_default="the card's, vectors/NAME beside it")
]


@app.command()
def validate(
    analysis: Analysis,
    vectors: Vectors = None,
    model: Bundle = None,
    json: common.Json = False,
) -> None:
    """Run an analysis on its own test vectors; exit code 7 if it does not give their numbers.

    Example: hepad analysis validate snn_ae
    """
    from hepad.pipeline.analysis.vectors import validate as run

    report = run(analysis, vectors=vectors, model=model)
    if json:
        common.print_json(report.to_json())
    else:
        _print_validation(report)
    report.check()


@app.command()
def validation(
    analysis: Annotated[
        str, typer.Argument(help="A search or hunt that ships, or the path of a card.", show_default=False)
    ],
    files: Annotated[
        list[str] | None,
        typer.Argument(
            help="Samples to try, each by itself.",
            show_default="test vectors, examples",
        ),
    ] = None,
    toys: Annotated[int, typer.Option(min=1, help="Pseudo-experiments for p-values.")] = 2000,
    seed: common.Seed = 1,
    output: common.Output = None,
    json: common.Json = False,
) -> None:
    """Say how far a search can be trusted, on one page: published numbers, test vectors, samples that were tried.

    The exit code is 7 if it does not give the numbers of its test vectors, or claims to be exact and is off.

    Example: hepad analysis validation cms_2019_dijet -o validation
    """
    from hepad.pipeline.validation.run import ValidationOptions
    from hepad.pipeline.validation.run import validation as run

    with counts("parts") as (done,):
        options = ValidationOptions(output=output, toys=toys, seed=seed, on_step=done.set)
        report = run(analysis, files or (), options=options)
    if json:
        common.print_json(report.to_json())
    else:
        _print_trust(report)
    report.check()


@app.command()
def check(
    card: Annotated[str, typer.Argument(help="A card of any kind: a path, or a bundled name.", show_default=False)],
    json: common.Json = False,
) -> None:
    """Say everything that is wrong with a card at once, line by line; exit code 7 if anything is.

    Example: hepad analysis check cms_2019_dijet
    """
    from hepad.pipeline.analysis.check import check_card

    report = check_card(card)
    if json:
        common.print_json(report.to_json())
    else:
        for fault in report.faults:
            where = f"{report.card}:{fault.line}" if fault.line is not None else f"{report.card}"
            common.stdout().print(f"{where}: {f'{fault.key}: ' if fault.key else ''}{fault.text}")
        if not report.faults:
            common.stdout().print(f"{report.card} is right: {report.kind}/1")
    report.check()


@app.command("vectors")
def vectors_(
    analysis: Analysis,
    events: Annotated[Path, typer.Argument(help="A small event file, of which a copy is kept.", show_default=False)],
    output: common.OutputFolder,
    tolerance: Annotated[float, typer.Option(help="Relative difference to be allowed.")] = 1e-5,
    model: Bundle = None,
    json: common.Json = False,
) -> None:
    """Write test vectors: what an analysis makes of each event of a small file.

    Example: hepad analysis vectors dnn_ae examples/data/hplus.h5 -o vectors
    """
    from hepad.pipeline.analysis.vectors import write_vectors

    card = write_vectors(analysis, events, output, model=model, tolerance=tolerance)
    if json:
        selected = {name: len(category.selected) for name, category in card.categories.items()}
        common.print_json({"analysis": card.analysis, "events": card.events.entries, "selected": selected})
    else:
        common.stdout().print(f"wrote {output}: vectors of {card.analysis}, {card.events.entries} events")


@app.command()
def pack(
    analysis: Analysis,
    output: Annotated[Path, typer.Option("--output", "-o", help="The archive, NAME.hepad.zip.", show_default=False)],
    model: Bundle = None,
    vectors: Vectors = None,
    json: common.Json = False,
) -> None:
    """Write one archive of a card and all that it needs: selections, bundles, fits, spectra, vectors.

    Example: hepad analysis pack snn_ae -o snn_ae.hepad.zip
    """
    from hepad.pipeline.analysis.package import pack as run

    report = run(analysis, output, model=model, vectors=vectors)
    if json:
        common.print_json(report.to_json())
    else:
        _print_package(report)


@app.command()
def unpack(
    archive: Annotated[Path, typer.Argument(help="An archive that 'hepad analysis pack' wrote.", show_default=False)],
    output: common.OutputFolder,
    sha256: Annotated[
        str | None, typer.Option(help="The archive's sha256, as its makers tell it.", show_default="unchecked")
    ] = None,
    json: common.Json = False,
) -> None:
    """Unpack an archive; whatever in it was altered or is unsafe is refused and leaves nothing behind.

    Example: hepad analysis unpack snn_ae.hepad.zip -o snn_ae_unpacked
    """
    from hepad.pipeline.analysis.package import unpack as run

    report = run(archive, output, sha256=sha256)
    if json:
        common.print_json(report.to_json())
    else:
        _print_package(report)


@app.command()
def workflow(
    analysis: Annotated[
        str, typer.Argument(help="A search: a bundled one, a card, or a folder that was unpacked.", show_default=False)
    ],
    output: common.OutputFolder,
    sample: Annotated[str, typer.Option("--sample", help="Name of the event file that is uploaded.")] = "signal.root",
    xsec: Annotated[float, typer.Option("--xsec", help="Its cross section in pb, unless another is set.")] = 1.0,
    image: Annotated[str, typer.Option("--image", help="Container with Python, or with hepad.")] = "python:3.12-slim",
    requirement: Annotated[
        str | None,
        typer.Option(
            "--requirement",
            help="What pip installs in the container; empty for an image that has hepad.",
            show_default="this version of hepad",
        ),
    ] = None,
    json: common.Json = False,
) -> None:
    """Write a search as a REANA workflow that reinterprets an uploaded sample.

    Example: hepad analysis workflow cms_2019_dijet -o workflow
    """
    from hepad.pipeline.analysis.workflow import workflow as run

    report = run(analysis, output, sample=sample, cross_section_pb=xsec, image=image, requirement=requirement)
    if json:
        common.print_json(report.to_json())
    else:
        common.stdout().print(f"wrote {output}: reana.yaml and {report.package.archive.name}")


@app.command()
def hepdata(
    output: Annotated[Path, typer.Option("--output", "-o", help="The file, analyses.json.", show_default=False)],
    url: Annotated[
        str,
        typer.Option("--url", help="Address of a search's page, with {name} or {path} in it.", show_default=False),
    ],
    validation_url: Annotated[
        str | None,
        typer.Option("--validation-url", help="That of the page with its validation.", show_default=False),
    ] = None,
    date: Annotated[
        str | None, typer.Option("--date", help="When the file was made, with its time zone.", show_default="now")
    ] = None,
    json: common.Json = False,
) -> None:
    """List the searches that ship with hepad for HEPData, by their INSPIRE numbers (analyses.json, schema 1.0.0).

    Example: hepad analysis hepdata --url 'https://hep.example/hepad/{name}' -o analyses.json
    """
    from hepad.pipeline.analysis.hepdata import list_for_hepdata

    report = list_for_hepdata(output, url, validation_url=validation_url, date=date)
    if json:
        common.print_json(report.to_json())
    else:
        rows = [[str(number), ", ".join(names)] for number, names in report.listed.items()]
        common.print_table("Searches for HEPData", ["INSPIRE", "searches"], rows, numbers_from=2)
        common.say_wrote(report.output)
    if report.left_out:
        names = ", ".join(report.left_out)
        common.stderr().print(f"hepad: left out, as their cards know no INSPIRE number (cite.inspire): {names}")


@app.command("background")
def background(
    analysis: Annotated[str, typer.Argument(help="A search ('hepad list analyses') or a card.", show_default=False)],
    files: common.Files,
    output: common.OutputFolder,
    cross_section: common.CrossSection = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Another model.", show_default="the card's")
    ] = None,
    selection: Annotated[
        str | None, typer.Option("--selection", "-s", help="Another selection.", show_default="the card's")
    ] = None,
    sqrt_s: Annotated[float | None, typer.Option("--sqrt-s", help="In GeV.", show_default="the files'")] = None,
    step_size: common.StepSize = 100_000,
    workers: common.Workers = 1,
    executor: common.Executor = "local",
    scheduler: common.Scheduler = None,
    skip_bad_files: common.SkipBadFiles = False,
    force: common.Force = False,
    json: common.Json = False,
) -> None:
    """Make the background of a search from simulated events that its model was not trained on.

    Example: hepad analysis background atlas_2023_ad_two_body examples/data/w_lnu.root --cross-section
    w_lnu.root=20970 -o background
    """
    from hepad.search.background import BackgroundOptions, make_background

    with common.event_progress("reading") as on_events:
        options = BackgroundOptions(
            output=output,
            cross_sections=common.parse_cross_sections(cross_section),
            model=model,
            selection=selection,
            sqrt_s_gev=sqrt_s,
            step_size=step_size,
            execution=common.execution(workers, executor, scheduler, skip_bad_files, force),
            on_events=on_events,
        )
        report = make_background(analysis, files, options=options)
    common.print_made(report, lambda: _print_background(report), json=json)


def _print_background(report: BackgroundReport) -> None:
    for category in report.record["categories"]:
        rows = [
            [name, f"{r['events']}", f"{r['cross_section_pb']:.4g} ± {r['error_pb']:.2g}"]
            for name, r in category["regions"].items()
        ]
        common.print_table(f"Background of {category['name']}", ["region", "events", "cross section [pb]"], rows)
    if not report.complete_before:
        common.say_wrote(report.output)


def _print_validation(report: ValidateReport) -> None:
    rows = [
        [c.category, c.quantity, f"{c.compared}", f"{c.mismatches}", f"{c.largest_difference:.2g}"]
        for c in report.comparisons
    ]
    header = ["category", "quantity", "compared", "mismatches", "largest difference"]
    common.print_table(f"{report.analysis} on {report.events} events of {report.vectors}", header, rows, numbers_from=2)
    out = common.stdout()
    if report.changed:
        out.print(f"not as when the vectors were made: {', '.join(report.changed)}")
    out.print(f"{'passed' if report.passed else 'FAILED'}, tolerance {report.tolerance:g}")


def _print_trust(report: ValidationReport) -> None:
    from hepad.pipeline.validation.page import formatted_samples, summary
    from hepad.pipeline.verify.page import formatted_table

    out = common.stdout()
    out.print(f"{report.card.name}: {report.card.title}; fidelity: {report.card.fidelity}", markup=False)
    for number, what in summary(report):
        out.print(f"  {number} {what}", markup=False)
    if report.measured:
        common.print_table("Published numbers beside ours", *formatted_table(report.measured), numbers_from=2)
    if report.tried:
        common.print_table("Samples that were tried", *formatted_samples(report.tried))
    common.say_wrote(report.output)


def _print_package(report: PackageReport) -> None:
    rows = [[member.path, f"{member.bytes}"] for member in report.manifest.files]
    common.print_table(f"Analysis {report.name}", ["file", "bytes"], rows)
    out = common.stdout()
    if not report.has_vectors:
        out.print("no test vectors are in it: write some with 'hepad analysis vectors'")
    out.print(f"sha256 of {report.archive.name}: {report.sha256}")
    common.say_wrote(report.output)
