import numpy as np
import pytest

from rlhpc.report.learning_curves import N_PARTS, read_learning_curves

COLUMNS = "benchmark,env_id,algo,seed,folder,total_timesteps,hyperparameters_hash"


@pytest.fixture
def write(tmp_path):
    """Write the curve of a training, and its row in the table."""
    rows = [COLUMNS]

    def write(found, column, algo, seed, episodes, settings="100,x"):
        problem, folder = found.problem, f"trainings/{column}/{algo}/{seed}".replace("<", "")
        (tmp_path / folder).mkdir(parents=True)
        text = "timesteps,episode_score,episode_length\n" + "".join(f"{steps},{score},1\n" for steps, score in episodes)
        (tmp_path / folder / "learning_curve.csv").write_text(text)
        rows.append(f"{problem.benchmarks[column]},{problem.env_ids[column]},{algo},{seed},{folder},{settings}")
        (tmp_path / "scores.csv").write_text("\n".join(rows))
        return tmp_path / "scores.csv"

    return write


@pytest.fixture
def found(search_table):
    return search_table(10 ** np.random.default_rng(0).normal(1.3, 0.4, (4, 3)), 1)


def normalised(problem, column, scores):
    low, high = problem.random_scores[column], problem.reference_scores[column]
    return 100 * (np.array(scores) - low) / (high - low)


def test_episodes_are_averaged_over_the_parts_of_the_budget_and_then_over_seeds(found, write):
    algo = found.problem.algos[0]
    write(found, 1, algo, 1, [(1, 10.0), (2, 30.0), (100, 50.0)])
    path = write(found, 1, algo, 2, [(2, 100.0), (60, 7.0)])
    (one,) = read_learning_curves(path, found.problem, [1])
    assert (one.env_id, one.n_trainings) == (found.problem.env_ids[1], 2)
    expected = np.full(N_PARTS, np.nan)
    expected[[0, 29, 49]] = [(20.0 + 100.0) / 2, 7.0, 50.0]  # of 2 steps each
    np.testing.assert_allclose(one.scores[algo], normalised(found.problem, 1, expected))
    np.testing.assert_allclose(one.timesteps[[0, -1]], [1, 99])


def test_the_slow_way_comes_to_the_same(found, write):
    rng, algo = np.random.default_rng(2), found.problem.algos[1]
    curves = [sorted(zip(rng.integers(1, 1001, 200).tolist(), rng.normal(size=200).tolist(), strict=True)) for _ in range(3)]
    curves[0].append((1000, 0.5))
    for seed, curve in enumerate(curves):
        path = write(found, 0, algo, seed, curve)
    (one,) = read_learning_curves(path, found.problem, [0])
    for part in range(N_PARTS):
        means = []
        for curve in curves:
            inside = [score for steps, score in curve if 20 * part < steps <= 20 * (part + 1)]
            means += [sum(inside) / len(inside)] if inside else []
        assert one.scores[algo][part] == pytest.approx(normalised(found.problem, 0, [np.mean(means)])[0])


@pytest.mark.parametrize(
    ("curves", "lines"),
    [
        ([[(9, 1.0)], [(5, 2.0)]], False),
        ([[(99, 1.0), (99.5, 1.0), (100, 2.0)]], False),
        ([[(1, 1.0), (100, 2.0)], [(9, 1.0)]], True),
    ],
)
def test_points_of_different_seeds_make_no_line(found, write, curves, lines):
    for seed, curve in enumerate(curves):
        path = write(found, 0, found.problem.algos[0], seed, curve)
    (one,) = read_learning_curves(path, found.problem, [0])
    assert one.has_lines == lines


def test_only_the_environments_of_the_subset_and_algorithms_that_were_searched_are_read(found, write):
    write(found, 0, found.problem.algos[0], 1, [(1, 1.0)])
    path = write(found, 1, "random", 1, [(1, 1.0)])
    assert [one.env_id for one in read_learning_curves(path, found.problem, [0, 1, 2])] == [found.problem.env_ids[0]]
    assert read_learning_curves(path, found.problem, [2]) == ()


def test_curves_that_are_damaged_empty_or_gone_are_left_out(found, write, tmp_path):
    algos = found.problem.algos
    write(found, 0, algos[0], 1, [(1, 1.0)])
    write(found, 0, algos[1], 1, [])
    write(found, 0, algos[2], 1, [("x", 1.0)])
    path = write(found, 0, algos[3], 1, [(1, 2.0)])
    (tmp_path / "trainings" / "0" / algos[3] / "1" / "learning_curve.csv").unlink()
    (one,) = read_learning_curves(path, found.problem, [0])
    assert (list(one.scores), one.n_trainings) == ([algos[0]], 1)


@pytest.mark.parametrize("other", ["200,x", "100,y"])
def test_an_algorithm_whose_trainings_differ_is_named_and_not_averaged(found, write, other):
    alike, mixed = found.problem.algos[:2]
    for seed, settings in ((1, "100,x"), (2, other)):
        write(found, 0, alike, seed, [(50, 1.0), (100, 2.0)])
        path = write(found, 0, mixed, seed, [(50, 1.0), (100, 2.0)], settings)
    write(found, 1, mixed, 1, [(1, 1.0)])
    path = write(found, 2, alike, 1, [(1, 1.0)], other)
    first, *others = read_learning_curves(path, found.problem, [0, 1, 2])
    assert (list(first.scores), first.n_trainings, first.not_averaged) == ([alike], 2, (mixed,))
    assert [one.not_averaged for one in others] == [(), ()]  # environments may differ


def test_where_no_algorithm_can_be_averaged_the_environment_is_told_without_curves(found, write):
    for seed, settings in ((1, "100,x"), (2, "200,x")):
        path = write(found, 0, found.problem.algos[0], seed, [(50, 1.0), (100, 2.0)], settings)
    (one,) = read_learning_curves(path, found.problem, [0])
    assert (one.scores, one.n_trainings, one.has_lines, one.not_averaged) == ({}, 0, False, found.problem.algos[:1])


def test_a_table_without_folders_has_none(found, tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text(f"env_id,algo,seed\n{found.problem.env_ids[0]},{found.problem.algos[0]},1\n")
    assert read_learning_curves(path, found.problem, [0]) == ()
