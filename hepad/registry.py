"""Tables of names: what exists and where its code is, without importing it.

A leaf of the import graph: cards use it to refuse a model that an input cannot feed before torch is loaded.
A test compares the tables with the modules they name.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from hepad.errors import CardError

__all__ = ["INPUTS", "SCORERS", "Entry", "load", "load_config", "lookup"]


@dataclass(frozen=True)
class Entry:
    """One registered class: `target` is `module:Class`; `inputs` are the input kinds a scorer accepts.

    `config` names the pydantic class of its settings, in the module of the target or in the package around it, which
    loads without torch, so that a wrong card is refused before a file is opened. `trainable` is False for a scorer
    whose weights only come from elsewhere.
    """

    target: str
    title: str
    inputs: tuple[str, ...] = ()
    config: str = ""
    trainable: bool = True


INPUTS: dict[str, Entry] = {
    "l1_vector": Entry(
        "hepad.inputs.l1_vector:L1Vector", "fixed-length vector of trigger objects", config="L1VectorCard"
    ),
    "rmm": Entry("hepad.inputs.rmm:RapidityMassMatrix", "rapidity-mass matrix", config="RmmCard"),
    "calo_image": Entry("hepad.inputs.calo_image:CaloImage", "calorimeter image", config="CaloImageCard"),
}

SCORERS: dict[str, Entry] = {
    "snn_ae": Entry(
        "hepad.models.snn_ae:SpikingAutoencoder",
        "spiking autoencoder",
        ("l1_vector",),
        "SpikingConfig",
    ),
    "dnn_ae": Entry("hepad.models.dnn_ae:DenseAutoencoder", "dense autoencoder", ("l1_vector",), "DenseConfig"),
    "vae": Entry(
        "hepad.models.vae.network:VariationalAutoencoder",
        "variational autoencoder",
        ("l1_vector",),
        "VariationalConfig",
    ),
    "rmm_ae": Entry(
        "hepad.models.rmm_ae:RmmAutoencoder",
        "autoencoder of rapidity-mass matrices",
        ("rmm",),
        "RmmConfig",
    ),
    "conv_ae": Entry(
        "hepad.models.conv_ae.network:ConvAutoencoder",
        "convolutional autoencoder of images",
        ("calo_image",),
        "ConvConfig",
    ),
    "ensemble": Entry("hepad.models.compose:Ensemble", "ensemble of one model", ("l1_vector", "rmm"), "EnsembleConfig"),
    "parallel": Entry("hepad.models.compose:Parallel", "models side by side", ("l1_vector", "rmm"), "ParallelConfig"),
    "chain": Entry("hepad.models.compose:Chain", "model of embeddings", ("l1_vector", "rmm"), "ChainConfig"),
    "onnx": Entry(
        "hepad.models.onnx:OnnxScorer",
        "network of others, in ONNX",
        ("l1_vector", "rmm"),
        "OnnxConfig",
        trainable=False,
    ),
}


def lookup(table: dict[str, Entry], name: str, what: str) -> Entry:
    """The entry called `name`; `CardError` that lists the known names otherwise."""
    if name not in table:
        known = ", ".join(sorted(table))
        raise CardError(f"unknown {what} {name!r}: choose one of {known}")
    return table[name]


def load(entry: Entry) -> Any:
    """Import and return the class that an entry names."""
    return _named(entry.target)


def load_config(entry: Entry) -> Any:
    """Import and return the class of an entry's settings; torch is not loaded."""
    module = entry.target.partition(":")[0]
    if module.endswith(".network"):
        module = module.rpartition(".")[0]
    return _named(f"{module}:{entry.config}")


def _named(target: str) -> Any:
    module, _, attribute = target.partition(":")
    return getattr(import_module(module), attribute)
