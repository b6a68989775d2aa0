"""Which background events a model has not seen: those that its training held out of the files it was given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.bundles.bundle import Bundle
from hepad.cards.bundle import Training
from hepad.cards.selection import SelectionCard
from hepad.errors import InputDataError
from hepad.execution.executor import Execution
from hepad.execution.parts import Part
from hepad.execution.run import Run
from hepad.execution.store import MemoryStore, Store
from hepad.execution.units import Step
from hepad.io.events import Chunk
from hepad.io.reader import DEFAULT_STEP_SIZE
from hepad.objects.selection import apply_selection
from hepad.paths import InputPath
from hepad.provenance import sha256_file
from hepad.samples.parting import unseen
from hepad.samples.selected import checked_flow
from hepad.samples.split import EventIds

__all__ = ["HeldOut", "SelectionJob", "held_out"]


@dataclass(frozen=True)
class HeldOut:
    """For each file the factor (n,) that its n events are weighted with: 0 for those that a training has seen.

    The others of a training file stand in for all of it: what the training selected of the file keeps its sum of
    weights. `trained_on` says which files were in the training.
    """

    factors: tuple[npt.NDArray[np.float64] | None, ...]
    trained_on: tuple[bool, ...]


@dataclass(frozen=True)
class SelectionJob:
    """Makes `entry`, `keep`, whether they are selected, and `weight` of all events."""

    selection: SelectionCard

    def prepare(self) -> Step:
        """Nothing needs to be loaded."""
        return Step(self.selection.fields(), self._make)

    def _make(self, chunk: Chunk) -> Part:
        _, keep, flow = apply_selection(chunk.events, self.selection)
        weight = ak.to_numpy(chunk.events.weight).astype(np.float64)
        entry = ak.to_numpy(chunk.events.index).astype(np.int64)
        return Part(len(keep), {"entry": entry, "keep": keep, "weight": weight}, flows={"all": flow})


def held_out(
    paths: Sequence[InputPath],
    bundle: Bundle,
    *,
    execution: Execution | None = None,
    store: Callable[[], Store] = MemoryStore,
) -> HeldOut:
    """The events of files that a bundle's training did not see; None for a file that was no part of it.

    Files are told by their sha256. Of a bundle whose events were parted by their rows, `InputDataError` if only some of
    the training files are given, as the split can be drawn again from all of them only, or if it does not come out as
    the bundle says. What is read of training files is kept in `store`, which is made if there are any.
    """
    training = bundle.card.training
    if training is None:  # imported: hepad cannot know what its author trained it on
        return HeldOut(tuple(None for _ in paths), tuple(False for _ in paths))
    trained = [record for record in bundle.card.provenance.get("inputs", []) if "skipped" not in record]
    inputs = [record["sha256"] for record in trained]
    hashes = [_sha256(path) for path in paths]
    known = tuple(sha in inputs for sha in hashes)
    if not any(known):
        return HeldOut(tuple(None for _ in paths), known)
    by_rows = training.split == "rows/1"
    missing = [record["name"] for record in trained if record["sha256"] not in hashes]
    if by_rows and missing:
        raise InputDataError(
            f"bundle {bundle.card.name} was trained on some of these files, and on {', '.join(missing)} too: give all "
            "of them, for only together do they tell which events were held out, or none"
        )
    order = [hashes.index(sha) for sha in inputs] if by_rows else [place for place, seen in enumerate(known) if seen]
    factors: list[npt.NDArray[np.float64] | None] = [None] * len(paths)
    of_all = replace(execution or Execution(), skip_bad_files=False)  # these are not bad: their sha256 is known
    job = SelectionJob(bundle.card.selection)
    run = Run(job, [paths[i] for i in order], DEFAULT_STEP_SIZE, execution=of_all, store=store())
    factor_of = _factors(run, [hashes[place] for place in order], training, bundle.card.name)
    for place, factor in zip(order, factor_of, strict=True):
        factors[place] = factor
    return HeldOut(tuple(factors), known)


def _sha256(path: InputPath) -> str:
    """That of a file; empty if it cannot be read, which its reader will say."""
    try:
        return sha256_file(path)
    except OSError:
        return ""


def _factors(
    run: Run[SelectionJob], sha256: Sequence[str], training: Training, name: str
) -> list[npt.NDArray[np.float64]]:
    """The factors of the events of each file of a run, whose hashes are these."""
    pieces = list(run)
    whole = Part.join([piece.part for piece in pieces])
    checked_flow(whole.flows["all"], run.job.selection, what="background event")
    entry, keep, weight = (whole.columns[column] for column in ("entry", "keep", "weight"))
    file = np.repeat([piece.file for piece in pieces], [len(piece.part.columns["keep"]) for piece in pieces])
    usable = np.ones(len(keep))
    usable[keep] = unseen(EventIds(sha256, file[keep], entry[keep]), training, name)
    found = []
    for place in range(len(run.paths)):
        mine = file == place
        factor, selected, w = usable[mine], keep[mine], weight[mine]
        left = float(w[selected] @ factor[selected])
        factor[selected & (left != 0)] *= float(w[selected].sum()) / (left or 1.0)
        found.append(factor)
    return found
