"""One regression, held against LAPACK's by singular values, and against fractions where digits are at stake."""

from fractions import Fraction

import numpy as np
import pytest

from rlhpc.search.compiled.least_squares import RANK_CUTOFF, solve

SHAPES = [(1, 1), (9, 1), (2, 2), (7, 3), (20, 4), (62, 5), (6, 6), (7, 6), (3, 5), (1, 4), (40, 12)]


def solved(A, b, spare_rows=0):
    """The solution, with rows beside it that do not count, as the search has them."""
    n_columns = A.shape[1]
    beta = np.full(n_columns, np.nan)
    spare = np.full((spare_rows, n_columns), np.nan), np.full(spare_rows, np.nan)
    solve(np.vstack([A, spare[0]]), np.concatenate([b, spare[1]]), len(A), np.full((n_columns,) * 2, np.nan), beta)
    return beta


def by_lapack(A, b):
    return np.linalg.lstsq(A, b, rcond=RANK_CUTOFF)[0]


def conditioned(rng, n_rows, n_columns, condition):
    """A matrix whose singular values go down to a share of the largest."""
    n = min(n_rows, n_columns)
    left, right = np.linalg.qr(rng.normal(size=(n_rows, n)))[0], np.linalg.qr(rng.normal(size=(n_columns, n)))[0]
    return (left * np.geomspace(1, 1 / condition, n)) @ right.T


@pytest.mark.parametrize(("n_rows", "n_columns"), SHAPES)
def test_random_systems_are_solved_as_lapack_does(n_rows, n_columns):
    rng = np.random.default_rng(n_rows)
    for _ in range(50):
        A, b = conditioned(rng, n_rows, n_columns, rng.uniform(1, 100)), rng.normal(size=n_rows)
        np.testing.assert_allclose(solved(A, b, spare_rows=2), by_lapack(A, b), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(("n_rows", "n_columns"), [(9, 4), (20, 6), (6, 6), (4, 7), (5, 4)])
def test_systems_of_less_than_full_rank_have_the_solution_of_least_norm(n_rows, n_columns, rank):
    rng = np.random.default_rng(rank)
    for _ in range(50):
        A, b = rng.normal(size=(n_rows, rank)) @ rng.normal(size=(rank, n_columns)), rng.normal(size=n_rows)
        np.testing.assert_allclose(solved(A, b), by_lapack(A, b), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("n_rows", [3, 4, 8])
def test_duplicates_share_a_coefficient_and_zeros_have_none(n_rows):
    rng = np.random.default_rng(n_rows)
    for _ in range(50):
        x, z, b = rng.normal(size=(3, n_rows))
        alone = solved(np.column_stack([x, z]), b)
        found = solved(np.column_stack([x, np.zeros(n_rows), z, x, 2 * z]), b)
        shared = [alone[0] / 2, 0.0, alone[1] / 5, alone[0] / 2, 2 * alone[1] / 5]
        np.testing.assert_allclose(found, shared, rtol=1e-10)
        assert found[1] == 0.0


def test_a_system_of_zeros_has_the_solution_zero():
    for n_rows, n_columns in SHAPES:
        assert solved(np.zeros((n_rows, n_columns)), np.ones(n_rows)).tolist() == [0.0] * n_columns


@pytest.mark.parametrize("row", [0, 2, 4])
def test_a_column_with_one_number_is_solved_exactly(row):
    A = np.zeros((5, 1))
    A[row] = 1.5
    assert solved(A, np.arange(5.0))[0] == pytest.approx(row / 1.5, rel=1e-15)


@pytest.mark.parametrize("spread", [3, 6, 8])
def test_badly_scaled_columns_are_solved_as_fractions_do(reference, spread):
    rng = np.random.default_rng(spread)
    for n_rows, n_columns in ((8, 2), (12, 3), (6, 5)):
        for _ in range(10):
            A = rng.normal(size=(n_rows, n_columns)) * 10.0 ** rng.permutation(np.linspace(-spread / 2, spread / 2, n_columns))
            b = rng.normal(size=n_rows)
            exact = np.array([float(beta) for beta in reference.exact_coefficients(A, b)])
            np.testing.assert_allclose(solved(A, b), exact, rtol=1e-15 * 10.0 ** (spread + 2))


def test_singular_values_count_down_to_the_cutoff():
    rng = np.random.default_rng(0)
    for _ in range(50):
        left, right = np.linalg.qr(rng.normal(size=(9, 3)))[0], np.linalg.qr(rng.normal(size=(3, 3)))[0]
        b = left @ [1.0, 1.0, 1.0]
        for smallest, counts in ((3e-12, True), (3e-13, False)):
            A = (left * [1.0, 0.5, smallest]) @ right.T
            assert (np.linalg.norm(solved(A, b)) > 1e11) == counts == (np.linalg.norm(by_lapack(A, b)) > 1e11)


@pytest.mark.parametrize("noise", [0.0, 1e-3])
@pytest.mark.parametrize("condition", [1e1, 1e3, 1e5, 1e7, 9e7, 1e9, 1e11])
def test_residuals_are_as_accurate_as_lapacks(reference, condition, noise):
    rng, ours, theirs = np.random.default_rng(3), [], []
    for n_rows, n_columns in ((8, 2), (12, 4), (9, 6)):
        for _ in range(8):
            A = conditioned(rng, n_rows, n_columns, condition)
            b = A @ rng.normal(size=n_columns) + noise * rng.normal(size=n_rows)
            rows, targets = reference.fractions_of(A), reference.fractions_of(b)
            exact = residuals(rows, targets, reference.exact_coefficients(A, b))
            for errors, beta in ((ours, solved(A, b)), (theirs, by_lapack(A, b))):
                found = residuals(rows, targets, map(Fraction, beta.tolist()))
                errors.append(max(float(abs(one - other)) for one, other in zip(found, exact, strict=True)) / np.abs(b).max())
    assert np.median(ours) < 10 * np.median(theirs)
    assert max(ours) < 10 * max(theirs)


def residuals(rows, targets, coefficients):
    """What a regression leaves, without any rounding."""
    beta = list(coefficients)
    return [target - sum(x * y for x, y in zip(row, beta, strict=True)) for row, target in zip(rows, targets, strict=True)]


def test_solving_twice_gives_the_same_bits():
    rng = np.random.default_rng(0)
    A, b = rng.normal(size=(12, 4)), rng.normal(size=12)
    A[:, 3] = A[:, 0]
    assert solved(A, b).tobytes() == solved(A, b).tobytes()
