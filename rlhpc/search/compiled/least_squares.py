"""One regression of minimum norm, exactly: Householder's QR, then one-sided Jacobi rotations where columns may be collinear.

As accurate as LAPACK's SVD, and three to ten times as fast on systems of a few columns (G. H. Golub and C. F. Van Loan, Matrix
Computations, 5.2 and 8.6; M. R. Hestenes, 1958, Inversion of matrices by biorthogonalization).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rlhpc.search.compiled.jit import compiled, inner

Floats = NDArray[np.float64]

# Singular values below this share of the largest are rounding noise: exact duplicates leave 1e-17 to 1e-15. A wider cutoff,
# such as scikit-learn's default of 1e-6, would silently ignore an environment whose scores are small but real.
RANK_CUTOFF = 1e-12
WELL_CONDITIONED = 1e8  # far from the cutoff: no singular value is near it, and the triangle can be solved as it is
EPS = 2.0**-52
NOISE = (RANK_CUTOFF / 100) ** 2  # of squares: a column of noise, which the cutoff leaves out, and never quite orthogonal
MAX_SWEEPS = 60  # six are usual


@compiled
def solve(A: Floats, b: Floats, n_rows: int, V: Floats, beta: Floats) -> None:
    """Write the beta of least norm among those that minimise ``sum((b - A @ beta) ** 2)``.

    Parameters
    ----------
    A : array of shape (at least n_rows, n_columns)
        Overwritten.
    b : array of shape (at least n_rows,)
        Overwritten.
    n_rows : int
    V : array of shape (n_columns, n_columns)
        Written on.
    beta : array of shape (n_columns,)
        The answer.
    """
    n_columns = len(beta)
    if n_rows >= n_columns:
        _triangularise(A, b, n_rows)
        n_rows = n_columns
        if _invert(A, V):
            for i in range(n_columns):  # beta = V @ b
                beta[i] = 0.0
                for j in range(i, n_columns):
                    beta[i] += V[i, j] * b[j]
            return
    for i in range(n_columns):
        for j in range(n_columns):
            V[i, j] = 1.0 if i == j else 0.0
    _rotate(A, V, n_rows)
    # A @ V has orthogonal columns w now, of lengths s: beta = sum of V[:, j] * (w_j @ b) / s_j**2
    longest = 0.0
    for j in range(n_columns):
        longest = max(longest, _dot(A, j, j, n_rows))
    for i in range(n_columns):
        beta[i] = 0.0
    for j in range(n_columns):
        squared = _dot(A, j, j, n_rows)
        if squared <= RANK_CUTOFF * RANK_CUTOFF * longest:
            continue
        share = 0.0
        for i in range(n_rows):
            share += A[i, j] * b[i]
        for i in range(n_columns):
            beta[i] += V[i, j] * (share / squared)


@inner
def _dot(A: Floats, j: int, k: int, n_rows: int) -> float:
    """``A[:n_rows, j] @ A[:n_rows, k]``."""
    found = 0.0
    for i in range(n_rows):
        found += A[i, j] * A[i, k]
    return found


@inner
def _triangularise(A: Floats, b: Floats, n_rows: int) -> None:
    """Make A its R, and b its Q' b, by reflections."""
    n_columns = A.shape[1]
    for j in range(n_columns):
        squared = 0.0
        for i in range(j + 1, n_rows):
            squared += A[i, j] * A[i, j]
        if squared == 0.0:
            continue  # it is a triangle here already
        top = -math.copysign(math.sqrt(squared + A[j, j] * A[j, j]), A[j, j])
        A[j, j] -= top  # the column is the vector v that is reflected at, until its turn is over
        twice = 2.0 / (squared + A[j, j] * A[j, j])
        for k in range(j + 1, n_columns):
            share = 0.0
            for i in range(j, n_rows):
                share += A[i, j] * A[i, k]
            for i in range(j, n_rows):
                A[i, k] -= twice * share * A[i, j]
        share = 0.0
        for i in range(j, n_rows):
            share += A[i, j] * b[i]
        for i in range(j, n_rows):
            b[i] -= twice * share * A[i, j]
        A[j, j] = top
        for i in range(j + 1, n_rows):
            A[i, j] = 0.0


@inner
def _invert(R: Floats, inverse: Floats) -> bool:
    """Write the inverse of a triangle, if that is safe: its condition number is at most the product of both Frobenius norms."""
    n = R.shape[1]
    for j in range(n):
        if R[j, j] == 0.0:
            return False
    norm = inverse_norm = 0.0
    for j in range(n):
        inverse[j, j] = 1.0 / R[j, j]
        for i in range(j - 1, -1, -1):
            share = 0.0
            for k in range(i + 1, j + 1):
                share += R[i, k] * inverse[k, j]
            inverse[i, j] = -share / R[i, i]
        for i in range(j + 1):
            norm += R[i, j] * R[i, j]
            inverse_norm += inverse[i, j] * inverse[i, j]
    return norm * inverse_norm < WELL_CONDITIONED * WELL_CONDITIONED


@inner
def _rotate(A: Floats, V: Floats, n_rows: int) -> None:
    """Rotate pairs of columns, of A and of V alike, until all of A's are orthogonal."""
    n_columns, longest = A.shape[1], 0.0
    for j in range(n_columns):
        longest = max(longest, _dot(A, j, j, n_rows))
    for _ in range(MAX_SWEEPS):
        rotated = False
        for j in range(n_columns - 1):
            for k in range(j + 1, n_columns):
                a, b, c = _dot(A, j, j, n_rows), _dot(A, k, k, n_rows), _dot(A, j, k, n_rows)
                if abs(c) <= EPS * math.sqrt(a) * math.sqrt(b) or min(a, b) <= NOISE * longest:
                    continue
                rotated = True
                zeta = (b - a) / (2.0 * c)
                tangent = math.copysign(1.0, zeta) / (abs(zeta) + math.sqrt(1.0 + zeta * zeta))
                cosine = 1.0 / math.sqrt(1.0 + tangent * tangent)
                sine = cosine * tangent
                for i in range(n_rows):
                    x, y = A[i, j], A[i, k]
                    A[i, j], A[i, k] = cosine * x - sine * y, sine * x + cosine * y
                for i in range(n_columns):
                    x, y = V[i, j], V[i, k]
                    V[i, j], V[i, k] = cosine * x - sine * y, sine * x + cosine * y
        if not rotated:
            return
