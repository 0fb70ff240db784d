"""A launch on a real Slurm: what is submitted, what runs where, and that nothing is submitted twice."""

import getpass
import subprocess
import sys
from collections import Counter

import pytest
from grids import ROOT, Grid

from rlhpc.cluster import submission


@pytest.mark.slow
def test_30_trainings_run_on_2_nodes_12_at_once_on_each_gpu_and_each_sees_one(cluster, tmp_path):
    # Each training in the first element waits until 12 have come to its GPU: if fewer ran at once, none would ever end in time.
    grid = Grid(cluster, tmp_path, "packing.trainings_per_gpu=12", n_trainings=30, n_steps=32, step_seconds=0, together=12)
    told = grid.launch()
    assert (told["n_array_elements"], told["n_to_train"], len(told["submitted"])) == (2, 30, 1)
    grid.wait_until_ended()
    grid.assert_whole()
    seen = Counter(tuple(path.name.split(".")[:2]) for path in grid.trace.iterdir())
    assert seen == {("0", "0"): 12, ("0", "1"): 12, ("1", "0"): 3, ("1", "1"): 3}
    assert grid.launch()["n_to_train"] == 0


@pytest.mark.slow
def test_with_one_gpu_a_node_each_element_has_one_by_the_same_code(cluster, tmp_path):
    grid = Grid(cluster, tmp_path, n_steps=32, step_seconds=0)
    told = grid.launch("--gpus-per-node=1")
    assert (told["n_array_elements"], told["element"]["gpus"]) == (2, 1)
    grid.wait_until_ended()
    grid.assert_whole()
    assert sorted(path.name.split(".")[0] for path in grid.trace.iterdir()) == ["0", "0", "1", "1"]


@pytest.mark.slow
def test_on_nodes_without_gpus_trainings_run_on_cores(cluster, tmp_path):
    grid = Grid(cluster, tmp_path, n_steps=32, step_seconds=0)
    told = grid.launch("--gpus-per-node=0", "device=auto", partition="cpu")
    assert (told["n_array_elements"], told["element"]["gpus"]) == (2, 0)
    grid.wait_until_ended()
    grid.assert_whole()
    assert {path.name.split(".")[1] for path in grid.trace.iterdir()} == {"None"}


@pytest.mark.slow
def test_what_failed_is_told_and_run_again_alone(cluster, tmp_path):
    grid = Grid(cluster, tmp_path, n_steps=32, step_seconds=0)
    for seed in (2, 3):
        (grid.trace / f"fail-{seed}").touch()
    ((job, _),) = [(each["job_id"], None) for each in grid.launch()["submitted"]]
    grid.wait_until_ended()
    assert cluster.states(job) == ["FAILED"]
    assert sorted(grid.results()) == [1, 4]
    assert "seed 2 is to fail" in grid.output()
    (grid.trace / "fail-2").unlink()
    told = grid.launch("--only-failed")
    assert (told["n_to_train"], told["n_stored"]) == (2, 2)
    grid.wait_until_ended()
    assert sorted(grid.results()) == [1, 2, 4]
    assert grid.launch("--only-failed", "--dry-run")["n_to_train"] == 1


@pytest.mark.slow
def test_what_failed_and_waits_again_is_not_submitted_a_second_time(cluster, tmp_path):
    grid = Grid(cluster, tmp_path, n_trainings=1, n_steps=32, step_seconds=0)
    (grid.trace / "fail-1").touch()
    grid.launch()
    grid.wait_until_ended()
    grid.words.append("slurm.options={hold: true}")
    assert grid.launch("--only-failed")["n_to_train"] == 1
    for words in (["--only-failed"], []):
        told = grid.launch(*words)
        assert (told["n_to_train"], told["n_in_queue"]) == (0, 1)
    ((job, _),) = grid.elements()
    cluster.run("scancel", job)


def test_what_the_environment_says_to_slurms_programs_changes_no_launch(cluster, tmp_path):
    grid = Grid(cluster, tmp_path, "slurm.options={hold: true}", n_trainings=2)
    grid.env |= {"SBATCH_PARTITION": "cpu", "SBATCH_TIMELIMIT": "7", "SBATCH_GPUS": "1", "SUBMITIT_PREEMPT_SIGNAL": "TERM"}
    grid.env |= {"SQUEUE_STATES": "RUNNING", "SQUEUE_PARTITION": "cpu", "SLURM_EXPORT_ENV": "NONE", "SBATCH_ACCOUNT": "lab"}
    (told,) = grid.launch()["submitted"]
    shown = cluster.run("scontrol", "show", "job", told["job_id"]).stdout
    for words in ("Partition=gpu", "TimeLimit=00:30:00", "Account=lab", "TresPerNode=gres:gpu:2"):
        assert words in shown
    script = cluster.run("scontrol", "write", "batch_script", told["job_id"], "-").stdout
    assert "#SBATCH --signal=USR2@" in script
    assert grid.launch()["n_in_queue"] == 2  # and nothing was submitted twice
    cluster.run("scancel", told["job_id"])


@pytest.mark.slow
def test_a_launch_right_after_scancel_says_that_the_rest_is_ending(make_cluster, tmp_path):
    cluster = make_cluster(n_nodes=1, conf={"KillWait": 300})  # so long is the element ending
    grid = Grid(cluster, tmp_path, n_trainings=2)
    grid.launch()
    grid.wait_for_checkpoints(2)
    ((job, _),) = grid.elements()
    cluster.run("scancel", job)
    shown = grid.run("launch_training", "--partition=gpu", *grid.words)
    assert shown.returncode == 75, shown.stdout + shown.stderr
    assert "2 of those in the queue are ending just now: launch again in a minute" in shown.stdout


def test_an_array_longer_than_the_site_takes_is_split_and_that_is_said(make_cluster, tmp_path):
    cluster = make_cluster(conf={"MaxArraySize": 3})
    grid = Grid(cluster, tmp_path, "slurm.options={hold: true}", "slurm.array_parallelism=4", n_trainings=28)
    told = grid.launch()
    assert (told["n_array_elements"], len(told["submitted"])) == (7, 3)
    assert "An array of this site has 3 elements at most (MaxArraySize): these are 3 arrays." in told["notes"]
    assert len(grid.elements()) == 7
    names = [name for each in submission.read_all(grid.store.root) for element in each.elements for name in element]
    assert len(names) == len(set(names)) == 28
    assert grid.launch()["n_to_train"] == 0


def test_a_user_whose_queue_is_limited_gets_fewer_and_longer_elements_and_is_told_when_it_is_full(make_cluster, tmp_path):
    cluster = make_cluster(accounting=True, conf={"AccountingStorageEnforce": "associations,limits"})
    cluster.run("sacctmgr", "--immediate", "add", "account", "lab")
    user = ("user", getpass.getuser(), "account=lab", "DefaultAccount=lab", "MaxSubmitJobs=2")
    cluster.run("sacctmgr", "--immediate", "add", *user)
    grid = Grid(cluster, tmp_path, "slurm.options={hold: true}", n_trainings=28)
    told = grid.launch()
    assert told["n_array_elements"] == len(grid.elements()) == 2
    assert "lets you have 2 more jobs in its queue (MaxSubmitJobs)" in told["notes"][0]
    other = Grid(cluster, tmp_path / "other", n_trainings=1)
    assert "2 jobs in its queue (MaxSubmitJobs), and 2 are there" in other.launch(code=2)
    assert not other.store.root.exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--partition=gpuu"], "Did you mean 'gpu'?"),
        (["--gpus-per-node=5"], "5 GPUs"),
        (["slurm.timeout_min=5", "checkpoint_minutes=6"], "checkpoint"),
        (["slurm.timeout_min=1", "stop_seconds=60"], "stop"),
        (["slurm.memory_gb_per_training=9000"], "memory"),
        (["slurm.options={gres: 'gpu:a100:2'}"], "a100"),
        (["slurm.options={array: 0-3}"], "slurm.options.array cannot be given"),
    ],
)
def test_what_the_site_cannot_give_is_refused_before_anything_is_written(cluster, tmp_path, words, told):
    grid = Grid(cluster, tmp_path, n_trainings=10)
    assert told in grid.launch(*words, code=2)
    assert not grid.store.root.exists()


def test_what_sbatch_refuses_is_told_in_its_own_words(cluster, tmp_path):
    grid = Grid(cluster, tmp_path, "slurm.options={begin: someday}")
    error = grid.launch(code=1)
    assert "sbatch refused the array of 1 element" in error
    assert "someday" in error
    assert submission.read_all(grid.store.root) == []


def test_without_sbatch_a_partition_is_refused_with_what_to_do(cluster, tmp_path):
    grid = Grid(cluster, tmp_path)
    grid.cluster = None
    grid.env["PATH"] = str(tmp_path)
    command = [sys.executable, "jobs/launch_training.py", "--partition=gpu", *grid.words]
    done = subprocess.run(command, cwd=ROOT, env=grid.env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--cluster local" in done.stderr


def test_a_folder_that_the_nodes_do_not_share_is_refused(make_cluster, tmp_path):
    cluster = make_cluster(hidden={"n1": str(tmp_path), "n2": str(tmp_path)})
    grid = Grid(cluster, tmp_path)
    assert "logs_dir" in grid.launch(code=2)
    assert submission.read_all(grid.store.root) == []
