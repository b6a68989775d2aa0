"""What event files say of the samples they hold, and the sums over all events that were generated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError, UsageError
from hepad.execution.parts import FileFacts
from hepad.io.events import SampleInfo
from hepad.paths import InputPath
from hepad.stats.scores.acceptance import Sums, generated_sums

__all__ = ["FileSample", "Samples", "common_cross_section", "common_energy", "weight_sums"]

_SAME_PROCESS = 0.05
"""Generators estimate a cross section to a few percent; files of one process differ by no more."""
_SAME_ENERGY = 1e-3


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


class Samples:
    """The samples of files as they are read, and the sums over the events read of each, by place among the inputs.

    With `assumed`, inputs are normalised to the collision energy (GeV) that a file states, `assumed` where it does not.
    """

    def __init__(self, assumed: float | None = None) -> None:
        self.files: dict[int, FileSample] = {}
        self.read: dict[int, Sums] = {}
        self._assumed = assumed
        self._first: tuple[FileSample, float] | None = None

    def add(self, file: int, path: InputPath, facts: FileFacts | None, weights: npt.NDArray[np.float64]) -> None:
        """Count events of a file by their weights (n,); the first time with the facts of the file.

        `InputDataError` if its collision energy is another than that of the files before it.
        """
        if facts is not None:
            self.files[file] = FileSample(path, facts.entries, facts.sample)
            self._check(self.files[file])
        self.read[file] = self.read.get(file, Sums(0, 0.0, 0.0, 0.0)) + weight_sums(weights)

    def __iter__(self) -> Iterator[tuple[FileSample, Sums]]:
        """Each file with the sums over the events read from it, in the order of the inputs."""
        for file in sorted(self.files):
            yield self.files[file], self.read[file]

    def _check(self, sample: FileSample) -> None:
        energy = sample.info.sqrt_s_gev or self._assumed
        if energy is None:
            return
        if self._first is None:
            self._first = (sample, energy)
        first, known = self._first
        if not np.isclose(energy, known, rtol=_SAME_ENERGY):
            common_energy([first, sample])  # raises if both state one
            silent, said = (first, sample) if first.info.sqrt_s_gev is None else (sample, first)
            raise InputDataError(
                f"{silent.path} does not state its collision energy, {said.path.name} states "
                f"{said.info.sqrt_s_gev:g} GeV: give that of all files with --sqrt-s"
            )


def common_energy(samples: Sequence[FileSample]) -> float | None:
    """The collision energy (GeV) that the files state, None if none does; `InputDataError` if they differ."""
    stated = {s.path: s.info.sqrt_s_gev for s in samples if s.info.sqrt_s_gev is not None}
    values = list(stated.values())
    if values and not np.allclose(values, values[0], rtol=_SAME_ENERGY):
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
    negative = -float(weights[weights < 0].sum())
    return Sums(len(weights), float(weights.sum()), float(np.square(weights).sum()), negative)
