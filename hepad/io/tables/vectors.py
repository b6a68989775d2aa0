"""Arrays that somebody else wrote, from .npz files: no pickle, bounded sizes, errors that name file and array."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError
from hepad.io.text import check_regular, first_line

__all__ = ["MAX_BYTES", "read_arrays"]

MAX_BYTES = 2 << 30
"""Largest size of all arrays together, unpacked."""


def read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """All arrays of a .npz file; `InputDataError` if it is none, is too large, or holds what is no plain array."""
    check_regular(path)
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > MAX_BYTES:
            raise InputDataError(f"{path}: {size} bytes of arrays, more than {MAX_BYTES}")
        with np.load(path, allow_pickle=False) as content:
            return {name: content[name] for name in content.files}
    except OSError as error:
        raise InputDataError(f"{path}: cannot be read ({error.strerror or error})") from error
    except InputDataError:
        raise
    except Exception as error:  # of the zip file, of what compresses it, of the arrays' headers
        raise InputDataError(
            f"{path} is not a file of plain arrays as numpy.savez writes it ({first_line(error)})"
        ) from error
