"""The thesis' own figures, where its table lies beside this repository."""

import numpy as np
import pytest

from rlhpc.search import Settings, fit, nest, search


@pytest.fixture(scope="module")
def sizes(thesis):
    settings = Settings(3)
    return nest(thesis, settings, search(thesis, settings))


NESTED = [
    (("Ms Pacman", "Ball in cup catch", "Pendulum swingup"), 0.0035279584408828, 6.5912),
    (("Ms Pacman", "Pendulum swingup"), 0.0351338123417257, 30.9869),
    (("Pendulum swingup",), 0.1380367746453744, 72.3740),
]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_nested_sizes_are_those_of_the_thesis(thesis, sizes, place):
    names, mse, relative_error = NESTED[place]
    size = sizes[place]
    assert tuple(thesis.env_ids[env] for env in size.nested) == names
    assert size.nested_cv_mse == pytest.approx(mse, rel=1e-10)
    found = fit(thesis.X, thesis.y, np.array([size.nested]))
    assert found.relative_errors[0] == pytest.approx(relative_error, abs=5e-5)


def test_in_sample_r2_of_the_best_triple_is_that_of_the_thesis(thesis, sizes):
    assert fit(thesis.X, thesis.y, np.array([sizes[0].nested])).r2[0] == pytest.approx(0.99504, abs=5e-6)


@pytest.mark.parametrize(
    ("place", "names", "mse"), [(1, ("Ms Pacman", "Cartpole swingup sparse"), 0.02252), (2, ("Frostbite",), 0.09932)]
)
def test_true_best_pair_and_single_lie_outside_the_best_triple(thesis, sizes, place, names, mse):
    assert tuple(thesis.env_ids[env] for env in sizes[place].best) == names
    assert sizes[place].best_cv_mse == pytest.approx(mse, abs=5e-6)
