"""Tables of names: what exists and where its code is, without importing it.

A leaf of the import graph: cards use it to refuse a model that an input cannot feed before torch is loaded.
A test compares the tables with the modules they name.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from hepad.errors import CardError

__all__ = ["INPUTS", "SCORERS", "Entry", "load", "lookup"]


@dataclass(frozen=True)
class Entry:
    """One registered class: `target` is `module:Class`; `inputs` are the input kinds a scorer accepts.

    `trainable` is False for a scorer whose weights only come from elsewhere.
    """

    target: str
    title: str
    inputs: tuple[str, ...] = ()
    trainable: bool = True


INPUTS: dict[str, Entry] = {
    "l1_vector": Entry("hepad.inputs.l1_vector:L1Vector", "fixed-length vector of trigger objects"),
    "rmm": Entry("hepad.inputs.rmm:RapidityMassMatrix", "rapidity-mass matrix"),
}

SCORERS: dict[str, Entry] = {
    "snn_ae": Entry("hepad.models.snn_ae:SpikingAutoencoder", "spiking autoencoder", ("l1_vector",)),
    "dnn_ae": Entry("hepad.models.dnn_ae:DenseAutoencoder", "dense autoencoder", ("l1_vector",)),
    "vae": Entry("hepad.models.vae:VariationalAutoencoder", "variational autoencoder", ("l1_vector",)),
    "rmm_ae": Entry("hepad.models.rmm_ae:RmmAutoencoder", "autoencoder of rapidity-mass matrices", ("rmm",)),
    "onnx": Entry("hepad.models.onnx:OnnxScorer", "network of others, in ONNX", tuple(INPUTS), trainable=False),
}


def lookup(table: dict[str, Entry], name: str, what: str) -> Entry:
    """The entry called `name`; `CardError` that lists the known names otherwise."""
    if name not in table:
        known = ", ".join(sorted(table))
        raise CardError(f"unknown {what} {name!r}: choose one of {known}")
    return table[name]


def load(entry: Entry) -> Any:
    """Import and return the class that an entry names."""
    module, _, attribute = entry.target.partition(":")
    return getattr(import_module(module), attribute)
