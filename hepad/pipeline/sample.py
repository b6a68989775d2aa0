"""What event files say of the samples they hold, and the sums over all events that were generated."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError, UsageError
from hepad.io.events import SampleInfo
from hepad.io.reader import open_events
from hepad.paths import InputPath
from hepad.stats.acceptance import Sums, generated_sums

__all__ = [
    "FileSample",
    "common_cross_section",
    "common_energy",
    "file_samples",
    "weight_sums",
]

_SAME_PROCESS = 0.05
"""Generators estimate a cross section to a few percent; files of one process differ by no more."""


@dataclass(frozen=True)
class FileSample:
    """A file, the number of events in it and what it says of its sample."""

    path: InputPath
    entries: int
    info: SampleInfo

    def generated(self, weights: Sums) -> Sums:
        """The sums over all events generated, for those over the events read from this file.

        If not all events of the file were read, what was generated is taken in the same proportion.
        """
        part = weights.events / self.entries if self.entries else 0.0
        events, weight = self.info.generated_events, self.info.generated_weight
        return generated_sums(
            weights, None if events is None else round(events * part), None if weight is None else weight * part
        )


def file_samples(paths: Sequence[InputPath]) -> list[FileSample]:
    """Open each file and ask what it holds."""
    found = []
    for path in paths:
        with closing(open_events(path)) as source:
            found.append(FileSample(path, source.entries, source.sample()))
    return found


def common_energy(samples: Sequence[FileSample]) -> float | None:
    """The collision energy (GeV) that the files state, None if none does; `InputDataError` if they differ."""
    stated = {s.path: s.info.sqrt_s_gev for s in samples if s.info.sqrt_s_gev is not None}
    values = list(stated.values())
    if values and not np.allclose(values, values[0], rtol=1e-3):
        listed = ", ".join(f"{path.name} {value:g}" for path, value in stated.items())
        raise InputDataError(f"the files are of different collision energies (GeV): {listed}; give them separately")
    return values[0] if values else None


def common_cross_section(samples: Sequence[FileSample]) -> float | None:
    """The cross section (pb) that all files of one process state, averaged over their events; None if one does not.

    `UsageError` if they differ by more than generators' estimates do.
    """
    values = [s.info.cross_section_pb for s in samples]
    known = [v for v in values if v is not None]
    if not known or len(known) < len(values):
        return None
    mean = float(np.average(known, weights=[max(s.entries, 1) for s in samples]))
    if max(abs(v - mean) for v in known) > _SAME_PROCESS * abs(mean):
        listed = ", ".join(f"{s.path.name} {v:g}" for s, v in zip(samples, known, strict=True))
        raise UsageError(
            f"the files state different cross sections (pb): {listed}; give that of the sample with --xsec"
        )
    return mean


def weight_sums(weights: npt.NDArray[np.float64]) -> Sums:
    """The sums of weights (n,)."""
    return Sums(len(weights), float(weights.sum()), float(np.square(weights).sum()))
