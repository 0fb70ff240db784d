"""Claimed and honest errors against the number of algorithms."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rlhpc.report.figures.drawing import SMALL, Floats, drawing, log_axis
from rlhpc.report.scales import error_floor, spaced
from rlhpc.report.svg import FIRST, INK, MUTED, SECOND


def sample_size_curve(n_algos: Floats, errors: Mapping[str, Floats], standard_error: Floats, needed: int | None) -> str:
    """Draw claimed and honest errors against the number of algorithms, on a logarithmic axis of errors.

    Parameters
    ----------
    n_algos : array of shape (n_points,)
    errors : mapping of str to array of shape (n_points,)
        Claimed, honest and guessed; NaN where unknown, at least one finite.
    standard_error : array of shape (n_points,)
        Of the honest error, NaN where unknown.
    needed : int or None
        How many algorithms a subset that can be trusted takes.
    """
    label = f"Lines: claimed and honest errors of searches on {n_algos.min():g} to {n_algos.max():g} algorithms"
    styles = [("o", FIRST, "-"), ("D", SECOND, "-"), ("", INK, "--")]
    with drawing("samples", label, 3.6) as drawn:
        axes = drawn.axes
        shown = np.concatenate(list(errors.values()))
        floor = error_floor(shown)
        honest, spread = list(errors.values())[1], np.nan_to_num(standard_error)
        low, high = (np.maximum(honest + sign * spread, floor) for sign in (-1, 1))
        axes.vlines(n_algos, low, high, color=SECOND, linewidth=1.5)
        for (name, values), (marker, colour, line) in zip(errors.items(), styles, strict=True):
            axes.plot(n_algos, np.maximum(values, floor), marker=marker, linestyle=line, color=colour, markersize=5, label=name)
        if needed is not None:
            axes.axvline(needed, color=MUTED, linewidth=1.5, linestyle=":", label=f"needed: {needed}")
        log_axis(axes, "y", np.concatenate([shown, high]), floor)
        axes.grid(visible=True, axis="y")
        axes.set_xticks(spaced(n_algos))
        axes.set_xlabel("algorithms")
        axes.set_ylabel("mean squared error")
        drawn.figure.legend(loc="outside upper center", ncols=2, fontsize=SMALL)
    return drawn.svg
