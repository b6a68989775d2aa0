"""The records of what was measured: an answer and a curve as `report` has them."""

from __future__ import annotations

from hepad.execution.run import Skipped
from hepad.pipeline.reinterpret.answer import Answer
from hepad.pipeline.reinterpret.inputs import Inputs
from hepad.pipeline.reinterpret.limits import ChannelLimit, limit_row
from hepad.pipeline.reinterpret.measure import Measured
from hepad.pipeline.reinterpret.points import Curve, PointResult
from hepad.pipeline.reinterpret.report import CurveRow, PointRow, Result, SampleRow
from hepad.pipeline.reinterpret.rows import ChannelRow, CombinedRow, CutRow, JetsRow, RegionRow, SearchRow
from hepad.pipeline.reinterpret.systematics import JetShift
from hepad.search.search import Search

__all__ = ["result_of"]


def result_of(
    inputs: Inputs, found: Answer, curve: Curve | None, skipped: list[Skipped], provenance: dict[str, object]
) -> Result:
    """The whole result; the sample is `found`."""
    return Result(
        analysis=found.search.card.name,
        search=_search(found.search),
        sample=_sample(found),
        mass_gev=None if inputs.first is None else inputs.first.mass_gev,
        warnings=found.warnings if curve is None else tuple(curve.warnings(found.warnings)),
        files=inputs.numbers(),
        skipped=tuple(skipped),
        curve=None if curve is None else _curve(curve),
        provenance=provenance,
    )


def _curve(curve: Curve) -> CurveRow:
    points = tuple(_point(point) for point in curve.points)
    return CurveRow(points, curve.excluded_expected, curve.excluded_observed, curve.verdict())


def _point(found: PointResult) -> PointRow:
    answer = found.answer
    inside = answer.measured.acceptance(answer.search.signal_region)
    return PointRow(found.point.mass_gev, inside, _sample(answer), answer.warnings)


def _sample(found: Answer) -> SampleRow:
    measured, limits = found.measured, found.limits
    return SampleRow(
        events=measured.read.events,
        sum_weights=measured.read.weight,
        generated_events=measured.generated.events,
        generated_weight=measured.generated.weight,
        cross_section_pb=found.cross_section_pb,
        cutflow=_cutflow(measured),
        acceptance={region: _region(measured, region) for region in found.search.regions},
        channels={} if limits is None else {name: _channel(found, one) for name, one in limits.channels.items()},
        combined=_combined(found),
        overlaps=_overlaps(found),
        verdict=found.conclusion.row(),
        no_limit=tuple(group.row() for group in found.conclusion.reasons),
        jets=None if found.shifted is None else _jets(found.shifted),
    )


def _jets(shifted: JetShift) -> JetsRow:
    down, _, up = shifted.acceptances
    return JetsRow(shifted.relative, down, up, shifted.error)


def _search(search: Search) -> SearchRow:
    card = search.card
    return SearchRow(
        title=card.title,
        reference=card.reference,
        fidelity=card.fidelity,
        fidelity_note=card.fidelity_note,
        as_published=search.as_published,
        signal_region=search.signal_region,
        luminosity_fb=None if card.luminosity is None else card.luminosity.fb,
        sqrt_s_gev=card.sqrt_s_gev,
        selections={category.name: category.selection.name for category in search.categories},
        models={c.name: None if c.bundle is None else c.bundle.card.name for c in search.categories},
    )


def _cutflow(measured: Measured) -> tuple[CutRow, ...]:
    return tuple(
        CutRow(name, **step, efficiency=value, efficiency_error=error)
        for name, flow in measured.flows.items()
        for (value, error), step in zip(measured.fractions(name), flow.to_json(), strict=True)
    )


def _region(measured: Measured, region: str) -> RegionRow:
    categories = measured.search.categories
    parts = {c.name: measured.acceptance(region, c.name) for c in categories} if len(categories) > 1 else {}
    return RegionRow(**vars(measured.acceptance(region)), categories=parts)


def _channel(found: Answer, limit: ChannelLimit) -> ChannelRow:
    assert found.limits is not None  # noqa: S101  there are channels with limits only
    yields, expectation = found.limits.inputs.yields, limit.expectation
    background = None if expectation is None else expectation.background
    observed = None if expectation is None else expectation.observed
    known = found.cross_section_pb is not None
    published = found.published.get(limit.name)
    return ChannelRow(
        expected_events=limit.events(yields) if known else None,
        expected_events_error=limit.acceptance.error * yields.events if known else None,
        acceptance=limit.acceptance.value,
        acceptance_error=limit.acceptance.error,
        simulated_events=limit.acceptance.events,
        background_events=None if background is None else float(background.sum()),
        background=None if expectation is None else expectation.how,
        background_effective_events=None if expectation is None else expectation.effective,
        function=None if limit.function is None else limit.function.name,
        spurious_events=limit.spurious,
        signal_response=None if limit.response is None else limit.response.value,
        response_effective_events=None if limit.response is None else limit.response.effective,
        counted_above_gev=None if limit.count is None else limit.count.above,
        signal_unused=limit.unused,
        range_gev=limit.range_gev,
        observed_events=None if observed is None else float(observed.sum()),
        limit=limit_row(limit.result, yields.reference_pb),
        alternatives={name: value * yields.reference_pb for name, value in limit.alternatives.items()},
        no_limit=None if limit.reason is None else limit.reason.row(),
        published=None if published is None else published.row(),
    )


def _combined(found: Answer) -> CombinedRow | None:
    if found.limits is None:
        return None
    combined = found.limits.combined
    reference = found.limits.inputs.yields.reference_pb
    others = {name: value * reference for name, value in combined.alternatives.items()}
    return CombinedRow(
        combined.method, combined.channels, limit_row(combined.result, reference), combined.reason, others
    )


def _overlaps(found: Answer) -> dict[str, dict[str, float]]:
    if found.limits is None:
        return {}
    names, shared = list(found.limits.channels), found.limits.overlaps
    return {a: {b: float(shared[i, j]) for j, b in enumerate(names)} for i, a in enumerate(names)}
