"""CUDA MPS against a stand-in for its daemon: who gets it, with what, what becomes of it, and what without it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from multiprocessing import forkserver
from pathlib import Path

import psutil
import pytest

from rlhpc.errors import InputError
from rlhpc.results.store import Store
from rlhpc.training import gpu_sharing, local, machine, mps, node, places
from rlhpc.training.gpu_sharing import share
from rlhpc.training.node import supervise
from rlhpc.training.plan import NodePlan
from rlhpc.training.settings import TrainSettings
from rlhpc.training.stop import Stop

ROOT = Path(__file__).parents[2]
SETTINGS = TrainSettings("test", "cpu", tensorboard=False, checkpoint_minutes=0, stop_seconds=10)
LONG = 10**8  # agent steps

# It does what the manual says of the real one, over a real Unix socket in its folder. Its server leaves its session, so that who
# ends them both has to find it. What it is to do wrong stands in a file beside it.
CONTROL = """\
#!{python} -IS
import json, os, pathlib, socket, subprocess, sys, time

here = pathlib.Path(__file__).parent
wrong = (here / "wrong").read_text()
pipe = pathlib.Path(os.environ.get("CUDA_MPS_PIPE_DIRECTORY", "/tmp/nvidia-mps"))
address = str(pipe / "control")

def log(**facts):
    with (here / "log").open("a") as stream:
        stream.write(json.dumps(facts) + "\\n")

if sys.argv[1:] == ["-f"]:
    if wrong == "refuse":
        sys.exit("An instance of this daemon is already running")
    facts = dict(daemon=os.getpid(), gpus=os.environ["CUDA_VISIBLE_DEVICES"], folder=str(pipe.parent))
    log(**facts, mode=oct(pipe.parent.stat().st_mode & 0o777))
    (pipe / "nvidia-cuda-mps-control.pid").write_text(str(os.getpid()))
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(64)
    servers = []
    while True:
        client, _ = listener.accept()
        command, *_ = client.recv(100).decode().split()
        answer = "100.0"
        if command == "start_server" and wrong != "no server":
            servers.append(subprocess.Popen(["sleep", "1000"], start_new_session=True).pid)
            log(server=servers[-1])
        if command == "get_server_list":
            answer = "\\n".join(map(str, servers))
        if wrong == "mute" and command != "quit":
            continue
        client.sendall(answer.encode() + b"\\n")
        client.close()
        if command == "quit" and wrong != "stay":
            for pid in servers if wrong != "careless" else []:
                os.kill(pid, 9)
            sys.exit()
else:
    if wrong == "hang":
        time.sleep(1000)
    with socket.socket(socket.AF_UNIX) as daemon:
        try:
            daemon.connect(address)
        except OSError:
            sys.exit("Cannot find MPS control daemon process")
        daemon.sendall(sys.stdin.buffer.read())
        answer = daemon.recv(100)
        if not answer:
            sys.exit(1)
        print(answer.decode(), end="")
"""
SMI = """\
#!/bin/sh
case "$*" in *memory.total*) echo 12000 ;; *) echo "GPU 0: Some GPU" ;; esac
"""
# Environments that keep how they were started, and that break their GPU: its error, with or without the end of the daemon.
ENVS = """
import json, os, signal, time
from pathlib import Path
import gymnasium
from gymnasium.envs.classic_control import CartPoleEnv

HERE = Path(__file__).parent

class Telling(CartPoleEnv):
    def __init__(self):
        super().__init__()
        told = {key: value for key, value in os.environ.items() if key.startswith(("CUDA", "RLHPC_GPU"))}
        (HERE / f"{os.getpid()}.json").write_text(json.dumps(told))

class Deadly(Telling):
    def reset(self, **options):
        pipe = os.environ.get("CUDA_MPS_PIPE_DIRECTORY")
        if pipe is not None:
            os.kill(int(Path(pipe, "nvidia-cuda-mps-control.pid").read_text()), signal.SIGKILL)
            raise RuntimeError("CUDA error: MPS client failed to connect to the MPS control daemon or the MPS server")
        return super().reset(**options)

class Breaking(Telling):
    def reset(self, **options):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

class Victim(Telling):
    def reset(self, **options):
        n_before = len(list(HERE.glob("victim-*")))
        if n_before < 2:
            (HERE / f"victim-{n_before}").touch()
            raise RuntimeError("CUDA error: unspecified launch failure")
        return super().reset(**options)

class BreakingLast(Telling):
    def reset(self, **options):
        while sum(path.read_text().count("CUDA error: u") for path in HERE.parent.glob("logs/**/attempts.json")) < 2 * 2:
            time.sleep(0.02)  # until the supervisor knows both ends of the victim, each of which is told twice
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

for name in (Telling, Deadly, Breaking, Victim, BreakingLast):
    gymnasium.register(f"{name.__name__}-v0", entry_point=name, max_episode_steps=50)
"""


class StandIn:
    """The stand-in for the daemon, as a test sees it."""

    def __init__(self, folder):
        self.folder = folder
        self.does("nothing")

    def does(self, wrong):
        (self.folder / "wrong").write_text(wrong)

    @property
    def log(self):
        path = self.folder / "log"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def started(self):
        return [facts for facts in self.log if "daemon" in facts]

    @property
    def pids(self):
        return [pid for facts in self.log for key, pid in facts.items() if key in {"daemon", "server"}]

    def has_left_nothing(self):
        return not any(is_alive(pid) for pid in self.pids) and not any(Path(facts["folder"]).exists() for facts in self.started)


def is_alive(pid):
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def wait_for(is_so, seconds=180):
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@pytest.fixture
def no_site(monkeypatch):
    for name in (mps.PIPE_DIRECTORY, mps.LOG_DIRECTORY, "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    folders = os.environ["PATH"].split(os.pathsep)
    monkeypatch.setenv("PATH", os.pathsep.join(each for each in folders if not Path(each, mps.PROGRAM).exists()))


@pytest.fixture
def control(tmp_path, monkeypatch, no_site):
    """Put the stand-ins on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in ((mps.PROGRAM, CONTROL.replace("{python}", sys.executable)), ("nvidia-smi", SMI)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return StandIn(folder)


@pytest.fixture
def make(tmp_path, monkeypatch, make_training):
    """Make trainings on environments that tell what they see."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "sharing_envs.py").write_text(ENVS)
    monkeypatch.syspath_prepend(str(folder))

    def make(name="Telling", **changes):
        return make_training(f"sharing_envs:{name}-v0", **changes)

    make.told = lambda: [
        json.loads(path.read_text()) for path in sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    ]
    return make


@pytest.fixture
def said():
    return []


# --- an ordinary launch -----------------------------------------------------------------------------------------------


def test_trainings_become_clients_of_one_daemon_of_their_own_gpus(tmp_path, control, make, listen, said):
    store, trainings = Store(tmp_path / "logs"), [make(seed=seed) for seed in (1, 2, 3, 4)]
    gpus = ["2", "GPU-x"]
    with share("auto", gpus, 2, said.append) as sharing:
        outcome = supervise(trainings, places.places(gpus, 2), store, SETTINGS, listen(), sharing=sharing)
    assert len(outcome.stored) == 4
    ((daemon),) = control.started
    assert (daemon["gpus"], daemon["mode"]) == ("2,GPU-x", "0o700")
    told = {(seen["CUDA_VISIBLE_DEVICES"], seen["RLHPC_GPU"]) for seen in make.told()}
    assert told == {("0", "2"), ("1", "GPU-x")}
    for seen in make.told():
        assert seen[mps.PIPE_DIRECTORY] == f"{daemon['folder']}/pipe"
        assert seen[mps.LOG_DIRECTORY] == f"{daemon['folder']}/log"
        assert seen["CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"] == "0=6000M"
    assert sorted(result.device["visible_gpus"] for result in store.iterate()) == ["2", "2", "GPU-x", "GPU-x"]
    assert said == []
    assert control.has_left_nothing()


@pytest.mark.parametrize(("device", "n_daemons"), [("auto", 1), ("cpu", 0)])
def test_a_node_starts_one_daemon_if_it_trains_on_its_gpus(tmp_path, control, make, device, n_daemons, capsys):
    store, trainings = Store(tmp_path / "logs"), (make(seed=1), make(seed=2))
    outcome = local.carry_out(NodePlan(trainings, 1, 2), ["0"], store, TrainSettings("test", device, tensorboard=False))
    assert len(outcome.stored) == 2
    assert len(control.started) == n_daemons
    assert [mps.PIPE_DIRECTORY in seen for seen in make.told()] == [bool(n_daemons)] * 2
    assert control.has_left_nothing()
    assert "MPS" not in capsys.readouterr().err


def test_a_training_alone_on_its_gpu_may_have_all_of_its_memory(control, said):
    with share("on", ["0"], 12, said.append) as sharing:
        assert sharing.variables("0", is_alone=False)["CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"] == "0=1000M"
        assert "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT" not in sharing.variables("0", is_alone=True)


def test_a_gpu_whose_memory_nobody_tells_is_shared_without_limits(control, said):
    (control.folder / "nvidia-smi").write_text("#!/bin/sh\necho '[N/A]'\n")
    with share("on", ["0"], 12, said.append) as sharing:
        assert "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT" not in sharing.variables("0", is_alone=False)


@pytest.mark.parametrize(("wanted", "gpus", "per_gpu"), [("off", ["0"], 12), ("auto", ["0"], 1), ("auto", [], 12)])
def test_where_nothing_is_gained_by_it_no_daemon_is_started(control, said, wanted, gpus, per_gpu):
    with share(wanted, gpus, per_gpu, said.append) as sharing:
        assert sharing.variables("0", is_alone=False) == {"CUDA_VISIBLE_DEVICES": "0"}
        assert sharing.variables(None, is_alone=False) == {}
    assert (control.started, said) == ([], [])


def test_the_path_of_a_private_folder_is_short_enough_for_a_socket(tmp_path, control, monkeypatch):
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr(mps.tempfile, "tempdir", str(long))
    daemon = mps.Daemon(["0"])
    assert not daemon.has_died()
    daemon.close()
    assert control.has_left_nothing()


def test_a_result_says_whether_it_was_made_with_mps(monkeypatch, no_site):
    monkeypatch.setattr(machine.torch.cuda, "get_device_name", lambda: "Some GPU")
    assert machine.device("cuda")["mps"] is False
    monkeypatch.setenv(mps.PIPE_DIRECTORY, "/run/mps")
    assert machine.device("cuda")["mps"] is True
    assert machine.device("cpu")["mps"] is False
    assert "mps" not in machine.ROUNDING


# --- the end of a daemon ----------------------------------------------------------------------------------------------


def test_a_daemon_ends_after_trainings_that_were_told_to_stop(tmp_path, control, make, listen, said):
    stop, saw = Stop(), []
    memory = listen(lambda _: threading.Timer(1.0, stop.request, [10]).start())
    training = make(total_timesteps=LONG)
    with share("auto", ["0"], 2, said.append) as sharing:
        outcome = supervise(
            [training], places.places(["0"], 2), Store(tmp_path / "logs"), SETTINGS, memory, stop=stop, sharing=sharing
        )
        saw.append(is_alive(control.started[0]["daemon"]))
    stop.close()
    assert (outcome.stopped, saw) == ([training], [True])
    assert control.has_left_nothing()


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_daemon_ends_with_a_supervisor_that_raises(tmp_path, control, make, listen, said, error):
    def fail(_):
        raise error

    with pytest.raises(error), share("auto", ["0"], 2, said.append) as sharing:
        supervise([make()], places.places(["0"], 2), Store(tmp_path / "logs"), SETTINGS, listen(fail), sharing=sharing)
    assert control.has_left_nothing()


SUPERVISE = """
import sys
from pathlib import Path
from rlhpc.records import Training
from rlhpc.results.store import Store
from rlhpc.training import gpu_sharing, node, places, stop
from rlhpc.training.progress_bar import ProgressBar
from rlhpc.training.settings import TrainSettings

if __name__ == "__main__":
    hyperparameters = {"class": "PPO", "n_envs": 1, "n_steps": 64, "batch_size": 64}
    training = Training("b", "CartPole-v1", "ppo", 1, "Discrete", 10**9, hyperparameters)
    settings, store = TrainSettings("test", "cpu", checkpoint_minutes=0, stop_seconds=20), Store(Path(sys.argv[1]))
    with stop.on_signals(20) as heard, gpu_sharing.share("on", ["0"], 2, print) as sharing:
        node.supervise([training], places.places(["0"], 2), store, settings, ProgressBar(1), stop=heard, sharing=sharing)
"""


@contextlib.contextmanager
def supervisor(tmp_path, control):
    """Start a supervisor of an endless training, and wait until that is saved."""
    script = tmp_path / "supervise.py"
    script.write_text(SUPERVISE)
    with subprocess.Popen([sys.executable, script, tmp_path / "logs"], stderr=subprocess.PIPE, start_new_session=True) as started:
        wait_for(lambda: list(tmp_path.rglob("checkpoint-*")))
        assert len(control.pids) == 2
        assert all(is_alive(pid) for pid in control.pids)
        yield started


def test_a_daemon_ends_with_a_supervisor_that_is_killed(tmp_path, control):
    with supervisor(tmp_path, control) as started:
        started.kill()
        started.communicate(timeout=180)
    wait_for(control.has_left_nothing)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_group_of_a_supervisor_ends_its_daemon_when_all_is_saved(tmp_path, control, signum):
    with supervisor(tmp_path, control) as started:
        os.killpg(started.pid, signum)
        _, errors = started.communicate(timeout=180)
    assert started.returncode == 0
    assert b"stopped, to be continued" in errors
    assert control.has_left_nothing()


def test_a_keeper_hears_no_signals_of_its_supervisor(control):
    daemon = mps.Daemon(["0"])
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP):
        daemon._keeper.send_signal(signum)
    assert not daemon.has_died()
    assert os.getpgid(control.started[0]["daemon"]) == daemon._keeper.pid != os.getpgid(0)
    daemon.close()
    assert control.has_left_nothing()


def test_a_daemon_ends_with_its_keeper(control):
    daemon = mps.Daemon(["0"])
    daemon._keeper.kill()
    wait_for(lambda: not is_alive(control.started[0]["daemon"]))
    assert daemon.has_died()
    daemon.close()
    assert not Path(control.started[0]["folder"]).exists()
    for pid in filter(is_alive, control.pids):  # the server, which nobody holds then
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("wrong", ["stay", "careless", "hang"])
def test_what_does_not_leave_when_it_is_told_to_quit_is_killed(control, wrong):
    control.does(wrong if wrong != "hang" else "nothing")
    daemon = mps.Daemon(["0"])
    control.does(wrong)
    daemon.close()
    assert control.has_left_nothing()


# --- where it cannot be had -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("refuse", "ended with exit code 1: An instance of this daemon is already running"),
        pytest.param("no server", "starts no server for these GPUs", marks=pytest.mark.slow),
        pytest.param("mute", "does not answer", marks=pytest.mark.slow),
    ],
)
def test_a_daemon_that_does_not_start_is_told_in_one_sentence_and_done_without(
    tmp_path, control, make, listen, said, wrong, words
):
    control.does(wrong)
    store, trainings = Store(tmp_path / "logs"), [make(seed=seed) for seed in (1, 2)]
    with share("auto", ["3"], 2, said.append) as sharing:
        outcome = supervise(trainings, places.places(["3"], 2), store, SETTINGS, listen(), sharing=sharing)
    assert len(outcome.stored) == 2
    assert said == [f"MPS cannot be used ({mps.PROGRAM} {words}); the GPUs are shared by time slicing"]
    assert make.told() == [{"CUDA_VISIBLE_DEVICES": "3"}] * 2
    assert control.has_left_nothing()


def test_of_several_mig_instances_none_is_shared_by_mps(control, said):
    with share("auto", ["MIG-1", "MIG-2"], 2, said.append) as sharing:
        assert sharing.variables("MIG-2", is_alone=False) == {"CUDA_VISIBLE_DEVICES": "MIG-2"}
    assert said == [
        "MPS cannot be used (one daemon serves one MIG instance, and these are MIG-1, MIG-2); the GPUs are shared by time slicing"
    ]
    with pytest.raises(InputError, match="one MIG instance"), share("on", ["MIG-1", "MIG-2"], 2, said.append):
        pass
    with share("auto", ["MIG-1"], 2, said.append) as sharing:
        assert sharing.variables("MIG-1", is_alone=False)["CUDA_VISIBLE_DEVICES"] == "0"


def test_without_the_program_gpus_are_shared_by_time_slicing_and_nothing_is_said(no_site, said):
    with share("auto", ["0"], 12, said.append) as sharing:
        assert sharing.variables("0", is_alone=False) == {"CUDA_VISIBLE_DEVICES": "0"}
    assert said == []


def launch(*words):
    command = [
        sys.executable,
        "jobs/launch_training.py",
        "--cluster",
        "local",
        "envs=[CartPole-v1]",
        "algos=[ppo]",
        "seeds=[1,2]",
    ]
    return subprocess.run([*command, *words], cwd=ROOT, capture_output=True, text=True, check=False)


def test_mps_where_there_is_no_gpu_is_refused_before_anything_is_written(tmp_path, control, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    done = launch(f"logs_dir={tmp_path}/logs", "packing.mps=on")
    assert (done.returncode, done.stdout) == (2, "")
    for words in ("packing.mps = on shares GPUs, and this machine shows none", "packing.mps=auto"):
        assert words in done.stderr
    assert not (tmp_path / "logs").exists()


def test_mps_where_there_is_no_daemon_is_refused_before_anything_is_written(tmp_path, no_site, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    done = launch(f"logs_dir={tmp_path}/logs", "packing.mps=on")
    assert (done.returncode, done.stdout) == (2, "")
    for words in (f"needs the program {mps.PROGRAM}", mps.PIPE_DIRECTORY, "packing.mps=auto"):
        assert words in done.stderr
    assert not (tmp_path / "logs").exists()


def test_mps_whose_daemon_does_not_start_is_refused_before_anything_is_trained(tmp_path, control):
    control.does("refuse")
    done = launch(f"logs_dir={tmp_path}/logs", "packing.mps=on")
    assert done.returncode == 2
    for words in ("packing.mps = on, but its daemon cannot be started", "already running", "packing.mps=auto"):
        assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert "started c" not in done.stderr


# --- a daemon of the site ---------------------------------------------------------------------------------------------


@pytest.fixture
def site(tmp_path, control, monkeypatch):
    """Start a daemon that is not ours."""
    pipe = tmp_path / "site" / "pipe"
    pipe.mkdir(parents=True)
    environment = {**os.environ, mps.PIPE_DIRECTORY: str(pipe), "CUDA_VISIBLE_DEVICES": "0"}
    with contextlib.chdir(pipe), subprocess.Popen([control.folder / mps.PROGRAM, "-f"], env=environment) as daemon:
        wait_for((pipe / "control").exists)
        monkeypatch.setenv(mps.PIPE_DIRECTORY, str(pipe))
        forkserver._forkserver._stop()  # it has the environment that it was started with
        yield daemon
        forkserver._forkserver._stop()
        daemon.kill()


@pytest.mark.parametrize("wanted", ["auto", "on"])
def test_a_daemon_of_the_site_is_used_as_it_is_and_left(tmp_path, control, site, make, listen, said, wanted):
    with share(wanted, ["1"], 2, said.append) as sharing:
        supervise([make()], places.places(["1"], 2), Store(tmp_path / "logs"), SETTINGS, listen(), sharing=sharing)
    pipe = os.environ[mps.PIPE_DIRECTORY]
    assert [(seen["CUDA_VISIBLE_DEVICES"], seen[mps.PIPE_DIRECTORY]) for seen in make.told()] == [("1", pipe)]
    assert [facts["daemon"] for facts in control.started] == [site.pid]
    assert site.poll() is None
    assert said == []


def test_a_daemon_of_the_site_that_does_not_answer_is_replaced_by_our_own(control, site, said):
    site.kill()
    site.wait()
    with share("auto", ["0"], 2, said.append) as sharing:
        variables = sharing.variables("0", is_alone=False)
    assert variables[mps.PIPE_DIRECTORY] != os.environ[mps.PIPE_DIRECTORY]


def test_in_an_image_a_daemon_of_the_host_is_used_if_its_folder_is_there(tmp_path, no_site, monkeypatch, said):
    monkeypatch.setenv(mps.PIPE_DIRECTORY, str(tmp_path))
    with share("on", ["0"], 2, said.append) as sharing:
        assert sharing.variables("0", is_alone=False) == {"CUDA_VISIBLE_DEVICES": "0"}  # the rest is in the environment
    monkeypatch.setenv(mps.PIPE_DIRECTORY, str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="which is not on PATH"):
        gpu_sharing.refuse("on", ["0"])


# --- faults -----------------------------------------------------------------------------------------------------------


def test_a_daemon_that_dies_is_restarted_three_times_and_then_done_without(tmp_path, control, make, listen, said, monkeypatch):
    monkeypatch.setattr(gpu_sharing, "RECOVERY_SECONDS", 0.1)
    monkeypatch.setattr(node, "POLL_SECONDS", 0.1)
    training = make("Deadly")
    n_tries = gpu_sharing.MAX_RESTARTS + 2
    monkeypatch.setattr(node, "MAX_SHARED_GPU_FAULTS", n_tries)
    with share("auto", ["0"], 2, said.append) as sharing:
        outcome = supervise([training], places.places(["0"], 2), Store(tmp_path / "logs"), SETTINGS, listen(), sharing=sharing)
    assert outcome.stored == [training]  # by time slicing
    assert len(control.started) == 1 + gpu_sharing.MAX_RESTARTS
    assert said == [
        *(f"the daemon of MPS had died and was restarted ({number} of 3 times)" for number in (1, 2, 3)),
        "the daemon of MPS has died again after 3 restarts; the GPUs are shared by time slicing now",
    ]
    folders = [seen.get(mps.PIPE_DIRECTORY) for seen in make.told()]
    assert len(set(folders)) == n_tries
    assert folders[-1] is None
    assert control.has_left_nothing()


def test_a_daemon_that_cannot_be_restarted_is_done_without(control, said):
    with share("auto", ["0"], 2, said.append) as sharing:
        os.kill(control.started[0]["daemon"], signal.SIGKILL)
        control.does("refuse")
        sharing.mend()
        assert sharing.variables("0", is_alone=False) == {"CUDA_VISIBLE_DEVICES": "0"}
    assert len(said) == 1
    assert "cannot be restarted" in said[0]
    assert control.has_left_nothing()


def test_a_daemon_that_is_well_after_a_fault_is_left_alone(control, said):
    with share("auto", ["0"], 2, said.append) as sharing:
        sharing.mend()
        assert len(control.started) == 1
        assert sharing.recovery_seconds > 0
    assert sharing.recovery_seconds == 0
    assert said == []


def test_who_keeps_breaking_a_shared_gpu_runs_alone_with_all_of_its_memory(tmp_path, control, make, listen, said, monkeypatch):
    monkeypatch.setattr(gpu_sharing, "RECOVERY_SECONDS", 0.1)
    monkeypatch.setattr(node, "POLL_SECONDS", 0.1)
    store, culprit, other = Store(tmp_path / "logs"), make("Breaking"), make()
    with share("auto", ["0"], 2, said.append) as sharing:
        outcome = supervise([culprit, other], places.places(["0"], 2), store, SETTINGS, listen(), sharing=sharing)
    assert outcome.stored == [other]
    assert [attempt["kind"] for attempt in store.read_attempts(culprit)] == ["gpu"] * 4  # twice alone
    limits = [seen.get("CUDA_MPS_PINNED_DEVICE_MEM_LIMIT") for seen in make.told()]
    assert sorted(map(str, limits)) == ["0=6000M"] * 3 + ["None"] * 2
    assert len(control.started) == 1


def test_who_was_taken_for_a_culprit_shares_a_gpu_again_when_the_true_one_is_found(
    tmp_path, control, make, listen, said, monkeypatch
):
    monkeypatch.setattr(gpu_sharing, "RECOVERY_SECONDS", 0.0)
    store, culprit, victim = Store(tmp_path / "logs"), make("BreakingLast"), make("Victim")
    with share("auto", ["0"], 2, said.append) as sharing:
        outcome = supervise([culprit, victim], places.places(["0"], 2), store, SETTINGS, listen(), sharing=sharing)
    assert outcome.stored == [victim]
    assert [training for training, _ in outcome.failed] == [culprit]
    assert make.told()[-1]["CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"] == "0=6000M"  # of the victim's third attempt, which is the last


def test_what_torch_says_of_mps_is_told_with_a_gpu_that_it_does_not_find(monkeypatch):
    def refuse():
        raise RuntimeError("Unexpected error from cudaGetDeviceCount(). Error 807: MPS server not ready")

    monkeypatch.setattr(machine.torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(machine.torch.cuda, "init", refuse)
    with pytest.raises(RuntimeError, match="torch finds no GPU") as refused:
        machine.device_kind("cuda")
    assert "MPS server not ready" in str(refused.value.__cause__)
