"""The launch job, end to end, as a user runs it."""

import json
import os
import re
import runpy
import select
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from rlhpc.training import local

ROOT = Path(__file__).resolve().parents[2]
TINY = (
    "envs=[CartPole-v1]",
    "algos=[ppo,random]",
    "seeds=[1,2]",
    "budget.total_timesteps=64",
    "evaluation.n_episodes=2",
    "hyperparameters={ppo: {all: {n_envs: 2, n_steps: 32, batch_size: 32}}, random: {all: {n_trials: 1, n_episodes: 2}}}",
)


def launch(*arguments, code=0, path=None):
    environment = None if path is None else {"PATH": str(path)}
    done = subprocess.run(
        [sys.executable, "jobs/launch_training.py", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == code, done.stderr
    return done


def test_the_default_grid_is_760_trainings_in_32_elements_of_2_gpus_with_12_each(tmp_path):
    shown = launch("--dry-run", f"logs_dir={tmp_path}/logs").stdout
    assert "760 trainings" in shown
    assert "32 array elements of 2 GPUs x 12 trainings" in shown
    assert list(tmp_path.iterdir()) == []


def test_the_plan_as_data_says_the_same(tmp_path):
    plan = json.loads(launch("--dry-run", "--json", f"logs_dir={tmp_path}/logs").stdout)
    assert (plan["n_trainings"], plan["n_to_train"], plan["n_array_elements"]) == (760, 760, 32)
    assert (plan["gpus_per_node"], plan["trainings_per_gpu"]) == (2, 12)
    names = [name for element in plan["array_elements"] for name in element["trainings"]]
    assert len(names) == len(set(names)) == 760
    assert max(element["n_trainings"] for element in plan["array_elements"]) == 24
    assert list(tmp_path.iterdir()) == []


def test_an_image_that_cannot_be_used_is_refused_before_anything_is_planned_or_written(tmp_path):
    words = (f"logs_dir={tmp_path}/logs", *TINY)
    shown = launch("--dry-run", "--container", str(tmp_path / "none.sif"), *words, code=2)
    assert f"there is no image '{tmp_path}/none.sif'" in shown.stderr
    for flags in (["--container", "x.sif"], ["container.image=x.sif"]):
        shown = launch("--cluster", "local", *flags, *words, code=2)
        assert "apptainer run --nv x.sif launch_training --cluster local" in shown.stderr
    assert list(tmp_path.iterdir()) == []


def test_flags_are_short_for_keys_of_the_configuration(tmp_path):
    flags = ("--gpus-per-node", "1", "--trainings-per-gpu", "4", "--max-nodes", "10")
    plan = json.loads(launch("--dry-run", "--json", *flags, f"logs_dir={tmp_path}").stdout)
    assert (plan["gpus_per_node"], plan["trainings_per_gpu"], plan["n_array_elements"]) == (1, 4, 10)


@pytest.fixture(scope="module")
def launched(tmp_path_factory):
    logs = tmp_path_factory.mktemp("logs")
    return logs, launch("--cluster", "local", f"logs_dir={logs}", "name=tiny", *TINY)


def test_a_local_launch_stores_every_training_and_prints_where(launched):
    logs, done = launched
    assert "4 trainings stored" in done.stdout
    assert str(logs / "tiny" / "trainings") in done.stdout
    assert str(logs / "tiny" / "config.yaml") in done.stdout
    assert len(list((logs / "tiny" / "trainings").glob("custom/CartPole-v1/*/*/result.json"))) == 4
    assert done.stderr.count("stored ") == 4


def test_a_second_launch_trains_nothing_and_says_so(launched):
    logs, _ = launched
    before = {path: path.read_bytes() for path in (logs / "tiny").rglob("*") if path.is_file()}
    done = launch("--cluster", "local", f"logs_dir={logs}", "name=tiny", *TINY)
    assert "Nothing to train" in done.stdout
    assert {path: path.read_bytes() for path in (logs / "tiny").rglob("*") if path.is_file()} == before


def test_the_stored_configuration_repeats_the_grid(launched):
    logs, _ = launched
    done = launch("--cluster", "local", "--json", "--config", str(logs / "tiny" / "config.yaml"))
    answer = json.loads(done.stdout)
    assert (answer["n_trainings"], answer["n_stored"], answer["n_to_train"]) == (4, 4, 0)
    assert (answer["stored"], answer["failed"]) == ([], [])


def test_the_configuration_of_a_former_launch_is_kept_with_the_command_that_launches_it_again(launched, tmp_path):
    root = tmp_path / "tiny"
    shutil.copytree(launched[0] / "tiny", root)
    (root / "config.yaml").unlink()  # which names another folder
    former = f"logs_dir={tmp_path}", "name=tiny"
    launch("--cluster", "local", *former, *TINY)
    first = (root / "config.yaml").read_text()
    other = ("--cluster", "local", *former, *TINY, "algos=[random]", "seeds=[3]")
    shown = launch("--dry-run", *other).stdout
    assert f"{root} also holds 4 trainings of other launches, not named by this grid; " in shown
    assert not (root / "config-1.yaml").exists()
    for is_first in (True, False):  # the second replaces nothing
        told = f"the configuration of a former launch is kept; to launch that again: --config {root}/config-1.yaml\n"
        assert (told in launch(*other).stdout) == is_first
        assert (root / "config-1.yaml").read_text() == first != (root / "config.yaml").read_text()
    repeated = json.loads(launch("--dry-run", "--cluster", "local", "--json", "--config", str(root / "config-1.yaml")).stdout)
    assert (repeated["n_trainings"], repeated["n_stored"]) == (4, 4)
    assert sorted(path.name for path in root.glob("config*")) == ["config-1.yaml", "config.yaml"]


def test_a_grid_in_other_environments_than_those_of_the_folder_is_refused_unless_it_is_added(launched):
    logs, _ = launched
    before = {path: path.read_bytes() for path in (logs / "tiny").rglob("*") if path.is_file()}
    for flags in ((), ("--dry-run",)):
        done = launch("--cluster", "local", f"logs_dir={logs}", "name=tiny", *flags, code=2)
        assert done.stderr.startswith(
            f"error: '{logs}/tiny' holds 4 trainings of another grid, in CartPole-v1; this grid is 760 trainings in"
        )
        assert f"give its configuration, too: --config {logs}/tiny/config.yaml\n" in done.stderr
        assert "another name=...; to have both in one folder, --add." in done.stderr
    assert "760 to train" in launch("--dry-run", "--add", f"logs_dir={logs}", "name=tiny").stdout
    assert {path: path.read_bytes() for path in (logs / "tiny").rglob("*") if path.is_file()} == before


def test_the_help_names_every_algorithm_that_we_ship():
    shown = " ".join(launch("--help").stdout.split())
    (listed,) = re.findall(r"or paths of your own: ([\w, ]+)\.", shown)
    assert listed.split(", ") == sorted(path.stem for path in (ROOT / "configs/algos").glob("*.yaml"))


def test_the_help_names_only_keys_that_there_are():
    shown = " ".join(launch("--help").stdout.split())
    (listed,) = re.findall(r"Most used: ([\w., ]+), and algos", shown)
    values = yaml.safe_load((ROOT / "configs/launch_training.yaml").read_text())
    for key in listed.split(", "):
        group, _, inner = key.rpartition(".")
        assert inner in (values[group] if group else values), key


def test_other_settings_are_not_mixed_with_stored_results(launched):
    logs, _ = launched
    done = launch("--cluster", "local", f"logs_dir={logs}", "name=tiny", *TINY, "budget.total_timesteps=128", code=2)
    assert "total_timesteps 64 -> 128" in done.stderr
    assert "another name=" in done.stderr


def test_a_damaged_result_is_told_kept_aside_and_trained_again(launched, tmp_path):
    shutil.copytree(launched[0] / "tiny", tmp_path / "tiny")
    cut, edited = (tmp_path / f"tiny/trainings/custom/CartPole-v1/ppo/{seed}/result.json" for seed in (1, 2))
    whole = {path: path.read_text() for path in (cut, edited)}
    cut.write_text(whole[cut][:100])
    edited.write_text(whole[edited].replace('"score": ', '"score": 1'))
    damaged = {path: path.read_bytes() for path in (cut, edited)}

    shown = launch("--dry-run", f"logs_dir={tmp_path}", "name=tiny", *TINY).stdout
    assert f"'{cut}' cannot be read" in shown
    assert f"'{edited}' was edited" in shown
    assert {path: path.read_bytes() for path in (cut, edited)} == damaged

    launch("--cluster", "local", f"logs_dir={tmp_path}", "name=tiny", *TINY)
    for path in (cut, edited):
        assert json.loads(path.read_text())["result"]["score"] == json.loads(whole[path])["result"]["score"]
        (kept,) = path.parent.glob("result.json.damaged-*")
        assert kept.read_bytes() == damaged[path]


def test_a_failing_training_is_named_and_the_exit_code_is_1(tmp_path):
    grid = ("--cluster", "local", f"logs_dir={tmp_path}", "name=mixed", *TINY)
    variant = tmp_path / "broken.yaml"
    variant.write_text("base: ppo\nall: {n_envs: 1, policy_kwargs: {net_archh: [4]}}\n")
    done = launch(*grid, f"algos=[ppo,{variant}]", "seeds=[1]", code=1)
    assert "1 training stored" in done.stdout
    assert "1 failed" in done.stdout
    assert "custom/CartPole-v1/broken/1" in done.stdout
    attempts = tmp_path / "mixed/trainings/custom/CartPole-v1/broken/1/attempts.json"
    assert str(attempts) in done.stdout
    assert [attempt["attempt"] for attempt in json.loads(attempts.read_text())] == [1, 2]
    assert (tmp_path / "mixed/trainings/custom/CartPole-v1/ppo/1/result.json").exists()


@pytest.fixture
def endless(tmp_path):
    """Launch a grid that takes minutes, and wait until its two trainings are saved for the first time."""
    arguments = [
        *("--cluster", "local", f"logs_dir={tmp_path}", "name=endless", *TINY),
        *("algos=[ppo]", "budget.total_timesteps=10_000_000", "checkpoint_minutes=0", "--trainings-per-gpu", "2"),
    ]
    command = [sys.executable, "jobs/launch_training.py", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as first:
        deadline = time.monotonic() + 120
        while len(list(tmp_path.rglob("checkpoint-*"))) < 2:
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.1)
        yield first, arguments
        first.kill()


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_launch_that_is_stopped_says_how_to_go_on_and_ends_with_75(endless, tmp_path, signum):
    first, _ = endless
    first.send_signal(signum)
    said, errors = first.communicate(timeout=180)
    assert first.returncode == 75
    assert "2 stopped: start again" in said
    assert "Traceback" not in errors
    assert len(list(tmp_path.rglob("checkpoint-*"))) >= 2
    audited = subprocess.run(
        [sys.executable, "jobs/audit.py", tmp_path / "endless"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert audited.returncode == 1
    assert "it will continue from its checkpoint" in audited.stdout


def test_a_launch_that_is_killed_by_a_second_interrupt_says_how_to_go_on(tmp_path, monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    words = ["jobs/launch_training.py", "--cluster", "local", f"logs_dir={tmp_path}", *TINY]
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.setattr(local, "carry_out", interrupted)
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(words[0], run_name="__main__")
    assert ended.value.code == 130
    assert capsys.readouterr().err.endswith(f"interrupted\nstart again to go on: python {shlex.join(words)}\n")


IN_A_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


@pytest.mark.slow
@pytest.mark.parametrize("redirected", [False, True], ids=["all to it", "a log beside it"])
def test_a_launch_whose_terminal_is_closed_saves_and_ends_with_75(tmp_path, redirected):
    arguments = ["--cluster", "local", f"logs_dir={tmp_path}", *TINY, "algos=[ppo]", "seeds=[1]", "checkpoint_minutes=0"]
    ours, theirs = os.openpty()
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", IN_A_TERMINAL, "jobs/launch_training.py", *arguments, "budget.total_timesteps=10_000_000"],
            cwd=ROOT,
            stdin=theirs,
            stdout=theirs,
            stderr=log if redirected else theirs,
            start_new_session=True,
        )
    os.close(theirs)
    try:
        deadline = time.monotonic() + 180
        while not list(tmp_path.rglob("checkpoint-*")):
            assert time.monotonic() < deadline
            if select.select([ours], [], [], 0.1)[0]:
                os.read(ours, 65_536)
        os.close(ours)
        assert process.wait(180) == 75
    finally:
        process.kill()
        process.wait()
    assert "Traceback" not in (tmp_path / "log").read_text()


@pytest.mark.slow
def test_a_second_launch_leaves_to_the_first_what_it_works_on(endless):
    first, arguments = endless
    second = launch(*arguments, code=75)
    assert f"2 trainings are in the hands of another launch, and left to it: process {first.pid} on host" in second.stdout
    assert first.poll() is None


@pytest.mark.slow
def test_a_damaged_record_of_the_grid_is_told_and_kept_aside(launched, tmp_path):
    shutil.copytree(launched[0] / "tiny", tmp_path / "tiny")
    (tmp_path / "tiny" / "grid.json").write_text("x")
    done = launch("--cluster", "local", f"logs_dir={tmp_path}", "name=tiny", *TINY)
    (kept,) = (tmp_path / "tiny").glob("grid.json.damaged-*")
    assert kept.read_text() == "x"
    assert str(kept) in done.stderr
    assert len(json.loads((tmp_path / "tiny" / "grid.json").read_text())) == 4


@pytest.mark.slow
def test_what_a_killed_launch_left_beside_stored_results_is_removed_by_the_next(launched, tmp_path):
    shutil.copytree(launched[0] / "tiny", tmp_path / "tiny")
    folder = next((tmp_path / "tiny").rglob("result.json")).parent
    for name in ("checkpoint-000000000064", "lease.json"):
        (folder / name).write_text("left")
    launch("--cluster", "local", f"logs_dir={tmp_path}", "name=tiny", *TINY)
    assert not list(folder.glob("checkpoint-*"))
    assert not (folder / "lease.json").exists()


WRONG = {
    "unknown environment": (("envs=[CartPol-v1]",), ["unknown environment 'CartPol-v1'", "Did you mean 'CartPole-v1'?"]),
    "unknown algorithm": (("algos=[pp0]",), ["unknown algorithm 'pp0'", "Did you mean 'ppo'?"]),
    "unknown benchmark": (("benchmarks=[atari100]",), ["atari100k"]),
    "unknown key": (("seed=[1]",), ["unknown key 'seed'", "Did you mean 'seeds'?"]),
    "wrong type": (("budget.total_timesteps=many",), ["budget.total_timesteps", "many"]),
    "wrong choice": (("wandb.mode=onlin",), ["wandb.mode", "onlin", "offline"]),
    "zero budget": (("budget.total_timesteps=0",), ["budget.total_timesteps = 0", "at least 1"]),
    "negative budget": (("budget.custom_timesteps=-5",), ["budget.custom_timesteps = -5"]),
    "repeated seed": (("seeds=[1,2,1]",), ["seeds: 1 given more than once"]),
    "no seeds": (("seeds=[]",), ["seeds is empty"]),
    "negative seed": (("seeds=[-1]",), ["seeds: -1 must lie between"]),
    "incompatible pair": (("envs=[CartPole-v1]", "algos=[sac]"), ["'sac'", "Discrete"]),
    "unknown hyperparameter": (
        ("hyperparameters.ppo.all.n_step=5",),
        ["algorithm 'ppo'", "unknown hyperparameter 'n_step'", "'n_steps'"],
    ),
    "hyperparameter of no algorithm": (("hyperparameters.ppoo.all.gamma=0.9",), ["no algorithm 'ppoo'", "Did you mean 'ppo'?"]),
    "missing file": (("--config", "nowhere.yaml"), ["nowhere.yaml", "No such file"]),
    "folder as name": (("name=a/b",), ["name = 'a/b'"]),
    "no place": (("--trainings-per-gpu", "0"), ["packing.trainings_per_gpu = 0"]),
    "negative interval": (("checkpoint_minutes=-1",), ["checkpoint_minutes = -1.0", "0 (at every rollout) or more"]),
    "no time to stop": (("stop_seconds=0",), ["stop_seconds = 0.0", "at least 1"]),
}


@pytest.mark.parametrize("given", WRONG)
def test_bad_input_is_one_clear_error_and_nothing_is_written(tmp_path, given):
    arguments, expected = WRONG[given]
    done = launch("--cluster", "local", f"logs_dir={tmp_path}/logs", *arguments, code=2)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    for words in expected:
        assert words in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_all_faults_are_told_at_once(tmp_path):
    done = launch(f"logs_dir={tmp_path}/logs", "seeds=[1,1]", "budget.total_timesteps=0", "packing.max_nodes=0", code=2)
    for words in ("seeds: 1 given more than once", "budget.total_timesteps = 0", "packing.max_nodes = 0"):
        assert words in done.stderr


def test_a_results_folder_that_cannot_be_written_is_told_before_anything_is_trained(tmp_path):
    (tmp_path / "logs").write_text("a file where the folder should be")
    done = launch("--cluster", "local", f"logs_dir={tmp_path}/logs", *TINY, code=2)
    assert "cannot write to the folder" in done.stderr
    assert "started" not in done.stderr


def test_a_launch_on_a_full_disk_fails_and_names_the_remedy(small_disk, fill):
    fill(small_disk)
    done = launch("--cluster", "local", f"logs_dir={small_disk}", "name=tiny", *TINY, code=1)
    assert "Free space, or mend the file system" in done.stderr
    assert "Traceback" not in done.stderr


def test_pairs_of_benchmarks_that_do_not_fit_are_left_out_and_told(tmp_path):
    answer = json.loads(launch("--dry-run", "--json", f"logs_dir={tmp_path}", "algos=[ppo,dqn,sac]", "seeds=[1]").stdout)
    assert answer["n_trainings"] == 38 + 26 + 12
    assert {(pair["algo"], pair["env_id"].startswith("dm_control")) for pair in answer["incompatible"]} == {
        ("dqn", True),
        ("sac", False),
    }
    shown = launch("--dry-run", f"logs_dir={tmp_path}", "algos=[ppo,dqn,sac]", "seeds=[1]").stdout
    assert "dqn in 12: dm_control/ball_in_cup-catch-v0, " in shown


def test_a_partition_without_slurm_names_the_remedy(tmp_path):
    done = launch("--partition", "gpu", f"logs_dir={tmp_path}/logs", path=tmp_path, code=2)
    assert "--cluster local" in done.stderr


def test_a_slurm_that_does_not_answer_is_told_with_its_words_and_a_dry_run_plans_without_it(tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sbatch", "scontrol"):
        (folder / name).write_text("#!/bin/sh\necho no controller >&2\nexit 1\n")
        (folder / name).chmod(0o755)
    done = launch("--partition", "gpu", f"logs_dir={tmp_path}/logs", path=folder, code=1)
    assert "failed: no controller" in done.stderr
    assert "--cluster local" in done.stderr
    planned = launch("--partition", "gpu", "--dry-run", f"logs_dir={tmp_path}/logs", path=folder)
    assert "planned without the site's limits: " in planned.stderr
    assert "760 to train" in planned.stdout
    assert not (tmp_path / "logs").exists()
