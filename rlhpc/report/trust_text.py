"""How far to trust a search's subset, in words for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlhpc.report.tables import number, percent
from rlhpc.words import count

MOST_OFTEN = 4  # environments that are named
CHANGES = {
    "without one": "Without each algorithm in turn",
    "without parts": "Without each part of the algorithms in turn",
    "without two": "Without two algorithms",
    "other folds": "With other folds",
    "resampled seeds": "With seeds drawn anew",
}


def describe(trust: Mapping[str, Any]) -> str:
    """Spell the verdict and its figures.

    Parameters
    ----------
    trust : mapping
        From `rlhpc.report.trust_record.trust_record`.
    """
    claimed, honest, unselected = trust["claimed"], trust["honest"], trust["unselected"]
    lines = [f"Verdict: {trust['headline']}", f"Chosen subset: {', '.join(trust['subset'])}", *trust["sentences"]]
    lines.append(f"Claimed: CV MSE {number(claimed['cv_mse'])}, in-sample relative error {percent(claimed['relative_error'])}")
    if honest and honest["n_predicted"]:
        mse, times, r2 = honest["mse"], honest["optimism_factor"], honest["r2"]
        mean, median = percent(honest["mean_relative_error"]), percent(honest["median_relative_error"])
        guess, guess_relative = honest["baseline_mse"], honest["baseline_mean_relative_error"]
        lines.append(
            f"Honest: MSE {number(mse)} ({number(times)} times the claimed one), R2 {number(r2)}, relative error {mean} mean, "
            f"{median} median"
        )
        lines.append(f"Guessing the mean of the others: MSE {number(guess)}, relative error {percent(guess_relative)} mean")
    if unselected:
        low, high = number(unselected["low"]), number(unselected["high"])
        lines.append(f"A subset that nobody selected: CV MSE of {low} to {high}, the median of all")
    lines += [_stability(one) for one in trust["stability"]]
    told = [trust["seed_noise"]["told"]] if trust["seed_noise"] else []
    coverage = trust["coverage"]["told"] if trust["coverage"] else []
    drawn = f"What is random here was drawn with --trust-seed {trust['plan']['seed']}."
    return "\n".join([*lines, *trust["alike"]["told"], *told, *coverage, *trust["notes"], drawn])


def _stability(one: Mapping[str, Any]) -> str:
    """Say how often the most frequent environments are chosen."""
    n, distinct = one["n_searches"], one["n_distinct_subsets"]
    often = ", ".join(f"{env['env_id']} {_percentage(env)}" for env in one["envs"][:MOST_OFTEN])
    return f"{CHANGES[one['how']]} ({n:,} searches): {count(distinct, 'different subset')}; most often {often or 'nothing'}"


def _percentage(env: Mapping[str, Any]) -> str:
    """Write a share of searches, with its standard error if it is a sample."""
    error = f" \N{PLUS-MINUS SIGN} {100 * env['standard_error']:.0f}" if env["standard_error"] else ""
    return f"{100 * env['share']:.0f}{error} %"
