"""Trust figures: how long they take, against the same with scikit-learn; and what a cost front adds to a search.

    .venv/bin/python tests/benchmarks/trust.py
    .venv/bin/python tests/benchmarks/trust.py --quick

On made-up log scores of 62 algorithms x 57 environments, 5.0 % missing as in papers that report 49 of 57 games; at k = 5
(`--quick`: 3).

report      Real seconds of all searches of a report, on two threads: without each of 62 algorithms, 40 shuffled targets, 40
            tables with permuted columns, 20 other seeds of the folds. The same with scikit-learn's `cross_val_score` is
            extrapolated: the time of one thread for subsets drawn at random, times the subsets, times the searches, divided by
            two threads as if they lost nothing. Both are held to the same errors first.
            "all that a report redoes by default" adds pairs left out and parts of the algorithms.
thesis      Real seconds of jobs/subset_report.py on a table of 7 x 38, k = 3, in a fresh process: 5,040 orders of the target,
            1,000 tables with permuted columns, 7 and 21 searches without some; and again, when they are stored.
front       Nanoseconds a subset with costs and without, on one thread, in turn, the best of the repetitions; and the points on
            the front.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from math import comb
from pathlib import Path

import numpy as np
from search import by_cross_val_score, make_problem, search_size
from threadpoolctl import threadpool_limits

from rlhpc.report.search_input import rescore
from rlhpc.results.coverage import KEEP_ALL
from rlhpc.search import Settings, cv_mse, n_to_search, search
from rlhpc.search.pareto import cost_front
from rlhpc.search.trust import Given, Plan, make_plan, redo
from rlhpc.search.trust.replicates import Kind

ROOT = Path(__file__).resolve().parents[2]
ASKED = Plan(n_permutations=40, n_fold_seeds=20, n_pairs=0, n_resamples=0, n_subsamples=0)
TOLERANCE = 1e-7  # relative, of an error


def seconds_of(given, n_threads=2):
    """Redo all searches of a plan; return how many there are, and the real seconds."""
    begun = time.perf_counter()
    redo(given, given.replicates, n_threads=n_threads)
    return len(given.replicates), time.perf_counter() - begun


def scikit_learn_seconds(problem, size, n_sampled):
    """Return the seconds that `cross_val_score` takes for one subset, after comparing its errors with ours."""
    rng = np.random.default_rng(0)
    subsets = np.array([np.sort(rng.choice(len(problem.env_ids), size, replace=False)) for _ in range(n_sampled)])
    with threadpool_limits(1):
        begun = time.process_time()
        errors = np.array(by_cross_val_score(problem, subsets))
        seconds = (time.process_time() - begun) / n_sampled
    if not np.allclose(errors, cv_mse(problem.X, problem.y, subsets), rtol=TOLERANCE, atol=0):
        raise SystemExit("cross_val_score and the search differ")
    return seconds


def show_report(problem, size, n_sampled):
    settings = Settings(size)
    given = Given(problem, settings, ASKED, lambda scores: rescore(problem, scores, KEEP_ALL))
    n_searches, seconds = seconds_of(given)
    parts = ", ".join(f"{given.count(kind)} {kind}" for kind in Kind if given.count(kind))
    each, n_subsets = scikit_learn_seconds(problem, size, n_sampled), n_to_search(problem, settings)
    rival = each * n_subsets * n_searches / 2
    print(f"report      {n_searches} searches ({parts}) of {n_subsets:,} subsets each: {seconds:.1f} s")
    told = f"cross_val_score, extrapolated from {n_sampled} subsets ({1e6 * each:.0f} us each)"
    print(f"            {told}: {rival / 86_400:,.1f} days, {rival / seconds:,.0f} times as long")
    usual = replace(given, plan=make_plan(problem, settings))
    n_searches, seconds = seconds_of(usual)
    print(f"            all that a report redoes by default: {n_searches} searches, {seconds:.1f} s")


def show_thesis():
    small = make_problem("complete", n_algos=7, n_envs=38)
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder, "table.csv")
        lines = [",".join(["Environments,Benchmark,Action Space,Base,Reference", *small.algos])]
        for env, scores in zip(small.env_ids, small.scores.T.tolist(), strict=True):
            lines.append(",".join([f"{env},b,Discrete,0,100", *map(repr, scores)]))
        table.write_text("\n".join(lines) + "\n")
        out = Path(folder, "out")
        jobs = [["jobs/subset_search.py", table, "--out", out], ["jobs/subset_report.py", out], ["jobs/subset_report.py", out]]
        seconds = []
        for job in jobs:
            begun = time.perf_counter()
            subprocess.run([sys.executable, *map(str, job)], cwd=ROOT, check=True, capture_output=True)
            seconds.append(time.perf_counter() - begun)
    print(f"thesis      a whole report: {seconds[1]:.1f} s; again: {seconds[2]:.1f} s")


def show_front(problem, size, n_times):
    priced = replace(problem, costs=np.random.default_rng(0).uniform(0.5, 20, len(problem.env_ids)).round(3), cost_unit="hours")
    turns = [[search_size(one, size, 1)[0] for one in (problem, priced)] for _ in range(n_times)]
    plain, costly = 1e9 / comb(len(problem.env_ids), size) * np.min(turns, axis=0)
    n_points = len(cost_front(priced, search(priced, Settings(size), n_threads=2)))
    print(
        f"front       {plain:.1f} ns a subset without costs, {costly:.1f} ns with: {costly / plain:.2f} times; {n_points} points"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="k = 3, fewer repetitions: a look, no measurement")
    quick = parser.parse_args().quick
    problem, size = make_problem("papers"), 3 if quick else 5
    search(problem, Settings(2))  # what is compiled is compiled now
    show_report(problem, size, 20 if quick else 300)
    show_thesis()
    show_front(problem, size, 2 if quick else 7)


if __name__ == "__main__":
    main()
