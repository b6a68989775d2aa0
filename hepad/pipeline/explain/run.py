"""Explain scores: which objects, or which pixels of an image, carry them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hepad.bundles.bundle import load_bundle
from hepad.errors import UsageError
from hepad.inputs.layout import IMAGE
from hepad.io.reader import expand_files
from hepad.output.atomic import check_folder
from hepad.pipeline.explain.maps import explain_maps
from hepad.pipeline.explain.objects import ExplainReport, explain_objects
from hepad.pipeline.explain.options import ExplainOptions
from hepad.pipeline.explain.report import MapsReport

__all__ = ["explain"]


def explain(samples: Mapping[str, Sequence[str]], model: str, *, options: ExplainOptions) -> ExplainReport | MapsReport:
    """Take a score of a bundle apart and write the numbers and figures to a folder.

    Of models of objects the reconstruction error is shared out among them (`hepad.pipeline.explain.objects`), of models
    of images any score among the pixels (`hepad.pipeline.explain.maps`). `CardError` if the model cannot say.
    """
    check_folder(options.output, verb="explain")
    if not samples or options.top < 1:
        raise UsageError("give at least one file, and --top of at least 1")
    paths = {name: expand_files(files) for name, files in samples.items()}
    bundle = load_bundle(model)
    if bundle.input.layout.axes == IMAGE:
        return explain_maps(paths, bundle, options)
    return explain_objects(paths, bundle, options)
