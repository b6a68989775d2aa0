"""Which background events a model has not seen: those that its training held out of the files it was given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.bundles.bundle import Bundle
from hepad.cards.selection import SelectionCard
from hepad.errors import InputDataError
from hepad.execution.executor import Execution
from hepad.execution.parts import Part
from hepad.execution.run import Run
from hepad.execution.store import MemoryStore, Store
from hepad.execution.units import Step
from hepad.io.events import Chunk
from hepad.io.reader import DEFAULT_STEP_SIZE
from hepad.objects.cutflow import CutFlow
from hepad.objects.selection import apply_selection
from hepad.paths import InputPath
from hepad.provenance import sha256_file
from hepad.samples.background import set_aside, split_events
from hepad.samples.selected import checked_flow

__all__ = ["HeldOut", "SelectionJob", "held_out", "unseen"]


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
    """Makes `keep`, whether they are selected, and `weight` of all events."""

    selection: SelectionCard

    def prepare(self) -> Step:
        """Nothing needs to be loaded."""
        return Step(self.selection.fields(), self._make)

    def _make(self, chunk: Chunk) -> Part:
        _, keep, flow = apply_selection(chunk.events, self.selection)
        weight = ak.to_numpy(chunk.events.weight).astype(np.float64)
        return Part(len(keep), {"keep": keep, "weight": weight}, flows={"all": flow})


def held_out(
    paths: Sequence[InputPath],
    bundle: Bundle,
    *,
    execution: Execution | None = None,
    store: Callable[[], Store] = MemoryStore,
) -> HeldOut:
    """The events of files that a bundle's training did not see; None for a file that was no part of it.

    Files are told by their sha256. `InputDataError` if only some of the training files are given, as the split can
    be drawn again from all of them only, or if it does not come out as the bundle says. What is read of training
    files is kept in `store`, which is made if there are any.
    """
    if bundle.card.training is None:  # imported: hepad cannot know what its author trained it on
        return HeldOut(tuple(None for _ in paths), tuple(False for _ in paths))
    trained = [record for record in bundle.card.provenance.get("inputs", []) if "skipped" not in record]
    inputs = [record["sha256"] for record in trained]
    hashes = [_sha256(path) for path in paths]
    known = tuple(sha in inputs for sha in hashes)
    if not any(known):
        return HeldOut(tuple(None for _ in paths), known)
    missing = [record["name"] for record in trained if record["sha256"] not in hashes]
    if missing:
        raise InputDataError(
            f"bundle {bundle.card.name} was trained on some of these files, and on {', '.join(missing)} too: give all "
            "of them, for only together do they tell which events were held out, or none"
        )
    order = [hashes.index(sha) for sha in inputs]
    factors: list[npt.NDArray[np.float64] | None] = [None] * len(paths)
    of_all = replace(execution or Execution(), skip_bad_files=False)  # these are not bad: their sha256 is known
    job = SelectionJob(bundle.card.selection)
    run = Run(job, [paths[i] for i in order], DEFAULT_STEP_SIZE, execution=of_all, store=store())
    for place, factor in zip(order, _factors(run, bundle), strict=True):
        factors[place] = factor
    return HeldOut(tuple(factors), known)


def _sha256(path: InputPath) -> str:
    """That of a file; empty if it cannot be read, which its reader will say."""
    try:
        return sha256_file(path)
    except OSError:
        return ""


def _factors(run: Run[SelectionJob], bundle: Bundle) -> list[npt.NDArray[np.float64]]:
    """Repeat the selection and the draw of the training on its files, in its order."""
    keeps: list[list[npt.NDArray[np.bool_]]] = [[] for _ in run.paths]
    weights: list[list[npt.NDArray[np.float64]]] = [[] for _ in run.paths]
    flow: CutFlow | None = None
    for piece in run:
        keeps[piece.file].append(piece.part.columns["keep"])
        weights[piece.file].append(piece.part.columns["weight"])
        flow = piece.part.flows["all"] if flow is None else flow + piece.part.flows["all"]
    checked_flow(flow, run.job.selection, what="background event")
    selected = np.concatenate([mask for parts in keeps for mask in parts])
    mask = unseen(int(selected.sum()), bundle)
    factor = np.ones(len(selected))
    factor[selected] = np.where(mask, 1.0, 0.0)
    found, start = [], 0
    for parts, weight in zip(keeps, weights, strict=True):
        keep = np.concatenate(parts) if parts else np.empty(0, dtype=np.bool_)
        mine, w = factor[start : start + len(keep)], np.concatenate(weight) if weight else np.empty(0)
        start += len(keep)
        left = float(w[keep] @ mine[keep])
        found.append(np.where(keep & (left != 0), mine * (float(w[keep].sum()) / (left or 1.0)), mine))
    return found


def unseen(n: int, bundle: Bundle) -> npt.NDArray[np.bool_]:
    """Mask (n,) of the training's selected events that were held out, or set aside for a study."""
    training = bundle.card.training
    assert training is not None  # noqa: S101  callers have looked
    mask = np.zeros(n, dtype=np.bool_)
    rows = np.arange(n)
    if training.set_aside is not None:
        parts = set_aside(n, training.set_aside)
        mask[parts.aside] = True
        rows = parts.rest
    split = split_events(len(rows), training.options, training.seed)
    if (len(split.train), len(split.holdout)) != (training.events, training.holdout_events):
        raise InputDataError(
            f"bundle {bundle.card.name} held out {training.holdout_events} of its events, these files give "
            f"{len(split.holdout)}: was it trained with --max-events, or by another version of hepad?"
        )
    mask[rows[split.holdout]] = True
    return mask
