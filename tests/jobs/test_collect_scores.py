import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rlhpc.records import Result, Training
from rlhpc.results.dataset import read_table
from rlhpc.results.store import Store

ROOT = Path(__file__).parents[2]
ENVS = ("PongNoFrameskip-v4", "dm_control/pendulum-swingup-v0")
BENCHMARKS = dict(zip(ENVS, ("atari100k", "dmc1m"), strict=True))


def run(*arguments):
    command = [sys.executable, "jobs/collect_scores.py", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def put(root, env_id, algo, seed, score, **changes):
    training = Training(
        changes.pop("benchmark", None) or BENCHMARKS[env_id], env_id, algo, seed, "Discrete", 1000, {"class": algo}
    )
    times = {"train_seconds": 1.0, "evaluation_seconds": 1.0, "started_at": "a", "finished_at": "b"}
    result = Result(training, score, (score,), 1000, **times)
    Store(root).write(result)
    return Store(root).folder(training)


@pytest.fixture
def root(tmp_path):
    for env_id in ENVS:
        for algo in ("ppo", "a2c"):
            for seed in (1, 2):
                put(tmp_path / "demo", env_id, algo, seed, 1.0 + seed)
    put(tmp_path / "demo", ENVS[0], "random", 1, -20.0)
    put(tmp_path / "demo", ENVS[0], "random", 2, -21.0)
    return tmp_path / "demo"


def test_it_writes_three_tables_and_says_where_base_and_reference_come_from(root):
    done = run(root)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "10 trainings: 2 environments, 2 algorithms (a2c, ppo), seeds 1 2",
        "Base (random agent): 1 environment from your own results, 1 from benchmark files",
        "Reference: 2 environments from benchmark files",
        *(str(root / name) for name in ("scores.csv", "dataset.csv", "summary.csv")),
    ]
    dataset = read_table(root / "dataset.csv")
    assert dataset.env_ids == ENVS
    assert dataset.random_scores.tolist() == [-20.5, 0.0]
    assert dataset.mean_scores.tolist() == [[2.5, 2.5], [2.5, 2.5]]


def test_json_holds_the_same_as_data(root):
    answer = json.loads(run(root, "--json").stdout)
    assert answer == {
        "n_trainings": 10,
        "env_ids": list(ENVS),
        "algos": ["a2c", "ppo"],
        "seeds": [1, 2],
        "base": {"own": 1, "benchmark": 1, "unknown": 0},
        "reference": {"own": 0, "benchmark": 2, "unknown": 0},
        "problems": [],
        "paths": [str(root / name) for name in ("scores.csv", "dataset.csv", "summary.csv")],
    }


def test_collecting_twice_gives_the_same_bytes(root):
    tables = [root / name for name in ("scores.csv", "dataset.csv", "summary.csv")]
    run(root)
    first = [table.read_bytes() for table in tables]
    run(root)
    assert [table.read_bytes() for table in tables] == first


def test_problems_are_printed_and_do_not_fail(root):
    damaged = put(root, ENVS[0], "trpo", 1, 5.0) / "result.json"
    damaged.write_text("{")
    done = run(root)
    assert done.returncode == 0
    assert f"left out: '{damaged}'" in done.stdout
    assert "trpo" not in (root / "dataset.csv").read_text()


def test_nothing_but_damage_exits_1_with_the_reasons_and_writes_nothing(tmp_path):
    damaged = put(tmp_path, ENVS[0], "ppo", 1, 5.0) / "result.json"
    damaged.write_text("{")
    Store(tmp_path).write_attempts(Training("atari100k", ENVS[0], "a2c", 1, "Discrete", 1), [{"reason": "out of memory"}])
    done = run(tmp_path)
    assert done.returncode == 1
    assert str(damaged) in done.stderr
    assert f"failed: atari100k/{ENVS[0]}/a2c/1: out of memory (1 attempt)" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["trainings"]


@pytest.mark.parametrize("folder", ["absent", "empty"])
def test_a_folder_without_trainings_exits_2(tmp_path, folder):
    (tmp_path / "empty" / "trainings").mkdir(parents=True)
    done = run(tmp_path / folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert "holds no trainings" in done.stderr
    assert not (tmp_path / "absent").exists()


def test_a_benchmark_file_is_found_by_flag_or_by_the_stored_configuration(tmp_path):
    benchmark = tmp_path / "mine.yaml"
    benchmark.write_text(
        "{name: mine, title: Mine, total_timesteps: 9, random_source: me, reference_source: me, environments: "
        "[{env_id: X-v0, name: X, action_space: Discrete, random_score: 0, reference_score: 1}]}"
    )
    root = tmp_path / "demo"
    put(root, "X-v0", "ppo", 1, 5.0, benchmark="mine")
    assert "the benchmark 'mine' of 1 result has no file" in run(root).stdout
    assert run(root, "--benchmarks", benchmark).returncode == 0
    (root / "config.yaml").write_text(f"benchmarks: [atari100k, {benchmark}]\n")
    assert run(root).returncode == 0
    with (root / "dataset.csv").open() as stream:
        assert next(csv.DictReader(stream))["Reference"] == "1.0"
    done = run(root, "--benchmarks", "atari100")
    assert done.returncode == 2
    assert "Did you mean 'atari100k'?" in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="absent: an ordinary user; root may write everywhere")
def test_a_folder_that_cannot_be_written_exits_2(root):
    root.chmod(0o500)
    done = run(root)
    root.chmod(0o700)
    assert done.returncode == 2
    assert "cannot write to the folder" in done.stderr


def test_it_loads_neither_torch_nor_gymnasium(root):
    program = (
        "import runpy, sys; sys.argv = ['collect_scores.py', sys.argv[1]]\n"
        "try: runpy.run_path('jobs/collect_scores.py', run_name='__main__')\n"
        "except SystemExit as end: assert not end.code\n"
        "loaded = {'torch', 'gymnasium', 'matplotlib'} & set(sys.modules); assert not loaded, loaded"
    )
    done = subprocess.run([sys.executable, "-c", program, str(root)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_early_scores_come_from_learning_curves(root):
    folder = put(root, ENVS[0], "trpo", 1, 4.0)
    (folder / "learning_curve.csv").write_text("timesteps,episode_score,episode_length\n100,-3.0,10\n900,2.0,10\n")
    done = run(root, "--at", 500, 2000)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == str(root / "early.csv")
    with (root / "early.csv").open() as stream:
        rows = [*csv.DictReader(stream)]
    assert [(row["env_id"], row["algo"], float(row["score"])) for row in rows] == [(f"{ENVS[0]}@500", "trpo", -3.0)]
    assert "no early score of atari100k/PongNoFrameskip-v4/a2c/1" in done.stdout  # no curve


def test_wrong_numbers_of_steps_are_refused_and_nothing_is_written(root):
    for steps, said in (
        ("-5", "give numbers of agent steps"),
        ("2000", "no training has an episode that ended after 2000 steps"),
    ):
        done = run(root, "--at", steps)
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr
    assert not (root / "scores.csv").exists()
