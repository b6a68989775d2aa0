"""`hepad hunt`: one window, an analysis of windows, a plane of two masses, or replicas of a background.

Masses are in GeV; limits are at 95 % CL, on events, and with a luminosity in fb, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from typing_extensions import TypedDict

from hepad.execution.run import Skipped
from hepad.methods.base.contract import Network
from hepad.pipeline.hunt.honesty import MassDependence, Spill
from hepad.pipeline.hunt.plane_report import RegionRow, SpectrumRow
from hepad.pipeline.hunt.replicas import ReplicaRow
from hepad.pipeline.hunt.report import HuntRegion
from hepad.pipeline.hunt.windows_rows import BumpRow, DependenceRow, ScanPoint, SignalRow, SpillRow, WindowResult
from hepad.pipeline.schemas.parts import CutStep, Provenance

__all__ = ["Printed", "WrittenOfAnalysis", "WrittenOfPlane", "WrittenOfReplicas"]


class OneHunt(TypedDict):
    """A window told from its sidebands, and every event scored."""

    method: str
    selection: str
    mass: str
    cutflow: list[CutStep]
    folds: int
    scores: list[str]
    """The default first."""
    events: dict[str, int]
    """Those selected, in the window, in each sideband, and without the mass."""
    networks: list[Network]
    regions: dict[str, HuntRegion]
    dependence: MassDependence
    """Of the default score."""
    spills: dict[str, Spill]
    """By simulated signal."""
    skipped: list[Skipped]
    output: str | None


class GlobalP(TypedDict):
    """The global p-value over several looks."""

    best: int
    """The place of the largest significance, from 0."""
    global_p: float
    global_p_error: float
    effective: float | None
    """How many independent looks would give as many chances; null if that cannot be told."""
    bootstraps: int
    shared_events: int
    """Events in more than one spectrum."""


@dataclass(frozen=True, kw_only=True)
class ScanPointInFb(ScanPoint):
    """The same with its limits in fb, too, null where they could not be found."""

    observed_fb: float | None
    expected_fb: tuple[float, ...] | None


@dataclass(frozen=True, kw_only=True)
class SignalRowInFb(SignalRow):
    """The same with its limits in fb, too, null where they could not be found."""

    observed_fb: float | None
    expected_fb: tuple[float, ...] | None


class Analysis(TypedDict):
    """A search in windows with several methods."""

    analysis: str
    mass: str
    luminosity_per_fb: float | None
    cutflow: list[CutStep]
    windows: list[WindowResult]
    global_p: dict[str, GlobalP | None]
    """Of the counts in windows, by method."""
    global_p_of_all: GlobalP | None
    """Of all methods; null without bootstraps."""
    scan: list[ScanPoint] | list[ScanPointInFb]
    global_p_of_scan: dict[str, GlobalP | None]
    global_p_of_scan_of_all: GlobalP | None
    global_p_of_everything: GlobalP | None
    """Of windows and scans together."""
    bumps: list[BumpRow]
    signals: list[SignalRow] | list[SignalRowInFb]
    mass_dependence: list[DependenceRow]
    signal_in_sidebands: list[SpillRow]
    left_out: dict[str, str]
    """Why windows of methods, or a global p-value, are not there."""


class Plane(TypedDict):
    """A search in the plane of two masses, in several regions."""

    analysis: str
    mass: str
    luminosity_per_fb: float | None
    regions: list[RegionRow]
    spectra: list[SpectrumRow]
    scan: list[ScanPoint] | list[ScanPointInFb]
    bumps: list[BumpRow]
    signals: list[SignalRow] | list[SignalRowInFb]
    global_p: dict[str, GlobalP | None]
    """By region."""
    global_p_of_all: GlobalP | None
    toys: int
    left_out: dict[str, str]


_Below = TypedDict("_Below", {"below_0.01": float, "below_0.05": float})


class PValues(_Below):
    """The local p-values of a method in all windows and replicas; `below_*` are shares."""

    p_values: int
    """How many."""
    mean: float
    kolmogorov_p: float
    """The probability of p-values as far from uniform ones."""


class Replicas(TypedDict):
    """Hunts in parts of events that have background alone."""

    analysis: str
    mass: str
    events: int
    replicas: int
    share: float
    """Of the events, in each."""
    methods: dict[str, PValues]
    windows: list[ReplicaRow]
    left_out: dict[str, str]


class AnalysisPrinted(Analysis):
    """A search in windows with several methods, and where it was written."""

    output: str | None


class PlanePrinted(Plane):
    """A search in the plane of two masses, and where it was written."""

    output: str | None


class ReplicasPrinted(Replicas):
    """Hunts in parts of events that have background alone, and where they were written."""

    output: str | None


class WrittenOfAnalysis(TypedDict):
    """A search in windows, what it was asked for, and its provenance."""

    analysis: dict[str, Any]
    """The card, of `hepad schema hunt`."""
    methods: dict[str, dict[str, Any]]
    """How each method hunts."""
    signals: dict[str, int]
    """How many files each has."""
    toys: int
    max_events: int | None
    luminosity_per_fb: float | None
    provenance: Provenance
    report: Analysis


class WrittenOfPlane(TypedDict):
    """A search in the plane of two masses, what it was asked for, and its provenance."""

    analysis: dict[str, Any]
    """The card, of `hepad schema plane`."""
    regions: list[str]
    columns: dict[str, str]
    """Names of columns of a table in place of ours."""
    table: bool | str | None
    signals: dict[str, int]
    toys: int
    max_events: int | None
    luminosity_per_fb: float | None
    mass: str | None
    provenance: Provenance
    report: Plane


class WrittenOfReplicas(TypedDict):
    """Hunts in replicas, what they were asked for, and their provenance."""

    analysis: dict[str, Any]
    """The card, of `hepad schema hunt`."""
    methods: dict[str, dict[str, Any]]
    replicas: int
    share: float
    max_events: int | None
    provenance: Provenance
    report: Replicas


Printed = OneHunt | AnalysisPrinted | PlanePrinted | ReplicasPrinted
