"""What `hepad latency` and `hepad export` share: a bundle in fixed point, and how far that is from the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from hepad.bundles.bundle import Bundle, load_bundle
from hepad.cards.bundle import RegionCard
from hepad.errors import CardError, UsageError
from hepad.inputs.batch import Batch
from hepad.inputs.calo_regions import CaloRegions
from hepad.inputs.layout import IMAGE
from hepad.io.reader import DEFAULT_STEP_SIZE, expand_files
from hepad.nn.exact import HasExactLayers, rows_as_inputs
from hepad.nn.layers import HasLayers, Network, layers_of
from hepad.paths import InputPath
from hepad.samples.background import Background, read_background
from hepad.stats.scores.regions import set_region
from hepad.trigger.design import Design, Precision, input_formats
from hepad.trigger.exact import ExactDesign, hardware_ports
from hepad.trigger.fixed import Format

__all__ = [
    "Flips",
    "FloatModel",
    "Part",
    "TriggerModel",
    "decision_flips",
    "float_events",
    "lighter_score",
    "parse_bits",
    "regions_of",
    "score_of",
    "trigger_background",
    "trigger_events",
    "trigger_model",
]

Part = Literal["full", "encoder"]
RANDOM_EVENTS = 2000
LIT = 0.02
"""The share of the pixels of a random image that are not 0: that of the track channel of published images."""

_DEFAULT_BITS: dict[str, dict[str, int]] = {
    "mse": {},
    "sse": {},
    "mu2": {},
    "kl": {"error": 5, "error_integer": 3},
    "r": {"error_integer": 3},
    "output": {"activation": 3},
}
_HARDWARE_BITS = {"error": 5, "error_integer": 4}
"""Means of networks on the integers of the hardware are not of the order of 1: they saturate at 16."""

_BOUNDED_BITS = {"error": 4, "error_integer": 4}
"""Differences of columns in standard deviations and radians, with limits: they saturate at 16."""


@dataclass(frozen=True)
class TriggerModel:
    """A bundle, its network with one score, and that in fixed point.

    `network` is None for a bundle that is in fixed point already: it has no widths to choose.
    """

    bundle: Bundle
    network: Network | None
    design: Design | ExactDesign
    score: str

    @property
    def rounded(self) -> tuple[Network, Design]:
        """The network in floating point and its design; `CardError` for a bundle that is in fixed point already."""
        if self.network is None or not isinstance(self.design, Design):
            raise CardError(f"{self.bundle.card.name} is in fixed point already: there is no network to round")
        return self.network, self.design

    @property
    def input_bits(self) -> int:
        """The width of the widest number that the network is given, after the input's scale."""
        return self.design.bits["input"]

    def regions(self) -> dict[str, RegionCard]:
        """The bundle's regions, on the score of the logic: at the same background efficiency if it was another.

        Those that cut on several scores are left out: the logic has one.
        """
        return regions_of(self.bundle, self.score)


@dataclass(frozen=True)
class FloatModel:
    """A bundle with one of its scores, as it is trained: what a processor runs."""

    bundle: Bundle
    score: str

    def regions(self) -> dict[str, RegionCard]:
        """The bundle's regions on this score: see `regions_of`."""
        return regions_of(self.bundle, self.score)


@dataclass(frozen=True)
class Flips:
    """How far scores are from the model's, in a region.

    `flips` is the fraction of events that are in the region by one and not by the other at the model's threshold,
    `flips_same_rate` at `threshold_same_rate`, moved so that as many events pass (None if none does). `passed` is the
    fraction of events that the model itself lets pass.
    """

    region: str
    events: int
    passed: float
    flips: float
    flips_same_rate: float
    threshold_same_rate: float | None

    def to_json(self) -> dict[str, Any]:
        """The numbers by name."""
        return vars(self).copy()


def score_of(bundle: Bundle, score: str | None) -> str:
    """The score that is asked for, or the first; `UsageError` for one that the bundle does not have."""
    if score is not None and score not in bundle.card.scores:
        raise UsageError(f"--score {score}: {bundle.card.name} has {', '.join(bundle.card.scores)}")
    return score or bundle.card.scores[0]


def parse_bits(texts: Sequence[str] | None) -> dict[str, int]:
    """Bit widths given as `weight=6,membrane=5`; `UsageError` if a name is unknown or a value no integer."""
    known = Precision().to_json()
    found: dict[str, int] = {}
    for text in [part for item in texts or () for part in item.split(",")]:
        name, equals, value = text.strip().replace("-", "_").partition("=")
        if name not in known or not equals or not value.lstrip("_").isdigit():
            raise UsageError(f"--bits {text!r}: write NAME=NUMBER with one of {', '.join(known)}")
        found[name] = int(value.replace("_", "-"))
    return found


def trigger_model(
    model: str | Bundle,
    *,
    bits: Mapping[str, int],
    score: str | None = None,
    part: Part = "full",
    shallow: bool = False,
) -> TriggerModel:
    """A bundle as a design. Without `score` that of the first of its scores; `bits` replace the bundle's own.

    `CardError` that names what has none, `UsageError` for widths out of bounds.
    """
    bundle = load_bundle(model)
    score = score_of(bundle, score)
    if isinstance(bundle.scorer, HasExactLayers):
        return _exact(bundle, bundle.scorer, score, bits=bits, part=part, shallow=shallow)
    network = layers_of(bundle.scorer, score)
    hardware = bundle.card.input.kind == "l1_hardware"
    defaults = _DEFAULT_BITS[network.score] | (_HARDWARE_BITS if hardware else {})
    defaults = defaults | (_BOUNDED_BITS if network.limits is not None else {})
    widths = {**defaults, **(bundle.card.bits or {}), **bits}
    unknown = sorted(widths.keys() - Precision().to_json().keys())
    if unknown:
        raise CardError(f"bundle {bundle.path}: key 'bits' has the unknown width {unknown[0]!r}")
    if hardware or isinstance(bundle.input, CaloRegions):  # integers, as wide as they are
        formats = _whole_numbers(bundle)
        widths["input"] = max(form.bits for form in formats)
        precision = Precision(**widths)
    else:
        precision = Precision(**widths)
        scale = getattr(bundle.card.input, "scale", "none")
        formats = input_formats(bundle.input.layout, precision.input, scale)
    design = Design(network, precision, formats, encoder=part == "encoder", shallow=shallow)
    return TriggerModel(bundle, network, design, score)


def _whole_numbers(bundle: Bundle) -> tuple[Format, ...]:
    """The ports of inputs that are integers."""
    layout = bundle.input.layout
    if isinstance(bundle.input, CaloRegions):
        return (Format(False, bundle.input.card.region_max.bit_length(), 0),) * layout.size
    return hardware_ports(layout)


def _exact(
    bundle: Bundle, scorer: HasExactLayers, score: str, *, bits: Mapping[str, int], part: Part, shallow: bool
) -> TriggerModel:
    if bits or part != "full":
        option = "--bits" if bits else "--part"
        raise UsageError(f"{option}: {bundle.card.name} is in fixed point already, with its library's own types")
    design = ExactDesign(scorer.exact_layers(), bundle.input.layout, shallow=shallow)
    return TriggerModel(bundle, None, design, score)


def lighter_score(model: TriggerModel) -> tuple[str, float] | None:
    """The score of the same bundle that has the fewest weights, and how many as a fraction of those of the model's own.

    None if no other has fewer.
    """
    scorer = model.bundle.scorer
    if not isinstance(scorer, HasLayers):
        return None
    counts = {name: sum(w.products for w in scorer.layers(name).layers) for name in scorer.layered_scores}
    least = min(counts, key=lambda name: counts[name])
    return (least, counts[least] / counts[model.score]) if counts[least] < counts[model.score] else None


def trigger_events(
    model: TriggerModel, files: Sequence[str | InputPath], *, max_events: int | None = None, seed: int = 0
) -> Batch:
    """The selected events of files as the network sees them; without files, random inputs over all of their range.

    Random inputs show whether logic and emulation agree, not what the trigger does.
    """
    if files:
        return trigger_background(model, files, max_events=max_events).batch
    rng = np.random.default_rng(seed)
    n = min(max_events or RANDOM_EVENTS, RANDOM_EVENTS)
    columns = [rng.uniform(form.low, form.high, n) for form in model.design.inputs]
    x = np.stack(columns, axis=1) * (rng.random((n, len(columns))) < rng.random((n, 1)))  # padded slots are 0
    layout = model.bundle.input.layout
    rows = model.design.quantised(rows_as_inputs(x, layout)).astype(np.float32)
    inputs = rows_as_inputs(rows, layout)
    return Batch(model.bundle.card.input.kind, layout, inputs, inputs != 0, np.ones(n))


def float_events(bundle: Bundle, files: Sequence[str | InputPath], *, max_events: int | None, seed: int) -> Batch:
    """The selected events of files as the network sees them; without files, random inputs from 0 to 1.

    Most pixels of random images are dark.
    """
    if files:
        background = read_background(expand_files(files), bundle.card.selection, bundle.input, max_events=max_events)
        return bundle.input.scaled(background.batch)
    rng, layout = np.random.default_rng(seed), bundle.input.layout
    n = min(max_events or RANDOM_EVENTS, RANDOM_EVENTS)
    x = rng.random((n, *layout.shape), dtype=np.float32)
    if layout.axes == IMAGE:
        x *= rng.random(x.shape, dtype=np.float32) < LIT
    return Batch(bundle.card.input.kind, layout, x, None, np.ones(n))


def trigger_background(
    model: TriggerModel, files: Sequence[str | InputPath], *, max_events: int | None = None
) -> Background:
    """The selected events of files, their batch as the network sees it."""
    bundle = model.bundle
    background = read_background(
        expand_files(files), bundle.card.selection, bundle.input, step_size=DEFAULT_STEP_SIZE, max_events=max_events
    )
    return replace(background, batch=bundle.input.scaled(background.batch))


def regions_of(bundle: Bundle, score: str) -> dict[str, RegionCard]:
    """The regions of a bundle on one of its scores: at the same background efficiency if they are on another.

    Those that cut on several scores are left out.
    """
    found = {}
    for name, region in bundle.card.regions.items():
        if region.spec.other_scores:
            continue
        if region.score == score:
            found[name] = region
        elif region.spec.efficiency is not None:
            spec = region.spec.model_copy(update={"score": score})
            found[name] = set_region(name, spec, bundle.quantiles, score)
    return found


def decision_flips(
    regions: Mapping[str, RegionCard], reference: npt.NDArray[Any], other: npt.NDArray[Any]
) -> tuple[Flips, ...]:
    """Compare scores (n,) with the model's, in each region."""
    found = []
    for name, region in regions.items():
        wanted = reference >= region.threshold
        moved = _as_many(other, int(wanted.sum()))
        flips, moved_flips = (float(((other >= cut) != wanted).mean()) for cut in (region.threshold, moved))
        same = moved if wanted.any() else None
        found.append(Flips(name, len(wanted), float(wanted.mean()), flips, moved_flips, same))
    return tuple(found)


def _as_many(scores: npt.NDArray[Any], count: int) -> float:
    """The threshold that lets about `count` scores pass; equal ones pass or fail together."""
    if count == 0:
        return float("inf")
    return float(np.sort(scores)[len(scores) - count])
