"""The Slurm in a box is a real one, and nothing is left of it."""

import time

import pytest
from cluster import ClusterError
from cluster_processes import PROC, alive, environment


def left_of(folder):
    """Return the processes that mention a cluster's folder."""
    mentions = [(path.name, str(environment(int(path.name)))) for path in PROC.glob("[0-9]*")]
    return [pid for pid, text in mentions if str(folder) in text]


def submit(cluster, *options, wrap):
    """Submit a small job, and return its id."""
    return cluster.run("sbatch", "--parsable", "--mem=10", "--output=/dev/null", *options, "--wrap", wrap).stdout.strip()


def test_all_nodes_are_idle_and_have_gpus(cluster):
    shown = cluster.run("sinfo -h -p gpu -N -o '%N %T %G'").stdout
    assert shown.splitlines() == ["n1 idle gpu:2", "n2 idle gpu:2"]


def test_a_job_sees_the_gpus_that_it_asked_for(cluster):
    shown = cluster.run("srun --mem=10 --gpus-per-node=2 printenv CUDA_VISIBLE_DEVICES").stdout
    assert shown == "0,1\n"


def test_an_array_runs_and_sacct_answers(cluster):
    job = submit(cluster, "--array=0-3", wrap="exit $((SLURM_ARRAY_TASK_ID == 3))")
    assert cluster.wait(job, "COMPLETED", "FAILED") == ["COMPLETED", "COMPLETED", "COMPLETED", "FAILED"]
    lines = cluster.run("sacct -o JobID,State,NodeList --parsable2").stdout.splitlines()
    assert lines[0] == "JobID|State|NodeList"
    assert [line.split("|")[1] for line in lines if line.startswith(f"{job}_3|")] == ["FAILED"]


def test_a_command_that_fails_raises_with_what_it_said(cluster):
    with pytest.raises(ClusterError, match="Invalid node name"):
        cluster.run("scontrol update NodeName=n9 State=DOWN Reason=no")


def test_a_killed_node_takes_its_jobs_along_and_comes_back(make_cluster, tmp_path):
    cluster = make_cluster(n_nodes=2, conf={"JobRequeue": "0"})
    pids = tmp_path / "pids"
    job = submit(cluster, "--nodelist=n2", wrap=f"trap '' TERM; setsid env -i sleep 100 & echo $! $$ >{pids}; wait")
    cluster.wait(job, "RUNNING")
    while not (pids.exists() and pids.read_text()):
        time.sleep(0.05)
    cluster.kill_node("n2", noticed=True)
    assert [pid for pid in pids.read_text().split() if alive(int(pid))] == []
    assert cluster.wait(job, "NODE_FAIL") == ["NODE_FAIL"]
    assert cluster.node_states()["n2"].startswith("DOWN")
    cluster.start_node("n2")
    assert cluster.run("srun --mem=10 --nodelist=n2 printenv SLURMD_NODENAME").stdout == "n2\n"


def test_nothing_is_left_after_stop(make_cluster):
    cluster = make_cluster(n_nodes=1)
    folder = cluster.folder
    job = submit(cluster, wrap="trap '' TERM; setsid sleep 100 & sleep 100")
    cluster.wait(job, "RUNNING")
    assert left_of(folder)
    cluster.stop(grace_seconds=0.2)
    assert left_of(folder) == []
    assert not folder.exists()
