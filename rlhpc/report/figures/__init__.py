"""Figures as SVG text that takes its colours from the page, light or dark; the only home of matplotlib."""

from rlhpc.report.figures.algos import LINES, MOST_BANDS, algo_intervals, performance_profiles
from rlhpc.report.figures.curves import learning_curves
from rlhpc.report.figures.envs import other_envs, single_envs
from rlhpc.report.figures.errors import error_bars
from rlhpc.report.figures.front import cost_front
from rlhpc.report.figures.grid import training_grid
from rlhpc.report.figures.null import null_histograms
from rlhpc.report.figures.samples import sample_size_curve
from rlhpc.report.figures.scores import predicted_scores
from rlhpc.report.figures.sizes import size_curves
from rlhpc.report.figures.stability import stability_bars

__all__ = [
    "LINES",
    "MOST_BANDS",
    "algo_intervals",
    "cost_front",
    "error_bars",
    "learning_curves",
    "null_histograms",
    "other_envs",
    "performance_profiles",
    "predicted_scores",
    "sample_size_curve",
    "single_envs",
    "size_curves",
    "stability_bars",
    "training_grid",
]
