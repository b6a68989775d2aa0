"""The networks in files of Keras and TensorFlow, told by their form: `.keras`, HDF5, or a folder of a SavedModel.

Nothing in them is run or unpickled: layers are known by the names of their classes, operations by theirs.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hepad.errors import HepadError, InputDataError
from hepad.io.exchange.keras.config import build_model
from hepad.io.exchange.keras.hdf5 import WeightsByName, WeightsByPlace, hdf5, parsed
from hepad.io.exchange.keras.limits import Budget, read_bounded
from hepad.io.exchange.keras.saved_model import saved_model
from hepad.io.exchange.keras.variables import Variables
from hepad.io.exchange.onnx_file import MAX_BYTES

__all__ = ["KerasNetwork", "files_of", "is_keras", "read_keras"]

_ENDINGS = (".keras", ".h5", ".hdf5")
_SAVED_MODEL, _VARIABLES = "saved_model.pb", "variables"
_MAX_JSON = 16 << 20


@dataclass(frozen=True)
class KerasNetwork:
    """A network as an ONNX file, the kinds of its layers or operations, and the files that it was read from.

    `onnx` takes rows `x` with the numbers of an event, and gives rows `output`.
    """

    onnx: bytes
    layers: tuple[str, ...]
    files: tuple[Path, ...]


def is_keras(path: Path) -> bool:
    """Whether a path is one of Keras or TensorFlow, by its ending or, for a folder, what is in it."""
    return (path / _SAVED_MODEL).exists() if path.is_dir() else path.suffix.lower() in _ENDINGS


def files_of(path: Path) -> tuple[Path, ...]:
    """The files that a network is read from; `InputDataError` if the list of its variables is damaged."""
    if not path.is_dir():
        return (path,)
    return (path / _SAVED_MODEL, *Variables(path / _VARIABLES, Budget()).files())


def read_keras(path: Path, image: tuple[int, ...] | None = None) -> KerasNetwork:
    """The network of a `.keras`, an HDF5 file or a SavedModel.

    `image` is the shape (channels, rows, columns) of a row that holds an image with its channels first; else its
    numbers are in the order of the network's memory, channels last.
    `InputDataError` names the file, the layer or operation, and what is not read of it; also for whatever is damaged.
    """
    with _naming(path):
        if path.is_dir():
            return KerasNetwork(*saved_model(path / _SAVED_MODEL, path / _VARIABLES, image), files_of(path))
        content = read_bounded(path)
        if zipfile.is_zipfile(io.BytesIO(content)):
            data, layers = _from_zip(content, image)
        elif content.startswith(b"\x89HDF\r\n\x1a\n"):
            data, layers = _from_hdf5(content, image)
        else:
            raise InputDataError("neither a zip file of Keras 3 nor HDF5; is it complete?")
        return KerasNetwork(data, layers, (path,))


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Errors that name the file."""
    try:
        yield
    except InputDataError as error:
        text = str(error)
        raise InputDataError(text if text.startswith(str(path)) else f"{path}: {text}") from error


def _from_hdf5(content: bytes, image: tuple[int, ...] | None) -> tuple[bytes, tuple[str, ...]]:
    with hdf5(content) as file:
        text = file.text("model_config")
        if text is None:
            raise InputDataError("it holds weights without their model: save the whole model with model.save")
        description = parsed(text, "its model_config")
        keras = _major(file.text("keras_version"))
        return build_model(description, WeightsByName(file), keras=keras, image=image)


def _from_zip(content: bytes, image: tuple[int, ...] | None) -> tuple[bytes, tuple[str, ...]]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            description = parsed(_member(archive, "config.json", _MAX_JSON), "config.json")
            metadata = parsed(_member(archive, "metadata.json", _MAX_JSON), "metadata.json")
            weights = _member(archive, "model.weights.h5", MAX_BYTES)
    except HepadError:
        raise
    except Exception as error:  # of the zip file, and of what packs it
        raise InputDataError(f"not a complete zip file ({str(error)[:120]})") from error
    version = metadata.get("keras_version") if isinstance(metadata, dict) else None
    with hdf5(weights) as file:
        return build_model(description, WeightsByPlace(file), keras=_major(version), image=image)


def _member(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    """A file of the archive, in memory: nothing is unpacked to disk."""
    if name not in archive.namelist():
        raise InputDataError(f"it has no {name}: is it a model that Keras saved?")
    with archive.open(name) as member:
        content = member.read(most + 1)
    if len(content) > most:
        raise InputDataError(f"its {name} has more than {most} bytes")
    return content


def _major(version: object) -> int:
    """2 for `2.15.0`; Keras 3 if nobody says."""
    first = version.partition(".")[0] if isinstance(version, str) else ""
    return int(first) if first.isdigit() and len(first) < 4 else 3
