"""What environments cost: the flags that say it, the table it is read from, and the front in words and as data."""

from __future__ import annotations

import argparse
import math
import shlex
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlhpc.errors import InputError, nearest
from rlhpc.results.scores import SAME, mean
from rlhpc.results.table import Table, read_csv
from rlhpc.search import Best, Problem, Settings
from rlhpc.search.costs import whole_costs
from rlhpc.search.pareto import cost_front

Floats = NDArray[np.float64]
Costs = dict[str, list[tuple[float, tuple[str, ...]]]]  # algo -> of each of its trainings the cost, and what must be the same

ENV_COLUMNS = ("env_id", "Environments")  # whichever a table has
SECONDS = "train_seconds"  # of scores.csv; told as hours
# Column -> unit, in the order in which they are looked for; of any other column, its name is the unit.
COST_COLUMNS: Mapping[str, str] = {SECONDS: "hours", "hours": "hours", "cost": "cost"}
UNITS: Mapping[str, str] = {**COST_COLUMNS, "total_timesteps": "steps", "timesteps": "steps"}
LOWEST, HIGHEST = 1e-9, 1e15  # of a cost in a table: steps, seconds, hours, any currency
MOST_APART = 1e9  # times that the dearest environment may cost the cheapest, so that sums are exact to the cheapest's last digit
SHOWN = 10  # points of a front, in a terminal


def add_flags(built: argparse.ArgumentParser) -> None:
    """Add the flags that say what environments cost."""
    costs = built.add_argument_group("error against cost: no subset on the front is beaten by a cheaper one")
    costs.add_argument(
        "--costs",
        type=Path,
        metavar="FILE",
        help="table with a row for each environment or training, such as scores.csv: env_id, and a column of costs",
    )
    costs.add_argument(
        "--cost-column",
        metavar="NAME",
        help=f"the column (default: the first there is of {', '.join(COST_COLUMNS)}); total_timesteps for budgets in steps",
    )
    costs.add_argument(
        "--cost-algo", metavar="ALGO", help="the training of this algorithm (default: the mean over those that are searched)"
    )
    costs.add_argument(
        "--max-cost",
        type=float,
        metavar="COST",
        help="name the best subset of which one training on each environment costs no more, too",
    )


def flag_faults(args: argparse.Namespace) -> Iterator[str]:
    """Yield what is wrong with the flags of `add_flags`."""
    for flag, value in (
        ("--cost-column", args.cost_column),
        ("--cost-algo", args.cost_algo),
        ("--max-cost", args.max_cost),
    ):
        if value is not None and args.costs is None:
            yield f"{flag} needs --costs FILE: the table that says what environments cost."
    if args.max_cost is not None and not args.max_cost > 0:
        yield f"--max-cost {args.max_cost} is no cost: give more than 0."
    if args.costs is not None and args.rank_by == "in_sample":
        yield "--costs goes by CV MSE, and --rank-by in_sample does not: leave out one of the two."


def words(args: argparse.Namespace) -> list[str]:
    """Return the words of a command line that say what environments cost."""
    flags = (("--costs", args.costs), ("--cost-column", args.cost_column), ("--cost-algo", args.cost_algo))
    return [str(word) for flag, value in flags if value is not None for word in (flag, value)]


def with_costs(problem: Problem, settings: Settings, args: argparse.Namespace, tables: Sequence[Path] = ()) -> Problem:
    """Return the problem with what its environments cost; itself, if no costs were given.

    Parameters
    ----------
    problem : Problem
    settings : Settings
        Environments that no subset may have need no cost.
    args : argparse.Namespace
    tables : sequence of Path
        More tables of costs, with the same columns.

    Raises
    ------
    InputError
        With every environment without a cost, costs that are zero or negative, and all else that is wrong with the tables.
    """
    if args.costs is None:
        return problem
    found: dict[str, Costs] = defaultdict(lambda: defaultdict(list))
    column, faults = "", []
    for path in (args.costs, *tables):
        table = read_csv(path)
        column = column or _cost_column(table, args.cost_column)
        _gather(table, column, _wanted_algos(table, problem, args.cost_algo), problem, found)
        faults += table.faults
    share = 3600.0 if column == SECONDS else 1.0
    costs = np.array([_mean(found[env_id]) / share for env_id in problem.env_ids])
    faults += _cost_faults(problem, settings, costs, args, found)
    if faults:
        raise InputError(*faults)
    return replace(problem, costs=costs, cost_unit=UNITS.get(column, column))


def _cost_column(table: Table, given: str | None) -> str:
    """Return the column that holds costs."""
    _env_column(table)
    if given is not None and given not in table.columns:
        raise InputError(f"'{table.name}' has no column '{given}'. {nearest(given, table.columns)}")
    known = [column for column in COST_COLUMNS if column in table.columns]
    if given is None and not known:
        raise InputError(
            f"'{table.name}' has no column of costs: none of {', '.join(COST_COLUMNS)} among {', '.join(table.columns)}. "
            "Name it with --cost-column."
        )
    return given or known[0]


def _env_column(table: Table) -> str:
    """Return the column that holds environments; refuse a table without one."""
    for column in ENV_COLUMNS:
        if column in table.columns:
            return column
    raise InputError(f"'{table.name}' has no column {' or '.join(ENV_COLUMNS)}; it has {', '.join(table.columns)}.")


def _wanted_algos(table: Table, problem: Problem, given: str | None) -> set[str] | None:
    """Return the algorithms whose rows count; None for all rows."""
    if "algo" not in table.columns:
        if given is not None:
            raise InputError(f"--cost-algo {given}: '{table.name}' has no column algo. Leave it out, or give another table.")
        return None
    there = {row.cells["algo"] for row in table.rows}
    if given is not None and given not in there:
        raise InputError(f"--cost-algo {given}: '{table.name}' has no such algorithm. {nearest(given, sorted(there))}")
    return {given} if given is not None else {*problem.algos}


def _gather(table: Table, column: str, algos: set[str] | None, problem: Problem, found: dict[str, Costs]) -> None:
    """Add the costs of a table, by environment and algorithm; what is wrong with it is noted in the table.

    An environment may cost something else within another benchmark than the problem's: rows that name another do not count.
    """
    env, lines = _env_column(table), dict[str, int]()
    benchmarks = dict(zip(problem.env_ids, problem.benchmarks, strict=True))
    for row in table.rows:
        of_row, of_problem = row.cells.get("benchmark"), benchmarks.get(row.cells[env])
        if of_row and of_problem and of_row != of_problem:
            continue
        algo = row.cells.get("algo", "")
        if not {"algo", "seed"} & {*table.columns} and lines.setdefault(row.cells[env], row.line) != row.line:
            table.fault(row, env, f"stands in line {lines[row.cells[env]]} already; give each environment one row")
        if algos is None or algo in algos:
            cost = table.number(row, column)
            if math.isfinite(cost) and not LOWEST <= cost <= HIGHEST:
                table.fault(row, column, f"is no cost; give {LOWEST:g} to {HIGHEST:g}")
            if not math.isnan(cost):
                same = tuple(row.cells.get(key, "") for key in SAME)
                found[table.text(row, env)][algo].append((cost, same))


def _mean(by_algo: Costs) -> float:
    """Return the mean over algorithms of the mean over their trainings; NaN if there are none."""
    return mean([mean([cost for cost, _ in trainings]) for trainings in by_algo.values()]) if by_algo else math.nan


def _cost_faults(
    problem: Problem, settings: Settings, costs: Floats, args: argparse.Namespace, found: Mapping[str, Costs]
) -> Iterator[str]:
    """Yield what is wrong with costs: some are missing, are of trainings that differ, or lie too far apart."""
    of = f" of '{args.cost_algo}'" if args.cost_algo else ""
    needed = [
        (env_id, cost) for env_id, cost in zip(problem.env_ids, costs.tolist(), strict=True) if env_id not in settings.excluded
    ]
    if missing := [env_id for env_id, cost in needed if math.isnan(cost)]:
        yield (
            f"'{args.costs}' has no cost{of} for {', '.join(missing)}. Add them, or leave these environments out of subsets "
            "with --exclude."
        )
    for env_id, _ in needed:
        mixed = [algo for algo, trainings in found[env_id].items() if len({same for _, same in trainings}) > 1]
        yield from (
            f"'{args.costs}': the trainings of '{algo}' on '{env_id}' differ in {' or '.join(SAME)}, so their costs are not "
            "averaged. Keep one kind, or leave the environment out of subsets with --exclude."
            for algo in mixed
        )
    known = [cost for _, cost in needed if not math.isnan(cost)]
    if known and max(known) > MOST_APART * min(known) > 0:
        yield (
            f"'{args.costs}' has costs from {min(known):g} to {max(known):g}: more than {MOST_APART:g} times apart. Correct "
            "them, or leave the cheapest environments out of it."
        )


def front_record(problem: Problem, best: Sequence[Best]) -> dict[str, Any] | None:
    """Describe the cost front as JSON knows it; None if the problem has no costs."""
    costs = whole_costs(problem)
    if costs is None:
        return None
    every = np.flatnonzero(~np.isnan(problem.costs))
    total = costs.spell(int(costs.of(every[None])[0]))
    return {
        "unit": problem.cost_unit,
        "total": total,
        "points": [
            {
                "subset": [problem.env_ids[column] for column in point.subset],
                "cost": point.cost,
                "share": point.cost / total,
                "cv_mse": point.cv_mse,
            }
            for point in cost_front(problem, best)
        ],
    }


def best_within(front: Mapping[str, Any], most: float) -> Mapping[str, Any] | None:
    """Return the best point of a `front_record` that costs no more than that; None if all cost more."""
    affordable = [point for point in front["points"] if point["cost"] <= most]
    return affordable[-1] if affordable else None


def describe(front: Mapping[str, Any], max_cost: float | None) -> Iterator[str]:
    """Spell a front for a terminal: the points, and the best that is affordable."""
    unit, points = front["unit"], front["points"]
    yield f"{'cost':>10}  {'share':>6}  {'CV MSE':>12}  subset (cost in {unit}; all {front['total']:.4g})"
    for point in points[:SHOWN]:
        yield f"{point['cost']:>10.4g}  {100 * point['share']:>5.1f}%  {point['cv_mse']:>12.6g}  {'; '.join(point['subset'])}"
    if len(points) > SHOWN:
        yield f"... and {len(points) - SHOWN} more in front.csv"
    if max_cost is not None:
        point = best_within(front, max_cost)
        yield (
            f"No subset costs {max_cost:g} {unit} or less: the cheapest costs {points[0]['cost']:.4g}."
            if point is None
            else f"The best of at most {max_cost:g} {unit}: {', '.join(point['subset'])} ({point['cost']:.4g} {unit}, CV MSE "
            f"{point['cv_mse']:.3g}). For a report on it, search it alone: --subset-size {len(point['subset'])} --force "
            f"{shlex.join(point['subset'])}"
        )
