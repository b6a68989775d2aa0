"""`explain`: which objects, or which pixels of an image, carry a score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hepad.api.events import as_files
from hepad.api.models import Model, as_model
from hepad.api.record import Record, Row
from hepad.errors import UsageError
from hepad.io.reader import expand_files
from hepad.pipeline.explain.objects import ExplainReport
from hepad.pipeline.explain.options import ExplainOptions
from hepad.pipeline.explain.report import MapsReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ExplainRecord", "explain"]


@dataclass(frozen=True, repr=False)
class ExplainRecord(Record):
    """The parts of a score, of samples by name: `record["h0"].objects`, or of images `record["h0"].mean.parts`."""

    report: ExplainReport | MapsReport

    def __getitem__(self, sample: str) -> Any:
        return next(each for each in self.report.samples if each.sample == sample)

    def to_json(self) -> dict[str, Any]:
        """As `hepad explain --json`; `output` is null."""
        return self.report.to_json()

    def _table(self) -> tuple[str, Row, Sequence[Row]]:
        from hepad.pipeline.explain.maps_output import channels_table
        from hepad.pipeline.explain.objects_output import shares_table

        title = f"What carries the score {self.report.score} of {self.report.model}"
        table = shares_table(self.report) if isinstance(self.report, ExplainReport) else channels_table(self.report)
        return title, table.header, table.rows

    def _draw(self, ax: Axes) -> None:
        report = self.report
        if isinstance(report, ExplainReport):
            from hepad.plot.explain import draw_shares

            shares = {each.sample: {n: s for n, (s, _) in each.objects.items()} for each in report.samples}
            draw_shares(ax, shares)
            return
        from hepad.plot.maps import draw_parts

        parts = report.samples[0].mean.parts
        place = max(range(len(parts)), key=lambda c: float(abs(parts[c]).sum()))
        draw_parts(ax, parts[place], eta=report.eta, phi=report.phi, in_bins=report.in_bins)
        ax.set_title(f"{report.samples[0].sample}, {report.channels[place]}")


def explain(
    samples: Mapping[str, Any],
    model: str | Path | Model = "snn_ae",
    *,
    score: str | None = None,
    region: str | None = None,
    top: int = 20,
    mean_of: int = 200,
    selection: str | None = None,
    max_events: int | None = None,
) -> ExplainRecord:
    """Take a score apart: of models of objects the reconstruction error by object, of images any score by pixel.

    `samples`, by name, are files or arrays in memory as in `hepad.load_events`; the `top` events of the highest scores
    of each are explained one by one. Of models of images `score` is another than the first, `region` (one of the
    model's or a new one, such as "kept=efficiency:0.01") restricts events, and the mean map is over at most `mean_of`
    of them; parts have the shape (channel, eta, phi) and the score's units. As `hepad explain` otherwise.

    `CardError` for a model that cannot say what carries its score, `InputDataError` for a sample without events.

    >>> import hepad
    >>> found = hepad.explain({"h0": "examples/data/h0.h5"}, "dnn_ae", top=3, max_events=300)
    >>> round(sum(share for share, _ in found["h0"].objects.values()), 6), len(found["h0"].top)
    (1.0, 3)
    """
    from hepad.cards.bundle import parse_region
    from hepad.pipeline.explain.run import explain_in_memory

    if not samples or top < 1 or mean_of < 1:
        raise UsageError("give samples by name, {'h0': ...}, and top and mean_of of at least 1")
    options = ExplainOptions(
        top=top,
        mean_of=mean_of,
        selection=selection,
        score=score,
        region=region.partition("=")[0] if region else None,
        regions=dict([parse_region(region)]) if region and "=" in region else {},
        max_events=max_events,
    )
    paths = {name: expand_files(as_files(given)) for name, given in samples.items()}
    return ExplainRecord(explain_in_memory(paths, as_model(model).bundle, options))
