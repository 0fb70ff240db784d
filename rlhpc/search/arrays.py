"""Files of arrays: .npz without pickles, of which the same arrays make the same bytes wherever they are written."""

from __future__ import annotations

import contextlib
import io
import json
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlhpc.errors import IncompleteSearchError, InputError
from rlhpc.files import atomic_write

# What reading a damaged .npz raises; RuntimeError: a flipped bit can look like encryption or an unknown compression; the last
# but one of a compressed array, the last of its header.
_UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    RuntimeError,
    InputError,
    zipfile.BadZipFile,
    zlib.error,
    tokenize.TokenError,
)


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> Path:
    """Write arrays as one file, atomically, and return its path.

    `numpy.savez` has `zipfile` write headers as it streams, and these differ between releases of Python. Nothing is compressed:
    what comes of that differs between releases of zlib.
    """
    with atomic_write(path) as stream, zipfile.ZipFile(stream, "w") as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), buffer.getvalue())  # of no time and no owner
    return path


@contextlib.contextmanager
def reading(path: Path, what: str, remedy: str) -> Iterator[tuple[dict[str, Any], Mapping[str, NDArray[Any]]]]:
    """Open a file of arrays for the time of a block: its head, which is JSON, and the arrays.

    Parameters
    ----------
    path : Path
    what, remedy : str
        For the error: what cannot be read, and what to do.

    Raises
    ------
    IncompleteSearchError
        If the block meets what is damaged.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            yield json.loads(str(arrays["head"])), arrays
    except _UNREADABLE as error:
        raise IncompleteSearchError(f"{what} cannot be read ({type(error).__name__}: {error}). {remedy}") from error
