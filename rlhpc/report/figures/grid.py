"""The grid of trainings: which are there, by environment and algorithm."""

from __future__ import annotations

from rlhpc.report.completeness import Completeness
from rlhpc.report.figures.drawing import ROW, drawing, legend, rows
from rlhpc.report.scales import shorten
from rlhpc.report.svg import FIRST, MUTED, SECOND

LETTER = 0.085  # inches that one of a name takes
_MARKS = {"all": ("s", FIRST, FIRST), "some": ("s", "none", FIRST), "none": ("X", SECOND, SECOND)}
_WORDS = {"all": "every seed has its score", "some": "some seeds", "none": "none"}


def training_grid(grid: Completeness) -> str:
    """Draw a mark for each environment and algorithm that were launched: whether their trainings have a score.

    Parameters
    ----------
    grid : Completeness
    """
    label = f"Marks: trainings with a score, of {len(grid.env_ids)} environments and {len(grid.algos)} algorithms"
    names = [shorten(algo) for algo in grid.algos]
    with drawing("grid", label, 1.1 + ROW * len(grid.env_ids) + LETTER * max(map(len, names))) as drawn:
        axes = drawn.axes
        cells = {name: [cell for cell in grid.launched if _kind(grid, cell) == name] for name in _MARKS}
        size = min(8.0, 200 / len(grid.algos))  # points: marks of many algorithms must not touch
        for name, (marker, face, edge) in _MARKS.items():
            if not cells[name]:
                continue
            x = [grid.algos.index(algo) for _, algo in cells[name]]
            y = [grid.env_ids.index(env_id) for env_id, _ in cells[name]]
            (drawn_marks,) = axes.plot(x, y, marker, markerfacecolor=face, markeredgecolor=edge, markersize=size)
            drawn.name(drawn_marks, [_title(grid, cell) for cell in cells[name]])
        rows(axes, grid.env_ids)
        axes.set_xticks(range(len(names)), names, rotation=90)
        axes.set_xlim(-0.6, len(grid.algos) - 0.4)
        axes.grid(visible=False)
        axes.tick_params(axis="x", color=MUTED)
        legend(axes, [(*_MARKS[name], _WORDS[name]) for name in _MARKS if cells[name]])
    return drawn.svg


def _kind(grid: Completeness, cell: tuple[str, str]) -> str:
    n = grid.scored.get(cell, 0)
    return "all" if n == grid.launched[cell] else "some" if n else "none"


def _title(grid: Completeness, cell: tuple[str, str]) -> str:
    env_id, algo = cell
    return f"{algo}, {env_id}: {grid.scored.get(cell, 0)} of {grid.launched[cell]} trainings have a score"
