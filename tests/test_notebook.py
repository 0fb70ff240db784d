"""The names for notebooks: the same as what the jobs do."""

import csv
import dataclasses
import json
import subprocess
import sys

import pytest

from rlhpc.errors import DamagedResultError, DatasetError, InputError
from rlhpc.notebook import predict, read_results, search_table
from rlhpc.records import Result, Training
from rlhpc.results.store import Store


@pytest.fixture
def stored(tmp_path):
    """Two results of a grid."""
    store, results = Store(tmp_path / "mine"), []
    for seed in (1, 2):
        training = Training("b", "X-v0", "ppo", seed, "Discrete", 10, {"class": "PPO"})
        times = {"train_seconds": 1.0, "evaluation_seconds": 1.0, "started_at": "a", "finished_at": "b"}
        results.append(Result(training, float(seed), (float(seed),), 10, **times))
        store.write(results[-1])
    return store, results


@pytest.fixture(scope="module")
def searched(tmp_path_factory, root):
    """A table, searched and reported on by the jobs; return the folder."""
    folder = tmp_path_factory.mktemp("searched")
    rows = [f"Env {env},b,Discrete,0,100,{','.join(str((env + 2) * (7 * n % 11 + 1)) for n in range(6))}" for env in range(4)]
    (folder / "table.csv").write_text("\n".join(["Environments,Benchmark,Action Space,Base,Reference,a,b,c,d,e,f", *rows]))
    for words in (["subset_search", folder / "table.csv", "--subset-size", 2, "--out", folder], ["subset_report", folder]):
        command = [sys.executable, f"jobs/{words[0]}.py", *map(str, words[1:])]
        subprocess.run(command, cwd=root, check=True, capture_output=True)
    return folder


def test_results_are_those_that_were_stored(stored):
    store, results = stored
    assert read_results(store.root) == read_results(str(store.root)) == results


def test_a_damaged_result_is_no_result(stored):
    store, results = stored
    (store.folder(results[1].training) / "result.json").write_text("{")
    with pytest.raises(DamagedResultError):
        read_results(store.root)


def test_a_search_is_the_jobs_ranking(searched):
    with (searched / "ranking.csv").open() as stream:
        expected = [(row["subset"], float(row["cv_mse"])) for row in csv.DictReader(stream)]
    found = search_table(searched / "table.csv", 2)
    assert [("; ".join(one.subset), pytest.approx(one.cv_mse, rel=1e-11)) for one in found] == expected  # of 12 digits


def test_settings_are_those_of_a_search(searched):
    (only,) = search_table(searched / "table.csv", 1, keep=1, fit_intercept=True, n_threads=1)
    assert len(only.subset) == 1
    assert only.intercept != 0


def test_what_cannot_be_searched_is_told(searched, tmp_path):
    with pytest.raises(InputError, match="subset"):
        search_table(searched / "table.csv", 9)
    with pytest.raises(DatasetError):
        search_table(tmp_path / "none.csv", 2)
    with pytest.raises(InputError, match="n_threads = 0 is too small"):
        search_table(searched / "table.csv", 2, n_threads=0)
    with pytest.raises(InputError, match=r"'intercept' is no setting of a search\. Did you mean 'fit_intercept'") as caught:
        search_table(searched / "table.csv", 2, intercept=True, folds=3)
    assert len(caught.value.faults) == 2


def test_a_prediction_is_the_jobs(searched, root):
    subset = search_table(searched / "table.csv", 2)[0].subset
    words = [f"{env}=10,20" for env in subset]
    command = [sys.executable, "jobs/predict_benchmark.py", "--json", str(searched), *words]
    told = json.loads(subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout)
    found = predict(searched / "subset.json", {env: [10.0, 20.0] for env in subset})
    assert dataclasses.asdict(found.score) == told["predictions"][0]["score"]


def test_a_wrong_folder_is_refused_and_the_folder_of_a_predictor_will_do(tmp_path):
    with pytest.raises(InputError, match="no folder of results"):
        read_results(tmp_path)
    with pytest.raises(InputError, match=r"cannot read the predictor .*subset\.json"):
        predict(tmp_path, {})


def test_a_clone_beside_a_notebook_is_not_taken_for_the_package(tmp_path):
    (tmp_path / "rlhpc").mkdir()
    code = "import rlhpc.notebook; print(rlhpc.__file__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert done.stdout.strip().endswith("__init__.py")
