"""What becomes of missing scores in a search: the flags that say it, and what became of them as data."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import Any

import numpy as np

from rlhpc.errors import InputError
from rlhpc.report.search_input import SearchInput
from rlhpc.results.blocks import blocks
from rlhpc.results.coverage import KEEP_ALL, CoverageRules
from rlhpc.results.target import CORRECTIONS, MIN_REFERENCES
from rlhpc.search import Settings
from rlhpc.search.problem import full_budgets

# Field of `CoverageRules` -> its flag.
FLAGS = {"min_algo": "--min-algo-coverage", "min_env": "--min-env-coverage", "correction": "--target-correction"}


def add_flags(built: argparse.ArgumentParser) -> None:
    """Add the flags that say what becomes of missing scores."""
    missing = built.add_argument_group("where scores are missing; algorithms are left out first, and all of it is told")
    missing.add_argument(
        FLAGS["min_algo"],
        type=float,
        default=KEEP_ALL.min_algo,
        metavar="SHARE",
        help="leave out algorithms with scores on less than this share of the environments, 0 to 1; every benchmark weighs the "
        "same (default: 0, none)",
    )
    missing.add_argument(
        FLAGS["min_env"],
        type=float,
        default=KEEP_ALL.min_env,
        metavar="SHARE",
        help="choose no environment that less than this share of the algorithms left have a score for; it stays in what is "
        "predicted (default: 0, none)",
    )
    missing.add_argument(
        FLAGS["correction"],
        choices=CORRECTIONS,
        default=KEEP_ALL.correction,
        help="of the benchmark score of algorithms that lack scores: by how much the algorithms with every score differ, on "
        f"average, on all environments and on those; takes {MIN_REFERENCES} of these",
    )


def read_flags(args: argparse.Namespace) -> CoverageRules:
    """Return the rules that flags make.

    Raises
    ------
    InputError
        With every fault.
    """
    return CoverageRules(args.min_algo_coverage, args.min_env_coverage, args.target_correction)


def words(rules: CoverageRules) -> list[str]:
    """Return the flags that make these rules; those that are as by default are left out."""
    values = {field.name: getattr(rules, field.name) for field in fields(rules)}
    return [word for name, value in values.items() if value != getattr(KEEP_ALL, name) for word in (FLAGS[name], str(value))]


def choose_covered(settings: Settings, given: SearchInput) -> Settings:
    """Exclude the environments that too few algorithms have a score for.

    Raises
    ------
    InputError
        If one of them is forced; with every one.
    """
    faults = [
        f"'{env.name}' is forced, and {FLAGS['min_env']} leaves it out: {env.reason}."
        for env in given.unchoosable
        if env.name in settings.forced
    ]
    if faults:
        raise InputError(*faults)
    return replace(settings, excluded=(*settings.excluded, *(env.name for env in given.unchoosable)))


def coverage_record(given: SearchInput) -> dict[str, Any]:
    """Gather what became of missing scores, as JSON knows it.

    Returns
    -------
    dict
        Of the rules ``min_algo, min_env, correction``; ``n_algos`` and ``n_complete``, how many algorithms were searched and how
        many of these have every score; ``algos`` and ``envs`` that were left out (``name, share, reason``); ``blocks`` among the
        algorithms searched, as in `rlhpc.results.blocks.Block`; ``references``, the algorithms that others were corrected
        by; ``corrections``, one for each of the others (``algo, correction, standard_error, spread``, in log10 units).
    """
    problem, made = given.problem, given.corrections
    X = problem.X[:, problem.in_target]  # environments stopped early are no part of the target
    complete = ~np.isnan(X).any(axis=1)
    corrected = np.flatnonzero(~complete).tolist() if made.references else []
    return {
        **asdict(given.rules),
        "n_algos": len(problem.algos),
        "n_complete": int(complete.sum()),
        "algos": [asdict(one) for one in given.uncovered],
        "envs": [asdict(one) for one in given.unchoosable],
        "blocks": [asdict(block) for block in blocks(X, problem.algos, full_budgets(problem).benchmarks)],
        "references": [problem.algos[row] for row in made.references],
        "corrections": [
            {
                "algo": problem.algos[row],
                "correction": float(made.values[row]),
                "standard_error": float(made.standard_errors[row]),
                "spread": float(made.spreads[row]),
            }
            for row in corrected
        ],
    }


def recorded_rules(record: Mapping[str, Any]) -> CoverageRules:
    """Return the rules of a `coverage_record`."""
    return CoverageRules(**{field.name: record[field.name] for field in fields(CoverageRules)})
