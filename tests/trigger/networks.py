"""Small networks of random weights."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from hepad import registry
from hepad.inputs.layout import Layout
from hepad.nn.layers import layers_of

LAYOUT = Layout.vector(["jet1_pt", "jet2_pt", "muon1_pt", "met_pt"])


def made(model, config, state, score, layout=LAYOUT):
    """The layers of a model with these weights; what they leave out keeps that of an untrained one."""
    scorer = registry.load(registry.SCORERS[model])(config, layout)
    scorer.load_state({**scorer.state(), **{k: np.asarray(v, dtype=np.float32) for k, v in state.items()}})
    return layers_of(scorer, score)


def layer(rng, prefix, inputs, outputs, bias=0.2):
    return {
        f"{prefix}.weight": rng.normal(0, 1.5 / np.sqrt(inputs), (outputs, inputs)).astype(np.float32),
        f"{prefix}.bias": rng.normal(0, bias, outputs).astype(np.float32),
    }


def spiking(seed=3, sizes=(4, 5, 3, 5, 4), beta=0.9, steps=5):
    rng = np.random.default_rng(seed)
    state = {}
    for i, (a, b) in enumerate(pairwise(sizes)):
        part = layer(rng, f"layers.{i}", a, b)
        state |= {k: v * (3 if k.endswith("weight") and i < len(sizes) - 2 else 0.5) for k, v in part.items()}
    half = len(sizes) // 2
    config = {"layers": list(sizes[1 : half + 1]), "steps": steps, "beta": beta, "threshold": 1.2}
    return made("snn_ae", config, state, "mse")


def dense(seed=3, sizes=(4, 5, 3, 5, 4)):
    rng, half = np.random.default_rng(seed), len(sizes) // 2
    names = [f"encoder.{2 * i}" for i in range(half)] + [f"decoder.{2 * i}" for i in range(half)]
    state = {}
    for name, a, b in zip(names, sizes, sizes[1:], strict=False):
        state |= layer(rng, name, a, b)
    return made("dnn_ae", {"layers": list(sizes[1 : half + 1])}, state, "mse")


def variational(score, seed=3):
    rng = np.random.default_rng(seed)
    state = layer(rng, "encoder.0", 4, 5) | layer(rng, "encoder.2", 5, 6)
    for name, width in (("normalise", 4), ("encoder.1.0", 5)):
        state |= {
            f"{name}.weight": rng.uniform(0.5, 1.5, width),
            f"{name}.bias": rng.normal(0, 0.2, width),
            f"{name}.running_mean": rng.normal(0, 0.2, width),
            f"{name}.running_var": rng.uniform(0.5, 1.5, width),
        }
    return made("vae", {"layers": [5], "latent": 3, "scores": [score]}, state, score)


def bounded_decoder(layout, seed=3):
    """A variational autoencoder d-5-3-5-d with its tangents and objects that may not be there."""
    rng, width, state = np.random.default_rng(seed), layout.size, {}
    for name, a, b in (("encoder.0", width, 5), ("encoder.2", 5, 6), ("decoder.0", 3, 5), ("decoder.2", 5, width)):
        state |= layer(rng, name, a, b)
    for name, size in (("normalise", width), ("encoder.1.0", 5), ("decoder.1.0", 5)):
        state |= {f"{name}.running_var": rng.uniform(0.5, 1.5, size), f"{name}.bias": rng.normal(0, 0.2, size)}
    return made("vae", {"layers": [5], "latent": 3}, state, "mse", layout)


def chain(seed=3):
    """An embedding 4-5-6 with ReLU, whose scale is that of powers of two, and an autoencoder 6-4-3-4-6 of it."""
    rng = np.random.default_rng(seed)
    state = {}
    for name, a, b in (
        ("embed/backbone.0", 4, 5),
        ("embed/backbone.2", 5, 6),
        ("score/encoder.0", 6, 4),
        ("score/encoder.2", 4, 6),
        ("score/decoder.0", 3, 4),
        ("score/decoder.2", 4, 6),
    ):
        state |= layer(rng, name, a, b)
    config = {
        "embed": {"name": "vicreg", "layers": [5, 6], "projector": [4]},
        "score": {"name": "dense_vae", "layers": [4], "latent": 3},
    }
    return made("chain", config, state, "sse")


def networks():
    return {
        "chain": chain(),
        "spiking": spiking(),
        "dense": dense(),
        "mu2": variational("mu2"),
        "kl": variational("kl"),
        "r": variational("r"),
    }


def rows(n=500, seed=0):
    return np.random.default_rng(seed).uniform(0, 1.5, (n, 4)) * (np.random.default_rng(1).random((n, 4)) > 0.3)
