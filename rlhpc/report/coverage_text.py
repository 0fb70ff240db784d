"""What became of missing scores in a search, in words: warnings, and what to know beside its errors."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rlhpc.report.search_coverage import FLAGS
from rlhpc.report.tables import number
from rlhpc.results.coverage import MIN_ALGOS
from rlhpc.results.target import MIN_REFERENCES


def coverage_warnings(record: Mapping[str, Any]) -> list[str]:
    """Warn of targets that are not comparable, because scores are missing in blocks and nothing corrects for it.

    Parameters
    ----------
    record : mapping
        From `rlhpc.report.search_coverage.coverage_record`.

    Returns
    -------
    list of str
        One warning, with the remedy, or none.
    """
    found = record["blocks"]
    if not found or record["correction"] != "none":
        return []
    n_algos, remedy = record["n_algos"], _remedy(record)
    those = "; ".join(
        f"{len(block['algos'])} of {n_algos} algorithms have no score in {_and(block['lacking'])} ({', '.join(block['algos'])}): "
        f"their target is the {_and(block['having'])} one"
        for block in found
    )
    return [f"{those}. Targets on different benchmarks are not comparable, nor are errors on them. {remedy}"]


def _remedy(record: Mapping[str, Any]) -> str:
    """Say which flags mend blocks that are missing, as far as the table lets them."""
    found, n_algos = record["blocks"], record["n_algos"]
    remedies = []
    if record["n_complete"] >= MIN_REFERENCES:
        remedies.append(f"{FLAGS['correction']} difference corrects for it")
    if n_algos - sum(len(block["algos"]) for block in found) >= MIN_ALGOS:
        share = max(block["share"] for block in found)
        remedies.append(f"{FLAGS['min_algo']} above {share:.4g} leaves these algorithms out")
    if remedies:
        return f"{', and '.join(remedies)}."
    return (
        f"{FLAGS['correction']} needs {MIN_REFERENCES} algorithms with every score, and there are {record['n_complete']}; "
        f"{FLAGS['min_algo']} would leave too few. Add scores, or search a table of each benchmark."
    )


def coverage_told(record: Mapping[str, Any], n_tested: int | None = None, honest_mse: float | None = None) -> list[str]:
    """Say what was left out by which rule, how targets were corrected, and what that does to the trust figures.

    Parameters
    ----------
    record : mapping
        From `rlhpc.report.search_coverage.coverage_record`.
    n_tested : int, optional
        Algorithms that could be predicted when held out.
    honest_mse : float, optional
        Mean squared error of these predictions, of log benchmark scores.

    Returns
    -------
    list of str
        Sentences; none where nothing is missing.
    """
    return [*_left_out(record), *_targets(record), *_trust(record, n_tested, honest_mse)]


def _left_out(record: Mapping[str, Any]) -> Iterator[str]:
    if record["algos"]:
        yield (
            f"Left out by {FLAGS['min_algo']} {record['min_algo']:g}: {_shares(record['algos'])}; in brackets the share of the "
            "environments that each has scores on, where every benchmark weighs the same."
        )
    if record["envs"]:
        yield (
            f"In no subset by {FLAGS['min_env']} {record['min_env']:g}, but in what is predicted: {_shares(record['envs'])}; in "
            "brackets the share of the algorithms left that have a score for it."
        )


def _targets(record: Mapping[str, Any]) -> Iterator[str]:
    n_algos, made = record["n_algos"], record["corrections"]
    n_lacking = n_algos - record["n_complete"]
    if n_lacking and not made:
        yield (
            f"{n_lacking} of {n_algos} algorithms lack scores: the target of each is its benchmark score on the environments "
            "that it has, not corrected for those that it lacks."
        )
    if made:
        most = max(made, key=lambda one: abs(one["correction"]))
        yield (
            f"{n_lacking} of {n_algos} algorithms lack scores. Their targets were corrected ({FLAGS['correction']} difference) "
            "by the mean difference between the log benchmark score on all environments and on those that an algorithm has, "
            f"over the {len(record['references'])} algorithms with every score. The largest correction is "
            f"{number(most['correction'])} ({most['algo']}), with a standard error of {number(most['standard_error'])}; in "
            "log10 units."
        )
    # A target is off by d^2 + s^2 (expected square; differences of mean d and variance s^2), one corrected by n by s^2 + s^2 / n.
    if doubtful := [one["algo"] for one in made if abs(one["correction"]) < one["standard_error"]]:
        yield (
            f"Smaller than its standard error is the correction of {', '.join(doubtful)}: it may put the target further off. "
            "More algorithms with every score would tell."
        )


def _trust(record: Mapping[str, Any], n_tested: int | None, honest_mse: float | None) -> Iterator[str]:
    n_algos, made = record["n_algos"], record["corrections"]
    if record["n_complete"] == n_algos:
        return
    if n_tested is not None and n_tested < n_algos:
        yield (
            f"{n_tested} of {n_algos} algorithms could be tested: those that have every score of the subset that was chosen "
            "without them."
        )
    yield (
        "Where scores are missing, the errors of two subsets rest on different algorithms: the smaller one may be that of "
        "algorithms that are easier to predict."
    )
    if made and honest_mse is not None and math.isfinite(honest_mse):
        errors, spreads = ([one[name] for one in made] for name in ("standard_error", "spread"))
        yield (
            f"Beside the honest root mean squared error of {number(math.sqrt(honest_mse))}: the corrections have standard errors "
            f"of up to {number(max(errors))}, and single algorithms differ from them by {number(max(spreads))} (the largest "
            "standard deviation). So much of the error may be that of the targets, not of the subset. The corrections were made "
            "on the whole table: an algorithm with every score had a part in the targets by which it was predicted when held out."
        )


def _shares(left_out: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(f"{one['name']} ({one['share']:.4g})" for one in left_out)


def _and(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
