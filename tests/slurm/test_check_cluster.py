"""check_cluster.py on real Slurms: it names each bad setting, refuses what cannot work, and finds a good one good."""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from cluster import can_hide

from rlhpc.cluster import probe, sharing
from rlhpc.cluster.site import read_site
from rlhpc.errors import InputError, SlurmError

ROOT = Path(__file__).parents[2]
SMALL = ("envs=[CartPole-v1]", "algos=[ppo]", "budget.custom_timesteps=1000", "packing.trainings_per_gpu=2")


def check(cluster, *arguments, code=0, path=None):
    """Run the job on a cluster, with a folder of modules if one is given; return its findings by name."""
    modules = [] if path is None else ["env", f"PYTHONPATH={path}"]
    command = [*modules, sys.executable, "jobs/check_cluster.py", "--json", *arguments]
    done = cluster.run(*command, cwd=ROOT, check=False, timeout=300)
    assert done.returncode == code, done.stderr
    answer = json.loads(done.stdout)
    assert answer["ok"] == (code == 0)
    assert sum(answer["counts"].values()) == len(answer["findings"])
    return {finding["name"]: finding for finding in answer["findings"]}


@pytest.fixture
def with_cuda(tmp_path):
    """Return a folder of modules by which torch seems to be made for CUDA, and on nodes is a stand-in that a test writes."""
    folder = tmp_path / "modules"
    of_nodes = folder / "of_nodes"
    of_nodes.mkdir(parents=True)
    words = f"import os, sys\nif 'SLURM_STEP_ID' in os.environ:\n    sys.path.insert(0, {str(of_nodes)!r})\n"
    (folder / "sitecustomize.py").write_text(words)
    (folder / "torch-9.9.dist-info").mkdir()
    (folder / "torch-9.9.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 9.9\n")
    return folder


@pytest.fixture
def inside(cluster, monkeypatch):
    """Work in the environment of the shared cluster."""
    for name, value in cluster.env.items():
        monkeypatch.setenv(name, value)
    return cluster


def test_on_a_good_site_nothing_is_refused(cluster, tmp_path, with_cuda, torch_of_a_gpu):
    (with_cuda / "of_nodes" / "torch.py").write_text(torch_of_a_gpu)
    logs = tmp_path / "logs"
    found = check(cluster, "--partition=gpu", f"logs_dir={logs}", *SMALL, path=with_cuda)
    assert {finding["severity"] for finding in found.values()} <= {"good", "note", "warning"}
    in_order = ("nodes", "shared_folder", "max_array_size", "space", "files", "gpu_use")
    assert all(found[name]["severity"] == "good" for name in in_order)
    assert found["gpu_use"]["what"].endswith("torch computes on a GPU (GPU 0).")
    assert not logs.exists()


def test_a_gpu_that_torch_cannot_use_on_its_node_is_refused_in_torchs_words(cluster, tmp_path, with_cuda):
    (with_cuda / "of_nodes" / "torch.py").write_text("def ones(n, device): raise RuntimeError('the driver is too old')")
    found = check(cluster, "--partition=gpu", f"logs_dir={tmp_path / 'logs'}", *SMALL, path=with_cuda, code=1)
    assert found["gpu_use"]["severity"] == "refused"
    assert found["gpu_use"]["what"].endswith("torch cannot use a GPU: the driver is too old.")
    assert "nvidia-smi" in found["gpu_use"]["remedy"]
    found = check(cluster, "--partition=gpu", "--no-probe", f"logs_dir={tmp_path / 'logs'}", *SMALL, path=with_cuda)
    assert "gpu_use" not in found


@pytest.mark.skipif(not version("torch").endswith("+cpu"), reason="absent: a torch for CPUs")
def test_a_torch_for_cpus_is_refused_where_gpus_are_asked_for_also_by_the_launch(cluster, tmp_path):
    logs = tmp_path / "logs"
    found = check(cluster, "--partition=gpu", f"logs_dir={logs}", *SMALL, code=1)
    assert "is for CPUs (" in found["torch"]["what"]
    assert "gpu_use" not in found
    command = [sys.executable, "jobs/launch_training.py", "--partition=gpu", f"logs_dir={logs}", *SMALL]
    done = cluster.run(*command, cwd=ROOT, check=False, timeout=300)
    assert done.returncode == 2
    assert f"the torch of this Python is for CPUs ({version('torch')})" in done.stderr
    assert not logs.exists()
    assert {"torch", "gpu_use"}.isdisjoint(check(cluster, "--partition=gpu", f"logs_dir={logs}", *SMALL, "device=cpu"))


def test_options_that_are_taken_back_are_not_asked_of_the_node_that_looks(cluster, tmp_path):
    taken_back = 'slurm.options={account: null, qos: false, "--constraint": null}'
    found = check(cluster, "--partition=gpu", f"logs_dir={tmp_path}", *SMALL, "device=cpu", taken_back)
    assert found["shared_folder"]["severity"] == "good"


def test_as_text_the_worst_comes_first_and_json_says_the_same(cluster, tmp_path):
    arguments = ("--partition=gpu", f"logs_dir={tmp_path}", *SMALL, "device=cpu", "packing.gpus_per_node=4")
    command = [sys.executable, "jobs/check_cluster.py", *arguments]
    done = cluster.run(*command, cwd=ROOT, check=False, timeout=300)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Cluster box (Slurm ")
    assert [line for line in lines if line.endswith(":") and not line.startswith(" ")] == [
        "refused:",
        "warnings:",
        "notes:",
        "in order:",
    ]
    assert "    -> Ask for no more: --gpus-per-node 2 (packing.gpus_per_node)." in lines
    assert lines[-1] == "1 refused: mend that, and check again."


def test_each_bad_setting_is_named(make_cluster, tmp_path):
    conf = {"MaxArraySize": "3", "JobRequeue": "0", "PreemptType": "preempt/partition_prio", "PreemptMode": "CANCEL"}
    partitions = {"gpu": "Nodes=n1 MaxTime=60 PriorityTier=1", "cpu": "", "vip": "Nodes=n1 Default=YES PriorityTier=9"}
    cluster = make_cluster(n_nodes=1, conf=conf, partitions=partitions, sacct=False)
    seeds = f"seeds=[{','.join(map(str, range(20)))}]"
    found = check(cluster, "--partition=gpu", f"logs_dir={tmp_path}", *SMALL, seeds, "slurm.timeout_min=120", code=1)
    assert found["time_limit"]["severity"] == "refused"
    assert "slurm.timeout_min=60" in found["time_limit"]["remedy"]
    assert {"max_array_size": "note", "job_requeue": "warning", "preempt_mode": "warning", "accounting": "note"}.items() <= {
        (name, finding["severity"]) for name, finding in found.items()
    }
    assert "2 arrays" in found["max_array_size"]["remedy"]
    assert "does not come back by itself" in found["preempt_mode"]["what"]


def test_a_site_without_gpus_refuses_them_and_takes_cores(make_cluster, tmp_path):
    cluster = make_cluster(n_nodes=1, gpus_per_node=0)
    found = check(cluster, "--no-probe", f"logs_dir={tmp_path}", *SMALL, code=1)
    assert found["gpus_per_node"]["remedy"] == "Train on cores: packing.gpus_per_node=0."
    found = check(cluster, "--no-probe", f"logs_dir={tmp_path}", *SMALL, "packing.gpus_per_node=0")
    assert "shared_folder" not in found


def test_an_unknown_partition_is_refused_with_the_nearest(cluster, tmp_path):
    found = check(cluster, "--partition=gpus", f"logs_dir={tmp_path}", *SMALL, code=1)
    assert found["unknown_partition"]["remedy"] == "Did you mean 'gpu'?"


def test_the_first_line_names_the_partition_that_is_asked_for_be_it_there_or_not(cluster, tmp_path):
    for flags, named in ((["--partition=gpus,cpu"], "partition gpus,cpu"), ([], "partition gpu")):
        command = [sys.executable, "jobs/check_cluster.py", "--no-probe", *flags, f"logs_dir={tmp_path}", *SMALL]
        lines = cluster.run(*command, cwd=ROOT, check=False).stdout.splitlines()
        assert lines[0].startswith("Cluster box (Slurm ")
        assert lines[0].endswith(f"), {named}")


def test_cores_and_memory_that_own_options_decide_are_not_told_as_if_they_were_asked_for(cluster, tmp_path):
    options = "slurm.options={mem: 200M, cpus-per-task: 1}"
    command = [sys.executable, "jobs/check_cluster.py", "--no-probe", "--partition=gpu", f"logs_dir={tmp_path}", *SMALL, options]
    assert "cores and memory as slurm.options say" in cluster.run(*command, cwd=ROOT, check=False).stdout.splitlines()[1]
    plan = json.loads(cluster.run(*command, "--json", cwd=ROOT, check=False).stdout)["plan"]
    assert (plan["cpus_per_node"], plan["memory_gb"]) == (None, None)


def test_a_folder_that_cannot_be_written_is_one_finding_among_the_others(cluster):
    found = check(cluster, "--partition=gpu", "logs_dir=/proc/nope", *SMALL, code=1)
    assert "No such file or directory" in found["results_folder"]["what"]
    assert found["nodes"]["severity"] == "good"
    assert "shared_folder" not in found


@pytest.mark.skipif(not can_hide(), reason="absent: the right to mount a folder over another")
def test_a_folder_that_no_node_sees_is_refused(make_cluster, tmp_path, monkeypatch):
    cluster = make_cluster(n_nodes=1, hidden={"n1": str(tmp_path)})
    found = check(cluster, "--partition=gpu", f"logs_dir={tmp_path}", *SMALL, code=1)
    assert f"The node n1 does not see the folder '{tmp_path}'" in found["shared_folder"]["what"]
    assert "logs_dir=" in found["shared_folder"]["remedy"]
    for name, value in cluster.env.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match="The node n1 does not see the folder"):
        sharing.refuse_unshared(tmp_path / "logs", "gpu", read_site())


def test_a_shared_folder_is_seen_also_from_inside_a_job(inside, tmp_path):
    assert sharing.look(tmp_path / "logs", "gpu").hidden == frozenset()
    code = f"from rlhpc.cluster.sharing import *; print(look(Path({str(tmp_path)!r}), 'gpu').hidden)"
    done = inside.run("srun", "--mem=50M", "--cpus-per-task=2", sys.executable, "-c", code, cwd=ROOT)
    assert done.stdout == "frozenset()\n"


def test_a_busy_cluster_is_not_found_out_and_no_hindrance(inside, tmp_path, monkeypatch):
    monkeypatch.setattr(probe, "START_SECONDS", 1)
    job = inside.run("sbatch --parsable --nodes=2 --exclusive --mem=100 --output=/dev/null --wrap 'sleep 60'").stdout.strip()
    inside.wait(job, "RUNNING")
    try:
        with pytest.raises(SlurmError, match="given 1 seconds to start"):
            sharing.look(tmp_path, "gpu")
        assert "was not found out" in sharing.refuse_unshared(tmp_path, "gpu", read_site())
    finally:
        inside.run("scancel", job)
        inside.wait(job, "CANCELLED")
    assert list(tmp_path.iterdir()) == []


def test_the_limit_of_a_user_is_read(make_cluster, tmp_path):
    cluster = make_cluster(n_nodes=1, accounting=True, conf={"AccountingStorageEnforce": "associations,limits"})
    account = ("sacctmgr", "--immediate", "add")
    cluster.run(*account, "account", "lab")
    cluster.run(*account, "user", cluster.run("id -un").stdout.strip(), "account=lab", "DefaultAccount=lab", "MaxSubmitJobs=1")
    found = check(cluster, "--partition=gpu", f"logs_dir={tmp_path}", *SMALL, "seeds=[1,2,3,4,5,6]", "device=cpu")
    assert found["max_submit_jobs"]["severity"] == "note"
    assert "packs the trainings into 1 element," in found["max_submit_jobs"]["remedy"]
    assert found["accounting"]["severity"] == "good"
