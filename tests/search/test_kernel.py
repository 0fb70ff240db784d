"""The kernel, held against single regressions for every subset, and against what must hold by definition.

The kernel keeps errors cut to 31 binary digits, so that they may be a relative 4.7e-10 too small.
"""

import threading
import time
from itertools import combinations, pairwise, product

import numpy as np
import pytest

from rlhpc.search import kernel
from rlhpc.search.combinations import shard_range
from rlhpc.search.compiled.lanes import LANES
from rlhpc.search.compiled.table import make_table
from rlhpc.search.compiled.tally import N_RECOMPUTED, N_UNSEARCHABLE, bin_edges
from rlhpc.search.kernel import search_range
from rlhpc.search.regression import cv_mse, errors_by, make_rules


def degenerate(X):
    """Add an all-zero column, a duplicate, a multiple, and one that is zero but for one row."""
    one_row = np.where(np.arange(len(X)) == 2, 1.5, 0.0)
    return np.column_stack([X, np.zeros(len(X)), X[:, 0], 2 * X[:, 1], one_row])


def with_gaps(X, columns, share=0.15, seed=5):
    """Take some scores out of some columns; of each column at least one."""
    rng, X = np.random.default_rng(seed), X.copy()
    for column in columns:
        X[rng.random(len(X)) < share, column] = np.nan
        X[rng.integers(len(X)), column] = np.nan
    return X


def subsets_of(n_envs, size, forced=()):
    """Every subset with the forced columns and `size` others, in order."""
    free = [column for column in range(n_envs) if column not in forced]
    return np.array([sorted([*forced, *chosen]) for chosen in combinations(free, size)])


def table_of(X, y, size, forced=(), **rules):
    free = [column for column in range(X.shape[1]) if column not in forced]
    return make_table(X, y, forced, free, size, make_rules(len(y), **rules))


def search(X, y, size, forced=(), **rules):
    """Search every subset, and keep all of them."""
    n_subsets = len(subsets_of(X.shape[1], size, forced))
    return search_range(table_of(X, y, size, forced, **rules), 0, n_subsets, n_subsets)


def errors_in(tally, n_subsets):
    """The errors of all subsets by rank; infinite where not searchable."""
    errors = np.full(n_subsets, np.inf)
    errors[tally.ranks] = tally.errors
    return errors


def check(X, y, size, forced=(), **rules):
    """Hold a search of every subset against single regressions, and return what it found."""
    expected = errors_by(make_rules(len(y), **rules), X, y, subsets_of(X.shape[1], size, forced))
    tally = search(X, y, size, forced, **rules)
    np.testing.assert_allclose(errors_in(tally, len(expected)), expected, rtol=1e-9, atol=1e-24)
    assert tally.counts[N_UNSEARCHABLE] == np.isinf(expected).sum() == len(expected) - len(tally.ranks)
    assert tally.histogram.sum() == len(tally.ranks)
    return tally


GAPS = {"none": (), "some": (1, 3, 5), "all": range(9)}
RULES = [
    dict(zip(("fit_intercept", "drawn", "in_sample", "ridge"), values, strict=True))
    for values in product((False, True), (False, True), (False, True), (0.0, 0.2))
]


@pytest.mark.parametrize("gaps", GAPS)
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_every_subset_has_the_error_of_its_own_regression(make_problem, size, gaps):
    problem = make_problem(n_algos=17, n_envs=5, seed=size)
    X = with_gaps(degenerate(problem.X), GAPS[gaps])
    for rules in RULES:
        tally = check(X, problem.y, size, n_folds=5, **rules)
        assert len(tally.ranks)


@pytest.mark.parametrize("gaps", GAPS)
@pytest.mark.parametrize("forced", [(2,), (1, 4), (0, 6), (3, 8)])
def test_forced_environments_are_in_every_subset(make_problem, forced, gaps):
    problem = make_problem(n_algos=17, n_envs=5, seed=9)
    X = with_gaps(degenerate(problem.X), GAPS[gaps])
    for size, rules in product((1, 2, 3), RULES):
        tally = check(X, problem.y, size, forced, n_folds=5, **rules)
        assert len(tally.ranks)


@pytest.mark.parametrize("rule", ["fixed", "drawn"])
@pytest.mark.parametrize("gaps", GAPS)
def test_every_subset_has_the_error_that_scikit_learn_finds(make_problem, reference, gaps, rule):
    problem = make_problem(n_algos=13, n_envs=5, seed=3)
    X = with_gaps(degenerate(problem.X), GAPS[gaps])
    for size, fit_intercept, ridge in ((1, True, 0.0), (2, False, 0.0), (2, True, 0.4), (3, False, 0.0)):
        rules = {"n_folds": 4, "fit_intercept": fit_intercept, "ridge": ridge}
        expected = [reference.cv_mse(X, problem.y, subset, fold_rule=rule, **rules) for subset in subsets_of(9, size)]
        found = errors_in(search(X, problem.y, size, drawn=rule == "drawn", **rules), len(expected))
        np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("gaps", GAPS)
def test_in_sample_errors_are_those_that_scikit_learn_finds(make_problem, reference, gaps):
    problem = make_problem(n_algos=13, n_envs=5, seed=3)
    X = with_gaps(degenerate(problem.X), GAPS[gaps])
    expected = [reference.in_sample_mse(X, problem.y, subset, fit_intercept=True) for subset in subsets_of(9, 2)]
    found = errors_in(search(X, problem.y, 2, in_sample=True, fit_intercept=True), len(expected))
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("gaps", GAPS)
@pytest.mark.parametrize("n_folds", range(2, 21))
def test_any_number_of_folds_fits_into_lanes(make_problem, n_folds, gaps):
    problem = make_problem(n_algos=18, n_envs=9, seed=n_folds)
    X = with_gaps(problem.X, GAPS[gaps], share=0.1)
    for drawn, fit_intercept in product((False, True), repeat=2):
        check(X, problem.y, 3, n_folds=n_folds, drawn=drawn, fit_intercept=fit_intercept)


def test_a_table_of_the_size_of_a_benchmark_is_right(make_problem):
    problem = make_problem(n_algos=62, n_envs=16)
    for gaps, fit_intercept in product(((), (1, 3, 4, 9)), (False, True)):
        check(with_gaps(problem.X, gaps), problem.y, 4, fit_intercept=fit_intercept)


@pytest.mark.parametrize("n_algos", [LANES - 1, LANES, LANES + 1, 2 * LANES, 2 * LANES + 1])
def test_a_fold_for_each_row_is_right_beside_whole_blocks_of_lanes(make_problem, n_algos):
    problem = make_problem(n_algos=n_algos, n_envs=9, seed=1)
    for gaps, in_sample in product(GAPS.values(), (False, True)):
        check(with_gaps(problem.X, gaps, share=0.05), problem.y, 2, n_folds=40, in_sample=in_sample, fit_intercept=True)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7, 0.95])
def test_subsets_with_too_few_rows_or_folds_are_counted_and_not_kept(make_problem, share):
    problem = make_problem(n_algos=10, n_envs=7, seed=2)
    X = with_gaps(problem.X, range(1, 7), share)
    n_searchable = 0
    for size, drawn, forced in product((1, 2, 3), (False, True), ((), (0,), (1,))):
        tally = check(X, problem.y, size, forced, n_folds=3, drawn=drawn)
        assert tally.counts[N_UNSEARCHABLE] or size == 1
        n_searchable += len(tally.ranks)
    assert n_searchable


@pytest.mark.parametrize("gaps", [(), range(1, 6)])
def test_subsets_with_all_rows_in_one_fold_are_counted_and_not_kept(make_problem, gaps):
    problem = make_problem(n_algos=16, n_envs=6)
    X = with_gaps(problem.X, gaps, share=0)
    X[make_rules(16, n_folds=3).fold_of[16] != 1, 0] = np.nan
    for size, in_sample, forced in ((1, False, ()), (2, False, ()), (2, True, ()), (1, False, (0,)), (1, True, (0,))):
        tally = check(X, problem.y, size, forced, n_folds=3, in_sample=in_sample)
        assert tally.counts[N_UNSEARCHABLE] == (5 if forced or size == 2 else 1)
        assert len(check(X, problem.y, 1, drawn=True, n_folds=3, in_sample=in_sample).ranks) == 6


def test_an_environment_without_any_score_makes_its_subsets_unsearchable(make_problem):
    problem = make_problem(n_algos=10, n_envs=5)
    X = problem.X.copy()
    X[:, 2] = np.nan
    for drawn, fit_intercept in product((False, True), repeat=2):
        tally = check(X, problem.y, 2, drawn=drawn, fit_intercept=fit_intercept)
        assert tally.counts[N_UNSEARCHABLE] == 4


def test_subsets_of_every_environment_are_searched(make_problem):
    problem = make_problem(n_algos=14, n_envs=5, seed=4)
    for gaps, drawn in product(((), (0, 2), range(5)), (False, True)):
        X = with_gaps(problem.X, gaps, share=0)
        assert len(check(X, problem.y, 5, drawn=drawn).ranks) == 1
        assert len(check(X, problem.y, 1, (0, 1, 2, 4), drawn=drawn).ranks) == 1


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("apart", [1e-3, 1e-4, 1e-5])
def test_nearly_collinear_subsets_are_counted_and_right(make_problem, reference, apart, fit_intercept):
    problem = make_problem(n_algos=14, n_envs=4, seed=6)
    X = np.column_stack([problem.X, problem.X[:, 0] + apart * np.random.default_rng(1).normal(size=14)])
    rules, subsets = {"n_folds": 5, "fit_intercept": fit_intercept}, subsets_of(5, 3)
    for gaps in ((), (0,), range(5)):
        gappy = with_gaps(X, gaps)
        tally = search(gappy, problem.y, 3, **rules)
        expected = [reference.exact_cv_mse(gappy, problem.y, subset, **rules) for subset in subsets]
        np.testing.assert_allclose(errors_in(tally, 10), expected, rtol=1e-9)
        assert (
            tally.counts[N_RECOMPUTED] >= sum({0, 4} <= {*subset} for subset in subsets.tolist()) == 3
        )  # few rows are collinear soon


@pytest.mark.parametrize("size", [3, 4, 5])
@pytest.mark.parametrize("s", [0.1, 0.03, 0.01, 0.006, 0.004])
def test_collinearity_that_adds_up_over_columns_is_noticed(s, size):
    rng = np.random.default_rng(size)
    for _ in range(20):
        apart, y = rng.normal(size=(20, size)), rng.normal(size=20)
        X = np.column_stack([apart[:, 0], apart[:, :-1] + s * apart[:, 1:]])  # each has s**2 left beside those before
        for order in (range(size), rng.permutation(size)):
            check(X[:, list(order)], y, size)


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("gaps", [(), (0, 2, 4), range(7)])
def test_scores_that_are_much_alike_are_not_taken_for_collinear(gaps, fit_intercept):
    rng = np.random.default_rng(3)
    X, y = with_gaps(2.0 + 0.1 * rng.normal(size=(60, 7)), gaps, share=0.05), 2.0 + 0.1 * rng.normal(size=60)
    for size in range(1, 7):
        assert check(X, y, size, fit_intercept=fit_intercept).counts[N_RECOMPUTED] == 0


@pytest.mark.parametrize("ratio", [1e5, 1e7, 1e9])
@pytest.mark.parametrize("gaps", [(), range(3)])
def test_an_outlier_that_is_held_out_hides_no_other_score(make_problem, reference, ratio, gaps):
    problem = make_problem(n_algos=12, n_envs=3, seed=7)
    X = problem.X.copy()
    X[1:, 0] /= ratio  # the scores but one lie this far below it
    X = with_gaps(X, gaps, share=0)
    assert not np.isnan(X[0]).any()
    for size, fit_intercept in product((1, 2), (False, True)):
        rules = {"n_folds": 4, "fit_intercept": fit_intercept}
        expected = [reference.exact_cv_mse(X, problem.y, subset, **rules) for subset in subsets_of(3, size)]
        rtol = 1e-6 if fit_intercept and ratio > 1e7 else 1e-9  # what is left of small scores when the mean of all is taken off
        np.testing.assert_allclose(errors_in(search(X, problem.y, size, **rules), 3), expected, rtol=rtol)


@pytest.mark.parametrize("outlier", [200.0, 400.0])
@pytest.mark.parametrize("gaps", [(), range(3)])
def test_a_score_that_outweighs_all_others_is_held_out_of_two_columns_that_are_alike(reference, outlier, gaps):
    for seed in range(10):
        rng = np.random.default_rng(seed)
        first, y = 1 + rng.random(20), 1 + rng.random(20)
        X = np.column_stack([first, first + 0.01 * rng.normal(size=20), 1 + rng.random(20)])
        X[0, :2] = outlier, 1.5
        X = with_gaps(X, gaps, share=0.05, seed=seed)
        expected = [reference.exact_cv_mse(X, y, subset, n_folds=5) for subset in subsets_of(3, 2)]
        np.testing.assert_allclose(errors_in(search(X, y, 2, n_folds=5), 3), expected, rtol=1e-9)


def test_columns_of_zeros_and_of_ones_are_not_nearly_collinear(make_problem):
    problem = make_problem(n_algos=12, n_envs=4)
    one_row = np.where(np.arange(12) == 3, 2.0, 0.0)
    X = np.column_stack([problem.X, np.zeros(12), one_row])
    assert check(X, problem.y, 3).counts[N_RECOMPUTED] == 0
    X = np.column_stack([problem.X, np.zeros(12), np.full(12, 0.1)])
    assert check(X, problem.y, 3, fit_intercept=True).counts[N_RECOMPUTED] == 0


def test_exact_predictions_have_the_error_zero(make_problem):
    problem = make_problem(n_algos=12, n_envs=5)
    y = problem.X @ [0.5, 0.25, 0.0, 0.0, 0.0]
    for gaps, drawn in product(((), (0, 3), range(5)), (False, True)):
        tally = search(with_gaps(problem.X, gaps, share=0.05), y, 3, drawn=drawn)
        assert tally.errors[:3].tolist() == [0.0, 0.0, 0.0]
        assert tally.ranks[:3].tolist() == [0, 1, 2]
        assert tally.errors[3] > 1e-6


@pytest.mark.parametrize("gaps", GAPS)
def test_the_histogram_is_a_plain_count(make_problem, gaps):
    problem = make_problem(n_algos=15, n_envs=9, seed=5)
    X = with_gaps(problem.X, GAPS[gaps], share=0.3)
    tally = search(X, problem.y, 3, n_folds=6)
    errors = errors_by(make_rules(15, n_folds=6), X, problem.y, subsets_of(9, 3))
    counted = {n: bin_edges(n) for n in np.flatnonzero(tally.histogram).tolist()}
    assert len(counted) > 5
    for n, (low, high) in counted.items():
        assert tally.histogram[n] == np.count_nonzero((low <= errors) & (errors < high))
    assert tally.histogram.sum() == np.isfinite(errors).sum()


@pytest.mark.parametrize("gaps", GAPS)
def test_the_best_are_kept_in_order_of_error_and_rank(make_problem, gaps):
    problem = make_problem(n_algos=13, n_envs=5, seed=8)
    X = with_gaps(np.column_stack([problem.X, problem.X[:, :4]]), GAPS[gaps])
    whole = search(X, problem.y, 3, n_folds=5)
    order = sorted(zip(whole.errors.tolist(), whole.ranks.tolist(), strict=True))
    assert len({error for error, _ in order}) < len(order) or gaps == "all"  # some tie
    for n_kept in (1, 2, 10, 83, 1000):
        best = search_range(table_of(X, problem.y, 3, n_folds=5), 0, 84, n_kept)
        assert [*zip(best.errors.tolist(), best.ranks.tolist(), strict=True)] == order[:n_kept]


def test_ranks_are_those_of_free_environments_in_the_order_of_the_table(make_problem):
    problem = make_problem(n_algos=13, n_envs=8)
    X, forced = with_gaps(problem.X, (1, 4, 7)), (2, 5)
    tally = search(X, problem.y, 2, forced)
    free = [0, 1, 3, 4, 6, 7]
    for error, rank in zip(tally.errors, tally.ranks.tolist(), strict=True):
        subset = [*forced, *list(combinations(free, 2))[rank]]
        assert error == pytest.approx(errors_by(make_rules(13), X, problem.y, np.array([subset]))[0], rel=1e-9)


def joined(table, bounds, n_kept):
    """Search ranges one by one, and join what they found."""
    return kernel.join_tallies([search_range(table, *ends, n_kept) for ends in pairwise(bounds)], n_kept)


def equal(one, other):
    """Whether two tallies are equal to the bit."""
    return all(a.tobytes() == b.tobytes() for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("n_ranges", [1, 2, 7, 16, 100, 1000])
@pytest.mark.parametrize("gaps", GAPS)
def test_any_division_into_ranges_gives_the_same_bits(make_problem, gaps, n_ranges):
    problem = make_problem(n_algos=16, n_envs=14, seed=1)
    columns = {"none": (), "some": (1, 3, 5, 8, 9), "all": range(18)}[gaps]
    X = with_gaps(degenerate(problem.X), columns, share=0.3)
    for drawn, forced in ((False, ()), (True, ()), (False, (1,))):
        table = table_of(X, problem.y, 3, forced, drawn=drawn, n_folds=5)
        n_subsets = len(subsets_of(18, 3, forced))
        bounds = [shard_range(place, n_ranges, n_subsets)[0] for place in range(n_ranges)] + [n_subsets]
        for n_kept in (20, n_subsets):
            assert equal(joined(table, bounds, n_kept), search_range(table, 0, n_subsets, n_kept))


@pytest.mark.parametrize("gaps", GAPS)
@pytest.mark.parametrize("size", [1, 2, 4])
def test_every_rank_searched_alone_gives_the_same_bits(make_problem, size, gaps):
    problem = make_problem(n_algos=12, n_envs=5, seed=2)
    X = with_gaps(degenerate(problem.X), GAPS[gaps], share=0.3)
    n_subsets = len(subsets_of(9, size))
    for drawn, in_sample, fit_intercept in product((False, True), repeat=3):
        table = table_of(X, problem.y, size, drawn=drawn, in_sample=in_sample, fit_intercept=fit_intercept)
        alone = joined(table, range(n_subsets + 1), n_subsets)
        assert equal(alone, search_range(table, 0, n_subsets, n_subsets))


@pytest.mark.parametrize("gaps", GAPS)
def test_any_number_of_threads_gives_the_same_bits(make_problem, monkeypatch, gaps):
    problem = make_problem(n_algos=12, n_envs=9, seed=2)
    table = table_of(with_gaps(problem.X, GAPS[gaps]), problem.y, 4)
    whole = search_range(table, 0, 126, 30)
    for chunk, n_threads in product((kernel.CHUNK, 5, 1), (1, 2, 3)):
        monkeypatch.setattr(kernel, "CHUNK", chunk)
        assert equal(search_range(table, 0, 126, 30, n_threads=n_threads), whole)


def test_searching_twice_gives_the_same_bits(make_problem):
    problem = make_problem(n_algos=12, n_envs=9, missing=0.2)
    one, other = (search(problem.X, problem.y, 3, drawn=True) for _ in range(2))
    assert equal(one, other)


def test_an_empty_range_has_nothing_in_it(make_problem):
    problem, reports = make_problem(), []
    for n_threads in (1, 2):
        tally = search_range(table_of(problem.X, problem.y, 2), 5, 5, 3, n_threads=n_threads, report=reports.append)
        assert (len(tally.errors), len(tally.ranks), tally.histogram.sum(), tally.counts.tolist()) == (0, 0, 0, [0, 0, 0])
    assert sum(reports) == 0


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize("chunk", [1, 10, 10_000])
def test_reports_count_every_subset(make_problem, monkeypatch, n_threads, chunk):
    problem, reports = make_problem(n_envs=9), []
    monkeypatch.setattr(kernel, "CHUNK", chunk)
    search_range(table_of(problem.X, problem.y, 3), 3, 80, 5, n_threads=n_threads, report=reports.append)
    assert sum(reports) == 77
    assert max(reports) <= chunk


def test_two_threads_never_report_at_once(make_problem, monkeypatch):
    problem, inside, most = make_problem(n_envs=9), [], []
    monkeypatch.setattr(kernel, "CHUNK", 1)

    def report(n):
        inside.append(n)
        time.sleep(0.0005)
        most.append(len(inside))
        inside.pop()

    search_range(table_of(problem.X, problem.y, 3), 0, 84, 5, n_threads=3, report=report)
    assert (len(most), max(most)) == (84, 1)


@pytest.mark.parametrize(("n_threads", "culprit"), [(1, 0), (2, 0), (2, 1), (3, 2)])
def test_an_exception_in_a_report_ends_all_threads(make_problem, monkeypatch, n_threads, culprit):
    problem, seen, reports, scan = make_problem(n_envs=9), [], [], kernel.scan
    table, n_before = table_of(problem.X, problem.y, 4), threading.active_count()

    def slow_scan(*args):
        time.sleep(0.02)  # for the other threads to begin
        scan(*args)

    def report(n):
        me = threading.get_ident()
        seen.extend([me] * (me not in seen))
        reports.append(n)
        if len(seen) == n_threads and seen.index(me) == culprit:
            raise KeyError("stop")

    monkeypatch.setattr(kernel, "CHUNK", 1)
    monkeypatch.setattr(kernel, "scan", slow_scan)
    with pytest.raises(KeyError, match="stop"):
        search_range(table, 0, 126, 5, n_threads=n_threads, report=report)
    assert len(reports) < 60
    assert threading.active_count() == n_before


@pytest.mark.parametrize("small", [1e-13, 4e-15])
def test_a_column_that_the_rank_leaves_out_is_left_out(make_problem, reference, small):
    problem = make_problem(n_algos=14, n_envs=4, seed=8)
    X = np.column_stack([problem.X, small * np.random.default_rng(3).normal(size=14), np.zeros(14)])
    X[3, 5] = small
    tally = search(X, problem.y, 2, n_folds=5)
    found = cv_mse(X, problem.y, subsets_of(6, 2), n_folds=5)
    np.testing.assert_allclose(errors_in(tally, 15), found, rtol=1e-9)


@pytest.mark.parametrize("noise", [1e-15, 1e-14, 1e-12])
def test_an_almost_constant_column_is_computed_exactly_beside_an_intercept(make_problem, noise):
    problem = make_problem(n_algos=9, n_envs=3, seed=9)
    X = np.column_stack([problem.X, 0.954 + noise * np.random.default_rng(4).normal(size=9)])
    tally = search(X, problem.y, 2, fit_intercept=True, n_folds=9)
    found = cv_mse(X, problem.y, subsets_of(4, 2), fit_intercept=True, n_folds=9)
    np.testing.assert_allclose(errors_in(tally, 6), found, rtol=1e-9)
