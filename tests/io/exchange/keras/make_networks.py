"""Make the networks that the import is held against, with TensorFlow: `python make_networks.py FOLDER`.

For Keras 2 (package tf_keras) and 3, each network in all three formats, and what TensorFlow computes of random inputs:
`keras3/dense.h5`, `keras3/dense.keras`, `keras3/dense/` (SavedModel) and `keras3/dense.npz` with `x` and `y`, by rows.
`tests/data/keras_networks.zip` is such a folder, packed by `--zip`; `nox -s keras` makes a new one and tests on it.
With an older TensorFlow the folder is that of its Keras, `keras2.13`: two `.keras` files of that one, in which weights
lie otherwise, were added to the archive.
"""

from __future__ import annotations

import argparse
import os
import zipfile
from pathlib import Path
from typing import Any

os.environ |= {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"}

import keras
import numpy as np
import tensorflow as tf

try:
    import tf_keras
except ImportError:  # TensorFlow 2.15 and before, whose Keras is 2
    tf_keras = keras

EVENTS = 8
ACTIVATIONS = (
    "linear", "relu", "relu6", "leaky_relu", "elu", "selu", "tanh", "sigmoid", "hard_sigmoid", "softmax", "softplus",
    "softsign", "exponential", "swish", "gelu", "mish",
)  # fmt: skip


def dense(k: Any) -> Any:
    """An autoencoder of a vector, with everything that has its own way in each Keras."""
    layers = k.layers
    return k.Sequential(
        [
            layers.Input((7,)),
            layers.Normalization(mean=np.linspace(-1, 1, 7).tolist(), variance=np.linspace(0.5, 2, 7).tolist()),
            layers.Rescaling(0.5, offset=0.1),
            layers.Dense(6, activation=layers.LeakyReLU(0.05)),
            layers.BatchNormalization(),
            layers.Dropout(0.2),
            layers.Dense(5, use_bias=False),
            layers.BatchNormalization(scale=False, epsilon=0.01),
            layers.ReLU(max_value=1.5, negative_slope=0.1),
            layers.GaussianNoise(0.1),
            layers.Dense(4),
            layers.PReLU(),
            layers.LayerNormalization(epsilon=0.01),
            layers.Dense(7, activation="tanh"),
        ],
        name="dense",
    )


def image(k: Any) -> Any:
    """A convolutional autoencoder of two models, an encoder and a decoder, within a third."""
    layers = k.layers
    seen = layers.Input((6, 5, 2))
    x = layers.Conv2D(3, (3, 2), strides=2, padding="same", activation="relu")(seen)
    x = layers.BatchNormalization()(x)
    x = layers.ZeroPadding2D(((1, 0), (2, 1)))(x)
    x = layers.DepthwiseConv2D(2, depth_multiplier=2, activation="elu")(x)
    x = layers.SeparableConv2D(4, 2, padding="same")(x)
    x = layers.MaxPooling2D(2, strides=1, padding="same")(x)
    x = layers.Permute((2, 1, 3))(x)
    encoder = k.Model(seen, layers.Flatten()(x), name="encoder")
    latent = layers.Input(encoder.output_shape[1:])
    y = layers.Dense(12, activation="swish")(latent)
    y = layers.Reshape((2, -1, 2))(y)
    y = layers.Conv2DTranspose(3, (3, 2), strides=(2, 1), padding="same", activation="softplus")(y)
    y = layers.UpSampling2D((1, 2))(y)
    y = layers.AveragePooling2D(2, strides=1, padding="same")(y)
    y = layers.Conv2DTranspose(2, 2, strides=(2, 1), padding="valid")(y)
    y = layers.Cropping2D(((1, 1), (2, 0)))(y)
    decoder = k.Model(latent, y, name="decoder")
    whole = layers.Input((6, 5, 2))
    return k.Model(whole, decoder(encoder(whole)), name="image")


def sequence(k: Any) -> Any:
    """Convolutions along one axis, and branches that meet."""
    layers = k.layers
    seen = layers.Input((8, 3))
    x = layers.Conv1D(4, 3, padding="causal", dilation_rate=2, activation="gelu")(seen)
    x = layers.LayerNormalization()(x)
    x = layers.SpatialDropout1D(0.1)(x)
    one = layers.Conv1D(4, 2, strides=2, groups=2)(x)
    two = layers.MaxPooling1D(2)(x)
    x = layers.Add()([one, two])
    x = layers.Conv1DTranspose(3, 3, strides=2, padding="same")(x)
    x = layers.UpSampling1D(2)(x)
    x = layers.AveragePooling1D(3, padding="same")(x)
    x = layers.Dense(4, activation="softmax")(x)
    mean, top = layers.GlobalAveragePooling1D()(x), layers.GlobalMaxPooling1D()(x)
    parts = [mean, top, layers.Multiply()([mean, top]), layers.Average()([mean, top]), layers.Subtract()([mean, top])]
    return k.Model(seen, layers.Concatenate()(parts), name="sequence")


def activations(k: Any) -> Any:
    """Every activation that both have, by name and as a layer."""
    layers = k.layers
    seen = layers.Input((5,))
    known = [name for name in ACTIVATIONS if hasattr(k.activations, name)]
    parts = [layers.Dense(2, activation=name, name=f"by_{name}")(seen) for name in known]
    made = [layers.LeakyReLU(), layers.ELU(0.7), layers.Softmax(), layers.ReLU(), layers.Activation("tanh")]
    return k.Model(
        seen, layers.Concatenate()([*parts, *(one(layers.Dense(2)(seen)) for one in made)]), name="activations"
    )


class Autoencoder(tf_keras.Model):  # type: ignore[misc]
    """A model that is Python code, as in TensorFlow's tutorials: only a SavedModel holds what it computes."""

    def __init__(self) -> None:
        super().__init__()
        layers = tf_keras.layers
        self.encoder = tf_keras.Sequential([layers.Dense(5, activation=layers.LeakyReLU()), layers.Dense(3)])
        self.decoder = tf_keras.Sequential([layers.Dense(5, activation=layers.LeakyReLU()), layers.Dense(6)])

    def call(self, x: Any) -> Any:
        """The decoded code, and a shortcut that no description of layers has."""
        return self.decoder(self.encoder(x)) + 0.1 * x


def fill(model: Any, rng: np.random.Generator) -> None:
    """Weights that are not those of a beginning, statistics of a batch that are not 0 and 1."""
    for variable in model.weights:
        shape = tuple(variable.shape)
        if "variance" in variable.name:
            variable.assign(rng.uniform(0.3, 3, shape))
        elif "seed" not in variable.name and "count" not in variable.name:
            variable.assign(rng.normal(0.1, 0.5, shape))


def write(model: Any, folder: Path, name: str, rng: np.random.Generator, shape: tuple[int, ...]) -> None:
    """All formats, and vectors."""
    x = rng.normal(size=(EVENTS, *shape)).astype(np.float32)
    y = np.asarray(model(tf.constant(x), training=False))
    np.savez(folder / f"{name}.npz", x=x.reshape(EVENTS, -1), y=y.reshape(EVENTS, -1))
    if isinstance(model, Autoencoder):
        model.save(folder / name, save_format="tf")
        return
    model.save(folder / f"{name}.keras")
    model.save(folder / f"{name}.h5")
    if isinstance(model, tf_keras.Model):
        model.save(folder / name, save_format="tf")
    else:
        model.export(folder / name, verbose=False)


def main() -> None:
    """Write the folder, and the archive of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--zip", type=Path)
    options = parser.parse_args()
    rng = np.random.default_rng(18)
    versions = {"keras2": tf_keras, "keras3": keras}
    if tf_keras is keras:
        versions = {f"keras{'.'.join(keras.__version__.split('.')[:2])}": keras}
    for version, k in versions.items():
        folder = options.folder / version
        folder.mkdir(parents=True, exist_ok=True)
        for make in (dense, image, sequence, activations):
            k.utils.set_random_seed(1)
            model = make(k)
            fill(model, rng)
            write(model, folder, make.__name__, rng, tuple(model.input_shape[1:]))
    model = Autoencoder()
    model(tf.zeros((1, 6)))
    fill(model, rng)
    write(model, options.folder / next(iter(versions)), "subclassed", rng, (6,))
    if options.zip is not None:
        with zipfile.ZipFile(options.zip, "w") as archive:
            for path in sorted(path for path in options.folder.rglob("*") if path.is_file()):
                if path.name not in {"keras_metadata.pb", "fingerprint.pb"}:  # which hepad does not read
                    name = zipfile.ZipInfo(str(path.relative_to(options.folder)))
                    archive.writestr(name, path.read_bytes(), zipfile.ZIP_LZMA)


if __name__ == "__main__":
    main()
