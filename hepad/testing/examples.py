"""Small made-up events of each layout: background that a network can learn, and events that it must find odd."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.inputs.batch import Batch
from hepad.inputs.layout import IMAGE, SET, VECTOR, Layout
from hepad.io.events import COLLECTION_FEATURES, COLUMNS, SCALARS, Fields, record
from hepad.io.jets import PARTICLES
from hepad.io.memory import events_from

__all__ = ["OBJECTS", "example_batch", "example_events", "example_layout", "vector_columns"]

OBJECTS = ("jet1", "jet2", "jet3", "muon1", "electron1", "met")

_Floats = npt.NDArray[np.float64]


def vector_columns(features: Sequence[str] = ("pt",)) -> tuple[str, ...]:
    """The columns of an example vector: six objects, of which missing momentum has no eta."""
    return tuple(
        f"{thing}_{feature}" for thing in OBJECTS for feature in features if (thing, feature) != ("met", "eta")
    )


def example_layout(axes: tuple[str, ...] = VECTOR, features: Sequence[str] = ("pt",)) -> Layout:
    """A small layout of the given axes."""
    if axes == SET:
        return Layout.set(8, features)
    if axes == IMAGE:
        return Layout.image(features, 16, 24)
    return Layout.vector(vector_columns(features))


def example_batch(
    kind: str,
    n: int,
    *,
    seed: int,
    axes: tuple[str, ...] = VECTOR,
    features: Sequence[str] = ("pt",),
    odd: bool = False,
) -> Batch:
    """`n` events of a kind as a network sees them, in the layout `example_layout(axes, features)`.

    Background follows two common factors, so that a few latent numbers describe it, and lacks some objects; `odd`
    events are far above it and not in its proportions.
    """
    rng, layout = np.random.default_rng([seed, odd]), example_layout(axes, features)
    make = {VECTOR: _vector, SET: _set, IMAGE: _image}[axes]
    x, mask = make(rng, n, layout, odd)
    beside = {"id": np.where(mask[:, :, 0], rng.integers(1, 4, mask.shape[:2]), 0)} if axes == SET else {}
    return Batch(kind, layout, np.where(mask, x, 0).astype(np.float32), mask, np.ones(n), beside)


_OF_JETS = ("sdmass", "tau1", "tau2", "tau3", "tau4", "d0", "d0err", "dz", "dzerr")
_INTEGERS = ("hw_pt", "hw_eta", "hw_phi", "ieta", "iphi", "iet")


def example_events(n: int, *, seed: int, fields: Fields | None = None) -> ak.Array:
    """`n` events of every collection in hepad's schema, with the fields asked for; weights are not all the same.

    A collection has none to four objects, so that any quantity is missing in some events.
    """
    rng, jet_rng = np.random.default_rng(seed), np.random.default_rng([seed, 1])
    arrays: dict[str, Any] = {"weight": rng.uniform(0.5, 1.5, n), "scalar_ht": rng.uniform(0, 500, n)}
    arrays["track_count"] = np.arange(n) % 101
    for name, features in COLLECTION_FEATURES.items():
        if name in SCALARS:
            continue
        counts = None if name == "met" else rng.integers(0, 5, n)
        size = n if counts is None else int(counts.sum())
        flat = {
            "pt": rng.exponential(80, size) + 20,
            "eta": rng.uniform(-2.5, 2.5, size),
            "phi": rng.uniform(-np.pi, np.pi, size),
            "mass": rng.exponential(10, size),
            "btag": rng.random(size) < 0.3,
            "charge": rng.choice([-1, 1], size),
            "eem": rng.exponential(20, size),
            "ehad": rng.exponential(20, size),
        }
        flat |= {name: rng.integers(1, 60, size) for name in _INTEGERS}
        flat |= {name: jet_rng.exponential(0.3, size) for name in _OF_JETS}
        flat |= {"energy": flat["pt"] * np.cosh(flat["eta"]), "id": jet_rng.integers(1, len(PARTICLES) + 1, size)}
        kept = {feature: flat[feature] for feature in features}
        whole = {key: ak.Array(value) if counts is None else ak.unflatten(value, counts) for key, value in kept.items()}
        arrays |= {name: ak.zip(whole)}
    own = None if fields is None else {name: of for name, of in fields.items() if name != COLUMNS}
    table_alone = own is not None and not own
    bare = record({"weight": arrays["weight"], "index": np.arange(n)}) if table_alone else None
    events = events_from(arrays, own, sqrt_s_gev=13000) if bare is None else bare
    table_rng = np.random.default_rng([seed, 2])
    columns = {name: table_rng.exponential(1, n) for name in ("a", "b", "c")}
    wanted = columns if fields is None else {name: columns[name] for name in sorted(fields.get(COLUMNS, ()))}
    return ak.with_field(events, record(wanted), COLUMNS) if wanted else events


def _vector(rng: np.random.Generator, n: int, layout: Layout, odd: bool) -> tuple[_Floats, npt.NDArray[np.bool_]]:
    pt, present = _momenta(rng, n, len(OBJECTS), odd)
    values = {"eta": rng.uniform(-2, 2, pt.shape), "phi": rng.uniform(-np.pi, np.pi, pt.shape)}
    places = [(OBJECTS.index(slot.owner), slot.feature) for slot in layout.slots]
    x = np.stack([values.get(feature, pt)[:, place] for place, feature in places], axis=1)
    return x, np.stack([present[:, place] for place, _ in places], axis=1)


def _set(rng: np.random.Generator, n: int, layout: Layout, odd: bool) -> tuple[_Floats, npt.NDArray[np.bool_]]:
    objects, features = layout.shape
    pt, _ = _momenta(rng, n, objects, odd)
    angles = rng.uniform(-2, 2, (n, objects, features))
    angles[:, :, 0] = pt
    present = np.arange(objects) < rng.integers(2, objects + 1, (n, 1))
    return angles, np.broadcast_to(present[:, :, None], angles.shape)


def _image(rng: np.random.Generator, n: int, layout: Layout, odd: bool) -> tuple[_Floats, npt.NDArray[np.bool_]]:
    channels, eta, phi = layout.shape
    centre = rng.uniform(0.3, 0.7, (n, 2)) * (eta, phi)
    rows, columns = np.arange(eta)[:, None], np.arange(phi)[None, :]
    distance = (rows - centre[:, :1, None]) ** 2 + (columns - centre[:, 1:, None]) ** 2
    spot = rng.uniform(0.5, 1.0, (n, 1, 1)) * np.exp(-distance / 8)
    image = 6.0 * rng.uniform(0.5, 1.0, (n, eta, phi)) if odd else spot + 0.01 * rng.random((n, eta, phi))
    x = np.repeat(image[:, None], channels, axis=1)
    return x, np.ones(x.shape, dtype=bool)


def _momenta(rng: np.random.Generator, n: int, objects: int, odd: bool) -> tuple[_Floats, npt.NDArray[np.bool_]]:
    present = np.ones((n, objects), dtype=bool)
    if odd:
        return np.tile([6.0, 0.1], (n, -(-objects // 2)))[:, :objects] * rng.uniform(0.9, 1.1, (n, objects)), present
    factors, shares = rng.uniform(0.1, 0.5, (n, 2)), np.linspace(0.2, 1.0, objects)
    present[:, 2] = rng.random(n) < 0.6
    pt = factors[:, :1] * shares + factors[:, 1:] * shares[::-1] + 0.01 * rng.standard_normal((n, objects))
    return pt, present
