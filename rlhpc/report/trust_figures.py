"""The figures of what trust.json holds, each where there is something to draw."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlhpc.report import figures
from rlhpc.report.trust_tables import SUMMARIES, algo_rows, env_rows, null_rows, readable_front, stability_rows
from rlhpc.search.trust import BEST, NESTED

Floats = NDArray[np.float64]
Trust = Mapping[str, Any]

CHOICES = (BEST, NESTED)
MOST_ENVS = 15  # whose stability is drawn; the table has all
DRAWN_SUMMARIES = ("iqm", "optimality_gap")  # the two that no single score moves much


def draw(trust: Trust) -> dict[str, str]:
    """Draw every figure that there is something to draw for.

    Parameters
    ----------
    trust : mapping
        From `rlhpc.report.trust_record.trust_record`.

    Returns
    -------
    dict of str to str
        SVG by the name that the page calls it by.
    """
    drawn = {name: figure(trust) for name, figure in FIGURES.items()}
    return {name: svg for name, svg in drawn.items() if svg is not None}


def held_out_y(trust: Trust) -> Floats | None:
    """Return the log benchmark scores by searches without each algorithm, shape (n_algos,); None if there were none."""
    return _known([one["predicted_y"] for one in trust["held_out"]])


def held_out_intervals(trust: Trust) -> Floats | None:
    """Return the ends of the intervals of these, shape (n_algos, 2); None if there are none."""
    return _known([(one.get("low_y"), one.get("high_y")) for one in trust["held_out"]])


def _known(values: Sequence[Any]) -> Floats | None:
    """Return numbers as an array, None as NaN; None if there are no others."""
    known = np.array(values, dtype=np.float64)
    return known if np.isfinite(known).any() else None


def _errors(trust: Trust) -> str | None:
    honest, unselected = trust["honest"], trust.get("unselected") or {}
    if not honest or honest["mse"] is None:
        return None
    errors = {
        "claimed": (trust["claimed"]["cv_mse"], trust["claimed"]["cv_mse"]),
        "unselected": (unselected.get("low"), unselected.get("high")),
        "honest": (honest["mse"], honest["mse"]),
        "guessing": (honest["baseline_mse"], honest["baseline_mse"]),
    }
    return figures.error_bars({name: ends for name, ends in errors.items() if None not in ends}, "claimed", "honest")


def _sizes(trust: Trust) -> str | None:
    sizes = trust["sizes"]
    if len(sizes) < 2:
        return None
    claimed = {f"claimed, {choice}": [size[choice]["cv_mse"] for size in sizes] for choice in CHOICES}
    honest = {f"honest, {choice}": [(size[choice]["honest"] or {}).get("mse") for size in sizes] for choice in CHOICES}
    curves = {name: np.array(values, dtype=np.float64) for name, values in (claimed | honest).items()}
    return figures.size_curves([size["subset_size"] for size in sizes], curves, trust["guess_mse"])


def _null(trust: Trust) -> str | None:
    nulls = {}
    for row in null_rows(trust):
        draws = np.array(row["draws"], dtype=np.float64)
        draws = draws[np.isfinite(draws)]  # on some tables no subset is searchable
        if len(draws) and row["observed"] is not None:
            nulls[str(row["name"])] = float(row["observed"]), draws
    return figures.null_histograms(nulls) if nulls else None


def _stability(trust: Trust) -> str | None:
    envs, ways = env_rows(trust)[:MOST_ENVS], stability_rows(trust)
    if not envs:
        return None
    shares = np.array([row["shares"] for row in envs])
    by_way = {way["how"]: shares[:, place] for place, way in enumerate(ways)}
    return figures.stability_bars([row["env_id"] for row in envs], by_way, [row["chosen"] for row in envs])


def _samples(trust: Trust) -> str | None:
    points = (trust.get("sample_size") or {}).get("points") or ()
    columns = {
        key: np.array([point[key] for point in points], dtype=np.float64)
        for key in ("n_algos", "claimed_mse", "honest_mse", "guess_mse", "honest_standard_error")
    }
    if len(points) < 2 or not np.isfinite(columns["honest_mse"]).any():
        return None
    errors = {
        "claimed": columns["claimed_mse"],
        "honest ± its standard error": columns["honest_mse"],
        "guessing the mean": columns["guess_mse"],
    }
    return figures.sample_size_curve(columns["n_algos"], errors, columns["honest_standard_error"], trust["sample_size"]["needed"])


def _front(trust: Trust) -> str | None:
    front = readable_front(trust) or {}
    points = front.get("points") or ()
    if len(points) < 2:
        return None
    costs, errors = (np.array([point[key] for point in points], dtype=np.float64) for key in ("cost", "cv_mse"))
    return figures.cost_front([point["subset"] for point in points], costs, errors, front["unit"])


def _intervals(trust: Trust) -> str | None:
    rows = [row for row in algo_rows(trust) if row["iqm"]["value"] is not None]
    if not rows:
        return None
    summaries = {
        SUMMARIES[key]: np.array([[row[key][end] for end in ("value", "low", "high")] for row in rows], dtype=np.float64)
        for key in DRAWN_SUMMARIES
    }
    return figures.algo_intervals([row["algo"] for row in rows], summaries)


def _profiles(trust: Trust) -> str | None:
    profiles = (trust.get("statistics") or {}).get("profiles") or {}
    thresholds, algos = np.array(profiles.get("thresholds") or (), dtype=np.float64), profiles.get("algos") or {}
    if len(thresholds) < 2 or not algos:
        return None
    unknown = [None] * len(thresholds)
    lines = {
        row["algo"]: np.array(
            [algos[row["algo"]][key] or unknown for key in ("share", "low", "high")],
            dtype=np.float64,
        )
        for row in algo_rows(trust)
        if row["algo"] in algos
    }
    return figures.performance_profiles(thresholds, lines) if lines else None


FIGURES: Mapping[str, Callable[[Trust], str | None]] = {
    "errors": _errors,
    "sizes": _sizes,
    "null": _null,
    "stability": _stability,
    "samples": _samples,
    "front": _front,
    "intervals": _intervals,
    "profiles": _profiles,
}
