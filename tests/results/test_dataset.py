import csv
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhpc.errors import DatasetError
from rlhpc.records import BenchmarkEnv
from rlhpc.results.dataset import Dataset, from_scores, read_table, write_wide
from rlhpc.results.scores import Score

THESIS = Path(__file__).parents[3] / "shared" / "data" / "thesis_scores.csv"
HEADER = "Environments,Benchmark,Action Space,Base,Reference"
PUBLISHED = BenchmarkEnv("bench", "Pong", "Discrete", 1000, -20.7, 21.0, "a paper", "a paper", name="Pong, the game")


def read(tmp_path, text, *benchmark_envs, **algos):
    path = tmp_path / "t.csv"
    path.write_text(text)
    return read_table(path, benchmark_envs, **algos)


def faults(tmp_path, text, *benchmark_envs):
    with pytest.raises(DatasetError) as caught:
        read(tmp_path, text, *benchmark_envs)
    return caught.value.faults


def same(one, other):
    return all(
        np.array_equal(value, getattr(other, name), equal_nan=True)
        if isinstance(value, np.ndarray)
        else value == getattr(other, name)
        for name, value in vars(one).items()
    )


# --- wide


@pytest.mark.skipif(not THESIS.exists(), reason="absent: the thesis' table beside the repository")
def test_the_thesis_table_reads_to_38_environments_and_7_algorithms():
    dataset = read_table(THESIS)
    assert dataset.scores.shape == (7, 1, 38)
    assert dataset.algos == ("My PPO", "A2C", "TRPO", "R-PPO", "PPO", "CURL", "Dreamer")
    assert (dataset.benchmarks.count("Atari_100k"), dataset.benchmarks.count("DMC_1m")) == (26, 12)
    with THESIS.open() as stream:
        rows = list(csv.DictReader(stream))
    assert dataset.env_ids == tuple(row["Environments"] for row in rows)
    assert dataset.mean_scores.tolist() == [[float(row[algo]) for row in rows] for algo in dataset.algos]
    assert dataset.random_scores.tolist() == [float(row["Base"]) for row in rows]
    assert dataset.reference_scores.tolist() == [float(row["Reference"]) for row in rows]
    assert set(dataset.random_sources) == {"file thesis_scores.csv"}


@pytest.mark.skipif(not THESIS.exists(), reason="absent: the thesis' table beside the repository")
def test_the_thesis_table_survives_being_written(tmp_path):
    dataset = read_table(THESIS)
    assert same(dataset, read_table(write_wide(dataset, tmp_path / THESIS.name)))


def test_a_wide_table_keeps_the_order_of_its_rows_and_columns(tmp_path):
    dataset = read(tmp_path, f"zeta,{HEADER},alpha\n1,Pong,b,Discrete,0,10,2\n3,Boxing,a,Discrete,0,10,4\n")
    assert dataset.env_ids == ("Pong", "Boxing")
    assert dataset.algos == ("zeta", "alpha")
    assert dataset.scores.tolist() == [[[1.0, 3.0]], [[2.0, 4.0]]]


def test_missing_scores_of_a_wide_table_are_nan(tmp_path):
    dataset = read(tmp_path, f"{HEADER},ppo,a2c\nPong,b,Discrete,0,10,,NaN\nBoxing,b,Discrete,0,10,1,2\n")
    assert np.isnan(dataset.scores[:, 0, 0]).all()


def test_missing_base_and_reference_come_from_the_benchmark_and_say_so(tmp_path):
    dataset = read(tmp_path, f"{HEADER},ppo\nPong,b,Discrete,,,1\nBoxing,b,Discrete,0,10,1\n", PUBLISHED)
    assert dataset.random_scores.tolist() == [-20.7, 0.0]
    assert dataset.reference_scores.tolist() == [21.0, 10.0]
    assert dataset.random_sources == ("benchmark bench: a paper", "file t.csv")
    assert dataset.reference_sources == ("benchmark bench: a paper", "file t.csv")


def test_an_environment_is_known_by_its_readable_name_too(tmp_path):
    text = f'{HEADER},ppo\n"Pong, the game",bench,Discrete,,,1\n'
    assert read(tmp_path, text, PUBLISHED).random_scores.tolist() == [-20.7]


def test_the_environment_of_its_own_benchmark_is_taken_where_two_have_it(tmp_path):
    other = BenchmarkEnv("other", "Pong", "Discrete", 1000, random_score=-1.0, reference_score=1.0)
    text = f"{HEADER},ppo\nPong,other,Discrete,,,1\n"
    assert read(tmp_path, text, PUBLISHED, other).random_scores.tolist() == [-1.0]
    assert read(tmp_path, text, PUBLISHED).random_scores.tolist() == [-20.7]


def test_everything_wrong_with_a_wide_table_is_reported_at_once(tmp_path):
    text = (
        f"{HEADER},ppo,a2c\n"
        "Pong,b,Discrete,0,10,abc,inf\n"
        "Pong,b,Discrete,0,10,1,2\n"
        ",b,Discrete,0,10,1,2\n"
        "Boxing,,Discrete,5,5,1,2\n"
        "Hero,b,Discrete,,x,1,2\n"
    )
    found = faults(tmp_path, text)
    for part in (
        "'t.csv', line 2, column 'ppo': 'abc' is not a number",
        "'t.csv', line 2, column 'a2c': 'inf' is infinite",
        "'t.csv', line 3, column 'Environments': 'Pong' stands in line 2 already; give each environment one row",
        "'t.csv', line 4, column 'Environments': '' is blank; a name is needed",
        "'t.csv', line 5, column 'Benchmark': '' is blank; a name is needed",
        "'t.csv', line 6, column 'Reference': 'x' is not a number",
        "'t.csv': the environment 'Boxing' has the random score (Base) and the reference score (Reference) 5;",
        "'t.csv': the environment 'Hero' has no random score (Base).",
    ):
        assert sum(part in fault for fault in found) == 1, part
    assert len(found) == 8


def test_a_wide_table_without_algorithms_is_refused(tmp_path):
    (fault,) = faults(tmp_path, f"{HEADER}\nPong,b,Discrete,0,10\n")
    assert "no algorithm to compare" in fault


def test_a_wide_column_of_the_random_agent_is_refused(tmp_path):
    (fault,) = faults(tmp_path, f"{HEADER},ppo,random\nPong,b,Discrete,0,10,1,2\n")
    assert "put its scores under 'Base'" in fault


def test_two_columns_of_one_name_are_refused(tmp_path):
    assert faults(tmp_path, f"{HEADER},ppo,ppo\nPong,b,Discrete,0,10,1,2\n") == ("'t.csv': 2 columns are named 'ppo'.",)


@pytest.mark.parametrize(
    ("header", "lacking"),
    [
        ("Environments,Benchmark,Action Space,Base,ppo", "Reference"),
        ("env_id,algo,score", "seed"),
        ("env,algorithm,value", "Environments, Benchmark, Action Space, Base, Reference"),
        ("Environments;Benchmark;Action Space;Base;Reference;ppo", "Environments, Benchmark, Action Space, Base, Reference"),
    ],
)
def test_missing_columns_are_named_with_both_layouts(tmp_path, header, lacking):
    (fault,) = faults(tmp_path, f"{header}\n{header}\n")
    assert f"lacks the columns {lacking}; it has {header.replace(',', ', ')}." in fault
    assert "Cells are separated by commas." in fault


names = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1).map(str.strip).filter(bool)
numbers = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def datasets(draw):
    env_ids = draw(st.lists(names, min_size=1, max_size=5, unique=True))
    reserved = {"Environments", "Benchmark", "Action Space", "Base", "Reference", "random", "ppo_converged"}
    algos = draw(st.lists(names.filter(lambda name: name not in reserved), min_size=1, max_size=4, unique=True))
    n_seeds, n_envs = draw(st.integers(1, 3)), len(env_ids)
    missing_or_number = st.one_of(st.just(math.nan), st.floats(-1e100, 1e100))
    grid = st.lists(missing_or_number, min_size=len(algos) * n_seeds * n_envs, max_size=len(algos) * n_seeds * n_envs)
    baselines = draw(
        st.lists(st.tuples(numbers, numbers).filter(lambda pair: pair[0] != pair[1]), min_size=n_envs, max_size=n_envs)
    )
    return Dataset(
        scores=np.array(draw(grid)).reshape(len(algos), n_seeds, n_envs),
        algos=tuple(algos),
        env_ids=tuple(env_ids),
        benchmarks=tuple(draw(st.lists(names, min_size=n_envs, max_size=n_envs))),
        action_spaces=("Discrete",) * n_envs,
        random_scores=np.array([low for low, _ in baselines]),
        reference_scores=np.array([high for _, high in baselines]),
        random_sources=("file t.csv",) * n_envs,
        reference_sources=("file t.csv",) * n_envs,
    )


@given(dataset=datasets())
def test_a_wide_table_is_read_back_exactly_as_it_was_written(tmp_path_factory, dataset):
    path = write_wide(dataset, tmp_path_factory.mktemp("wide") / "t.csv")
    back = read_table(path)
    assert np.array_equal(back.scores[:, 0, :], dataset.mean_scores, equal_nan=True)
    assert same(back, read_table(write_wide(back, path)))
    for name in ("algos", "env_ids", "benchmarks", "action_spaces", "random_sources", "reference_sources"):
        assert getattr(back, name) == getattr(dataset, name)
    assert back.random_scores.tolist() == dataset.random_scores.tolist()
    assert back.reference_scores.tolist() == dataset.reference_scores.tolist()


def test_the_wide_layout_is_the_contract(tmp_path):
    scores = [
        Score("Pong, the game", 'say "ppo"', seed, value, "bench", "Discrete", 0.0, 1 / 3) for seed, value in ((1, 1.0), (2, 2.0))
    ]
    path = write_wide(from_scores(scores), tmp_path / "t.csv")
    assert path.read_text() == (
        'Environments,Benchmark,Action Space,Base,Reference,"say ""ppo"""\n'
        '"Pong, the game",bench,Discrete,0.0,0.3333333333333333,1.5\n'
    )


def test_means_leave_out_missing_seeds_and_are_nan_without_any():
    scores = [Score("Pong", "ppo", 1, 1.0), Score("Pong", "ppo", 2, math.nan), Score("Pong", "a2c", 1, math.nan)]
    assert np.array_equal(from_scores(scores).mean_scores, [[math.nan], [1.0]], equal_nan=True)


# --- long


def test_a_long_table_is_sorted_whatever_the_order_of_its_rows(tmp_path):
    rows = ["Pong,b,ppo,2,4", "Pong,b,ppo,1,3", "Boxing,b,ppo,1,5", "Pong,b,a2c,2,6", "Alien,a,ppo,1,7"]
    rows += [
        f"{env},{bench},{algo},1,{value}"
        for env, bench in (("Pong", "b"), ("Boxing", "b"), ("Alien", "a"))
        for algo, value in (("random", 0), ("ppo_converged", 9))
    ]
    header = "env_id,benchmark,algo,seed,score"
    dataset = read(tmp_path, "\n".join([header, *rows]))
    assert same(dataset, read(tmp_path, "\n".join([header, *rows[::-1]])))
    assert dataset.env_ids == ("Alien", "Boxing", "Pong")
    assert dataset.benchmarks == ("a", "b", "b")
    assert dataset.algos == ("a2c", "ppo")
    nan = math.nan
    expected = [[[nan, nan, nan], [nan, nan, 6.0]], [[7.0, 5.0, 3.0], [nan, nan, 4.0]]]
    assert np.array_equal(dataset.scores, expected, equal_nan=True)


def test_own_trainings_go_before_the_columns_and_these_before_the_benchmark(tmp_path):
    header = "env_id,algo,seed,score,random_score,reference_score\n"
    own = header + "Pong,ppo,1,5,0,10\nPong,random,1,1,0,10\nPong,random,2,2,0,10\nPong,ppo_converged,1,8,0,10\n"
    dataset = read(tmp_path, own, PUBLISHED)
    assert (dataset.random_scores.tolist(), dataset.reference_scores.tolist()) == ([1.5], [8.0])
    assert dataset.random_sources == ("your 2 trainings of random",)
    assert dataset.reference_sources == ("your 1 training of ppo_converged",)
    dataset = read(tmp_path, header + "Pong,ppo,1,5,0,\n", PUBLISHED)
    assert (dataset.random_scores.tolist(), dataset.reference_scores.tolist()) == ([0.0], [21.0])
    assert (dataset.random_sources, dataset.reference_sources) == (("file t.csv",), ("benchmark bench: a paper",))


def test_a_missing_score_of_the_random_agent_is_left_out_of_its_mean(tmp_path):
    text = "env_id,algo,seed,score,reference_score\nPong,ppo,1,5,9\nPong,random,1,,\nPong,random,2,2,\n"
    dataset = read(tmp_path, text)
    assert (dataset.random_scores.tolist(), dataset.random_sources) == ([2.0], ("your 1 training of random",))


def test_a_benchmark_given_in_one_row_holds_for_all_rows_of_its_environment(tmp_path):
    text = "env_id,algo,seed,score,benchmark,total_timesteps\nPong,ppo,1,5,bench,100\nPong,ppo,2,5,,200\n"
    (fault,) = faults(tmp_path, text, PUBLISHED)
    assert "differ in total_timesteps 100 (seed 1) and 200 (seed 2)" in fault
    assert read(tmp_path, text.replace("200", "100"), PUBLISHED).benchmarks == ("bench",)


def test_what_a_long_table_does_not_say_comes_from_the_benchmark_or_is_custom(tmp_path):
    text = "env_id,algo,seed,score,random_score,reference_score\nPong,ppo,1,5,,\nMine-v0,ppo,1,5,0,1\n"
    dataset = read(tmp_path, text, PUBLISHED)
    assert dataset.benchmarks == ("bench", "custom")
    assert dataset.action_spaces == ("Discrete", "unknown")


def test_everything_wrong_with_a_long_table_is_reported_at_once(tmp_path):
    text = (
        "env_id,algo,seed,score,benchmark,random_score,reference_score,total_timesteps,hyperparameters_hash\n"
        "Pong,ppo,1,high,b,0,1,100,x\n"
        "Pong,ppo,2,5,b,0,1,100,x\n"
        "Pong,ppo,2,6,c,0,1,100,x\n"
        "Pong,,x,-inf,b,2,1,100,x\n"
        "Boxing,a2c,1,1,,,,100,x\n"
        "Boxing,a2c,2,2,b,,,200,y\n"
    )
    found = faults(tmp_path, text)
    for part in (
        "line 2, column 'score': 'high' is not a number",
        "line 4, column 'seed': '2' of 'ppo' on 'Pong' stands in line 3 already",
        "line 5, column 'algo': '' is blank",
        "line 5, column 'seed': 'x' is not a whole number",
        "line 5, column 'score': '-inf' is infinite",
        "'Pong' has more than one benchmark: b, c",
        "'a2c' on 'Boxing' differ in total_timesteps 100 (seed 1) and 200 (seed 2), hyperparameters_hash x (seed 1)",
        "'Boxing' has no random score (Base)",
        "`python jobs/random_score.py Boxing`",
        "'Boxing' has no reference score (Reference)",
    ):
        assert any(part in fault for fault in found), part
    assert len(found) == 9


def test_environments_without_a_score_to_normalise_by_are_named_together(tmp_path):
    found = faults(tmp_path, "env_id,algo,seed,score\nPong,ppo,1,5\nMs Pacman,ppo,1,5\n")
    assert len(found) == 2
    assert "2 environments (Ms Pacman, Pong) have no random score (Base). Train the algorithm 'random' on them" in found[0]
    assert "`python jobs/random_score.py 'Ms Pacman' Pong`" in found[0]
    assert "2 environments (Ms Pacman, Pong) have no reference score (Reference)." in found[1]


def test_two_random_scores_of_one_environment_are_refused(tmp_path):
    text = "env_id,algo,seed,score,random_score,reference_score\nPong,ppo,1,5,0,9\nPong,ppo,2,5,1,9\n"
    assert "'Pong' has more than one random_score: 0.0, 1.0" in faults(tmp_path, text)[0]


def test_a_long_table_of_the_random_agent_alone_has_no_algorithm(tmp_path):
    assert "no algorithm to compare" in faults(tmp_path, "env_id,algo,seed,score\nPong,random,1,5\n", PUBLISHED)[0]
