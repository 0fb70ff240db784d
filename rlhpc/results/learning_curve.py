"""The learning curve of one training, read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rlhpc.errors import DatasetError

COLUMNS = ("timesteps", "episode_score")  # by which training/curves.py begins its header


def read_learning_curve(path: Path) -> NDArray[np.float64]:
    """Read learning_curve.csv by NumPy, since a report reads thousands of them.

    Returns
    -------
    array of shape (n_episodes, 2)
        When each training episode ended, in agent steps, and its score.

    Raises
    ------
    DatasetError
        If it cannot be read, its header is another, or anything in these two columns is no finite number.
    """
    try:
        header, *lines = path.read_text(encoding="utf-8-sig").splitlines() or [""]
        columns = [column.strip() for column in header.split(",")]
        if lacking := [column for column in COLUMNS if column not in columns]:
            raise DatasetError(f"the learning curve '{path}' lacks the columns {', '.join(lacking)}; its header is '{header}'.")
        if not any(map(str.strip, lines)):  # where NumPy would warn
            return np.empty((0, len(COLUMNS)))
        curve = np.loadtxt(lines, delimiter=",", comments=None, usecols=[*map(columns.index, COLUMNS)], ndmin=2)
    except OSError as error:
        raise DatasetError(f"cannot read the learning curve '{path}': {error.strerror or error}.") from error
    except ValueError as error:
        raise DatasetError(f"the learning curve '{path}' is damaged: {str(error).rstrip('.')}.") from error
    if not np.isfinite(curve).all():
        (row, column), *_ = np.argwhere(~np.isfinite(curve)).tolist()
        what = f"{COLUMNS[column]} of episode {row + 1} is {curve[row, column]}"
        raise DatasetError(f"the learning curve '{path}' is damaged: {what}, which is no finite number.")
    return curve
