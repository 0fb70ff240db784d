"""The few errors that matter, side by side."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rlhpc.report.figures.drawing import ROW, drawing, note, rows
from rlhpc.report.svg import FIRST, INK, MUTED, SECOND
from rlhpc.report.tables import spread

BAND = 0.45  # how opaque a bar is where it may or may not reach


def error_bars(errors: Mapping[str, tuple[float, float]], claimed: str, honest: str) -> str:
    """Draw errors as bars from zero.

    Parameters
    ----------
    errors : mapping of str to (float, float)
        From top to bottom: between which two values an error lies, or one value twice.
    claimed, honest : str
        The two to stress.
    """
    written = {name: spread(*ends) for name, ends in errors.items()}
    label = "Bars: " + ", ".join(f"{name} {value}" for name, value in written.items())
    with drawing("claimed", label, 0.7 + 1.4 * ROW * len(errors)) as drawn:
        axes, places = drawn.axes, np.arange(len(errors))
        low, high = np.array(list(errors.values())).T
        colours = [{honest: SECOND, claimed: FIRST}.get(name, MUTED) for name in errors]
        axes.barh(places, low, height=0.6, color=colours)
        axes.barh(places, high - low, left=low, height=0.6, color=colours, alpha=BAND)
        for place, (end, value) in enumerate(zip(high, written.values(), strict=True)):
            note(axes, value, (float(end), place), INK)
        rows(axes, list(errors))
        axes.set_xlim(0, 1.3 * max(high.max(), 1e-12))
        axes.set_xlabel("mean squared error")
    return drawn.svg
