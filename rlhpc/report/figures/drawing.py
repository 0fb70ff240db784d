"""What every figure shares: our style, the page's colours, rows with names, axes, legends."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from rlhpc.report.scales import log_ticks, shorten
from rlhpc.report.svg import INK, LINE, MUTED, PAGE, inline, titled

Floats = NDArray[np.float64]

STYLE: dict[Any, Any] = {
    "axes.edgecolor": MUTED,
    "axes.grid": True,
    "axes.grid.axis": "x",
    "axes.axisbelow": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "svg.fonttype": "none",  # text stays text: small, readable by machines, escaped
    "text.color": INK,
    "text.parse_math": False,  # a name may hold a $
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
    "ytick.major.size": 0,
}
WIDTH = 4.8  # inches; at 96 px each a little wider than a phone
ROW = 0.21  # inches a row of text takes
SMALL = 9  # points, of text inside the axes and of legends


@dataclass(eq=False)
class Drawing:
    """A figure being drawn.

    Attributes
    ----------
    figure : Figure
    panels : list of Axes
        Row by row.
    svg : str
        The figure's text, once it is drawn.
    titles : dict of str to (str, sequence of str)
        The shapes of each named group, and what they are.
    """

    figure: Figure
    panels: list[Axes]
    svg: str = ""
    titles: dict[str, tuple[str, Sequence[str]]] = field(default_factory=dict)

    def name(self, markers: Line2D, titles: Sequence[str]) -> None:
        """Have each marker say what it is where the mouse rests on it; all of them must lie within the axes."""
        group = f"named-{len(self.titles)}"
        markers.set_gid(group)
        self.titles[group] = "use", titles

    def name_bars(self, bars: BarContainer, titles: Sequence[str]) -> None:
        """Have each bar say what it is where the mouse rests on it."""
        for bar, title in zip(bars, titles, strict=True):
            group = f"named-{len(self.titles)}"
            bar.set_gid(group)
            self.titles[group] = "path", [title]

    @property
    def axes(self) -> Axes:
        """The only panel, or the first."""
        return self.panels[0]


@contextmanager
def drawing(
    name: str, label: str, height: float, *, shape: tuple[int, int] = (1, 1), share: Literal["x", "y", "none"] = "y"
) -> Iterator[Drawing]:
    """Draw one figure in our style, whatever the user's own matplotlibrc says.

    Parameters
    ----------
    name : str
        Makes the ids of this figure different from those of the page's others.
    label : str
        What the figure shows, for those who do not see it.
    height : float
        Inches.
    shape : (int, int)
        Rows and columns of panels.
    share : {"x", "y", "none"}
        The axis that all panels have in common.
    """
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update({**STYLE, "svg.hashsalt": name})
        figure = Figure(figsize=(WIDTH, height))
        FigureCanvasSVG(figure)
        drawn = Drawing(figure, list(figure.subplots(*shape, squeeze=False, sharex=share == "x", sharey=share == "y").flat))
        yield drawn
        stream = io.StringIO()
        figure.savefig(stream, format="svg", transparent=True, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    svg = stream.getvalue()
    for group, (kind, titles) in drawn.titles.items():
        svg = titled(svg, group, titles, kind)
    drawn.svg = inline(svg, name, label)


def note(axes: Axes, text: str, place: tuple[float, float], colour: str) -> None:
    """Write beside the end of a bar; in the page's colour, within it."""
    within = colour == PAGE
    offset, side = (-4, "right") if within else (4, "left")
    axes.annotate(text, place, xytext=(offset, 0), textcoords="offset points", va="center", ha=side, color=colour, fontsize=SMALL)


def rows(axes: Axes, names: Sequence[str]) -> None:
    """Give every row its name, the first on top."""
    axes.set_yticks(np.arange(len(names)), [shorten(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)


def log_axis(axes: Axes, which: Literal["x", "y"], values: Floats, floor: float = 0.0) -> None:
    """Make an axis logarithmic, with plain numbers at its ticks: 0.01, not a power of ten; and 0 where exact ones are drawn.

    Parameters
    ----------
    axes : Axes
    which : {"x", "y"}
    values : array of shape (n_values,)
        What it must show, positive without a floor; what is not finite is not shown.
    floor : float
        Where what is less is drawn, from `error_floor`.
    """
    finite = values[np.isfinite(values)]
    low, high, ticks = log_ticks(np.maximum(finite, floor))
    labels = [f"{tick:g}" for tick in ticks]
    if (finite < floor).any():
        ticks = ticks[ticks >= 2 * floor]  # the least of all others, where the floor goes by it
        ticks = ticks if len(ticks) else np.unique(finite[finite > floor])[:1]
        labels = ["0", *(f"{tick:.3g}" for tick in ticks)]
        ticks = np.array([floor, *ticks])
    axes.autoscale(enable=False, axis=which)  # or equal values would be warned of before the limits are set
    axes.set(**{f"{which}lim": (low, high)})
    axes.set(**{f"{which}scale": "log"})
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_ticks(ticks, labels)
    axis.set_ticks([], minor=True)


def legend(axes: Axes, entries: Sequence[tuple[str, str, str, str]]) -> None:
    """Explain markers above the panels.

    Parameters
    ----------
    axes : Axes
    entries : sequence of (str, str, str, str)
        Marker, face, edge, words.
    """
    handles = [
        Line2D(
            [],
            [],
            linestyle="",
            marker=marker,
            markersize=12 if marker == "|" else 6,
            markeredgewidth=2 if marker == "|" else 1,
            markerfacecolor=face,
            markeredgecolor=edge,
            label=words,
        )
        for marker, face, edge, words in entries
    ]
    axes.figure.legend(handles=handles, loc="outside upper left", ncols=2, fontsize=SMALL)
