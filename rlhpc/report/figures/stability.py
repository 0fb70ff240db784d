"""How often each environment is chosen when the search is redone on nearly the same table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from rlhpc.report.figures.drawing import ROW, Floats, drawing, legend, rows
from rlhpc.report.svg import FIRST, SECOND


def stability_bars(names: Sequence[str], shares: Mapping[str, Floats], chosen: Sequence[bool]) -> str:
    """Draw the share of searches that chose each environment, one panel for each way of changing the table.

    Parameters
    ----------
    names : sequence of str, length n_envs
        From top to bottom.
    shares : mapping of str to array of shape (n_envs,)
        What was changed, from left to right: shares of the searches, from 0 to 1.
    chosen : sequence of bool, length n_envs
        Whether an environment is in the subset.
    """
    label = f"Bars: how often searches chose {len(names)} environments, " + "; ".join(
        f"{how}: {names[int(np.argmax(values))]} in {np.max(values):.0%}" for how, values in shares.items()
    )
    with drawing("stability", label, 1.4 + ROW * len(names), shape=(1, len(shares)), share="y") as drawn:
        colours = [SECOND if one else FIRST for one in chosen]
        for axes, (how, values) in zip(drawn.panels, shares.items(), strict=True):
            bars = axes.barh(np.arange(len(names)), values, height=0.7, color=colours)
            drawn.name_bars(bars, [f"{name}, {how}: {value:.0%}" for name, value in zip(names, values, strict=True)])
            axes.set_title(how.replace(" ", "\n"), loc="center")  # a panel may be narrower than its title
            axes.set_xlim(0, 1)
            axes.set_xticks([0, 0.5, 1], ["0", "", "100"])
        rows(drawn.axes, names)
        drawn.figure.supxlabel("% of the searches", fontsize=10)
        legend(drawn.axes, [("s", SECOND, SECOND, "in the chosen subset"), ("s", FIRST, FIRST, "not in it")])
    return drawn.svg
