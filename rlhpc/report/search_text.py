"""What a search found in words and text tables, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rlhpc.report import search_costs
from rlhpc.report.coverage_text import coverage_told, coverage_warnings
from rlhpc.report.search_folder import SEPARATOR
from rlhpc.report.search_record import NO_SCORE, SearchRecord
from rlhpc.report.verdict import incomplete
from rlhpc.results.dataset import upside_down
from rlhpc.search import Ranked
from rlhpc.search.trust import BELIEVABLE_ALGOS, ENOUGH_ALGOS

OPTIMISM = (  # measured by sub-sampling a table of 62 algorithms x 57 environments
    "for subsets of 3 from a table of 62 algorithms, the promised CV error understated the error on held-out algorithms about "
    "190 times with 7 algorithms, 22 times with 10 and 1.7 times with 30"
)
REMEDY = "jobs/subset_report.py measures it for your table."
SHOWN = 5  # subsets of the ranking


def describe(record: SearchRecord, max_cost: float | None = None) -> str:
    """Say what was searched, what was left out, how far to believe it, and what was found.

    Parameters
    ----------
    record : SearchRecord
    max_cost : float or None
        The best subset that costs no more is named, too.
    """
    said = [*_sentences(record.head), *(f"Warning: {warning}" for warning in warnings(record))]
    front = record.head["front"]
    costs = ["", *search_costs.describe(front, max_cost)] if front else []
    return "\n".join([*said, "", *_best_rows(record.ranking), "", *_size_rows(record.sizes), *costs])


def warnings(record: SearchRecord) -> list[str]:
    """Warn of a table with too few algorithms, and of a best subset that rests on some of them only."""
    n_algos = record.head["n_algos"]
    warned = incomplete(record.ranking[0].n_algos, n_algos)
    if n_algos < ENOUGH_ALGOS:
        warned.append(f"{n_algos} algorithms are too few to believe these CV errors: {OPTIMISM}. {REMEDY}")
    elif n_algos < BELIEVABLE_ALGOS:
        warned.append(f"with {n_algos} algorithms these CV errors are optimistic: {OPTIMISM}. {REMEDY}")
    columns = ([env[name] for env in record.head["envs"]] for name in ("env_id", "random_score", "reference_score"))
    return [*warned, *coverage_warnings(record.head["coverage"]), *upside_down(*columns)]


def _sentences(head: Mapping[str, Any]) -> Iterator[str]:
    subsets = f"{head['n_subsets']:,} subsets of {head['subset_size']} of {head['n_envs']} environments"
    if head["exhaustive"]:
        smaller = ", and all smaller ones" if head["subset_size"] > 1 else ""
        yield f"Searched all {subsets}{smaller}, on {head['n_algos']} algorithms: {rules(head)}."
    else:
        yield (
            f"Searched {head['n_searched']:,} of the {subsets}, a beam of {head['beam']}, on {head['n_algos']} algorithms: "
            f"{rules(head)}. NOT exhaustive: there may be a better subset."
        )
    for names, how in ((head["forced"], "In every subset"), (head["excluded"], "In no subset")):
        if names:
            yield f"{how}: {', '.join(names)}."
    if head["n_unsearchable"]:
        those = f"{head['n_unsearchable']:,} of those of {head['subset_size']}"
        yield f"{those} have too few algorithms with all of their scores, or all of them in one fold, and are not ranked."
    if head["n_recomputed"]:
        those = f"{head['n_recomputed']:,} of those of {head['subset_size']}"
        yield f"{those} are nearly collinear, and were computed by an exact method."
    if unscored := [one["algo"] for one in head["left_out"] if one["reason"] == NO_SCORE]:
        yield f"Left out, without any score: {', '.join(unscored)}."
    yield from coverage_told(head["coverage"])
    if head["without_relative_error"]:
        named = ", ".join(head["without_relative_error"])
        yield f"Not counted in relative errors, because the benchmark score is 0: {named}."


def rules(head: Mapping[str, Any]) -> str:
    """Say by which rules a search went, such as ``10 folds, no intercept``."""
    said = [f"{min(head['n_folds'], head['n_algos'])} folds", f"{'an' if head['fit_intercept'] else 'no'} intercept"]
    if head["fold_rule"] == "drawn":
        said[0] += " drawn for each subset"
    if head["ridge"]:
        said.append(f"ridge {head['ridge']:g}")
    if head["rank_by"] == "in_sample":
        said.append(f"the best {head['keep']:,} by in-sample error in order of their CV MSE")
    return ", ".join(said)


def _best_rows(ranking: Sequence[Ranked]) -> Iterator[str]:
    yield _header("place")
    for place, row in enumerate(ranking[:SHOWN], start=1):
        yield _row(str(place), row)
    if len(ranking) > SHOWN:
        yield f"... and {len(ranking) - SHOWN:,} more in ranking.csv"


def _size_rows(sizes: Sequence[Mapping[str, Ranked]]) -> Iterator[str]:
    yield f"{_header('size')} (nested: the best inside the next larger one)"
    for size in sizes:
        for choice, row in size.items():
            yield _row(f"{len(row.subset)} {choice}", row)


def _header(label: str) -> str:
    return f"{label:>10}  {'CV MSE':>12}  {'in-sample error':>15}  {'algorithms':>10}  subset"


def _row(label: str, row: Ranked) -> str:
    relative_error = "-" if row.relative_error is None else f"{row.relative_error:.4f} %"
    return f"{label:>10}  {row.cv_mse:>12.6g}  {relative_error:>15}  {row.n_algos:>10}  {SEPARATOR.join(row.subset)}"
