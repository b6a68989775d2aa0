"""Jets in numpy's .npz, zero-padded: parts of JetClass and of the top-tagging set as they are passed around.

`p4` (N, 4, n): px, py, pz and energy of up to n particles of each jet in GeV; where the energy is 0 there is none. The
jet is their sum. `label` (N,), if it is there, is a whole number of what was simulated: the file does not say which
number is what, so that an entry's `label` is `class_0`, `class_1` and so on. Other arrays are not read.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError
from hepad.io.detector.jet_tables import ParticleTable, Rows, sums_of_particles
from hepad.io.detector.npz import NpzFile
from hepad.io.events import Fields, check_finite, check_not_negative
from hepad.paths import InputPath

__all__ = ["MOMENTA", "JetArchive"]

MOMENTA = "p4"
_LABEL = "label"
_CLASSES = 1000
"""More is no label."""
_PARTICLES = 1024
"""Most of a jet, so that a block of jets fits into memory."""


class JetArchive(ParticleTable):
    """An open .npz of jets."""

    format = "jet_archive"
    title = "a .npz of jets"

    def __init__(self, path: InputPath, archive: NpzFile) -> None:
        super().__init__(path, archive)
        archive.told = "jets"
        shape, dtype = archive.header(MOMENTA, {(4, None)})
        if shape[2] > _PARTICLES:
            raise InputDataError(f"{path}: array {MOMENTA!r} has {shape[2]} particles a jet, more than {_PARTICLES}")
        self.entries = shape[0]
        self._momenta = archive.rows(MOMENTA, shape, dtype)
        self._classes = self._labelled(archive) if _LABEL in archive.names else None
        known: AbstractSet[int] = set() if self._classes is None else set(self._classes.tolist())
        self.labels = tuple(f"class_{number}" for number in sorted(known))

    def cuts(self, fields: Fields) -> list[int]:  # noqa: ARG002  the same for all
        """The end only: it is unpacked in one go."""
        return [self.entries]

    def read(self, start: int, stop: int) -> Rows:
        """Entries [start, stop)."""
        block = self._momenta.read(start, stop).astype(np.float64)
        offsets = np.arange(stop - start + 1, dtype=np.int64) * (block.shape[1] * block.shape[2])
        check_finite(block.reshape(-1), path=self.path, branch=MOMENTA, start=start, offsets=offsets)
        energy = block[:, 3]
        self.check(energy, MOMENTA, start)
        particles, jets = sums_of_particles(*block.transpose(1, 0, 2), there=energy > 0)
        classes = None if self._classes is None else self._classes[start:stop]
        labels = {} if classes is None else {name: classes == int(name[6:]) for name in self.labels}
        return Rows(particles.sorted(), jets, labels)

    def _labelled(self, archive: NpzFile) -> npt.NDArray[np.int64]:
        shape, dtype = archive.header(_LABEL, {()}, "iu")
        if shape[0] != self.entries:
            raise InputDataError(f"{self.path}: array {_LABEL!r} has {shape[0]} rows, {MOMENTA!r} {self.entries}")
        values = archive.rows(_LABEL, shape, dtype).read(0, self.entries)
        check_not_negative(values, path=self.path, branch=_LABEL, start=0)
        if values.size and int(values.max()) >= _CLASSES:
            raise InputDataError(
                f"{self.path}: array {_LABEL!r} has {int(values.max())}; labels of jets are below {_CLASSES}"
            )
        return values.astype(np.int64)
