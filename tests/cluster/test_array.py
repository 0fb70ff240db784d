"""What is asked of sbatch, and how elements are divided among arrays; that Slurm takes it is tested in tests/slurm."""

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlhpc.cluster.array import Share, SlurmConfig, demand, executor, parameters, split

GOLDEN = Path(__file__).with_name("sbatch.golden.sh")
CONFIG = SlurmConfig(partition="gpu", setup=("module load cuda",), options={"account": "rl", "exclude": "n7"})
NEEDS = demand(CONFIG, gpus=2, trainings_at_once=24, stop_seconds=60, max_minutes=None)


def script(needs, n_elements, at_once, monkeypatch):
    """Return the text that submitit hands to sbatch."""
    monkeypatch.setattr("submitit.SlurmExecutor.affinity", lambda _self: 2)  # as where there is an srun
    made = executor(Path("/logs/mine/slurm/mine-0123abcd"), "mine-0123abcd", needs, at_once)
    made.parameters["map_count"] = n_elements
    text = made._make_submission_file_text(made._submitit_command_str, "unused")
    return text.replace(shlex.quote(sys.executable), "PYTHON")


def test_the_text_that_sbatch_gets_is_the_golden_one(monkeypatch):
    text = script(NEEDS, 32, 8, monkeypatch)
    if text != GOLDEN.read_text():
        new = Path(__file__).with_name("sbatch.new.sh")
        new.write_text(text)
        pytest.fail(
            f"sbatch would get another text than before. Compare: diff {GOLDEN} {new}\n"
            f"If the change is meant, renew it: mv {new} {GOLDEN}"
        )


WARNED = """
import os, signal
os.kill(os.getpid(), signal.SIGUSR2)  # Slurm's warning, while Python is loading
signal.signal(signal.SIGUSR2, lambda *_: print("heard"))
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR2])
"""


def start_on_a_node(code, **kwargs):
    """Run a program of Python the way an element is started."""
    python = executor(Path("/logs/mine/slurm/mine-0"), "mine-0", NEEDS, 1).python
    command = ["sh", "-c", f"exec {python} -c {shlex.quote(code)}"]
    return subprocess.run(command, capture_output=True, text=True, check=False, **kwargs)


def test_a_warning_that_comes_before_an_element_can_hear_it_is_kept_for_it():
    assert start_on_a_node(WARNED).stdout == "heard\n"


def test_an_element_starts_where_env_cannot_keep_signals_back(tmp_path):
    (tmp_path / "env").write_text("#!/bin/sh\necho there is no such option >&2\nexit 125\n")
    (tmp_path / "env").chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    assert start_on_a_node("print(1)", env={"PATH": path}).stdout == "1\n"
    assert start_on_a_node(WARNED, env={"PATH": path}).returncode == -signal.SIGUSR2


def options(config, gpus=2):
    """Return what sbatch is asked for with a configuration."""
    return parameters("mine-0", demand(config, gpus=gpus, trainings_at_once=24, stop_seconds=60, max_minutes=None))


@pytest.mark.parametrize(
    ("given", "left_out"),
    [
        ("gres", "gpus_per_node"),
        ("gpus", "gpus_per_node"),
        ("mem-per-cpu", "mem"),
        ("mem_per_gpu", "mem"),
        ("cpus-per-gpu", "cpus_per_task"),
    ],
)
def test_an_option_of_the_user_goes_before_ours_that_says_the_same(given, left_out):
    assert options(SlurmConfig())[left_out] is not None
    assert options(SlurmConfig(options={given: "x"}))[left_out] is None


def test_the_step_gets_the_cores_that_the_user_asked_for():
    assert options(SlurmConfig(options={"cpus_per_task": 7}))["srun_args"] == ["--wait=0", "--cpus-per-task=7"]


def test_no_gpus_are_asked_for_where_none_are_wanted():
    assert options(SlurmConfig(), gpus=0)["gpus_per_node"] is None


@pytest.mark.parametrize("name", ["array", "job_name", "--output", "signal", "nodes", "ntasks-per-node", "partition", "time"])
def test_an_option_that_the_launch_decides_is_refused_with_the_reason(name):
    (fault,) = SlurmConfig(options={name: "x"}).faults()
    assert f"slurm.options.{name} cannot be given: " in fault


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("timeout_min", 0),
        ("array_parallelism", 0),
        ("max_timeouts", -1),
        ("cpus_per_training", 0.0),
        ("memory_gb_per_training", float("inf")),
    ],
)
def test_what_is_out_of_range_is_named(key, value):
    (fault,) = SlurmConfig(**{key: value}).faults()
    assert fault.startswith(f"slurm.{key} = {value} must be ")


@pytest.mark.parametrize(("own", "partitions", "expected"), [(None, None, 1440), (None, 60, 60), (None, 9999, 1440), (7, 60, 7)])
def test_the_time_limit_is_the_users_or_the_partitions_and_24_hours_at_most(own, partitions, expected):
    config = SlurmConfig(timeout_min=own)
    assert demand(config, gpus=2, trainings_at_once=1, stop_seconds=1, max_minutes=partitions).timeout_min == expected


def test_slurm_warns_earlier_than_saving_takes():
    needs = demand(SlurmConfig(), gpus=2, trainings_at_once=24, stop_seconds=300, max_minutes=None)
    assert 300 < needs.seconds_to_leave < needs.signal_seconds


@given(st.integers(0, 300), st.integers(1, 50))
def test_split_keeps_every_element_in_order_and_every_array_within_the_limit(n_shares, limit):
    shares = [Share((str(index),), "") for index in range(n_shares)]
    arrays = split(shares, limit)
    assert [share for each in arrays for share in each] == shares
    assert len(arrays) == -(-n_shares // limit)
    sizes = [len(each) for each in arrays]
    assert all(0 < size <= limit for size in sizes)
    assert not sizes or max(sizes) - min(sizes) <= 1
