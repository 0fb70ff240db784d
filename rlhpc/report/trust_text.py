"""How far to trust a search's subset, in words for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlhpc.report.tables import number, percent


def describe(trust: Mapping[str, Any]) -> str:
    """Spell the verdict and its figures.

    Parameters
    ----------
    trust : mapping
        From `rlhpc.report.trust_record.trust_record`.
    """
    claimed, honest = trust["claimed"], trust["honest"]
    lines = [f"Verdict: {trust['verdict']}", f"Chosen subset: {', '.join(trust['subset'])}", *trust["sentences"]]
    lines.append(f"Claimed: CV MSE {number(claimed['cv_mse'])}, in-sample relative error {percent(claimed['relative_error'])}")
    if honest and honest["n_predicted"]:
        mse, times, distinct = honest["mse"], honest["optimism_factor"], honest["n_distinct_subsets"]
        mean, median = percent(honest["mean_relative_error"]), percent(honest["median_relative_error"])
        guess, guess_relative = honest["baseline_mse"], honest["baseline_mean_relative_error"]
        lines.append(
            f"Honest: MSE {number(mse)} ({number(times)} times the claimed one), relative error {mean} mean, {median} median"
        )
        lines.append(f"Guessing the mean of the others: MSE {number(guess)}, relative error {percent(guess_relative)} mean")
        lines.append(
            f"Leaving out each of {trust['n_algos']} algorithms chose {distinct} different subset{'s' * (distinct != 1)}."
        )
    return "\n".join(lines)
