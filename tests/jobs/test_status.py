"""The status job, end to end, as a user runs it: it changes nothing (need 10), and asks Slurm seldom (need 18)."""

import json
import os
import pty
import re
import shutil
import signal
import stat
import subprocess
import sys
import termios
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from rlhpc.cluster import submission
from rlhpc.cluster.submission import Submission
from rlhpc.records import Result, Training
from rlhpc.results.store import Store

ROOT = Path(__file__).parents[2]
JOB = (sys.executable, "jobs/status.py")
ENDLESS = (
    *("--cluster", "local", "name=endless", "envs=[CartPole-v1]", "algos=[ppo]", "seeds=[1,2,3]", "--trainings-per-gpu", "2"),
    *("budget.total_timesteps=10_000_000", "checkpoint_minutes=0", "evaluation.n_episodes=2"),
    "hyperparameters={ppo: {all: {n_envs: 2, n_steps: 32, batch_size: 32}}}",
)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """Keep answers of Slurm out of the user's own cache folder."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


def run(*arguments, before=(), check=True):
    return subprocess.run([*before, *JOB, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, check=check)


def look(folder):
    """Return the object that --json prints."""
    return json.loads(run(folder, "--json").stdout)


def training(seed, algo="ppo"):
    return Training("dmc1m", "dm_control/pendulum-swingup-v0", algo, seed, "Continuous", 1000, {"class": "PPO"})


def put(store, seed, algo="ppo"):
    times = {"train_seconds": 1.0, "evaluation_seconds": 1.0, "started_at": "a", "finished_at": "b"}
    store.write(Result(training(seed, algo), 1.0, (1.0,), 1000, **times))
    return store.folder(training(seed, algo))


@pytest.fixture
def store(tmp_path):
    """Return a folder with trainings that are done, damaged, failed, stopped, in the queue and never submitted."""
    store = Store(tmp_path / "mine")
    for seed in (1, 2, 3):
        put(store, seed)
    (store.folder(training(3)) / "result.json").write_text("{")
    failed = {"attempt": 2, "reason": "ValueError: boom", "traceback": "Traceback\nValueError: boom", "log": "/l/output.log"}
    store.write_attempts(training(4), [{**failed, "forgiven": False, "will_retry": False, "remedy": "Mend it."}])
    store.folder(training(5)).mkdir()
    (store.folder(training(5)) / "checkpoint-64").write_text("")
    store.write_grid(map(training, range(1, 9)))
    elements = ((training(6).name,), (training(7).name,))
    submission.write(store.root, Submission("mine-0", elements, "2025-06-01T09:00:00+00:00", "12"))
    return store


@pytest.fixture
def squeue(tmp_path, monkeypatch):
    """Put a stand-in for squeue on PATH: it writes down its calls, and says that one element waits and one runs."""
    folder, calls = tmp_path / "bin", tmp_path / "calls"
    folder.mkdir()
    calls.touch()
    path = folder / "squeue"
    lines = "12_0|0|mine-0|PENDING|Priority|2030-01-01T10:00:00\n12_1|1|mine-0|RUNNING|None|2025-06-01T10:00:00"
    path.write_text(f'#!/bin/sh\necho "$@" >> {calls}\necho "{lines}"\n')
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return SimpleNamespace(calls=lambda: calls.read_text().splitlines())


@pytest.fixture
def no_slurm(monkeypatch):
    """Leave nothing on PATH."""
    monkeypatch.setenv("PATH", "")


def contents(root):
    """Return everything of a tree that a write would change: names, kinds, modes, times, bytes."""
    found = {}
    for path in (root, *root.rglob("*")):
        status = path.lstat()
        data = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
        found[path] = (status.st_mode, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, data)
    return found


# --- what is told


def test_every_state_is_told_with_its_reason(store, squeue):
    told = run(store.root).stdout
    for expected in (
        f"{store.root}\n8 trainings: 2 done, 3 waiting, 1 stopped, 1 failed, 1 damaged",
        "Slurm's queue as of ",
        f"{training(6).name}: behind jobs of higher priority (job 12_0; expected start 2030-01-01 10:00:00, earlier",
        f"{training(7).name}: waiting for a place on the node (job 12_1)",
        f"{training(8).name}: not submitted: launch again",
        f"{training(5).name}: to go on from a checkpoint; not submitted: launch again",
        f"{training(4).name}: ValueError: boom (1 attempt)",
        "log: /l/output.log",
        "to do: Mend it.",
        f"{training(3).name}: '{store.folder(training(3))}/result.json' cannot be read",
    ):
        assert expected in told
    assert max(map(len, told.splitlines()[1:6])) < 80


def test_json_holds_the_same_as_data(store, squeue):
    answer = look(store.root)
    assert answer["counts"] == {"done": 2, "running": 0, "silent": 0, "waiting": 3, "stopped": 1, "failed": 1, "damaged": 1}
    assert answer["total"]["counts"] == answer["counts"] == answer["groups"][0]["counts"]
    states = {each["name"]: each["state"] for each in answer["trainings"]}
    assert list(states.values()) == ["done", "done", "damaged", "failed", "stopped", "waiting", "waiting", "waiting"]
    failed = answer["trainings"][3]["failure"]
    assert (failed["remedy"], failed["n_attempts"], failed["log"]) == ("Mend it.", 1, "/l/output.log")
    assert answer["trainings"][5]["starts_at"] == "2030-01-01T10:00:00"
    assert answer["slurm"]["fault"] == ""
    assert 0 <= answer["slurm"]["age_seconds"] < 30


def test_every_key_of_the_json_object_is_in_the_help(store, squeue):
    told = run("--help").stdout
    answer = look(store.root)
    keys = [
        *answer,
        *answer["counts"],
        *answer["groups"][0],
        *answer["trainings"][3],
        *answer["trainings"][3]["failure"],
        *answer["slurm"],
    ]
    assert [key for key in keys if key not in told] == []


def test_without_slurm_all_that_files_tell_is_shown_and_that_is_said_in_one_line(store, no_slurm):
    told = run(store.root).stdout.splitlines()
    assert [line for line in told if "Slurm's" in line] == [
        "Slurm's queue is not known ('squeue' is not on PATH); all else is as the files tell"
    ]
    assert "2 trainings: in the queue or not, Slurm does not tell" in "\n".join(told)


def test_a_slurm_that_fails_hides_nothing_else(store, tmp_path, squeue):
    (tmp_path / "bin" / "squeue").write_text("#!/bin/sh\necho Unable to contact slurm controller >&2\nexit 1\n")
    told = run(store.root).stdout
    assert "Unable to contact slurm controller" in told
    assert "8 trainings: 2 done" in told


@pytest.mark.parametrize("folder", ["absent", "empty"])
def test_what_is_no_folder_of_results_exits_2(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    for flags in ((), ("--watch",)):
        done = run(tmp_path / folder, *flags, check=False)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"'{tmp_path / folder}'" in done.stderr
    assert not (tmp_path / "absent").exists()


def test_a_missing_grid_is_told_and_what_has_a_folder_is_shown(store, squeue):
    store.grid.unlink()
    told = run(store.root).stdout
    assert f"'{store.grid}' is missing: launch again" in told
    assert "5 trainings: 2 done" in told


# --- Slurm is asked seldom


def test_called_again_and_again_it_asks_slurm_once(store, squeue):
    ages = [look(store.root)["slurm"]["age_seconds"] for _ in range(4)]
    assert len(squeue.calls()) == 1
    assert ages == sorted(ages)


def test_without_a_cache_it_works_too(store, squeue, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/self/nowhere")
    assert look(store.root)["counts"]["waiting"] == 3


def test_a_grid_that_was_never_submitted_asks_slurm_nothing_and_says_nothing_of_it(store, squeue):
    shutil.rmtree(store.root / "slurm")
    told = run(store.root).stdout
    assert "Slurm" not in told
    assert "submit" not in told
    assert squeue.calls() == []


# --- it changes nothing


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_nothing_of_the_whole_tree_is_changed(store, flags):
    before = contents(store.root.parent)
    run(store.root, *flags)
    assert contents(store.root.parent) == before


def test_it_works_on_a_read_only_mount(store, squeue):
    script = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" || exit 77; touch "$1/probe" && exit 78; shift; exec "$@"'
    rights = ("--mount",) if os.geteuid() == 0 else ("--mount", "--user", "--map-root-user")
    within = ("unshare", *rights, "sh", "-c", script, "sh", str(store.root))
    if not shutil.which("unshare") or subprocess.run([*within, "true"], capture_output=True, check=False).returncode in (1, 77):
        pytest.skip("absent: the right to mount")
    expected, found = look(store.root), json.loads(run(store.root, "--json", before=within).stdout)
    assert (found["counts"], found["trainings"]) == (expected["counts"], expected["trainings"])


# --- a training that runs


@pytest.fixture
def endless(tmp_path):
    """Launch three trainings that take minutes, two at a time, and wait until two tell of their progress."""
    command = [sys.executable, "jobs/launch_training.py", *ENDLESS, f"logs_dir={tmp_path}"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as launch:
        wait_for(lambda: len(list(tmp_path.rglob("progress.json"))) == 2)
        yield launch, tmp_path / "endless"
        launch.kill()


def wait_for(condition, seconds=300):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


@pytest.mark.slow
def test_running_trainings_tell_how_far_and_how_fast_they_are_and_killed_ones_are_no_ghosts(endless):
    launch, folder = endless
    wait_for(lambda: look(folder)["total"]["steps_per_second"])
    answer = look(folder)
    running = [each for each in answer["trainings"] if each["state"] == "running"]
    assert len(running) == 2
    (waiting,) = [each for each in answer["trainings"] if each["state"] == "waiting"]
    assert waiting["reason"] == (
        f"waiting for its turn in the launch that is at work (process {launch.pid} on host {os.uname().nodename}); should that"
        " end without it, launch again"
    )
    told = next(each for each in running if each["steps_per_second"])
    assert 0 < told["percent"] < 50
    assert told["timesteps"] == told["progress"]["timesteps"] > 0
    assert told["expected_end"] > answer["at"]
    assert told["progress"]["host"] == os.uname().nodename
    (part,) = answer["nodes"]
    assert (part["host"], part["gpu"], part["job"], part["n_running"]) == (os.uname().nodename, "", "", 2)
    assert (part["n_cores"], part["gpu_load"]) == (len(os.sched_getaffinity(0)), None)
    assert 0 < part["cores_busy_percent"] <= 100
    shown = run(folder).stdout
    assert "2 running: " in shown
    assert "steps/s together; the last of them is expected to end at " in shown
    assert re.search(rf"on {os.uname().nodename}, cores: 2 trainings, .* steps/s; \d+ cores? \d+ % busy\n", shown)

    launch.kill()
    launch.wait()
    counts = look(folder)["counts"]
    assert (counts["running"], counts["silent"], counts["stopped"], counts["waiting"]) == (0, 0, 2, 1)


# --- watching


@pytest.fixture
def watch(store, squeue):
    """Watch a grid, in a pipe or on a terminal; ended with the test."""
    watching = []

    def start(*flags, stdout=subprocess.PIPE):
        process = subprocess.Popen(
            [*JOB, store.root, "--watch", *flags], cwd=ROOT, stdout=stdout, stderr=subprocess.PIPE, text=True
        )
        watching.append(process)
        return process

    yield start
    for process in watching:
        process.kill()
        process.communicate()


def test_in_a_pipe_it_prints_again_when_something_has_changed_and_ctrl_c_ends_it_quietly(watch, store):
    process = watch("--json")
    assert json.loads(process.stdout.readline())["counts"]["done"] == 2
    put(store, 8)
    answer = json.loads(process.stdout.readline())
    assert answer["counts"]["done"] == 3
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=180)
    assert (process.returncode, rest, errors) == (0, "", "")


@pytest.mark.parametrize("flags", [("--json",), ()])
def test_while_the_folder_cannot_be_read_it_says_so_and_goes_on(watch, store, flags):
    process = watch(*flags)
    told = iter(process.stdout.readline, "")
    counts = next(line for line in told if "2 done" in line or '"done": 2' in line)
    aside = store.root.rename(store.root.with_name("aside"))
    fault = next(line for line in told if "the folder cannot be read just now (No such file or directory)" in line)
    aside.rename(store.root)
    after = next(line for line in told if "2 done" in line or '"done": 2' in line)
    if flags:
        assert json.loads(fault)["counts"] == json.loads(after)["counts"] == json.loads(counts)["counts"]
        assert [json.loads(each)["folder_fault"] for each in (counts, after)] == ["", ""]
    else:
        assert after == counts
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=180)
    assert (process.returncode, errors) == (0, "")


def test_elsewhere_than_on_a_terminal_it_prints_plain_text_and_nothing_twice(watch, tmp_path):
    path = tmp_path / "told"
    with path.open("w") as stream:
        process = watch(stdout=stream)
    wait_for(path.read_text)
    time.sleep(7)  # two looks more
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=180)
    assert (process.returncode, errors) == (0, "")
    assert path.read_text().count("8 trainings: 2 done") == 1
    assert "\x1b" not in path.read_text()


def test_on_a_terminal_it_paints_a_view_of_all_of_it_and_leaves_it_as_it_was(watch, store):
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (30, 100))
    process = watch(stdout=theirs)
    os.close(theirs)
    painted = b""
    while painted.count(b"Ctrl-C ends this view") < 2:
        painted += os.read(ours, 4096)
    process.send_signal(signal.SIGINT)
    while b"\x1b[?1049l" not in painted:  # back from the alternate screen
        painted += os.read(ours, 4096)
    _, errors = process.communicate(timeout=180)
    os.close(ours)
    assert (process.returncode, errors) == (0, "")
    assert painted.startswith(b"\x1b[?1049h")
    for words in (b"2 done", b"ValueError: boom (1 attempt); to do:", b"Mend it.", b"behind jobs of higher priority"):
        assert painted.count(words) >= 2
