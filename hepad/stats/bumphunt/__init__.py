"""Bump hunts: windows, p-values, pseudo-experiments, injected signals, trials."""

from hepad.stats.bumphunt.found import BumpHunt, Found, PlaneHunt, Tomography
from hepad.stats.bumphunt.hunt import bump_hunt, hunt_channels, hunt_plane, make_null
from hepad.stats.bumphunt.injection import Sensitivity, gaussian_shape, sensitivity
from hepad.stats.bumphunt.null import CountedNull, FixedNull, Null, RefittedNull
from hepad.stats.bumphunt.trials import Trials, check_table, global_p_of_many, make_cells
from hepad.stats.bumphunt.windows import Direction, ScanOptions, make_windows

__all__ = [
    "BumpHunt",
    "CountedNull",
    "Direction",
    "FixedNull",
    "Found",
    "Null",
    "PlaneHunt",
    "RefittedNull",
    "ScanOptions",
    "Sensitivity",
    "Tomography",
    "Trials",
    "bump_hunt",
    "check_table",
    "gaussian_shape",
    "global_p_of_many",
    "hunt_channels",
    "hunt_plane",
    "make_cells",
    "make_null",
    "make_windows",
    "sensitivity",
]
