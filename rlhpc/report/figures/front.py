"""The least error at every cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.path import Path
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from rlhpc.report.figures.drawing import SMALL, Floats, drawing, log_axis
from rlhpc.report.scales import error_floor, shorten
from rlhpc.report.svg import FIRST, INK

MOST_NAMED = 8  # points; more of them are numbered
NAME_ROOM, NUMBER_ROOM = 0.5, 0.05  # beyond the outermost points, for what is written there, as shares of their own range
# Where a label may stand, in points from its own: right of it and above, and so on.
SIDES = ((5, 4, "left", "bottom"), (5, -4, "left", "top"), (-5, -4, "right", "top"), (-5, 4, "right", "bottom"))
GAP = 4  # pixels between labels, or two numbers read as one


def cost_front(subsets: Sequence[Sequence[str]], costs: Floats, errors: Floats, unit: str) -> str:
    """Draw the least error that each cost buys as a line with steps.

    Parameters
    ----------
    subsets : sequence of sequence of str, length n_points
        The names at the points; where they find no room, the points are numbered from 1.
    costs : array of shape (n_points,)
        Ascending.
    errors : array of shape (n_points,)
        Descending.
    unit : str
        Of the costs.
    """
    label = f"Steps: error against cost of {len(subsets)} subsets, from {costs[0]:.3g} to {costs[-1]:.3g} {unit}"
    with drawing("front", label, 3.6) as drawn:
        axes = drawn.axes
        x, y = np.maximum(costs, error_floor(costs)), np.maximum(errors, error_floor(errors))
        log_axis(axes, "y", _widened(y[::-1], NUMBER_ROOM))
        log_axis(axes, "x", _widened(x, NAME_ROOM if len(x) <= MOST_NAMED else NUMBER_ROOM))
        corners = np.column_stack([np.repeat(np.append(x, axes.get_xlim()[1]), 2)[1:-1], np.repeat(y, 2)])
        axes.plot(*corners.T, color=FIRST, linewidth=1.5)
        (points,) = axes.plot(x, y, "o", color=FIRST, markersize=5)
        titles = zip(subsets, costs, errors, strict=True)
        drawn.name(points, [f"{', '.join(subset)}: {cost:.3g} {unit}, claimed MSE {error:.3g}" for subset, cost, error in titles])
        axes.grid(visible=True, axis="both")
        axes.set_xlabel(f"cost, {unit}")
        axes.set_ylabel("claimed CV MSE")
        drawn.figure.draw_without_rendering()  # settles where the axes lie; labels, out of the layout, leave that alone
        _label(axes, corners, subsets)
    return drawn.svg


def _widened(values: Floats, above: float) -> Floats:
    """Return the ends of ascending values with room for labels, more of it above, as shares of their range of logarithms."""
    ratio = values[-1] / values[0]
    return np.array([values[0] / ratio**NUMBER_ROOM, values[-1] * ratio**above])


def _label(axes: Axes, corners: Floats, subsets: Sequence[Sequence[str]]) -> None:
    """Write names at the points; numbers if not all names find room; nothing where not even a number does."""
    names = ["\n".join(shorten(name) for name in subset) for subset in subsets]
    if len(subsets) <= MOST_NAMED:
        written = _written(axes, corners, names)
        if len(written) == len(subsets):
            return
        for one in written:
            one.remove()
    _written(axes, corners, [str(place) for place in range(1, len(subsets) + 1)])


def _written(axes: Axes, corners: Floats, texts: Sequence[str]) -> list[Annotation]:
    """Write a text at every second corner of the line, shape (2 * n_points, 2), where that touches no text, point or line."""
    points, pixels = corners[::2].tolist(), axes.transData.transform(corners)
    line = Path(pixels)
    taken = [Bbox.from_extents(*(centre - 3), *(centre + 3)) for centre in pixels[::2]]
    written: list[Annotation] = []
    for point, text in zip(points, texts, strict=True):
        for one in _tried(axes, point, text):
            box = one.get_window_extent()
            if _inside(axes, box) and not box.count_overlaps(taken) and not line.intersects_bbox(box, filled=False):
                taken.append(box.padded(GAP))
                written.append(one)
                break
            one.remove()
    return written


def _tried(axes: Axes, point: tuple[float, float], text: str) -> Iterator[Annotation]:
    """Write a text at each side of a point in turn."""
    for right, up, align, base in SIDES:
        one = axes.annotate(
            text, point, (right, up), textcoords="offset points", ha=align, va=base, color=INK, fontsize=SMALL, in_layout=False
        )
        yield one


def _inside(axes: Axes, box: Bbox) -> bool:
    frame = axes.get_window_extent()
    return bool(frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1)
