"""The job: from a predictor's file and new scores to a place on the benchmark, as a user runs it."""

import csv
import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rlhpc.report.prediction import predict_benchmark, record
from rlhpc.search import Problem, Settings, search
from rlhpc.search.predictor_file import FILE_NAME, read_predictor, write_predictor
from rlhpc.search.predictor_fit import make_predictor
from rlhpc.search.trust import BEST, hold_out_each

ROOT = Path(__file__).resolve().parents[2]
ENVS = ("Pong", "Ms Pacman", "dm_control/reacher-hard-v0", "x=y", "Alien")


def job(*arguments):
    command = [sys.executable, "jobs/predict_benchmark.py", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a predictor of 11 algorithms, whose scores are means of 3 seeds of 5,000 steps."""
    rng = np.random.default_rng(4)
    X = rng.normal(1.3, 0.3, (11, 1)) + rng.normal(0, 0.2, (11, len(ENVS)))
    problem = Problem(
        X=X,
        y=np.median(X, axis=1),
        algos=tuple(f"algo{row}" for row in range(11)),
        env_ids=ENVS,
        benchmarks=("b",) * len(ENVS),
        action_spaces=("Discrete",) * len(ENVS),
        scores=10**X - 1,
        random_scores=np.zeros(len(ENVS)),
        reference_scores=np.full(len(ENVS), 100.0),
    )
    settings = Settings(3)
    subset = search(problem, settings)[0].subsets[0].tolist()
    held_outs = hold_out_each(problem, settings)[BEST, 3]
    predictor = make_predictor(problem, settings, subset, held_outs, budgets=dict.fromkeys(ENVS, 5_000), n_seeds=3)
    folder = tmp_path_factory.mktemp("search")
    write_predictor(predictor, folder / FILE_NAME)
    return folder


@pytest.fixture
def predictor(folder):
    return read_predictor(folder / FILE_NAME)


@pytest.fixture
def words(predictor):
    return [f"{env_id}={12 + place},{15.5 + place}" for place, env_id in enumerate(predictor.subset)]


def test_words_give_score_interval_place_and_what_to_run_next(folder, words):
    done = job(folder, *words)
    assert (done.returncode, done.stderr) == (0, "")
    first, place, *_ = done.stdout.splitlines()
    assert re.fullmatch(r"Benchmark score [\d.]+, 90 % interval [\d.]+ to [\d.]+; .*", first)
    nth = r"\d+(st|nd|rd|th)"
    assert re.fullmatch(
        rf"Place {nth} of 12 \({nth} to {nth}\): where the prediction stands among the others' true scores", place
    )
    assert "Seeds: standard error" in done.stdout
    assert "Environments that would add most to the subset" in done.stdout
    assert "5,000 on" in done.stdout
    assert [path.name for path in folder.iterdir()] == [FILE_NAME]


def test_json_is_what_python_gives(folder, predictor, words):
    done = job(folder / FILE_NAME, *words, "--json", "--level", 0.8, "--seed", 3, "--draws", 50, "--total-timesteps", 5000)
    assert (done.returncode, done.stderr) == (0, "")
    answer = json.loads(done.stdout)
    scores = {env_id: (12.0 + place, 15.5 + place) for place, env_id in enumerate(predictor.subset)}
    expected = record(predict_benchmark(predictor, scores, level=0.8, seed=3, n_draws=50))
    assert answer["predictions"] == json.loads(json.dumps([{"algo": None, "known_log_score": None, **expected}]))
    assert answer["subset"] == list(predictor.subset)
    assert [one["env_id"] for one in answer["next"]["best"]] == [one.env_id for one in predictor.extensions.best]
    assert (answer["ignored"], answer["left_out"]) == ([], [])


def test_predicting_twice_prints_the_same(folder, words):
    assert job(folder, *words, "--json").stdout == job(folder, *reversed(words), "--json").stdout


def test_a_missing_score_is_what_to_run_next(folder, predictor, words):
    done = job(folder, *words[1:])
    assert done.returncode == 0
    assert f"No score on {predictor.subset[0]}: the best part of the subset predicts" in done.stdout
    assert f"Run next: {predictor.subset[0]}, which the subset has" in done.stdout


def write_table(path, rows):
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([("env_id", "algo", "seed", "score", "total_timesteps"), *rows])
    return path


def test_a_table_gives_a_prediction_for_every_algorithm(folder, predictor, tmp_path):
    rows = [(env_id, algo, seed, 10 + seed, 5000) for env_id in predictor.subset for algo in ("new", "algo3") for seed in (1, 2)]
    rows += [("elsewhere", "new", 1, 1, 7), ("elsewhere", "lost", 1, 1, 7)]
    table = write_table(tmp_path / "scores.csv", rows)
    done = job(folder, "--scores", table)
    assert (done.returncode, done.stderr) == (0, "")
    assert "algo3 (by its name one of the algorithms that the subset was chosen with)\nBenchmark score" in done.stdout
    assert "\n\nnew\nBenchmark score" in done.stdout
    assert "or without a score that would do: lost" in done.stdout
    assert "that this predictor does not use: elsewhere" in done.stdout
    answer = json.loads(job(folder, "--scores", table, "--json").stdout)
    assert [one["algo"] for one in answer["predictions"]] == ["algo3", "new"]
    assert [one["known_log_score"] for one in answer["predictions"]] == [predictor.known["algo3"], None]
    assert answer["predictions"][0]["score"] == answer["predictions"][1]["score"]


@pytest.fixture
def refused(monkeypatch, capsys):
    """Return what the job says of a command line that it refuses, a line each; in this process, which is faster."""

    def refused(*arguments):
        monkeypatch.setattr(sys, "argv", ["predict_benchmark.py", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(ROOT / "jobs" / "predict_benchmark.py"), run_name="__main__")
        shown = capsys.readouterr()
        assert (ended.value.code, shown.out) == (2, "")
        return shown.err.removeprefix("error: ").splitlines()

    return refused


def test_every_fault_of_the_command_line_is_told_at_once(refused, folder, predictor):
    first, second, _ = predictor.subset
    faults = refused(
        folder, f"{first}=x", f"{second}s=1", "Pong", "--level", 1.5, "--draws", 0, "--seed", -1, "--total-timesteps", 0
    )
    expected = ["level 1.5", "seed -1", "number of draws 0", "--total-timesteps 0", "'x' in", "'Pong' is no score"]
    assert [fault for fault in faults if fault.startswith(tuple(expected))] == faults[:6]
    assert f"Did you mean '{second}'?" in faults[6]


def test_scores_of_another_budget_are_refused_with_both_numbers(refused, folder, predictor, words, tmp_path):
    assert "6,000 agent steps, and those of the known algorithms of 5,000" in "\n".join(
        refused(folder, *words, "--total-timesteps", 6000)
    )
    table = write_table(tmp_path / "scores.csv", [(predictor.subset[0], "new", 1, 1.0, 7000)])
    assert "line 2: " in (told := "\n".join(refused(folder, "--scores", table)))
    assert "7,000 agent steps, and those of the known algorithms of 5,000" in told


def test_scores_from_two_places_or_none_are_refused(refused, folder, words, tmp_path):
    assert "one of the two" in refused(folder)[0]
    assert "one of the two" in refused(folder, *words, "--scores", tmp_path / "scores.csv")[0]
    assert "cannot read the table" in refused(folder, "--scores", tmp_path / "scores.csv")[0]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("absent.json", None, "cannot read the predictor"),
        ("search.json", '{"version": "1"}', "is no predictor"),
        ("cut.json", '{"format": "rlhpc pre', "is no predictor, or was cut"),
        ("newer.json", '{"format": "rlhpc predictor", "format_version": 99}', "whose format 99 this rlhpc"),
        ("edited.json", '{"format": "rlhpc predictor", "format_version": 1, "sha256": "0"}', "is damaged"),
    ],
)
def test_files_that_are_no_predictors_are_refused(refused, tmp_path, name, text, told):
    if text is not None:
        (tmp_path / name).write_text(text)
    faults = refused(tmp_path / name, "Pong=1", "--level", 7)
    assert faults[0].startswith("level 7.0 is out of range")
    assert told in faults[1]


def test_a_folder_without_a_report_names_the_command_that_makes_the_file(refused, tmp_path):
    (fault,) = refused(tmp_path, "Pong=1")
    assert fault.startswith(f"cannot read the predictor '{tmp_path / FILE_NAME}': No such file or directory.")
    assert fault.endswith(f"Make it: python jobs/subset_report.py {tmp_path}")


def test_the_lines_of_python_that_the_help_shows_work_and_load_nothing_heavy(folder, predictor):
    doc = (ROOT / "jobs" / "predict_benchmark.py").read_text().split('"""')[1]
    lines = doc.split("without torch or Gymnasium:\n")[1].split("\n\n")[0].splitlines()
    assert len(lines) == 2
    first, second, _ = predictor.subset
    code = "\n".join(line.strip() for line in lines).replace("logs/demo", str(folder))
    code = code.replace('"Pong"', repr(first)).replace('"Ms Pacman"', repr(second))
    heavy = ["torch", "gymnasium", "pandas", "matplotlib", "jinja2", "sklearn", "scipy.stats"]
    code += f"\nimport sys; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    shown, loaded = done.stdout.splitlines()
    assert shown == repr(predict_benchmark(predictor, {first: [18.5, 20.0], second: 2310}))
    assert loaded == "[]"


def test_the_file_is_all_that_is_read_and_may_be_passed_on(folder, words, tmp_path):
    passed_on = tmp_path / "mine.json"
    passed_on.write_bytes((folder / FILE_NAME).read_bytes())
    done = subprocess.run(
        [sys.executable, ROOT / "jobs" / "predict_benchmark.py", "mine.json", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == job(folder, *words).stdout
