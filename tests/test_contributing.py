"""What CONTRIBUTING.md promises an outsider is true: its files are written and its commands run, as printed, in a fresh copy."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from rlhpc.results.dataset import read_table
from rlhpc.results.normalise import normalise

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
BLOCK = re.compile(r"(?:^\*\*`([^`]+)`\*\*\n)?^```(\w+)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)


def section(heading):
    """Return the text below a heading."""
    (found,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", TEXT, flags=re.MULTILINE | re.DOTALL)
    return found


def blocks(heading):
    """Return path (blank for commands), language and text of every block of a section."""
    return BLOCK.findall(section(heading))


def change(text, diff):
    """Carry out a change; each part must have exactly one place."""
    for part in re.split(r"^@@\n", diff, flags=re.MULTILINE):
        lines = part.splitlines(keepends=True)
        old, new = ("".join(line[1:] for line in lines if line[0] in f" {sign}") for sign in "-+")
        assert text.count(old) == 1, f"not once there:\n{old}"
        text = text.replace(old, new)
    return text


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """Return a function that makes a fresh copy of what git keeps, or would if it were told of new files."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    kept = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    def copy():
        folder = tmp_path_factory.mktemp("rlhpc")
        for name in filter(None, kept.split("\0")):
            if (ROOT / name).exists():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, folder / name)
        return folder

    return copy


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return a function that runs lines of shell in a copy, which Python finds before the installed package.

    PATH holds `python` alone: what is printed needs no more, and no machine has a Slurm then.
    """
    programs = tmp_path_factory.mktemp("bin")
    (programs / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (programs / "python").chmod(0o755)

    def run(folder, lines, code=0):
        kept = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}  # of the run that we are part of
        environment = {**kept, "PATH": str(programs), "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            ["/bin/sh", "-e", "-c", lines], cwd=folder, capture_output=True, text=True, check=False, env=environment
        )
        assert done.returncode == code, f"{lines}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    return run


@pytest.fixture(scope="module")
def follow(copy, run):
    """Return a function that carries out a section in a fresh copy; its answer is the copy and what the commands printed."""

    def follow(heading):
        folder, printed = copy(), []
        for path, language, text in blocks(heading):
            if not path:
                printed.append(run(folder, text))
            elif language == "diff":
                (folder / path).write_text(change((folder / path).read_text(), text))
            else:
                assert not (folder / path).exists()
                (folder / path).write_text(text)
        return folder, "".join(done.stdout for done in printed)

    return follow


def results(folder):
    """Return the stored results below a folder by environment and algorithm."""
    found = [json.loads(path.read_text())["result"] for path in folder.rglob("result.json")]
    return {(each["training"]["env_id"], each["training"]["algo"]): each for each in found}


# --- the three sections ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def with_algorithms(follow):
    return follow("Add an algorithm")


@pytest.mark.slow
def test_new_algorithms_train_and_one_that_is_killed_continues_to_the_same_bits(with_algorithms):
    folder, printed = with_algorithms
    assert printed.startswith("identical: custom/CartPole-v1/fading_ppo/111")
    found = results(folder / "logs" / "new")
    assert sorted(found) == [("Pendulum-v1", algo) for algo in ("ddpg", "fading_ppo", "ppo_small_net")]
    classes = {algo: each["training"]["hyperparameters"]["class"] for (_, algo), each in found.items()}
    assert classes == {"ddpg": "DDPG", "fading_ppo": "FadingPPO", "ppo_small_net": "PPO"}
    assert found["Pendulum-v1", "ppo_small_net"]["training"]["hyperparameters"]["policy_kwargs"] == {"net_arch": [16]}
    assert all(each["timesteps"] >= 300 for each in found.values())


@pytest.mark.slow
def test_tests_that_list_the_algorithms_and_the_tree_are_content_with_the_new_ones(with_algorithms, run):
    folder, printed = with_algorithms
    assert re.search(r"\d+ passed", printed)
    run(folder, "python -m pytest -q tests/training/test_updates.py -k among")
    assert (folder / "README.md").read_text().count("        fading_ppo.py       PPO whose entropy bonus falls away\n") == 1
    run(folder, "python -m ruff check rlhpc/training && python -m ruff format --check rlhpc/training")


@pytest.mark.slow
def test_a_class_outside_of_the_repository_is_found_by_pythonpath(copy, run, tmp_path):
    folder, variants = copy(), {path: text for path, _, text in blocks("Add an algorithm") if path}
    (tmp_path / "my_agents.py").write_text(variants["rlhpc/training/fading_ppo.py"])
    (folder / "configs/algos/fading_ppo.yaml").write_text(variants["configs/algos/fading_ppo.yaml"])
    algos, line = folder / "rlhpc/training/algos.py", '    "PPO": "stable_baselines3:PPO",\n'
    algos.write_text(change(algos.read_text(), f'+    "FadingPPO": "my_agents:FadingPPO",\n {line}'))
    words = "--cluster local name=new envs=[CartPole-v1] algos=[fading_ppo] seeds=[1] budget.total_timesteps=64"
    small = "'hyperparameters={fading_ppo: {all: {n_envs: 1, n_steps: 32, batch_size: 32}}}'"
    run(folder, f"export PYTHONPATH=$PYTHONPATH:{tmp_path}; python jobs/launch_training.py {words} {small}")
    assert list(results(folder / "logs" / "new")) == [("CartPole-v1", "fading_ppo")]


@pytest.mark.slow
def test_a_new_benchmark_trains_and_its_scores_are_collected_and_normalised(follow):
    folder, printed = follow("Add a benchmark")
    assert "Base (random agent): 2 environments from benchmark files" in printed
    assert "Reference: 2 environments from benchmark files" in printed
    assert set(results(folder / "logs" / "classic")) == {
        (env_id, algo) for env_id in ("CartPole-v1", "Pendulum-v1") for algo in ("a2c", "ppo")
    }
    with (folder / "logs/classic/summary.csv").open() as stream:
        rows = {(row["env_id"], row["algo"]): row for row in csv.DictReader(stream)}
    assert "jobs/random_score.py, seed 111" in rows["CartPole-v1", "random"]["source"]
    table = read_table(folder / "logs/classic/dataset.csv")
    bounds = table.random_scores, table.reference_scores
    assert [values.tolist() for values in bounds] == [[22.21, -1240.93], [500.0, -172.225]]
    normalised = normalise(table.mean_scores, *bounds)
    assert normalised.shape == (2, 2)
    assert ((normalised > -100) & (normalised < 150)).all()


@pytest.mark.slow
def test_the_random_scores_of_the_benchmark_are_what_the_command_measures(run):
    (_, _, text), *_ = blocks("Add a benchmark")
    written = {env["env_id"]: env["random_score"] for env in yaml.safe_load(text)["environments"]}
    done = run(ROOT, f"python jobs/random_score.py {' '.join(written)} --json")
    measured = {each["env_id"]: each for each in json.loads(done.stdout)["scores"]}
    for env_id, score in written.items():
        assert abs(measured[env_id]["score"] - score) <= 3 * measured[env_id]["standard_error"]


@pytest.mark.slow
def test_the_keys_of_a_new_cluster_are_in_what_would_be_submitted(follow, run):
    folder, printed = follow("Add a cluster")
    assert "Written: configs/clusters/measured.yaml" in printed
    measured = yaml.safe_load((folder / "configs/clusters/measured.yaml").read_text())
    n = measured["packing"]["trainings_per_gpu"]
    assert f"array elements of 4 GPUs x {n} training" in printed
    assert "12 hours in partition gpu" in printed
    *_, (_, _, commands) = blocks("Add a cluster")
    plan = json.loads(run(folder, f"{commands.splitlines()[-1]} --json").stdout)
    assert (plan["gpus_per_node"], plan["trainings_per_gpu"]) == (4, n)
    element = plan["element"]
    assert (element["partition"], element["timeout_min"], element["gpus"]) == ("gpu", 720, 4)
    assert element["options"] == {"account": "rl", "gres": "gpu:a100:4"}
    assert element["memory_gb"] == pytest.approx(4 * n * measured["slurm"]["memory_gb_per_training"])


def test_without_slurm_the_check_of_a_cluster_exits_2_with_one_sentence(copy, run):
    folder = copy()
    path, _, text = blocks("Add a cluster")[0]
    (folder / path).write_text(text)
    (command,) = re.findall(r"`(python jobs/check_cluster.py [^`]+)`", section("Add a cluster"))
    assert run(folder, command, code=2).stderr.startswith("error: There is no Slurm here")


# --- the rest ----------------------------------------------------------------------------------------------------------


def test_every_block_of_the_three_sections_is_a_file_a_change_or_commands():
    for heading in ("Add an algorithm", "Add a benchmark", "Add a cluster"):
        found = blocks(heading)
        assert section(heading).count("```") == 2 * len(found)
        assert all((language == "sh") == (not path) for path, language, _ in found)


def test_every_path_and_every_make_target_that_is_named_exists():
    prose = re.sub(r"^```.*?^```", "", TEXT, flags=re.MULTILINE | re.DOTALL)
    made = {path for path, language, _ in BLOCK.findall(TEXT) if path and language != "diff"}
    named = {name for name in re.findall(r"`([^`\s]+)`", prose) if name.startswith(("jobs/", "rlhpc/", "configs/", "tests/"))}
    assert [name for name in sorted(named - made) if not (ROOT / name).exists()] == []
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert set(re.findall(r"\bmake ([a-z]+)(?=[` ;\n])", TEXT.partition("## Add an")[0])) <= {*targets}


def test_every_mark_of_tests_is_explained():
    marks = re.findall(r'^    "(\w+): ', (ROOT / "pyproject.toml").read_text(), flags=re.MULTILINE)
    assert marks
    assert all(f"`{mark}` (" in section("Set up") for mark in marks)
