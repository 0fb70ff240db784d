"""The job: from a finished search to trust.json and report.html, as a user runs it."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

THESIS = Path(__file__).resolve().parents[3] / "shared" / "data" / "thesis_scores.csv"


def job(name, *arguments):
    return subprocess.run([sys.executable, f"jobs/{name}.py", *map(str, arguments)], capture_output=True, text=True, check=False)


def complaints(done):
    return re.sub(r"\AThis takes about .*\n", "", done.stderr)  # told on a machine that is slow or busy


def write_table(path, n_algos, n_envs=4):
    rng = np.random.default_rng(1)
    rows = ["env_id,benchmark,action_space,algo,seed,score,random_score,reference_score,wandb_url"]
    for env in range(n_envs):
        for algo in range(n_algos):
            for seed in (1, 2):
                score = rng.uniform(1, 90)
                rows.append(
                    f"<script>{env}</script>,b,Discrete,algo{algo},{seed},{score},0,100,https://wandb.ai/{env}-{algo}-{seed}"
                )
    path.write_text("\n".join(rows))
    return path


def searched(folder, n_algos, size=2):
    table = write_table(folder / "scores.csv", n_algos)
    assert job("subset_search", table, "--subset-size", size, "--out", folder / "search").returncode == 0
    return folder / "search"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return searched(tmp_path_factory.mktemp("report"), n_algos=6)


def test_report_writes_both_files_and_prints_verdict_figures_and_paths(folder):
    done = job("subset_report", folder, "--scores", folder.parent / "scores.csv")
    assert (done.returncode, complaints(done)) == (0, "")
    trust = json.loads((folder / "trust.json").read_text())
    assert done.stdout.startswith(f"Verdict: {trust['headline']}\n")
    assert all(text in done.stdout for text in ("Claimed: CV MSE", "Honest: MSE", "Guessing the mean of the others: MSE"))
    assert done.stdout.splitlines()[-4:] == [
        f"  {folder / name}" for name in ("redone.npz", "subset.json", "trust.json", "report.html")
    ]
    page = (folder / "report.html").read_text()
    assert page.count("<script") == 1  # our own
    assert 'href="https://wandb.ai/0-0-1"' in page
    assert f"--scores {folder.parent / 'scores.csv'}" in page


def test_reporting_again_gives_the_same_bytes_whether_searches_are_stored_or_redone(folder, tmp_path):
    search = shutil.copytree(folder, tmp_path / "search", ignore=shutil.ignore_patterns("redone.npz"))
    files = [search / name for name in ("redone.npz", "subset.json", "trust.json", "report.html")]
    contents = []
    for again in range(3):
        if again == 2:
            files[0].unlink()  # so that all is redone
        assert job("subset_report", search).returncode == 0
        contents.append([file.read_bytes() for file in files])
    assert contents[0] == contents[1] == contents[2]


def test_what_is_stored_is_what_the_usual_flags_redo_and_a_look_leaves_it_alone(folder, tmp_path):
    search = shutil.copytree(folder, tmp_path / "search", ignore=shutil.ignore_patterns("redone.npz"))
    scores = folder.parent / "scores.csv"
    look = job("subset_report", search, "--permutations", 20, "--json")
    assert str(search / "redone.npz") not in json.loads(look.stdout)["paths"]  # flags of its own: not stored
    assert "--permutations 20" in (search / "report.html").read_text()
    assert job("subset_report", search, "--scores", scores).returncode == 0
    stored = (search / "redone.npz").read_bytes()
    for flags in ([], ["--permutations", 25]):
        done = job("subset_report", search, *flags, "--json")
        assert done.returncode == 0
        assert (search / "redone.npz").read_bytes() == stored
        assert ("--permutations" in (search / "report.html").read_text()) == bool(flags)


def test_searches_that_the_search_has_redone_give_the_flags_of_the_report(folder, tmp_path):
    table, out = folder.parent / "scores.csv", tmp_path / "search"
    flags = ("--trust", "--permutations", 30, "--resamples", 5, "--trust-seed", 4)
    assert job("subset_search", table, "--subset-size", 2, "--out", out, *flags).returncode == 0
    trust = json.loads(job("subset_report", out, "--scores", table, "--json").stdout)
    assert (trust["plan"]["n_permutations"], trust["plan"]["seed"], trust["seed_noise"]["n_draws"]) == (30, 4, 5)
    assert "--permutations 30 --resamples 5 --trust-seed 4" in (out / "report.html").read_text()


def test_scores_without_a_usable_seed_leave_their_figures_out(folder, tmp_path):
    lines = (folder.parent / "scores.csv").read_text().splitlines()
    blank = [",".join([*line.split(",")[:5], "", *line.split(",")[6:]]) for line in lines[1:]]
    (tmp_path / "scores.csv").write_text("\n".join([lines[0], *blank]))
    done = job("subset_report", folder, "--scores", tmp_path / "scores.csv", "--json")
    assert (done.returncode, complaints(done)) == (0, "")
    trust = json.loads(done.stdout)
    assert trust["seed_noise"] is None
    assert any("have no score; they are left out" in note for note in trust["notes"])


def test_json_is_one_object_with_the_figures_and_paths(folder):
    done = job("subset_report", folder, "--json")
    printed = json.loads(done.stdout)
    names = ("subset.json", "trust.json", "report.html")
    assert printed.pop("paths")[-3:] == [str(folder / name) for name in names]
    assert printed == json.loads((folder / "trust.json").read_text())
    assert printed["honest"]["mse"] > 0


def test_commands_on_the_page_name_the_benchmarks_that_were_given(tmp_path):
    table = write_table(tmp_path / "scores.csv", n_algos=5)
    search = ["subset_search", table, "--subset-size", 1, "--out", tmp_path]
    assert job(*search, "--benchmarks", "atari100k").returncode == 0
    assert job("subset_report", tmp_path).returncode == 0
    assert f"--out {tmp_path} --benchmarks atari100k\n" in (tmp_path / "report.html").read_text()


def test_hours_of_zero_leave_stored_figures_out_too(folder):
    assert job("subset_report", folder).returncode == 0
    assert "Verdict: no trust figure" in job("subset_report", folder, "--max-hours", 0).stdout


def test_limit_on_hours_leaves_the_honest_error_out_and_says_so(folder, tmp_path):
    search = shutil.copytree(folder, tmp_path / "search", ignore=shutil.ignore_patterns("redone.npz"))
    for hours, said in ((0, "--max-hours 0 asked"), (1e-9, "more than --max-hours 1e-09. Have a cluster do it")):
        done = job("subset_report", search, "--max-hours", hours)
        assert done.returncode == 0
        assert "Verdict: no trust figure" in done.stdout
        assert said in done.stdout
        assert f"--max-hours {hours:g}" in (search / "report.html").read_text()
        assert "No subset.json: no interval of a prediction is known" in done.stderr
    assert not (search / "redone.npz").exists()
    assert not (search / "subset.json").exists()


def test_seeds_give_noise_statistics_and_budgets(folder):
    done = job("subset_report", folder, "--scores", folder.parent / "scores.csv", "--resamples", 7, "--json")
    trust = json.loads(done.stdout)
    assert trust["seed_noise"]["n_draws"] == 7
    assert [one["how"] for one in trust["stability"]] == ["without one", "without two", "resampled seeds"]
    assert len(trust["statistics"]["algos"]) == 6
    assert trust["plan"]["n_resamples"] == 7
    page = (folder / "report.html").read_text()
    assert "--resamples 7" in page
    assert "Algorithms compared" in page


def test_flags_change_what_is_redone(folder):
    trust = json.loads(job("subset_report", folder, "--permutations", 21, "--trust-seed", 3, "--pairs", 0, "--json").stdout)
    null = trust["null"]["permuted_columns"]
    assert (null["n_draws"], null["exact"]) == (21, False)
    assert 0 < null["standard_error"] < 0.2
    assert [one["how"] for one in trust["stability"]] == ["without one"]
    assert job("subset_report", folder, "--permutations", -1).returncode == 2


def test_a_common_factor_of_sixty_algorithms_is_sound(tmp_path):
    rng = np.random.default_rng(0)
    strength = rng.uniform(0, 2, size=60)
    rows = ["Environments,Benchmark,Action Space,Base,Reference," + ",".join(f"algo{i}" for i in range(60))]
    for env in range(12):
        scores = 10 ** (strength + rng.uniform(0.02, 0.2) * rng.normal(size=60))
        rows.append(f"Env {env},b,Discrete,0,100,{','.join(map(repr, scores.tolist()))}")
    (tmp_path / "table.csv").write_text("\n".join(rows))
    assert job("subset_search", tmp_path / "table.csv", "--subset-size", 3, "--out", tmp_path).returncode == 0
    done = job("subset_report", tmp_path, "--permutations", 99, "--pairs", 20, "--json")
    trust = json.loads(done.stdout)
    assert (trust["verdict"], trust["headline"]) == ("sound", "sound")
    assert trust["sample_size"]["needed"] <= 40
    assert [point["n_algos"] for point in trust["sample_size"]["points"]] == [5, 7, 10, 15, 20, 30, 40, 59]
    assert trust["interval_level"] == 0.9
    inside = [one["low_y"] <= one["y"] <= one["high_y"] for one in trust["held_out"]]
    assert 48 <= sum(inside) <= 59


def test_three_algorithms_give_a_report_without_a_trust_figure(tmp_path):
    search = searched(tmp_path, n_algos=3)
    done = job("subset_report", search)
    assert done.returncode == 0
    assert "needs at least 4 algorithms, and there are 3" in done.stdout
    trust = json.loads((search / "trust.json").read_text())
    assert (trust["verdict"], trust["honest"]) == ("no trust figure", None)
    assert not (search / "subset.json").exists()
    assert "No honest error can be given." in (search / "report.html").read_text()


def test_folder_without_a_search_is_an_error_that_names_the_command(tmp_path):
    done = job("subset_report", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Search first: python jobs/subset_search.py" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_damaged_search_writes_nothing(folder, tmp_path):
    search = shutil.copytree(folder, tmp_path / "search", ignore=shutil.ignore_patterns("trust.json", "report.html"))
    (search / "search.json").write_text("{")
    done = job("subset_report", search)
    assert done.returncode == 2
    assert "is damaged" in done.stderr
    assert not (search / "trust.json").exists()


def test_ranking_of_another_search_is_refused(folder, tmp_path):
    search = shutil.copytree(folder, tmp_path / "search")
    with (search / "ranking.csv").open("a") as ranking:
        ranking.write("7,a; b,0.1,0.1,0.1,2,1; 1,0.0,6\n")
    done = job("subset_report", search)
    assert done.returncode == 2
    assert "is of another search" in done.stderr


def test_wrong_scores_and_limits_are_refused(folder, tmp_path):
    (tmp_path / "scores.csv").write_text("env_id,algo,seed,score\nx,y,1,high\n")
    wrong = job("subset_report", folder, "--scores", tmp_path / "scores.csv")
    assert wrong.returncode == 2
    assert "'high' is not a number" in wrong.stderr
    assert job("subset_report", folder, "--max-hours", -1).returncode == 2


@pytest.mark.skipif(not THESIS.exists(), reason=f"absent: {THESIS.name} beside this repository")
def test_report_of_the_thesis_table(tmp_path):
    assert job("subset_search", THESIS, "--subset-size", 3, "--out", tmp_path).returncode == 0
    trust = json.loads(job("subset_report", tmp_path, "--json").stdout)
    assert trust["verdict"] == "do not use"
    assert trust["subset"] == ["Ms Pacman", "Ball in cup catch", "Pendulum swingup"]
    assert trust["claimed"]["cv_mse"] == pytest.approx(0.0035279584408828, rel=1e-10)
    assert trust["honest"]["mse"] == pytest.approx(0.4371983647683952, rel=1e-8)
    assert trust["honest"]["mean_relative_error"] == pytest.approx(76.4225, abs=5e-5)
    assert trust["honest"]["baseline_mse"] == pytest.approx(0.398639, abs=5e-7)
    assert trust["honest"]["optimism_factor"] == pytest.approx(123.92, abs=0.01)
    assert trust["honest"]["n_distinct_subsets"] == 7
    assert trust["headline"] == "do not use: worse than guessing"
    shuffled = trust["null"]["shuffled_targets"]
    assert (shuffled["exact"], shuffled["n_draws"], round(shuffled["p"], 4)) == (True, 5040, 0.0623)
    assert trust["alike"]["n_targets"] == 3
    assert trust["sample_size"]["needed"] == 30
    assert trust["unselected"]["low"] < 0.24 < trust["unselected"]["high"]
