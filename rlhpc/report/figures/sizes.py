"""Claimed and honest errors against the size of the subset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rlhpc.report.figures.drawing import SMALL, Floats, drawing, log_axis
from rlhpc.report.scales import error_floor
from rlhpc.report.svg import FIRST, INK, SECOND
from rlhpc.words import count


def size_curves(sizes: Sequence[int], curves: Mapping[str, Floats], guess: float) -> str:
    """Draw claimed and honest errors against the size of the subset.

    Parameters
    ----------
    sizes : sequence of int, length n_sizes
    curves : mapping of str to array of shape (n_sizes,)
        Claimed best, claimed nested, honest best, honest nested; NaN where unknown.
    guess : float
        The error of predicting the mean of the others.
    """
    label = f"Lines: claimed and honest errors of subsets of {min(sizes)} to {max(sizes)} environments"
    styles = [("o", FIRST, "-"), ("o", FIRST, ":"), ("D", SECOND, "-"), ("D", SECOND, ":")]
    with drawing("sizes", label, 3.6) as drawn:
        axes = drawn.axes
        shown = np.concatenate([*curves.values(), [guess]])
        floor = error_floor(shown)
        for (name, values), (marker, colour, line) in zip(curves.items(), styles, strict=True):
            known = np.isfinite(values)
            if not known.any():
                continue
            face = colour if line == "-" else "none"
            style: dict[str, Any] = {"marker": marker, "linestyle": line, "color": colour, "markerfacecolor": face, "label": name}
            (dots,) = axes.plot(sizes, np.maximum(values, floor), **style)
            pairs = zip(np.array(sizes)[known], values[known], strict=True)
            drawn.name(dots, [f"{name}, {count(int(size), 'environment')}: MSE {value:.3g}" for size, value in pairs])
        axes.axhline(max(guess, floor), color=INK, linewidth=1, linestyle="--", label="guessing the mean")
        log_axis(axes, "y", shown, floor)
        axes.grid(visible=True, axis="y")
        axes.set_xticks(list(sizes))
        axes.set_xlabel("environments in the subset")
        axes.set_ylabel("mean squared error")
        drawn.figure.legend(loc="outside upper center", ncols=2, fontsize=SMALL)
    return drawn.svg
