"""The parts of trust.json that come from redone searches: nulls, stability, sample size, seed noise, what is alike."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from rlhpc.report.verdict import told_size
from rlhpc.results.statistics import LEVEL, bounds
from rlhpc.search.problem import Problem
from rlhpc.search.trust import Alike, Given, HeldOut, Kind, Null, Redone, SampleSize, Stability, stability
from rlhpc.search.trust.null import share_error
from rlhpc.words import count

TOP_SUBSETS = 10
FEWEST_SUBSETS = 10  # of fewer, the median is the error of the chosen one, or of one beside it
INTERVAL_LEVEL = 0.9  # of predictions of held-out algorithms


def null_part(shuffled: Null | None, permuted: Null | None) -> dict[str, Any]:
    """Describe the nulls that were drawn; None for one that was not."""
    return {"shuffled_targets": _null(shuffled), "permuted_columns": _null(permuted)}


def _null(null: Null | None) -> dict[str, Any] | None:
    if null is None:
        return None
    return {
        "p": null.p,
        "standard_error": null.standard_error,
        "n_draws": len(null.draws),
        "exact": null.exact,
        "observed": null.observed,
        "draws": null.draws.tolist(),
    }


def stability_part(given: Given, redone: Sequence[Redone]) -> list[dict[str, Any]]:
    """Describe how often which environments and subsets are chosen."""
    return [_stability(given.problem, one) for one in stability(given, redone)]


def _stability(problem: Problem, found: Stability) -> dict[str, Any]:
    return {
        "how": _how(found),
        "n_searches": found.n_searches,
        "exact": found.exact,
        "n_distinct_subsets": len(found.subsets),
        "envs": [{"env_id": problem.env_ids[column], **_share(found, share)} for column, share in found.envs],
        "subsets": [
            {"subset": [problem.env_ids[column] for column in subset], **_share(found, share)}
            for subset, share in found.subsets[:TOP_SUBSETS]
        ],
    }


def _how(found: Stability) -> str:
    if found.kind is not Kind.WITHOUT:
        return str(found.kind)
    return "without one" if found.exact else "without parts"


def _share(found: Stability, share: float) -> dict[str, float]:
    """Describe a share of searches, with its standard error for their number."""
    error = 0.0 if found.exact else share_error(round(share * found.n_searches), found.n_searches)
    return {"share": share, "standard_error": error}


def size_part(size: SampleSize, n_algos: int) -> dict[str, Any]:
    """Describe how errors change with the number of algorithms."""
    return {"points": [asdict(point) for point in size.points], "needed": size.needed, "told": told_size(size, n_algos)}


def alike_part(problem: Problem, found: Alike) -> dict[str, Any]:
    """Name algorithms that are hardly different, and targets that are a chosen environment's own score."""
    pairs = [(problem.algos[a], problem.algos[b]) for a, b, _ in found.algos]
    algos = [{"algos": [*pair], "distance": near[2]} for pair, near in zip(pairs, found.algos, strict=True)]
    targets = [{"algo": problem.algos[row], "env_id": problem.env_ids[column]} for row, column in found.targets]
    told, n_equal = [], len({row for row, _ in found.targets})
    if n_equal:
        told.append(
            f"{n_equal} of {len(problem.algos)} targets are a chosen environment's own score: a median is one of the scores it "
            "is made of. Where it is, the subset need predict nothing."
        )
    if algos:
        named = "; ".join(" and ".join(pair) for pair in pairs[:5])
        told.append(
            f"{count(len(algos), 'pair')} of algorithms {'are' if len(algos) > 1 else 'is'} nearly the same "
            f"({named}{'; ...' if len(algos) > 5 else ''}): with one left out, the other all but gives its scores away."
        )
    n_different = len(set(found.families))
    return {"algos": algos, "n_different": n_different, "targets": targets, "n_targets": n_equal, "told": told}


def seed_noise_part(given: Given, redone: Sequence[Redone], subset: Sequence[int]) -> dict[str, Any] | None:
    """Describe what resampled seeds do to the search; None if there were none."""
    found = [one.best for one in redone if one.replicate.kind is Kind.RESAMPLED and one.best.subset]
    if not found:
        return None
    same = sum(one.subset == tuple(subset) for one in found) / len(found)
    low, high, ends_error = (float(end[0]) for end in bounds(np.array([[one.cv_mse] for one in found])))
    error = share_error(round(same * len(found)), len(found))
    several = 0 if given.seed_scores is None else int(((~np.isnan(given.seed_scores)).sum(axis=1) > 1).sum())
    n_there = int((~np.isnan(given.problem.scores)).sum())
    shares = f"{100 * same:.3g} ± {100 * error:.2g} % of {len(found)} searches choose the same subset"
    ends = f" (ends ± {ends_error:.1g})" if ends_error else ""
    claims = f"{100 * LEVEL:g} % claim an MSE of {low:.3g} to {high:.3g}{ends}"
    return {
        "n_draws": len(found),
        "cv_mse_low": low,
        "cv_mse_high": high,
        "cv_mse_ends_standard_error": ends_error,
        "level": LEVEL,
        "same_subset_share": same,
        "n_several_seeds": several,
        "told": f"With seeds drawn anew ({several} of {n_there} scores are of several), {shares}, and {claims}.",
    }


def too_few_subsets(head: Mapping[str, Any]) -> str:
    """Say that there are too few subsets for one that nobody selected to be other than the chosen one; blank if there are not."""
    n_ranked = head["n_subsets"] - head["n_unsearchable"]
    if n_ranked >= FEWEST_SUBSETS:
        return ""
    return f"What a subset taken at random would claim is left out: {count(n_ranked, 'subset')} in all, too few to tell."


def unselected_part(head: Mapping[str, Any]) -> dict[str, float] | None:
    """Return between which two errors the median CV MSE of all subsets lies, as the search counted them.

    None if it did not count all of them, being a beam, or counted others errors, or if there are too few.
    """
    if not head["exhaustive"] or head["rank_by"] != "cv_mse" or too_few_subsets(head):
        return None
    bins = head["histogram"]
    total, seen = sum(one["n_subsets"] for one in bins), 0
    for one in bins:
        seen += one["n_subsets"]
        if 2 * seen >= total:
            return {"low": one["from"], "high": one["to"]}
    return None


def held_out_intervals(problem: Problem, held_out: Sequence[HeldOut]) -> tuple[list[tuple[float, float]], float]:
    """Return an interval of each held-out algorithm's prediction, by the residuals of the others, and its level.

    The jackknife: as far on both sides as the ceil(level * n)-th smallest residual of the n - 1 others; the highest level that
    these allow, if they are too few for `INTERVAL_LEVEL`. NaN where there is no prediction.
    """
    predicted, y = np.array([one.predicted for one in held_out]), problem.y[[one.row for one in held_out]]
    residuals = np.abs(predicted - y)
    n = int(np.count_nonzero(~np.isnan(residuals)))
    if n < 2:
        return [(math.nan, math.nan)] * len(held_out), math.nan
    level = min(INTERVAL_LEVEL, (n - 1) / n)
    place = min(math.ceil(level * n - 1e-9), n - 1) - 1
    intervals = []
    for i, prediction in enumerate(predicted.tolist()):
        others = np.delete(residuals, i)
        width = float(np.sort(others[~np.isnan(others)])[place]) if not math.isnan(prediction) else math.nan
        intervals.append((prediction - width, prediction + width))
    return intervals, level
