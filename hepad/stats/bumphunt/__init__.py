"""Bump hunts: windows, p-values, pseudo-experiments."""

from hepad.stats.bumphunt.hunt import BumpHunt, Found, PlaneHunt, Tomography, bump_hunt, hunt_channels, hunt_plane
from hepad.stats.bumphunt.windows import Direction, ScanOptions, make_windows

__all__ = [
    "BumpHunt",
    "Direction",
    "Found",
    "PlaneHunt",
    "ScanOptions",
    "Tomography",
    "bump_hunt",
    "hunt_channels",
    "hunt_plane",
    "make_windows",
]
