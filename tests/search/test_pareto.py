"""The cost front, held against all subsets in a plain loop."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from rlhpc.errors import InputError
from rlhpc.search import Settings, merge, search, search_shard, subset_errors
from rlhpc.search.compiled.front import make_front, offer
from rlhpc.search.costs import undominated, whole_costs
from rlhpc.search.pareto import cost_front


def cost_of(problem, subset):
    """The sum over environments of the dearest budget in the subset, in exact decimals."""
    dearest = {}
    for column in subset:
        env = int(problem.full[column])
        dearest[env] = max(dearest.get(env, 0), round(problem.costs[column] * 1000))
    return sum(dearest.values())


def slow_front(problem, settings):
    """Every subset of every size against every other one; of equals the smaller, then the first."""
    subsets = [s for size in reversed(settings.sizes) for s in combinations(range(len(problem.env_ids)), size)]
    forced = {problem.env_ids.index(name) for name in settings.forced}
    subsets = [s for s in subsets if forced <= {*s} and not {problem.env_ids[c] for c in s} & {*settings.excluded}]
    errors = [float(subset_errors(problem, settings, np.array([s]))[0]) for s in subsets]
    points = [(cost_of(problem, s), float(f"{e:.9g}"), s) for s, e in zip(subsets, errors, strict=True) if np.isfinite(e)]
    front = [
        (cost, s)
        for place, (cost, error, s) in enumerate(points)
        if not any(
            c <= cost and e <= error and ((c, e) != (cost, error) or other < place) for other, (c, e, _) in enumerate(points)
        )
    ]
    return sorted(front)


def with_costs(problem, seed, decimals=1, full=None):
    costs = np.random.default_rng(seed).uniform(0.3, 2, len(problem.env_ids)).round(decimals)
    return replace(problem, costs=costs, cost_unit="hours", **({} if full is None else {"full": np.array(full)}))


def fast_front(problem, settings, n_threads=1):
    return [(round(p.cost * 1000), p.subset) for p in cost_front(problem, search(problem, settings, n_threads=n_threads))]


@pytest.mark.parametrize("missing", [0.0, 0.1])
@pytest.mark.parametrize("rules", [{}, {"forced": ("Env 2",)}, {"excluded": ("Env 0", "Env 5"), "fit_intercept": True}])
@pytest.mark.parametrize("seed", range(4))
def test_front_equals_brute_force(make_problem, missing, rules, seed):
    problem = with_costs(make_problem(n_algos=11, n_envs=9, missing=missing, seed=seed), seed)
    settings = Settings(3, n_folds=4, **rules)
    assert fast_front(problem, settings) == slow_front(problem, settings)


@pytest.mark.parametrize("seed", range(4))
def test_front_equals_brute_force_with_ties_of_costs_and_errors(make_problem, seed):
    problem = make_problem(n_algos=10, n_envs=9, seed=seed)
    X = problem.X.copy()
    X[:, 7], X[:, 4], X[:, 8] = X[:, 2], X[:, 1], 0.0  # equals, and an environment that adds nothing
    problem = replace(problem, X=X, costs=np.array([1, 1, 2, 1, 1, 2, 1, 2, 1.0]))
    settings = Settings(3, n_folds=5)
    assert fast_front(problem, settings) == slow_front(problem, settings)


@pytest.mark.parametrize("seed", range(4))
def test_budgets_of_one_environment_cost_as_much_as_the_dearest(make_problem, seed):
    problem = with_costs(make_problem(n_algos=10, n_envs=9, seed=seed), seed, full=[0, 1, 2, 3, 4, 5, 0, 0, 3])
    settings = Settings(3, n_folds=5)
    assert fast_front(problem, settings) == slow_front(problem, settings)
    both = whole_costs(problem).of([(0, 6, 7), (1, 3, 8)])
    assert both.tolist() == [whole_costs(problem).of([s])[0] for s in ((0, 6, 7), (1, 3, 8))]
    assert both[0] == max(whole_costs(problem).amounts[[0, 6, 7]])


def test_decimal_costs_that_add_up_to_the_same_are_equal(make_problem):
    problem = replace(make_problem(n_envs=4), costs=np.array([0.1, 0.2, 0.3, 1e-3]))
    amounts = whole_costs(problem).of([(0, 1), (1, 2)])
    assert amounts[0] == whole_costs(problem).of([(2,)])[0]


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_front_is_the_same_for_any_shards_and_threads(make_problem, missing):
    problem = with_costs(make_problem(n_algos=12, n_envs=14, missing=missing, seed=5), 5)
    settings = Settings(4, n_folds=5)
    whole = cost_front(problem, search(problem, settings))
    assert whole == cost_front(problem, search(problem, settings, n_threads=3))
    for n_shards in (2, 7, 50):
        shards = [search_shard(problem, settings, index, n_shards) for index in range(n_shards)]
        assert whole == cost_front(problem, merge(problem, settings, shards))


def test_ranking_does_not_depend_on_costs(make_problem):
    problem, settings = make_problem(n_algos=12, n_envs=12, seed=2), Settings(3, n_folds=5)
    plain, priced = search(problem, settings), search(with_costs(problem, 2), settings)
    for one, other in zip(plain, priced, strict=True):
        assert one.subsets.tolist() == other.subsets.tolist()
        assert one.cv_mse.tolist() == other.cv_mse.tolist()
        assert not len(one.front)


def test_the_first_point_is_the_cheapest_and_the_last_the_best(make_problem):
    problem, settings = with_costs(make_problem(n_algos=12, n_envs=12, seed=2), 2, decimals=5), Settings(3, n_folds=5)
    best = search(problem, settings)
    front = cost_front(problem, best)
    assert front[0].subset == (int(problem.costs.argmin()),)
    assert front[-1].cv_mse == min(part.cv_mse[0] for part in best)
    assert [p.cost for p in front] == sorted(p.cost for p in front)
    assert [p.cv_mse for p in front] == sorted((p.cv_mse for p in front), reverse=True)


def test_beam_has_a_front_of_what_it_searched(make_problem, monkeypatch):
    monkeypatch.setattr("rlhpc.search.beam.MAX_EXHAUSTIVE", 12)
    problem, settings = with_costs(make_problem(n_algos=12, n_envs=12, seed=3), 3), Settings(3, n_folds=5)
    exact = cost_front(problem, search(problem, settings))
    assert cost_front(problem, search(problem, replace(settings, beam=500))) == exact
    narrow = cost_front(problem, search(problem, replace(settings, beam=1)))
    assert narrow[0] == exact[0]
    assert len(narrow) > 1


def test_kernel_front_equals_the_definition_for_any_order_of_offers():
    for seed in range(300):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(1, 60))
        costs, errors = rng.integers(1, 40, n), rng.integers(0, 9, n).astype(float)
        built = make_front(int(costs.max()))
        for rank in rng.permutation(n):
            offer(built, costs[rank], errors[rank], rank)
        kept = built.ranks[: built.counts[0]]
        assert kept.tolist() == undominated(costs, errors).tolist()
        for cost in range(1, int(costs.max()) + 1):  # no bound rejects what would be on the front
            cheaper = errors[costs <= cost]
            assert built.bounds[cost >> built.shift] >= (cheaper.min() if len(cheaper) else np.inf)


def test_front_with_too_many_points_is_refused_with_a_remedy(make_problem, monkeypatch):
    monkeypatch.setattr("rlhpc.search.compiled.front.make_front", lambda cost, n=2, make=make_front: make(cost, n))
    problem = with_costs(make_problem(n_algos=12, n_envs=12, seed=2), 2, decimals=5)
    with pytest.raises(InputError, match=r"more than 2 points.*Round them"):
        search(problem, Settings(3, n_folds=5))
