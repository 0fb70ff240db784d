"""The Slurm in a box is a real one, does what tests ask of it, and leaves nothing."""

import contextlib
import getpass
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cluster import PREFIX, SHORT, Cluster, ClusterError, can_hide, missing_packages
from cluster_processes import PROC, alive, environment

PROGRAM = Path(__file__).with_name("cluster.py")


def left_of(folder):
    """Return the commands of living processes that mention a cluster's folder in what they were started with."""
    found = []
    for path in PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (path / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
            if alive(int(path.name)) and str(folder) in words + str(environment(int(path.name))):
                found.append(words)
    return found


def until(true, seconds=120):
    """Wait until something is true, and return it."""
    deadline = time.monotonic() + seconds
    while not (value := true()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)
    return value


def submit(cluster, *options, wrap):
    """Submit a small job, and return its id."""
    return cluster.run("sbatch", "--parsable", "--mem=10", "--output=/dev/null", *options, "--wrap", wrap).stdout.strip()


def box(*words, **options):
    """Run the program as a user does."""
    return subprocess.run([sys.executable, PROGRAM, *words], check=False, capture_output=True, text=True, timeout=180, **options)


def test_all_nodes_are_idle_and_have_gpus(cluster):
    shown = cluster.run("sinfo -h -N -o '%N %T %G %P'").stdout
    assert sorted(shown.splitlines()) == ["n1 idle gpu:2 cpu", "n1 idle gpu:2 gpu*", "n2 idle gpu:2 cpu", "n2 idle gpu:2 gpu*"]


def test_a_job_sees_the_gpus_that_it_asked_for(cluster):
    shown = cluster.run("srun --mem=10 --gpus-per-node=2 printenv CUDA_VISIBLE_DEVICES").stdout
    assert shown == "0,1\n"


def test_an_array_runs_and_sacct_answers(cluster):
    job = submit(cluster, "--array=0-3", wrap="exit $((SLURM_ARRAY_TASK_ID == 3))")
    assert cluster.wait(job, "COMPLETED", "FAILED") == ["COMPLETED", "COMPLETED", "COMPLETED", "FAILED"]
    lines = cluster.run("sacct -o JobID,State,NodeList --parsable2").stdout.splitlines()
    assert lines[0] == "JobID|State|NodeList"
    assert [line.split("|")[1] for line in lines if line.startswith(f"{job}_3|")] == ["FAILED"]


def test_a_requeued_job_starts_again_within_seconds(cluster, tmp_path):
    wrap = f"echo $SLURM_RESTART_COUNT >>{tmp_path}/starts; [ $SLURM_RESTART_COUNT ] || scontrol requeue $SLURM_JOB_ID; sleep 0.1"
    started = time.monotonic()
    cluster.wait(submit(cluster, "--requeue", wrap=wrap))
    assert time.monotonic() - started < 60  # minutes, as Slurm is set by itself
    assert (tmp_path / "starts").read_text() == "\n1\n"


def test_a_command_that_fails_raises_with_what_it_said(cluster):
    with pytest.raises(ClusterError, match="Invalid node name"):
        cluster.run("scontrol update NodeName=n9 State=DOWN Reason=no")


def test_waiting_in_vain_says_what_a_job_is(cluster):
    job = submit(cluster, wrap="sleep 100")
    cluster.wait(job, "RUNNING")
    with pytest.raises(ClusterError, match=r"is \['RUNNING'\] and not \['COMPLETED'\](?s:.*)--- slurmctld"):
        cluster.wait(job, timeout=0.2)
    cluster.run("scancel", job)
    cluster.wait(job, "CANCELLED")


def test_settings_arrive(make_cluster):
    cluster = make_cluster(
        n_nodes=3,
        gpus_per_node=1,
        cpus=4,
        memory_mb=1000,
        features={"n2": "a100,nvlink"},
        partitions={"short": "Nodes=n1 MaxTime=5", "cpu": ""},
        conf={"MaxArraySize": "5", "KillWait": 7, "JobRequeue": 0, "MinJobAge": ""},
        lines=("JobSubmitPlugins=require_timelimit",),
    )
    shown = {
        name.strip(): value.strip()
        for name, _, value in (line.partition("=") for line in cluster.run("scontrol show config").stdout.splitlines())
    }
    assert shown["JobRequeue"] == "0"
    assert (shown["MaxArraySize"], shown["KillWait"], shown["MinJobAge"]) == ("5", "7 sec", "300 sec")
    assert cluster.run("sinfo -h -o '%P %D'").stdout.splitlines() == ["gpu* 3", "short 1"]
    assert cluster.run("sinfo -h -p gpu -n n2 -o '%f %c %m %G'").stdout == "a100,nvlink 4 1000 gpu:1\n"
    with pytest.raises(ClusterError, match="Time limit specification required"):
        submit(cluster, wrap="true")
    with pytest.raises(ClusterError, match="Invalid job array"):
        submit(cluster, "--time=1", "--array=0-5", wrap="true")


def test_without_its_stand_in_sacct_fails(make_cluster):
    with pytest.raises(ClusterError, match="accounting storage is disabled"):
        make_cluster(n_nodes=1, sacct=False).run("sacct")


def text_of(path):
    """Return what is in a file; nothing of one that another test removes just now."""
    with contextlib.suppress(OSError):
        return path.read_text()
    return ""


def test_a_wrong_setting_is_told_at_once_and_leaves_nothing(make_cluster):
    there = set(SHORT.glob(f"{PREFIX}*/slurm.conf"))
    started = time.monotonic()
    with pytest.raises(ClusterError, match="NoSuchKey"):
        make_cluster(lines=("NoSuchKey=1",))
    assert time.monotonic() - started < 30  # else it would wait for SECONDS_TO_START
    # A folder without that file may be of a cluster that another test starts or stops just now.
    assert [path for path in set(SHORT.glob(f"{PREFIX}*/slurm.conf")) - there if "NoSuchKey" in text_of(path)] == []


def test_two_clusters_run_side_by_side(cluster, make_cluster):
    other = make_cluster(n_nodes=1, gpus_per_node=0)
    assert other.run("sinfo -h -p gpu -N -o '%N %G'").stdout == "n1 (null)\n"
    assert cluster.run("sinfo -h -p gpu -N -o '%N %G'").stdout == "n1 gpu:2\nn2 gpu:2\n"
    assert [each.run("srun --mem=10 printenv SLURM_CONF").stdout.strip() for each in (cluster, other)] == [
        str(each.folder / "slurm.conf") for each in (cluster, other)
    ]


def test_a_killed_node_takes_its_jobs_along_and_comes_back(make_cluster, tmp_path):
    cluster = make_cluster(conf={"JobRequeue": "0"})
    pids, seen = tmp_path / "pids", tmp_path / "seen"
    wrap = f"trap 'echo TERM >{seen}' TERM; setsid env -i sleep 100 & echo $! $$ >{pids}; wait; echo dead >{seen}; sleep 100"
    job = submit(cluster, "--nodelist=n2", wrap=wrap)
    other = submit(cluster, "--nodelist=n1", wrap="sleep 100")
    processes = until(lambda: pids.exists() and pids.read_text()).split()
    cluster.kill_node("n2", noticed=True)
    assert [pid for pid in processes if alive(int(pid))] == []
    assert not seen.exists()  # nobody saw it coming, nor another die
    assert cluster.wait(job, "NODE_FAIL") == ["NODE_FAIL"]
    assert cluster.wait(other, "RUNNING") == ["RUNNING"]
    assert cluster.node_states()["n2"].startswith("DOWN")
    cluster.start_node("n2")
    assert cluster.run("srun --mem=10 --nodelist=n2 printenv SLURMD_NODENAME").stdout == "n2\n"


def test_a_killed_node_that_comes_back_unnoticed_has_its_job_requeued(make_cluster, tmp_path):
    cluster = make_cluster(n_nodes=1)
    job = submit(
        cluster, "--requeue", wrap=f"echo $SLURM_RESTART_COUNT >>{tmp_path}/starts; [ $SLURM_RESTART_COUNT ] || sleep 100"
    )
    until((tmp_path / "starts").exists)
    cluster.kill_node("n1")
    cluster.start_node("n1")
    cluster.wait(job)
    assert (tmp_path / "starts").read_text() == "\n1\n"


def test_no_other_node_can_be_killed(cluster):
    with pytest.raises(ClusterError, match="there is no node n3; the nodes are n1, n2"):
        cluster.kill_node("n3")


def test_a_node_need_not_share_a_folder(make_cluster, tmp_path):
    if not can_hide():
        pytest.skip("absent: mounts of our own")
    (tmp_path / "mine").touch()
    cluster = make_cluster(hidden={"n2": str(tmp_path)})
    touched = {
        node: cluster.run("srun", "--mem=10", "-w", node, "sh", "-c", f"ls {tmp_path}; touch {tmp_path}/{node}")
        for node in cluster.nodes
    }
    assert {node: done.stdout for node, done in touched.items()} == {"n1": "mine\n", "n2": ""}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "n1"]
    cluster.kill_node("n1")
    cluster.start_node("n1", hidden=tmp_path)
    assert cluster.run("srun", "--mem=10", "-w", "n1", "ls", tmp_path).stdout == ""


def test_nothing_is_left_after_stop(make_cluster):
    cluster = make_cluster(n_nodes=1)
    folder = cluster.folder
    cluster.wait(submit(cluster, wrap="trap '' TERM; setsid sleep 100 & sleep 100"), "RUNNING")
    until(lambda: len(left_of(folder)) >= 6)  # the job's processes, too
    cluster.stop(grace_seconds=0.2)
    assert left_of(folder) == []
    assert not folder.exists()
    cluster.stop()  # a second time does nothing


def test_a_daemon_whose_threads_are_still_ending_is_waited_for(make_cluster):
    code = "import ctypes, threading, time; threading.Thread(target=time.sleep, args=[2]).start();"
    code += "ctypes.CDLL(None).pthread_exit(None)"
    cluster = make_cluster(n_nodes=1)
    cluster._spawn("late", [sys.executable, "-c", code])
    late = cluster._children["late"]
    until(lambda: not alive(late.pid))
    assert late.poll() is None
    cluster.stop()
    assert late.returncode is not None


def test_it_ends_with_the_process_that_started_it(cluster, tmp_path):
    code = "import time, cluster; print(cluster.Cluster(n_nodes=1).start().folder, flush=True); time.sleep(100)"
    with subprocess.Popen([sys.executable, "-c", code], cwd=PROGRAM.parent, stdout=subprocess.PIPE, text=True) as starter:
        folder = Path(starter.stdout.readline().strip())
        assert left_of(folder)
        starter.send_signal(signal.SIGKILL)
    until(lambda: not left_of(folder))
    assert not folder.exists()


def test_users_start_and_stop_one_by_command(cluster):
    shown = box("start", "--nodes", "1", "--gpus-per-node", "3", "--set", "MaxArraySize=7", "--partition", "long=Nodes=ALL")
    assert (shown.returncode, shown.stderr) == (0, "")
    (export,) = [line.strip() for line in shown.stdout.splitlines() if "export SLURM_CONF=" in line]
    folder = Path(export.partition("SLURM_CONF=")[2].partition("/slurm.conf")[0])
    try:
        asked = subprocess.run(
            ["bash", "-c", f"{export}; sinfo -h -N -o '%P %G'; sacct"], check=True, capture_output=True, text=True
        )
        assert sorted(asked.stdout.splitlines()) == ["JobID|State|NodeList", "cpu gpu:3", "gpu* gpu:3", "long gpu:3"]
        assert Cluster.open(folder).run("scontrol show config").stdout.count("MaxArraySize            = 7\n") == 1
        (launch,) = [line.strip() for line in shown.stdout.splitlines() if "launch_training.py" in line]
        launch = launch.replace(".venv/bin/python", sys.executable)
        planned = subprocess.run(
            ["bash", "-c", f"{export}; {launch} --dry-run"], check=False, capture_output=True, text=True, cwd=PROGRAM.parents[2]
        )
        assert (planned.returncode, planned.stderr) == (0, "")
        assert f"cluster.py stop {folder} " in shown.stdout
    finally:
        stopped = box("stop", folder)
    assert stopped.stdout == f"stopped {folder}\n"
    assert left_of(folder) == []
    assert not folder.exists()
    assert cluster.node_states() == {"n1": "IDLE", "n2": "IDLE"}
    assert (box("stop", folder).returncode, box("stop", "/").returncode) == (0, 2)


def test_none_of_several_is_stopped_by_guessing(make_cluster):
    first, second = (make_cluster(n_nodes=1, lasting=True) for _ in range(2))
    env = {name: value for name, value in os.environ.items() if name != "SLURM_CONF"}
    refused = box("stop", env=env)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("several clusters run; name those to stop:")
    assert {str(first.folder), str(second.folder)} <= set(refused.stderr.split())
    assert box("stop", env=env | {"SLURM_CONF": str(first.paths.slurm_conf)}).stdout == f"stopped {first.folder}\n"
    assert not first.folder.exists()
    assert second.node_states() == {"n1": "IDLE"}


def test_a_command_runs_in_a_cluster_of_its_own(cluster):
    done = box("run", "--nodes", "1", "--", "sh", "-c", "srun --mem=10 sh -c 'echo on $SLURMD_NODENAME; exit 7'")
    assert (done.returncode, done.stdout) == (7, "on n1\n")


def test_an_ordinary_user_needs_no_rights(cluster, tmp_path):
    if os.getuid() != 0 or not shutil.which("runuser"):
        pytest.skip("absent: root, who can be another user")  # the other tests were run by one
    there = SHORT / f"cluster-of-nobody-{os.getpid()}"
    # The user called nobody must be able to read it, wherever this checkout lies; and other tests may be compiling it just now.
    shutil.copytree(PROGRAM.parent, there, ignore=shutil.ignore_patterns("__pycache__"))
    there.chmod(0o755)
    python = shutil.which("python3", path="/usr/bin") or sys.executable
    words = [
        "run",
        "--nodes",
        "1",
        "--",
        "srun",
        "--mem=10",
        "--gpus-per-node=2",
        "sh",
        "-c",
        "id -un; echo $CUDA_VISIBLE_DEVICES",
    ]
    try:
        done = subprocess.run(
            ["runuser", "-u", "nobody", "--", python, "-B", there / "cluster.py", *words],
            check=False,
            capture_output=True,
            text=True,
            timeout=180,
            cwd="/",
        )
    finally:
        shutil.rmtree(there)
    assert (done.returncode, done.stdout) == (0, "nobody\n0,1\n"), done.stderr


def test_what_is_missing_is_named():
    done = box("start", env={"PATH": "/nonexistent"})
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("Slurm's programs are missing; install them: apt-get install --no-install-recommends slurm")
    assert "slurm-client" in line


def test_without_slurm_its_tests_are_left_out_loudly_and_nowhere_that_forbids_it(root):
    command = [sys.executable, "-m", "pytest", "-q", f"{__file__}::test_all_nodes_are_idle_and_have_gpus"]
    for forbidden, code in (("", 0), ("1", 1)):
        env = {"PATH": "/nonexistent", "RLHPC_FORBID_SKIPS": forbidden}
        done = subprocess.run(command, cwd=root, env=env, check=False, capture_output=True, text=True, timeout=180)
        assert done.returncode == code, done.stdout
        assert "1 tests on a real Slurm were LEFT OUT; they need: apt-get install slurm" in done.stdout
        assert ("skipped and must not be" in done.stdout) == bool(forbidden)


def test_accounting_is_the_real_one(make_cluster):
    cluster = make_cluster(n_nodes=1, accounting=True)
    job = submit(cluster, "--array=0-1", wrap="exit $SLURM_ARRAY_TASK_ID")
    cluster.wait(job, "COMPLETED", "FAILED")
    ask = ["sacct", "-n", "-X", "-P", "-j", job, "-o", "JobID,State,NodeList,User"]
    rows = until(lambda: (shown := cluster.run(*ask).stdout).count("|n1|") == 2 and "FAILED" in shown and shown)
    user = getpass.getuser()
    assert sorted(rows.splitlines()) == [f"{job}_0|COMPLETED|n1|{user}", f"{job}_1|FAILED|n1|{user}"]
    assert cluster.run("sacctmgr -n -P show cluster format=Cluster").stdout == "box\n"
    folder = cluster.folder
    cluster.stop()
    assert left_of(folder) == []
    assert not folder.exists()


def test_nothing_is_missing_here(cluster):
    assert missing_packages() == []
