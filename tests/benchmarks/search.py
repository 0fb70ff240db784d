"""The search of subsets: how fast, against the ways one would write it in Python, and how near to what the machine can do.

    .venv/bin/python tests/benchmarks/search.py
    .venv/bin/python tests/benchmarks/search.py --quick

All on made-up log scores of 62 algorithms x 57 environments, in three patterns:

complete    no score is missing
papers      22 algorithms have no score in 8 of the environments, 5.0 % of all: as papers that report 49 of 57 games
scattered   5.0 % are missing anywhere, so that nearly every environment has gaps, and nearly every subset rows of its own

What is shown, in this order:

others      Time a subset of 5: of `find` over all of them and `polish` of the best 1,000; and of other ways, on subsets drawn
            at random. In turn, the best of the repetitions of each. A ratio is the time of a way / that of the search on one
            thread. All others have one thread, too, and the same folds. Their errors are compared with those of `cv_mse`
            before, as those of the search itself are: where they differ by more than 1e-7 of them, nothing more is measured,
            and the exit status is 1. "batched" are a thousand subsets at once: cross-products of every fold are looked up for
            each pattern of missing rows where there are few, else summed over a subset's own rows; then np.linalg.solve, or the
            elimination written out in operations on whole arrays, which is the fastest NumPy we know. mlxtend knows no missing
            scores, and has all subsets of 10 of the environments to go through.
sizes       Nanoseconds a subset: of `find` alone; with `polish`, which is of 1,000 subsets at every size; on two threads; and how
            many times as fast two are. One thread and two in turn, the best of the repetitions. "cores" are those that the two
            threads were given, 2.0 where nobody else is at work. k = 6 of "scattered" is left out: half a minute.
peak        Operations of the innermost loop, one leaf a subset, at k = 5, "complete": additions, multiplications and divisions.
            The machine's peak is measured on one thread, by multiplications and additions that wait for nothing, as separate
            instructions: those are what the search has, for the same bits everywhere. Lanes of folds and slots of rows that only
            pad count as work done in the first line, not in the second. What goes into parents is not counted.
memory      Peak resident megabytes of a fresh process during a search on two threads, above what it had after a small one.
thesis      Milliseconds of a search as large as the thesis' own: 7 algorithms x 38 environments, k = 3, each algorithm a fold.
start       Seconds of a fresh process that imports the search and makes a small one; and with nothing compiled yet.

What one thread does is in seconds of the processor, which others at work on the machine disturb least. What two do, the thesis'
search and the start are in real seconds, and two threads are held against one in real seconds.
"""

import argparse
import contextlib
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from math import comb
from pathlib import Path

import numba
import numpy as np
from mlxtend.feature_selection import ExhaustiveFeatureSelector
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import cross_val_score
from threadpoolctl import threadpool_limits

from rlhpc.search import Problem, Settings, assign_folds, cv_mse, save, search, unrank
from rlhpc.search.best import MARGIN, find, polish
from rlhpc.search.compiled.lanes import LANES, spread, total
from rlhpc.search.compiled.table import make_table
from rlhpc.search.kernel import search_range

ROOT = Path(__file__).resolve().parents[2]
N_ALGOS, N_ENVS, SIZE = 62, 57, 5
PATTERNS = ("complete", "papers", "scattered")
TOLERANCE = 1e-7  # relative, of an error
N_EXHAUSTIVE = 10  # environments that mlxtend gets
BLOCK = 1024  # subsets that NumPy takes at once; fewer and more are slower
PER_SLOT, PER_LANE = 6, 15  # operations of `leaves`, as written: on a row, and on a fold, 2 divisions among them
N_ACCUMULATORS = 12  # in `multiply_and_add`

MEMORY = """
import re, sys
from pathlib import Path
from rlhpc.search import Settings, load, search
def megabytes():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
problem = load(Path(sys.argv[1]))
search(problem, Settings(2), n_threads=2)
Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew; that of getrusage would begin with our parent's
before = megabytes()
search(problem, Settings(int(sys.argv[2])), n_threads=2)
print(before, megabytes())
"""
START = """
import sys
from pathlib import Path
from rlhpc.search import Settings, load, search
search(load(Path(sys.argv[1])), Settings(2))
"""


def make_problem(pattern="complete", n_algos=N_ALGOS, n_envs=N_ENVS):
    """Make up a table: of skill, ease and noise; the target is the log of the median of what an algorithm has."""
    rng = np.random.default_rng(1982)
    skill, ease = rng.normal(0, 0.4, (n_algos, 1)), rng.normal(0, 0.3, (1, n_envs))
    normalised = 100 * 10 ** (skill + ease + rng.normal(0, 0.3, (n_algos, n_envs)))
    if pattern == "papers":
        normalised[np.ix_(rng.choice(n_algos, 22, replace=False), rng.choice(n_envs, 8, replace=False))] = np.nan
    if pattern == "scattered":
        normalised.flat[rng.choice(normalised.size, round(0.05 * normalised.size), replace=False)] = np.nan
    X, y = np.log10(1 + normalised), np.log10(1 + np.nanmedian(normalised, axis=1))
    algos, envs = (tuple(f"{kind}{n}" for n in range(count)) for kind, count in (("algo", n_algos), ("Env", n_envs)))
    kinds = ("bench",) * n_envs, ("Discrete",) * n_envs
    return Problem(X, y, algos, envs, *kinds, normalised, np.zeros(n_envs), np.full(n_envs, 100.0))


def search_size(problem, size, n_threads):
    """Search the subsets of one size; return the processor's seconds of `find`, and of it and `polish`, and the real ones."""
    settings = Settings(size)
    real, started = time.perf_counter(), time.process_time()
    found = find(problem, settings, size, 0, comb(len(problem.env_ids), size), n_threads=n_threads)
    between = time.process_time()
    polish(problem, settings, [found], n_threads=n_threads)
    return np.array([between - started, time.process_time() - started, time.perf_counter() - real])


def take_turns(problem, size, n_times):
    """Search on one thread and on two, in turn; return the best nanoseconds a subset of both."""
    turns = [[search_size(problem, size, n_threads) for n_threads in (1, 2)] for _ in range(n_times)]
    return 1e9 / comb(len(problem.env_ids), size) * np.min(turns, axis=0)


def processor_seconds(work):
    """Return the seconds of the processor that some work takes, and what it returns."""
    started = time.process_time()
    found = work()
    return time.process_time() - started, found


def split(problem, subset):
    """Return the rows that a subset has, their targets, and which are trained on and tested in each fold."""
    kept = ~np.isnan(problem.X[:, subset]).any(axis=1)
    fold = assign_folds(len(problem.y))[kept]
    rows = [(np.flatnonzero(fold != n), np.flatnonzero(fold == n)) for n in np.unique(fold)]
    return problem.X[kept][:, subset], problem.y[kept], rows


def by_cross_val_score(problem, subsets):
    errors = []
    for subset in subsets:
        A, b, rows = split(problem, subset)
        model = LinearRegression(fit_intercept=False)
        errors.append(-cross_val_score(model, A, b, scoring="neg_mean_squared_error", cv=rows).mean())
    return np.array(errors)


def by_fit_and_predict(problem, subsets):
    errors = []
    for subset in subsets:
        A, b, rows = split(problem, subset)
        models = [LinearRegression(fit_intercept=False).fit(A[train], b[train]) for train, _ in rows]
        errors.append(np.mean([np.mean((m.predict(A[test]) - b[test]) ** 2) for m, (_, test) in zip(models, rows, strict=True)]))
    return np.array(errors)


def by_lstsq(problem, subsets):
    errors = []
    for subset in subsets:
        A, b, rows = split(problem, subset)
        betas = [np.linalg.lstsq(A[train], b[train], rcond=None)[0] for train, _ in rows]
        errors.append(np.mean([np.mean((A[test] @ beta - b[test]) ** 2) for beta, (_, test) in zip(betas, rows, strict=True)]))
    return np.array(errors)


def by_mlxtend(problem, n_envs):
    """Return all subsets of the first environments, and their errors."""
    rows = split(problem, range(n_envs))[2]
    rules = {"scoring": "neg_mean_squared_error", "cv": rows, "print_progress": False}
    selector = ExhaustiveFeatureSelector(LinearRegression(fit_intercept=False), min_features=SIZE, max_features=SIZE, **rules)
    found = selector.fit(problem.X[:, :n_envs], problem.y).subsets_.values()
    return np.array([one["feature_idx"] for one in found]), -np.array([one["avg_score"] for one in found])


def by_batches(problem, subsets, solve):
    """Compute thousands of subsets at once; arrays are (pairs of columns, subsets, folds), the target being the last column."""
    size, fold = subsets.shape[1], assign_folds(len(problem.y))
    first, second = np.triu_indices(size + 1)
    pair = np.empty((size + 1, size + 1), dtype=np.int64)
    pair[first, second] = pair[second, first] = np.arange(len(first))
    columns = np.hstack([np.nan_to_num(problem.X), problem.y[:, None]])
    there = (~np.isnan(problem.X) << np.arange(len(fold))[:, None]).sum(axis=0)  # a bit a row
    masks = np.bitwise_and.reduce(there[subsets], axis=1)
    patterns, pattern = np.unique(masks, return_inverse=True)
    few = len(patterns) * 100 < len(subsets)
    gather = gather_patterns(columns, fold, patterns, pattern) if few else gather_rows(columns, fold, masks)
    every_other = 1.0 - np.eye(fold.max() + 1)
    chosen = np.hstack([subsets, np.full((len(subsets), 1), columns.shape[1] - 1)]).T
    errors = np.empty(len(subsets))
    for start in range(0, len(subsets), BLOCK):
        block = slice(start, start + BLOCK)
        tested, weights = gather(chosen[:, block], block, first, second)
        coefficients = solve(tested @ every_other, pair)
        errors[block] = (squares(tested, coefficients, pair) * weights).sum(axis=1)
    return errors


def weigh(n_tested):
    """Return what the sum of squares of each fold weighs, by its number of rows."""
    return (n_tested > 0) / np.maximum(n_tested, 1) / (n_tested > 0).sum(axis=1, keepdims=True)


def gather_patterns(columns, fold, patterns, pattern):
    """Look up the cross-products of subsets, in one table for each pattern of missing rows."""
    n_rows, n_columns = columns.shape
    in_fold = fold[:, None] == np.arange(fold.max() + 1)
    present = (patterns[:, None] >> np.arange(n_rows)) & 1
    n_tested = present @ in_fold
    there = (present[:, :, None] * in_fold).transpose(0, 2, 1)[..., None] * columns  # zero where not
    table = np.moveaxis(there.swapaxes(2, 3) @ there, 1, 3).reshape(-1, in_fold.shape[1])
    weights, begins = weigh(n_tested), pattern * n_columns**2

    def gather(chosen, block, first, second):
        return table.take(begins[block] + chosen[first] * n_columns + chosen[second], axis=0), weights[pattern[block]]

    return gather


def gather_rows(columns, fold, masks):
    """Sum the cross-products of subsets over the rows that each has."""
    each = np.bincount(fold).max()
    rows = np.array([np.pad(np.flatnonzero(fold == n), (0, each))[:each] for n in range(fold.max() + 1)]).T
    bits = np.where(np.arange(each)[:, None] < np.bincount(fold), 1 << rows, 0)
    slots = [np.ascontiguousarray(columns.T[:, of_folds]) for of_folds in rows]

    def gather(chosen, block, first, second):
        shape = (chosen.shape[1], bits.shape[1])
        tested, n_tested, product = np.zeros((len(first), *shape)), np.zeros(shape), np.empty(shape)
        for slot, bit in zip(slots, bits, strict=True):
            present = (masks[block, None] & bit) != 0
            n_tested += present
            scores = slot.take(chosen, axis=0)
            scores *= present
            for place, (a, b) in enumerate(zip(first, second, strict=True)):
                np.multiply(scores[a], scores[b], out=product)
                tested[place] += product
        return tested, weigh(n_tested)

    return gather


def by_lapack(moments, pair):
    size = len(pair) - 1
    equations = np.moveaxis(moments[pair[:size]], (0, 1), (2, 3))
    return np.moveaxis(np.linalg.solve(equations[..., :size], equations[..., size:])[..., 0], 2, 0)


def by_elimination(moments, pair):
    size, product = len(pair) - 1, np.empty_like(moments[0])
    inverses = []
    for pivot in range(size):
        inverses.append(1.0 / moments[pair[pivot, pivot]])
        for a in range(pivot + 1, size):
            share = moments[pair[pivot, a]] * inverses[pivot]
            for b in range(a, size + 1):
                np.multiply(share, moments[pair[pivot, b]], out=product)
                moments[pair[a, b]] -= product
    for a in range(size - 1, -1, -1):
        for b in range(a + 1, size):
            np.multiply(moments[pair[a, b]], moments[pair[b, size]], out=product)
            moments[pair[a, size]] -= product
        moments[pair[a, size]] *= inverses[a]
    return [moments[pair[a, size]] for a in range(size)]


def squares(moments, coefficients, pair):
    """Sum the squares of residuals, from cross-products: fewer operations than residuals are; overwrites them."""
    size, product = len(pair) - 1, np.empty_like(moments[0])
    found = moments[pair[size, size]]
    for a in range(size):  # + beta_a * (G_aa * beta_a + 2 * sum of G_ab * beta_b - 2 * c_a)
        inner = moments[pair[a, a]]
        inner *= coefficients[a]
        inner *= 0.5
        for b in range(a + 1, size):
            np.multiply(moments[pair[a, b]], coefficients[b], out=product)
            inner += product
        inner -= moments[pair[a, size]]
        inner *= coefficients[a]
        inner *= 2.0
        found += inner
    return found


ONE = "the search, 1 thread"
WAYS = {  # and on how many subsets; on a quarter of them, in a quick run
    "NumPy, batched, elimination written out": (lambda *of: by_batches(*of, by_elimination), 40_000),
    "NumPy, batched, np.linalg.solve": (lambda *of: by_batches(*of, by_lapack), 40_000),
    "NumPy, lstsq of every fold": (by_lstsq, 1000),
    "scikit-learn, fit and predict of every fold": (by_fit_and_predict, 200),
    "scikit-learn, cross_val_score": (by_cross_val_score, 200),
}


def check(name, errors, expected):
    """End it all where errors differ."""
    worst = np.abs(errors / expected - 1).max()
    if not worst < TOLERANCE:
        raise SystemExit(
            f"{name}: the errors of {len(errors):,} subsets differ from those of cv_mse, by {worst:.1e} of them at most"
        )
    return worst


def check_search(problem, rng, n_ranges, length=500):
    """Hold the errors that the search finds in ranges drawn at random against those of single regressions."""
    worst = 0.0
    for start in rng.integers(comb(N_ENVS, SIZE) - length, size=n_ranges).tolist():
        found = find(problem, Settings(SIZE), SIZE, start, start + length)
        worst = max(worst, check("the search", found.errors, cv_mse(problem.X, problem.y, unrank(found.ranks, N_ENVS, SIZE))))
    return worst


def compare(problem, args):
    """Return nanoseconds a subset of all ways, and the greatest relative difference between their errors and ours."""
    rng, share = np.random.default_rng(57), 4 if args.quick else 1
    ranks = rng.choice(comb(N_ENVS, SIZE), max(n for _, n in WAYS.values()), replace=False)
    subsets = unrank(ranks, N_ENVS, SIZE)
    expected = cv_mse(problem.X, problem.y, subsets)
    worst = check_search(problem, rng, 40 // share)
    for name, (way, n) in WAYS.items():
        worst = max(worst, check(name, way(problem, subsets[: n // share]), expected[: n // share]))
    turns, found = [], {name: [] for name in WAYS}
    for _ in range(args.repeat):
        turns.append(take_turns(problem, SIZE, 1))
        for name, (way, n) in WAYS.items():
            seconds, _ = processor_seconds(lambda way=way, n=n: way(problem, subsets[: n // share]))
            found[name].append(1e9 * seconds / (n // share))
    one, two = np.min(turns, axis=0)
    searches = {ONE: one[1], f"the search, 2 threads on {two[1] / two[2]:.1f} cores": one[1] * two[2] / one[2]}
    return searches | {name: min(each) for name, each in found.items()}, worst


def show_others(problems, args):
    """Print all ways, side by side."""
    for pattern, problem in problems.items():
        nanoseconds, worst = compare(problem, args)
        if pattern == "complete":
            seconds, (subsets, errors) = processor_seconds(lambda problem=problem: by_mlxtend(problem, N_EXHAUSTIVE))
            worst = max(worst, check("mlxtend", errors, cv_mse(problem.X, problem.y, subsets)))
            nanoseconds[f"mlxtend, ExhaustiveFeatureSelector, of {N_EXHAUSTIVE}"] = 1e9 * seconds / len(subsets)
        missing = 100 * np.isnan(problem.X).mean()
        print(f"\n{pattern}, {missing:.1f} % missing: all {comb(N_ENVS, SIZE):,} subsets of {SIZE}, 10 folds", end="")
        print(f"; all errors agree to {worst:.0e}\n{'':46s} {'subsets/s':>12s} {'us':>10s} {'ratio':>10s}")
        for name, each in nanoseconds.items():
            print(f"  {name:44s} {1e9 / each:12,.0f} {each / 1e3:10.3f} {each / nanoseconds[ONE]:10,.2f}", flush=True)


def show_sizes(problems, args):
    """Print one thread and two by size; return nanoseconds a subset of `find` alone."""
    print(
        f"\n{'ns a subset':19s} {'subsets':>12s} {'find':>8s} {'+ polish':>9s} {'2 threads':>10s} {'as fast':>8s} {'cores':>6s}"
    )
    alone = {}
    for pattern, problem in problems.items():
        for size in range(3, args.largest + (pattern != "scattered")):
            one, two = take_turns(problem, size, args.repeat)
            alone[pattern, size] = one[0]
            times = f"{one[0]:8.1f} {one[1]:9.1f} {two[2]:10.1f} {one[2] / two[2]:7.2f}x {two[1] / two[2]:6.1f}"
            print(f"  {pattern:10s} k = {size:<2d} {comb(N_ENVS, size):12,d} {times}", flush=True)
    return alone


@numba.njit(nogil=True)
def multiply_and_add(n, factor, more):
    """Multiply and add n times, in registers, with enough at once that none waits for another."""
    x, y = spread(factor), spread(more)
    a, b, c, d, e, f = spread(0.0), spread(1.0), spread(2.0), spread(3.0), spread(4.0), spread(5.0)
    g, h, i, j, k, m = spread(6.0), spread(7.0), spread(8.0), spread(9.0), spread(10.0), spread(11.0)
    for _ in range(n):
        a, b, c, d, e, f = a * x + y, b * x + y, c * x + y, d * x + y, e * x + y, f * x + y
        g, h, i, j, k, m = g * x + y, h * x + y, i * x + y, j * x + y, k * x + y, m * x + y
    return total(a + b + c + d + e + f + g + h + i + j + k + m)


def peak(n=1_000_000, n_times=20):
    """Return additions and multiplications a second of one thread, at most."""
    with contextlib.redirect_stderr(io.StringIO()):  # numba would have it said that the search is compiled
        multiply_and_add(1, 0.5, 0.5)
    seconds = min(processor_seconds(lambda: multiply_and_add(n, 0.5, 0.5))[0] for _ in range(n_times))
    return 2 * N_ACCUMULATORS * LANES * n / seconds


def show_peak(problem, nanoseconds):
    """Print how near a leaf comes to it."""
    most = peak() / 1e9
    rules = Settings(SIZE).rules(N_ALGOS)
    table = make_table(problem.X, problem.y, (), range(N_ENVS), SIZE, rules)
    n_slots = len(table.y_slots)
    padded = n_slots * PER_SLOT + n_slots // table.n_slots_each * PER_LANE
    needed = N_ALGOS * PER_SLOT + rules.n_folds * PER_LANE
    print(f"\npeak of one thread, separate multiplications and additions: {most:.1f} GFLOP/s")
    for what, n in (("with padding", padded), ("without padding", needed)):
        reached = n / nanoseconds
        print(f"  {what:16s} {n:4d} operations a leaf, {reached:5.1f} GFLOP/s, {100 * reached / most:4.1f} % of the peak")


def fresh(program, *arguments, **changes):
    """Run a program in a new process; return what it prints, and the seconds it took."""
    environment, command = {**os.environ, **changes}, [sys.executable, "-c", program, *map(str, arguments)]
    started = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return done.stdout, time.perf_counter() - started


def show_memory(path, size):
    """Print the memory of a search."""
    before, after = map(float, fresh(MEMORY, path, size)[0].split())
    print(f"\nmemory of a search of k = {size} and less, papers, 2 threads: ", end="")
    print(f"{after - before:.1f} MB (the process: {before:.1f} MB before, {after:.1f} MB at most)", flush=True)


def show_thesis(n_times=20):
    """Print the milliseconds of a small search."""
    problem, settings = make_problem(n_algos=7, n_envs=38), Settings(3)
    n = comb(38, 3)
    table = make_table(problem.X, problem.y, (), range(38), 3, settings.rules(7))
    works = {
        "all sizes, the best 1,000 polished": lambda: search(problem, settings),
        "k = 3 alone, the best 1,000 polished": lambda: polish(problem, settings, [find(problem, settings, 3, 0, n)]),
        "k = 3 alone, not polished": lambda: search_range(table, 0, n, settings.keep + MARGIN),
    }
    print(f"\n7 algorithms x 38 environments, {n:,} subsets of 3, {table.rules.n_folds} folds, 1 thread, of {n_times} times")
    for name, work in works.items():
        milliseconds = []
        for _ in range(n_times):
            started = time.perf_counter()
            work()
            milliseconds.append(1e3 * (time.perf_counter() - started))
        print(f"  {name:36s} {min(milliseconds):7.2f} ms at best, median {statistics.median(milliseconds):7.2f} ms")


def show_start(path, args):
    """Print how long a fresh process takes, with compiled code and without."""
    warm = [fresh(START, path)[1] for _ in range(args.repeat)]
    print(f"\nfresh process, a small search: {min(warm):.2f} s at best, median {statistics.median(warm):.2f} s", flush=True)
    if args.quick:
        print("  with nothing compiled yet: not measured in a quick run")
        return
    with tempfile.TemporaryDirectory(prefix="rlhpc-search-") as folder:
        print(f"  with nothing compiled yet: {fresh(START, path, NUMBA_CACHE_DIR=folder)[1]:.1f} s")


def parser():
    """Build the command line."""
    built = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    built.add_argument("--quick", action="store_true", help="once, up to k = 5, nothing compiled anew: 20 seconds")
    return built


def main(args):
    """Measure one thing after another."""
    args.repeat, args.largest = (1, 5) if args.quick else (3, 6)
    problems = {pattern: make_problem(pattern) for pattern in PATTERNS}
    for problem in problems.values():
        search_size(problem, 2, 1)  # compiled from here on
    print(f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f}, best of {args.repeat}")
    with threadpool_limits(1):
        show_others(problems, args)
    alone = show_sizes(problems, args)
    show_peak(problems["complete"], alone["complete", SIZE])
    with tempfile.TemporaryDirectory(prefix="rlhpc-search-") as folder:
        path = save(problems["papers"], Path(folder, "papers.npz"))
        show_memory(path, args.largest)
        show_thesis()
        show_start(path, args)
    print(f"\nload {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main(parser().parse_args())
