"""Explain scores: which objects, or which pixels of an image, carry them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hepad.bundles.bundle import Bundle, load_bundle
from hepad.errors import UsageError
from hepad.inputs.layout import IMAGE
from hepad.io.reader import expand_files
from hepad.output.atomic import check_folder
from hepad.paths import InputPath
from hepad.pipeline.explain.maps import explain_maps
from hepad.pipeline.explain.maps_output import write_maps
from hepad.pipeline.explain.objects import ExplainReport, explain_objects
from hepad.pipeline.explain.objects_output import write_objects
from hepad.pipeline.explain.options import ExplainOptions
from hepad.pipeline.explain.report import MapsReport
from hepad.pipeline.explain.shared import record_of

__all__ = ["explain", "explain_in_memory"]


def explain(samples: Mapping[str, Sequence[str]], model: str, *, options: ExplainOptions) -> ExplainReport | MapsReport:
    """Take a score of a bundle apart and write the numbers and figures to a folder.

    Of models of objects the reconstruction error is shared out among them (`hepad.pipeline.explain.objects`), of models
    of images any score among the pixels (`hepad.pipeline.explain.maps`). `CardError` if the model cannot say.
    """
    if options.output is None:
        raise UsageError("give the folder that the report goes to")
    check_folder(options.output, verb="explain")
    if not samples or options.top < 1:
        raise UsageError("give at least one file, and --top of at least 1")
    paths = {name: expand_files(files) for name, files in samples.items()}
    bundle = load_bundle(model)
    report = explain_in_memory(paths, bundle, options)
    record = record_of(paths, bundle, options)
    if isinstance(report, MapsReport):
        write_maps(report, options.output, record, simulation=options.simulation)
    else:
        write_objects(report, options.output, record, simulation=options.simulation)
    return report


def explain_in_memory(
    paths: Mapping[str, Sequence[InputPath]], bundle: Bundle, options: ExplainOptions
) -> ExplainReport | MapsReport:
    """The same of samples by name, but nothing is written."""
    if bundle.input.layout.axes == IMAGE:
        return explain_maps(paths, bundle, options)
    return explain_objects(paths, bundle, options)
