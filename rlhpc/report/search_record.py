"""What a search found as data: what its files hold, in full precision."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rlhpc import __version__
from rlhpc.errors import DatasetError
from rlhpc.files import file_digest
from rlhpc.report.search_costs import front_record
from rlhpc.report.search_coverage import coverage_record
from rlhpc.report.search_input import SearchInput
from rlhpc.results import coverage, normalise, target
from rlhpc.search import RULES, Best, Ranked, Settings, describe_size, make_ranking, nest, pareto, problem_hash
from rlhpc.search.compiled.tally import bin_edges

NO_SCORE = "no score"  # why an algorithm is left out that has none


@dataclass(frozen=True, eq=False)
class SearchRecord:
    """What a search found.

    Attributes
    ----------
    head : mapping
        What was searched, and by which rules.
    ranking : tuple of Ranked
        The best first; at least one.
    sizes : tuple of mapping of {"nested", "best"} to Ranked
        The largest size first.
    """

    head: Mapping[str, Any]
    ranking: tuple[Ranked, ...]
    sizes: tuple[Mapping[str, Ranked], ...]

    @property
    def found(self) -> dict[str, Any]:
        """The best subset, and both of every size, as JSON knows them."""
        return {
            "best": asdict(self.ranking[0]),
            "sizes": [{choice: asdict(row) for choice, row in size.items()} for size in self.sizes],
        }


def search_record(given: SearchInput, settings: Settings, best: Sequence[Best]) -> SearchRecord:
    """Gather what a search found.

    Parameters
    ----------
    given : SearchInput
    settings : Settings
    best : sequence of Best
        From `rlhpc.search.merge`.

    Raises
    ------
    DatasetError
        If not one subset of the largest size could be searched.
    """
    problem, size = given.problem, settings.subset_size
    if not len(best[0].subsets):
        raise DatasetError(
            f"no subset of {size} environments has more than {settings.n_parameters} algorithms with all of its scores, in more "
            "than one fold. Give a smaller size, or add scores."
        )
    return SearchRecord(
        head=_head(given, settings, best),
        ranking=tuple(make_ranking(problem, settings, best[0])),
        sizes=tuple(describe_size(problem, settings, size) for size in nest(problem, settings, best)),
    )


def _head(given: SearchInput, settings: Settings, every: Sequence[Best]) -> dict[str, Any]:
    """Say what was searched, and by which rules."""
    problem, best = given.problem, every[0]
    return {
        "version": __version__,
        "dataset": str(given.path),
        "benchmarks": list(given.benchmarks),
        "tables": list(given.tables),
        "dataset_sha256": file_digest(given.path),
        "problem_sha256": problem_hash(problem),
        **asdict(settings),
        "n_envs": len(problem.env_ids),
        "n_algos": len(problem.algos),
        "n_subsets": best.n_subsets,
        "exhaustive": all(part.exhaustive for part in every),
        "exhaustive_sizes": [part.subset_size for part in every if part.exhaustive],
        "n_searched": best.n_searched,
        "n_unsearchable": best.n_unsearchable,
        "n_recomputed": best.n_recomputed,
        "histogram": [
            {"from": low, "to": high, "n_subsets": int(best.histogram[place])}
            for place in np.flatnonzero(best.histogram)
            for low, high in [bin_edges(int(place))]
        ],
        "rules": normalise.RULES | target.RULES | coverage.RULES | {"cost_front": pareto.RULE} | RULES,
        "coverage": coverage_record(given),
        "front": front_record(problem, every),
        "algos": list(problem.algos),
        "left_out": [
            *({"algo": algo, "reason": NO_SCORE} for algo in given.left_out),
            *({"algo": one.name, "reason": one.reason} for one in given.uncovered),
        ],
        "without_relative_error": [algo for algo, y in zip(problem.algos, problem.y, strict=True) if 10.0**y == 1],
        "envs": _envs(given),
    }


def _envs(given: SearchInput) -> list[dict[str, Any]]:
    """Describe every environment, and say where the scores come from that it is normalised by."""
    problem, dataset = given.problem, given.dataset
    columns = {
        "env_id": problem.env_ids,
        "benchmark": problem.benchmarks,
        "action_space": problem.action_spaces,
        "random_score": problem.random_scores.tolist(),
        "reference_score": problem.reference_scores.tolist(),
        "random_source": [dataset.random_sources[column] for column in problem.full],
        "reference_source": [dataset.reference_sources[column] for column in problem.full],
        "cost": [None if math.isnan(cost) else cost for cost in problem.costs.tolist()],
    }
    return [dict(zip(columns, env, strict=True)) for env in zip(*columns.values(), strict=True)]
