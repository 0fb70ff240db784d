"""The job from its command line: what it finds, what it writes, and what it refuses."""

import csv
import hashlib
import json
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
THESIS = ROOT.parent / "shared" / "data" / "thesis_scores.csv"
WRITTEN = ("ranking.csv", "sizes.csv", "problem.npz", "search.json")
N_ENVS = 7


def run(*args):
    command = [sys.executable, "jobs/subset_search.py", *map(str, args)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def search(table, out, *flags):
    size = () if "--subset-size" in flags else ("--subset-size", 3)
    result = run(table, *size, "--out", out, *flags)
    assert result.returncode == 0, result.stderr
    return result.stdout


def refusal(*args):
    """What the job says of wrong input."""
    result = run(*args)
    assert (result.returncode, result.stdout) == (2, "")
    assert "Traceback" not in result.stderr
    return result.stderr


def write_table(path, *, n_algos=9, missing=0.0, change=None):
    """Write a wide table of random scores; `change` edits its rows."""
    rng = np.random.default_rng(4)
    scores = 50 + 10 * rng.normal(size=(n_algos, 1)) + 12 * rng.normal(size=(n_algos, N_ENVS))
    scores[rng.random(scores.shape) < missing] = np.nan
    rows = [["Environments", "Benchmark", "Action Space", "Base", "Reference", *(f"algo {i}" for i in range(n_algos))]]
    for env, column in enumerate(scores.T):
        benchmark, space = ("first", "Discrete") if env % 3 else ("second", "Continuous")
        rows.append([f"Env {env}", benchmark, space, "1.5", "90.25", *("" if np.isnan(s) else repr(float(s)) for s in column)])
    if change:
        change(rows)
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return write_table(tmp_path_factory.mktemp("table") / "scores.csv")


@pytest.fixture(scope="module")
def found(table, tmp_path_factory):
    """The folder of one search, and what the job printed."""
    out = tmp_path_factory.mktemp("found") / "search"
    return out, search(table, out)


def rows(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_ranking_holds_every_subset_once_in_order_of_error(found):
    ranking = rows(found[0] / "ranking.csv")
    columns = "place, subset, cv_mse, r2, relative_error, subset_size, coefficients, intercept, n_algos"
    assert ", ".join(ranking[0]) == columns
    assert [int(row["place"]) for row in ranking] == list(range(1, 36))
    assert {row["subset"] for row in ranking} == {"; ".join(c) for c in combinations([f"Env {i}" for i in range(N_ENVS)], 3)}
    errors = [float(row["cv_mse"]) for row in ranking]
    assert errors == sorted(errors)


def test_coefficients_of_the_ranking_give_its_relative_error_and_r2(found):
    best = rows(found[0] / "ranking.csv")[0]
    with np.load(found[0] / "problem.npz") as problem:
        X, y, env_ids = problem["X"], problem["y"], problem["env_ids"].tolist()
    columns = [env_ids.index(name) for name in best["subset"].split("; ")]
    predicted = X[:, columns] @ [float(value) for value in best["coefficients"].split("; ")] + float(best["intercept"])
    relative = np.abs((10**predicted - 1) - (10**y - 1)) / (10**y - 1)
    assert float(best["relative_error"]) == pytest.approx(100 * relative.mean(), rel=1e-9)
    assert float(best["r2"]) == pytest.approx(1 - ((y - predicted) ** 2).sum() / ((y - y.mean()) ** 2).sum(), rel=1e-9)
    assert int(best["n_algos"]) == len(y) == 9


def test_sizes_nest_and_are_never_better_than_the_best(found):
    sizes = rows(found[0] / "sizes.csv")
    assert [int(row["subset_size"]) for row in sizes] == [3, 2, 1]
    nested = [set(row["nested_subset"].split("; ")) for row in sizes]
    assert nested[0] > nested[1] > nested[2]
    assert all(float(row["best_cv_mse"]) <= float(row["nested_cv_mse"]) for row in sizes)
    assert sizes[0]["nested_subset"] == sizes[0]["best_subset"] == rows(found[0] / "ranking.csv")[0]["subset"]


def test_search_json_says_what_was_searched_and_verifies_its_files(found, table):
    head = json.loads((found[0] / "search.json").read_text())
    assert (head["n_envs"], head["n_algos"], head["n_subsets"], head["n_ranked"]) == (N_ENVS, 9, 35, 35)
    assert (head["subset_size"], head["n_folds"], head["fold_seed"], head["fit_intercept"]) == (3, 10, 1982, False)
    assert head["dataset"] == str(table)
    assert head["dataset_sha256"] == hashlib.sha256(table.read_bytes()).hexdigest()
    for name, digest in head["files"].items():
        assert hashlib.sha256((found[0] / name).read_bytes()).hexdigest() == digest
    assert {"ranking.csv", "sizes.csv", "problem.npz"} == set(head["files"])


def test_text_shows_the_best_every_size_a_warning_and_every_path(found):
    out, text = found
    ranking = rows(out / "ranking.csv")
    assert "35 subsets of 3 of 7 environments" in text
    assert all(row["subset"] in text for row in ranking[:5])
    assert all(row[f"{kind}_subset"] in text for row in rows(out / "sizes.csv") for kind in ("nested", "best"))
    assert text.count("Warning: 9 algorithms are too few") == 1
    assert all(f"  {out / name}" in text for name in WRITTEN)
    assert sorted(path.name for path in out.iterdir()) == sorted(WRITTEN)


def test_json_is_one_object_with_the_same_answer(found, table, tmp_path):
    answer = json.loads(search(table, tmp_path, "--json"))
    ranking = rows(found[0] / "ranking.csv")
    assert "; ".join(answer["best"]["subset"]) == ranking[0]["subset"]
    assert answer["best"]["cv_mse"] == float(ranking[0]["cv_mse"])
    assert [len(size["nested"]["subset"]) for size in answer["sizes"]] == [3, 2, 1]
    assert answer["paths"] == [str(tmp_path / name) for name in WRITTEN]


@pytest.mark.parametrize(("n_shards", "missing"), [(2, 0.0), (7, 0.2)])
def test_shards_and_their_merge_write_the_bytes_of_the_whole(tmp_path, n_shards, missing):
    table = write_table(tmp_path / "scores.csv", missing=missing)
    flags = ("--keep", 10, "--n-folds", 4, "--intercept")
    search(table, tmp_path / "whole", *flags)
    for index in range(n_shards):
        text = search(table, tmp_path / "merged", "--shard", f"{index}/{n_shards}", *flags)
        assert f"  {tmp_path}/merged/shards/{index:04d}-of-{n_shards:04d}.npz" in text
    assert [path.name for path in (tmp_path / "merged").iterdir()] == ["shards"]
    search(table, tmp_path / "merged", "--merge", *flags)
    for name in WRITTEN:
        assert (tmp_path / "merged" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert len(rows(tmp_path / "whole" / "ranking.csv")) == 10


def test_searching_again_writes_the_same_bytes(found, table, tmp_path):
    search(table, tmp_path)
    assert all((tmp_path / name).read_bytes() == (found[0] / name).read_bytes() for name in WRITTEN)


def test_searching_anew_removes_the_report_of_the_earlier_search_and_says_so(table, tmp_path):
    assert "Removed" not in search(table, tmp_path)
    reports = [tmp_path / "trust.json", tmp_path / "report.html"]
    for path in reports:
        path.write_text("of an earlier search")
    search(table, tmp_path, "--shard", "0/1")
    assert all(path.exists() for path in reports)
    text = search(table, tmp_path, "--keep", 5)
    assert not any(path.exists() for path in reports)
    assert f"Removed, the report of an earlier search:\n  {reports[0]}\n  {reports[1]}\n" in text


def test_merge_names_missing_shards_and_writes_nothing(table, tmp_path):
    search(table, tmp_path, "--shard", "1/3")
    result = run(table, "--subset-size", 3, "--out", tmp_path, "--merge")
    assert (result.returncode, result.stdout) == (1, "")
    assert "shards are missing: 0000-of-0003, 0002-of-0003." in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["shards"]


def test_a_stored_shard_is_passed_over(table, tmp_path):
    search(table, tmp_path, "--shard", "1/3")
    path = tmp_path / "shards" / "0001-of-0003.npz"
    before = path.stat()
    assert search(table, tmp_path, "--shard", "1/3") == f"Shard 1/3 is stored already, and passed over:\n  {path}\n"
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert json.loads(search(table, tmp_path, "--shard", "1/3", "--json")) == {"path": str(path), "searched": False}
    assert json.loads(search(table, tmp_path, "--shard", "1/4", "--json"))["searched"]


def test_a_damaged_shard_is_searched_again(table, tmp_path):
    search(table, tmp_path, "--shard", "1/3")
    path = tmp_path / "shards" / "0001-of-0003.npz"
    data = path.read_bytes()
    path.write_bytes(data[:200] + b"?" + data[201:])
    assert "Shard 1/3 searched." in search(table, tmp_path, "--shard", "1/3")
    assert path.read_bytes() == data


@pytest.mark.parametrize("part", [("--shard", "1/3"), ("--dry-run", "--n-shards", 3)])
def test_a_shard_of_another_search_is_refused_and_kept(table, tmp_path, part):
    search(table, tmp_path, "--shard", "1/3")
    path = tmp_path / "shards" / "0001-of-0003.npz"
    data = path.read_bytes()
    result = run(table, "--subset-size", 2, "--out", tmp_path, *part)
    assert (result.returncode, result.stdout) == (1, "")
    assert "holds shards of another search" in result.stderr
    assert "0001-of-0003" in result.stderr
    assert path.read_bytes() == data


def test_merge_of_one_number_of_shards_leaves_others_alone(found, table, tmp_path):
    for part in ("0/2", "1/2", "2/7"):
        search(table, tmp_path, "--shard", part)
    result = run(table, "--subset-size", 3, "--out", tmp_path, "--merge")
    assert "searches in 2 and 7 shards" in result.stderr
    search(table, tmp_path, "--merge", "--n-shards", 2)
    assert all((tmp_path / name).read_bytes() == (found[0] / name).read_bytes() for name in WRITTEN)


def test_a_dry_run_tells_what_is_missing_and_writes_nothing(table, tmp_path):
    out = tmp_path / "out"
    text = search(table, out, "--dry-run")
    assert "35 subsets of 3 of 7 environments, and all smaller ones: 63 in all, on 9 algorithms." in text
    assert f"  {out}\n" in text
    assert not out.exists()
    search(table, out, "--shard", "3/6")
    plan = json.loads(search(table, out, "--dry-run", "--n-shards", 6, "--json"))
    assert (plan["n_shards"], plan["n_missing"], plan["missing"]) == (6, 5, "0-2,4-5")
    assert "Shards: 6; stored already: 1." in plan["summary"]
    assert [path.name for path in out.rglob("*")] == ["shards", "0003-of-0006.npz"]


def test_subset_size_and_folder_have_defaults(found, tmp_path):
    for name, expected in (("runs/mine/dataset.csv", "mine"), ("runs/mine/other.csv", "other")):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        plan = json.loads(run(write_table(path), "--dry-run", "--json").stdout)
        assert (plan["n_subsets"], plan["out"]) == (35, f"logs/search/{expected}")
    command = [sys.executable, ROOT / "jobs/subset_search.py", "dataset.csv"]
    subprocess.run(command, cwd=tmp_path / "runs" / "mine", capture_output=True, check=True)
    written = tmp_path / "runs" / "mine" / "logs" / "search" / "mine"
    assert (written / "ranking.csv").read_bytes() == (found[0] / "ranking.csv").read_bytes()


def test_merge_refuses_shards_of_another_table(table, tmp_path):
    search(table, tmp_path / "out", "--shard", "0/1")
    other = write_table(tmp_path / "other.csv", n_algos=8)
    result = run(other, "--subset-size", 3, "--out", tmp_path / "out", "--merge")
    assert result.returncode == 1
    assert "shard 0000-of-0001 was searched on another dataset" in result.stderr


def test_merge_without_shards_says_so_and_makes_no_folder(table, tmp_path):
    result = run(table, "--subset-size", 3, "--out", tmp_path / "none", "--merge")
    assert result.returncode == 1
    assert "there is no shard in" in result.stderr
    assert not (tmp_path / "none").exists()


def test_algorithms_without_scores_are_left_out_and_named(tmp_path):
    def empty_last_column(table_rows):
        for row in table_rows[1:]:
            row[-1] = ""

    text = search(write_table(tmp_path / "scores.csv", n_algos=10, change=empty_last_column), tmp_path / "out")
    assert "Left out, without any score: algo 9." in text
    head = json.loads((tmp_path / "out" / "search.json").read_text())
    assert head["left_out"] == [{"algo": "algo 9", "reason": "no score"}]
    assert head["n_algos"] == 9


def test_an_algorithm_at_the_random_score_is_named_and_breaks_nothing(tmp_path):
    def random_first_column(table_rows):
        for row in table_rows[1:]:
            row[5] = "1.5"

    text = search(write_table(tmp_path / "scores.csv", change=random_first_column), tmp_path / "out")
    assert "Not counted in relative errors, because the benchmark score is 0: algo 0." in text


def test_unsearchable_subsets_are_counted_and_not_ranked(tmp_path):
    def gaps(table_rows):
        table_rows[1][8:] = [""] * 6  # three scores of the first environment are left

    text = search(write_table(tmp_path / "scores.csv", change=gaps), tmp_path / "out")
    assert "15 of those of 3 have too few algorithms" in text
    ranking = rows(tmp_path / "out" / "ranking.csv")
    assert len(ranking) == 20
    assert not any("Env 0" in row["subset"] for row in ranking)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--subset-size", 0], ["subset size 0 is too small"]),
        (["--subset-size", -2], ["subset size -2 is too small"]),
        (["--subset-size", 8], ["more than the 7 environments"]),
        (["--subset-size", 9], ["not smaller than the number of algorithms, 9", "more than the 7 environments"]),
        (["--subset-size", "many"], ["invalid int value: 'many'"]),
        (["--ridge", -1, "--threads", 0, "--max-hours", 0], ["ridge -1.0", "--threads 0", "--max-hours 0.0"]),
        (["--force", "Env 1", "Env 2", "Env 3", "Env 4", "--exclude", "Env 2"], ["4 environments are forced", "Env 2: forced"]),
        (["--force", "Env9", "--exclude", "env 1"], ["no environment 'Env9'", "Did you mean 'Env 1'?"]),
        (
            ["--force", "Env 1", "--only-benchmarks", "second"],
            ["'Env 1' is forced, and --only-benchmarks leaves it out: its benchmark is first"],
        ),
        (["--only-benchmarks", "third", "--only-action-spaces", "Box"], ["third", "Allowed: first, second", "Box"]),
        (["--beam", 5, "--shard", "0/2"], ["--shard goes with a search of all subsets"]),
        (["--beam", 5, "--submit"], ["--submit goes with a search of all subsets"]),
        (["--beam", 5, "--rank-by", "in_sample"], ["a beam goes by cv_mse"]),
        (["--fold-rule", "luck"], ["invalid choice: 'luck'"]),
        (["--subset-size", 3, "--n-folds", 1, "--keep", 0], ["number of folds 1", "number to keep 0"]),
        (["--subset-size", 3, "--fold-seed", -1], ["fold seed -1 is out of range"]),
        (["--subset-size", 3, "--shard", "4/4"], ["--shard 4/4", "0 <= I < N"]),
        (["--subset-size", 0, "--shard", "1of4"], ["--shard 1of4", "subset size 0"]),
        (["--subset-size", 3, "--shard", "-1/4"], ["--shard"]),
        (["--subset-size", 3, "--shard", "0/4", "--merge"], ["not allowed with"]),
        (["--subset-size", 3, "--shard", "0/4", "--dry-run"], ["not allowed with"]),
        (["--n-shards", 4], ["--n-shards goes with"]),
        (["--n-shards", 4, "--shard", "0/4", "--keep", 0], ["--n-shards goes with", "number to keep 0"]),
        (["--n-shards", 0, "--dry-run"], ["--n-shards 0 is out of range: give 1 to 4000001"]),
        (["--subset-size", 8, "--dry-run"], ["more than the 7 environments"]),
        (["--subset-size", 3, "--benchmarks", "atari"], ["atari100k"]),
    ],
)
def test_wrong_flags_are_refused_before_anything_is_written(table, tmp_path, flags, words):
    text = refusal(table, "--out", tmp_path / "out", *flags)
    assert all(word in text for word in words)
    assert not (tmp_path / "out").exists()


def test_no_algorithm_to_spare_is_refused(tmp_path):
    table = write_table(tmp_path / "scores.csv", n_algos=3)
    assert "not smaller than the number of algorithms, 3" in refusal(table, "--subset-size", 3, "--out", tmp_path / "out")


def test_a_folder_that_cannot_be_written_is_refused(table, tmp_path):
    (tmp_path / "file").write_text("")
    for part in ([], ["--shard", "0/2"]):
        text = refusal(table, "--subset-size", 3, "--out", tmp_path / "file" / "out", *part)
        assert "cannot write to the folder" in text


def test_a_missing_table_is_refused(tmp_path):
    assert "none.csv" in refusal(tmp_path / "none.csv", "--subset-size", 3, "--out", tmp_path / "out")


def change_cell(row, column, value):
    def change(table_rows):
        table_rows[row][column] = value

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (change_cell(2, 6, "good"), ["good", "algo 1"]),
        (change_cell(2, 6, "inf"), ["inf"]),
        (change_cell(2, 0, "Env 0"), ["Env 0"]),
        (change_cell(2, 4, "1.5"), ["Env 1", "Reference"]),
        (change_cell(2, 3, ""), ["Env 1", "Base"]),
        (change_cell(0, 4, "Ref"), ["Reference"]),
        (change_cell(2, slice(5, None), [""] * 9), ["no algorithm has a score for Env 1"]),
        (change_cell(2, 6, "1e307"), ["scores for Env 1 are too extreme"]),
        (change_cell(2, slice(3, 5), ["-1.7e308", "1.7e308"]), ["scores for Env 1 are too extreme"]),
        (change_cell(2, 0, "Env 1; hard"), ["separates names", "Env 1; hard"]),
    ],
)
def test_wrong_tables_are_refused_by_name_before_anything_is_written(tmp_path, change, words):
    table = write_table(tmp_path / "scores.csv", change=change)
    text = refusal(table, "--subset-size", 3, "--out", tmp_path / "out")
    assert all(word in text for word in words)
    assert not (tmp_path / "out").exists()


def test_a_table_without_a_searchable_subset_is_refused(tmp_path):
    def leave_three(table_rows):
        for place, row in enumerate(table_rows[1:]):
            row[5:] = [cell if (algo + place) % 9 < 3 else "" for algo, cell in enumerate(row[5:])]

    table = write_table(tmp_path / "scores.csv", change=leave_three)
    text = refusal(table, "--subset-size", 3, "--out", tmp_path / "out")
    assert "no subset of 3 environments has more than 3 algorithms" in text


def test_starting_the_job_loads_no_heavy_package():
    code = (
        "import runpy, sys\n"
        "sys.argv = ['subset_search.py', '--help']\n"
        "try:\n    runpy.run_path('jobs/subset_search.py', run_name='__main__')\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "print('loaded:', *[name for name in ('torch', 'gymnasium', 'matplotlib', 'sklearn') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip().splitlines()[-1] == "loaded:"
    assert "--subset-size" in result.stdout


def test_searching_a_shard_loads_no_torch(table, tmp_path):
    command = [sys.executable, "-X", "importtime", "jobs/subset_search.py", str(table), "--out", str(tmp_path), "--shard", "0/2"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in result.stderr.splitlines() if "|" in line}
    assert {"numpy", "rlhpc"} <= loaded
    assert loaded & {"torch", "gymnasium", "stable_baselines3", "sb3_contrib", "matplotlib", "sklearn", "pandas"} == set()


def test_one_thread_or_three_write_the_same_bytes(tmp_path):
    table = write_table(tmp_path / "scores.csv", missing=0.1)
    for n in (1, 3):
        search(table, tmp_path / f"{n}", "--threads", n)
    for name in WRITTEN:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "3" / name).read_bytes()


def test_chosen_environments_are_in_every_subset_and_the_target_is_that_of_all(table, found, tmp_path):
    flags = ("--force", "Env 5", "--exclude", "Env 1", "--only-action-spaces", "Discrete")
    text = search(table, tmp_path, *flags)
    assert "In every subset: Env 5.\nIn no subset: Env 0, Env 1, Env 3, Env 6.\n" in text
    errors = {row["subset"]: row["cv_mse"] for row in rows(found[0] / "ranking.csv")}
    ranking = rows(tmp_path / "ranking.csv")
    assert [(row["subset"], row["cv_mse"]) for row in ranking] == [("Env 2; Env 4; Env 5", errors["Env 2; Env 4; Env 5"])]
    assert [row["subset_size"] for row in rows(tmp_path / "sizes.csv")] == ["3", "2", "1"]


def test_the_histogram_counts_every_subset(found):
    record = json.loads((found[0] / "search.json").read_text())
    errors = sorted(float(row["cv_mse"]) for row in rows(found[0] / "ranking.csv"))
    assert sum(one["n_subsets"] for one in record["histogram"]) == record["n_searched"] == len(errors) == 35
    for one in record["histogram"]:
        assert one["n_subsets"] == sum(one["from"] <= error < one["to"] for error in errors)


def test_rules_are_written_down_and_told(table, tmp_path):
    text = search(table, tmp_path, "--fold-rule", "drawn", "--ridge", 0.5, "--rank-by", "in_sample", "--keep", 12)
    assert "9 folds drawn for each subset, no intercept, ridge 0.5, the best 12 by in-sample error in order of" in text
    record = json.loads((tmp_path / "search.json").read_text())
    assert [record[key] for key in ("fold_rule", "ridge", "rank_by", "exhaustive")] == ["drawn", 0.5, "in_sample", True]
    assert "singular values of at most 1e-12 times the largest" in record["rules"]["rank"]


@pytest.fixture(scope="module")
def large_table(tmp_path_factory):
    """A table of 40 algorithms and 90 environments."""
    rng, path = np.random.default_rng(1), tmp_path_factory.mktemp("large") / "large.csv"
    scores = 50 + 20 * rng.normal(size=(90, 1)) + 12 * rng.normal(size=(90, 40))
    head = ["Environments", "Benchmark", "Action Space", "Base", "Reference", *(f"algo {i}" for i in range(40))]
    with path.open("w", newline="") as stream:
        rows_of = ([f"Env {env}", "b", "Discrete", 0, 100, *scores[env].tolist()] for env in range(90))
        csv.writer(stream).writerows([head, *rows_of])
    return path


@pytest.mark.parametrize("part", [(), ("--dry-run",), ("--shard", "0/4")])
def test_a_search_of_days_is_refused_with_how_long_and_what_to_do(large_table, tmp_path, part):
    text = refusal(large_table, "--subset-size", 14, "--out", tmp_path / "out", *part)
    assert "would take about " in text
    assert " years on " in text
    assert all(word in text for word in ("--beam 100", "--max-hours "))
    assert "--n-shards" not in text  # more than a cluster takes
    assert not (tmp_path / "out").exists()


def test_a_beam_searches_what_would_take_years_and_says_that_it_is_not_exhaustive(large_table, tmp_path):
    text = search(large_table, tmp_path, "--subset-size", 8, "--beam", 10)
    assert "a beam of 10, on 40 algorithms: 10 folds, no intercept. NOT exhaustive: there may be a better subset." in text
    record = json.loads((tmp_path / "search.json").read_text())
    assert (record["exhaustive"], record["beam"]) == (False, 10)
    assert 0 < record["n_searched"] <= 10 * 90 < record["n_subsets"]
    assert [row["exhaustive"] for row in rows(tmp_path / "sizes.csv")] == ["False"] * 5 + ["True"] * 3


def test_thesis_table_gives_the_subset_of_the_thesis(tmp_path):
    if not THESIS.exists():
        pytest.skip(f"absent: {THESIS.name} beside this repository")
    answer = json.loads(search(THESIS, tmp_path, "--json"))
    assert answer["best"]["subset"] == ["Ms Pacman", "Ball in cup catch", "Pendulum swingup"]
    assert answer["best"]["cv_mse"] == pytest.approx(0.0035279584408828, rel=1e-10)
    assert answer["best"]["relative_error"] == pytest.approx(6.5912, abs=5e-5)
    nested = [(size["nested"]["cv_mse"], size["nested"]["relative_error"]) for size in answer["sizes"][1:]]
    assert nested[0] == (pytest.approx(0.0351338123417257, rel=1e-10), pytest.approx(30.9869, abs=5e-5))
    assert nested[1] == (pytest.approx(0.1380367746453744, rel=1e-10), pytest.approx(72.3740, abs=5e-5))
    best = [(size["best"]["subset"], size["best"]["cv_mse"]) for size in answer["sizes"][1:]]
    assert best[0] == (["Ms Pacman", "Cartpole swingup sparse"], pytest.approx(0.02252, abs=5e-6))
    assert best[1] == (["Frostbite"], pytest.approx(0.09932, abs=5e-6))


def write_long(path, n_algos=9, n_seeds=3):
    """A long table of the same environments with seeds, and the seconds of every training."""
    rng = np.random.default_rng(7)
    lines = ["env_id,benchmark,action_space,algo,seed,score,random_score,reference_score,train_seconds,total_timesteps"]
    for env in range(N_ENVS):
        for algo in range(n_algos):
            level = 40 + 5 * algo + 8 * rng.normal()
            for seed in range(n_seeds):
                score, seconds = level + rng.normal(), 1800 * (1 + env)
                lines.append(f"Env {env},b,Discrete,algo {algo},{seed},{score},0,100,{seconds},{1000 * (1 + env)}")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_costs_give_a_front_that_no_cheaper_subset_beats(tmp_path):
    table = write_long(tmp_path / "scores.csv")
    text = search(table, tmp_path / "out", "--costs", table, "--max-cost", 2)
    front = rows(tmp_path / "out" / "front.csv")
    assert list(front[0]) == ["point", "subset", "cost_hours", "share", "cv_mse", "subset_size"]
    costs, errors = ([float(row[column]) for row in front] for column in ("cost_hours", "cv_mse"))
    assert (costs, errors) == (sorted(costs), sorted(errors, reverse=True))
    for row in front:
        assert float(row["cost_hours"]) == pytest.approx(sum((1 + int(name[-1])) / 2 for name in row["subset"].split("; ")))
    affordable = [row for row in front if float(row["cost_hours"]) <= 2][-1]
    assert f"The best of at most 2 hours: {affordable['subset'].replace('; ', ', ')}" in text
    assert front[-1]["subset"] in {row["subset"] for row in rows(tmp_path / "out" / "ranking.csv")[:1]} | {
        row["best_subset"] for row in rows(tmp_path / "out" / "sizes.csv")
    }
    search(table, tmp_path / "out")  # anew, without costs
    assert not (tmp_path / "out" / "front.csv").exists()


def test_environments_stopped_early_are_candidates_that_cost_less(tmp_path):
    table = write_long(tmp_path / "scores.csv")
    early = [row for row in rows(table) if row["env_id"] == "Env 2"]
    lines = [f"Env 2@100,{row['algo']},{row['seed']},{row['score']},60" for row in early]
    lines.insert(0, "env_id,algo,seed,score,train_seconds")
    (tmp_path / "early.csv").write_text("\n".join(lines) + "\n")
    search(table, tmp_path / "out", "--costs", table, "--early", tmp_path / "early.csv")
    front = rows(tmp_path / "out" / "front.csv")
    assert front[0]["subset"] == "Env 2@100"
    assert float(front[0]["cost_hours"]) == pytest.approx(1 / 60)
    assert not any("Env 2" in row["subset"].split("; ") for row in front)  # as good, and dearer
    plain, early = tmp_path / "plain", tmp_path / "out"
    search(table, plain)
    with np.load(plain / "problem.npz") as one, np.load(early / "problem.npz") as other:
        assert np.array_equal(one["y"], other["y"])


@pytest.mark.parametrize("n_shards", [3])
def test_shards_with_trust_write_the_bytes_of_the_whole(tmp_path, n_shards):
    table = write_long(tmp_path / "scores.csv")
    flags = ("--trust", "--permutations", 20, "--pairs", 4, "--resamples", 3, "--costs", table)
    search(table, tmp_path / "whole", *flags)
    out = tmp_path / "shards"
    for shard in range(n_shards):
        search(table, out, *flags, "--shard", f"{shard}/{n_shards}")
    assert "is stored already" in search(table, out, *flags, "--shard", f"1/{n_shards}")
    search(table, out, *flags, "--merge")
    for name in (*WRITTEN, "front.csv", "redone.npz"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_merge_with_trust_names_what_was_not_redone(tmp_path):
    table = write_long(tmp_path / "scores.csv")
    for shard in range(2):
        search(table, tmp_path, "--shard", f"{shard}/2")
    result = run(table, "--out", tmp_path, "--trust", "--merge")
    assert result.returncode == 1
    assert "redone searches are missing: 0000-of-0002, 0001-of-0002." in result.stderr
    assert not (tmp_path / "search.json").exists()


def test_a_dry_run_with_trust_counts_the_searches_that_are_redone(tmp_path):
    table = write_long(tmp_path / "scores.csv")
    done = run(table, "--dry-run", "--n-shards", 4, "--trust", "--permutations", 20, "--pairs", 4, "--resamples", 3, "--json")
    plan = json.loads(done.stdout)
    assert plan["n_redone"] == 9 + 4 + 20 + 20 + 3
    assert "They share 56 searches on changed tables" in plan["summary"]


def test_missing_blocks_are_warned_of_and_the_flags_deal_with_them(tmp_path):
    def lacking(rows):
        for row in rows[1:]:
            if row[1] == "second":
                row[5:8] = ["", "", ""]  # three papers report the first benchmark alone

    table = write_table(tmp_path / "scores.csv", n_algos=10, change=lacking)
    warned = search(table, tmp_path / "plain")
    assert "3 of 10 algorithms have no score in second (algo 0, algo 1, algo 2)" in warned
    corrected = search(table, tmp_path / "corrected", "--target-correction", "difference")
    assert "have no score in second" not in "".join(line for line in corrected.splitlines() if line.startswith("Warning"))
    head = json.loads((tmp_path / "corrected" / "search.json").read_text())
    assert [one["algo"] for one in head["coverage"]["corrections"]] == ["algo 0", "algo 1", "algo 2"]
    fewer = search(table, tmp_path / "fewer", "--min-algo-coverage", 0.6)
    assert "on 7 algorithms" in fewer
    head = json.loads((tmp_path / "fewer" / "search.json").read_text())
    assert [one["algo"] for one in head["left_out"]] == ["algo 0", "algo 1", "algo 2"]
    covered = search(table, tmp_path / "covered", "--min-env-coverage", 0.8)
    assert not any("Env 0" in row["subset"] for row in rows(tmp_path / "covered" / "ranking.csv"))
    assert "Env 0" in covered


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--max-cost", 3), "--max-cost needs --costs FILE"),
        (("--permutations", 5), "go with --trust alone"),
        (("--trust", "--permutations", -5), "permutations -5 is negative"),
        (("--trust", "--permutations", 19), "--permutations 19: p would be 0.05 at least"),
        (("--min-algo-coverage", 2), "--min-algo-coverage 2.0 is no share"),
        (("--trust", "--trust-seed", -1), "seed -1 is out of range"),
        (("--trust", "--subset-size", 8), "subset size 8 is more than the 7 environments"),
        (("--trust", "--exclude", "Env 1", "--subset-size", 6, "--intercept"), None),
    ],
)
def test_wrong_flags_of_trust_costs_and_coverage_are_refused(table, tmp_path, flags, words):
    out = tmp_path / "out"
    if words is None:  # 7 parameters, 8 algorithms when one is left out
        search(table, out, *flags)
        return
    assert words in refusal(table, "--out", out, *flags)
    assert not out.exists()


def test_trust_of_three_algorithms_is_refused_with_the_reason(tmp_path):
    table = write_table(tmp_path / "scores.csv", n_algos=3)
    assert "--trust: An honest error needs at least 4 algorithms" in refusal(table, "--subset-size", 2, "--trust")


def test_costs_that_are_missing_or_wrong_are_all_named(table, tmp_path):
    (tmp_path / "costs.csv").write_text("env_id,hours\nEnv 0,1\nEnv 1,0\nEnv 2,-4\n")
    said = refusal(table, "--out", tmp_path / "out", "--costs", tmp_path / "costs.csv")
    assert "has no cost for Env 3, Env 4, Env 5, Env 6." in said
    assert "line 3, column 'hours': '0' is no cost" in said
    assert "line 4, column 'hours': '-4' is no cost" in said


def test_an_empty_folder_name_is_refused(table):
    done = run(table, "--out", "")
    assert (done.returncode, done.stdout) == (2, "")
    assert "is a variable not set?" in done.stderr


def test_many_faults_of_one_kind_are_counted(tmp_path):
    rows = "".join(f"Nowhere@{steps},algo 0,1,5\n" for steps in range(1, 60))
    (tmp_path / "early.csv").write_text(f"env_id,algo,seed,score\n{rows}")
    said = refusal(write_long(tmp_path / "scores.csv"), "--early", tmp_path / "early.csv", "--out", tmp_path / "out")
    assert said.splitlines()[-1] == "... and 39 more."
    assert len(said.splitlines()) == 21


def test_a_search_for_trust_that_takes_too_long_is_refused(tmp_path):
    said = refusal(write_long(tmp_path / "scores.csv"), "--trust", "--max-hours", 1e-9, "--out", tmp_path / "out", "--beam", 2)
    assert "--max-hours" in said
    assert not (tmp_path / "out").exists()
