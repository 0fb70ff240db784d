"""The supervisor: nothing that happens to one training touches another, and nothing is lost."""

import contextlib
import dataclasses
import errno
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from multiprocessing import forkserver
from pathlib import Path

import psutil
import pytest

from rlhpc.errors import STOPPED, RlhpcError, StorageError
from rlhpc.results.lease import LEASE, Leases
from rlhpc.results.store import RESULT, Store
from rlhpc.results.unfinished import has_given_up
from rlhpc.training import node, process
from rlhpc.training.checkpoint import Checkpoints, verify
from rlhpc.training.child import OUTPUT_LOG
from rlhpc.training.node import supervise
from rlhpc.training.places import Place, places
from rlhpc.training.progress_bar import ProgressBar
from rlhpc.training.settings import TrainSettings
from rlhpc.training.stop import Stop

LONG = 200_000  # agent steps; a minute at least
EAGER = TrainSettings("test", "cpu", tensorboard=False, checkpoint_minutes=0, stop_seconds=10)


def child_of(training):
    (child,) = [child for child in multiprocessing.active_children() if child.name == training.name]
    return child


def kill(training, signum=signal.SIGKILL):
    os.kill(child_of(training).pid, signum)


def wait_for(condition, seconds=180):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def once_saved(store, training, act, timesteps=1):
    """Act, in a thread, as soon as a training has a checkpoint."""

    def watch():
        wait_for(lambda: Checkpoints(store.folder(training)).timesteps() >= timesteps)
        act()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def attempts_of(store, training):
    return [(attempt["attempt"], attempt["kind"]) for attempt in store.read_attempts(training)]


# --- one child's end --------------------------------------------------------------------------------------------------


def test_a_training_that_is_killed_again_and_again_ends_no_other_and_is_recorded(tmp_path, make_training, settings, listen):
    store = Store(tmp_path)
    trainings = [make_training(seed=seed) for seed in (1, 2, 3)]
    victim = trainings[1]
    memory = listen(lambda training: kill(training) if training is victim else None)

    outcome = supervise(trainings, places((), 2), store, settings, memory)

    assert sorted(training.seed for training in outcome.stored) == [1, 3]
    ((failed, reason),) = outcome.failed
    assert failed is victim
    assert "SIGKILL" in reason
    assert attempts_of(store, victim) == [(number, "killed") for number in range(1, node.MAX_INTERRUPTIONS + 2)]
    assert {attempt["exit_code"] for attempt in store.read_attempts(victim)} == {-signal.SIGKILL}
    assert [attempt["will_retry"] for attempt in store.read_attempts(victim)] == [True] * node.MAX_INTERRUPTIONS + [False]
    assert store.read(victim) is None


def test_a_kill_from_outside_uses_up_no_try(tmp_path, make_training, settings, listen):
    store, training = Store(tmp_path), make_training()
    n_kills = node.MAX_TRIES + 1
    victims = [training] * n_kills
    memory = listen(lambda training: kill(victims.pop()) if victims else None)

    outcome = supervise([training], places((), 1), store, settings, memory)

    assert outcome.failed == []
    assert store.read(training).attempt == n_kills + 1
    assert len(store.read_attempts(training)) == n_kills
    assert [event[0] for event in memory.events] == ["started", "failed"] * n_kills + ["started", "stored"]


def test_a_killed_training_continues_from_its_checkpoint_to_the_same_bits(tmp_path, make_training, listen):
    training = make_training(total_timesteps=4_000)
    straight, store = Store(tmp_path / "straight"), Store(tmp_path / "killed")
    supervise([training], places((), 1), straight, EAGER, listen())
    threads = []
    memory = listen(
        lambda training: threads.append(once_saved(store, training, lambda: kill(training), 1000)) if not threads else None
    )

    outcome = supervise([training], places((), 1), store, EAGER, memory)

    threads[0].join()
    assert outcome.stored == [training]
    expected, result = straight.read(training), store.read(training)
    ((resume,),) = [result.resumes]
    assert resume["timesteps"] >= 1000
    assert (result.policy_sha256, result.episode_scores) == (expected.policy_sha256, expected.episode_scores)
    curves = [(each.folder(training) / "learning_curve.csv").read_bytes() for each in (straight, store)]
    assert curves[0] == curves[1]
    assert Checkpoints(store.folder(training)).paths() == []
    assert store.read_attempts(training)[0]["continues_at"] == resume["timesteps"]


def test_a_training_that_raises_leaves_its_traceback(tmp_path, make_training, settings, listen):
    store = Store(tmp_path)
    wrong = make_training(algo="wrong", hyperparameters={"class": "PPO", "n_envs": 1, "learning_rate": "quick"})
    memory = listen()

    outcome = supervise([wrong, make_training()], places((), 2), store, settings, memory)

    assert [training.algo for training in outcome.stored] == ["ppo"]
    assert [event[3] for event in memory.events if event[0] == "failed"] == [True, False]
    first, second = store.read_attempts(wrong)
    assert "quick" in first["reason"]
    assert first["kind"] == "exception"
    assert "traceback" in first["remedy"]
    assert "Traceback" in first["traceback"]
    assert second["attempt"] == 2
    assert [first["will_retry"], second["will_retry"]] == [True, False]
    assert has_given_up([first, second])
    assert not has_given_up([first])
    assert "Traceback" in (store.folder(wrong) / OUTPUT_LOG).read_text()


def test_the_reason_of_a_failure_is_the_first_line_of_its_error(tmp_path, make_training, settings, listen):
    store, wrong = Store(tmp_path), make_training("No-v0\nsecond line")
    supervise([wrong], places((), 1), store, settings, listen())
    assert "\n" not in store.read_attempts(wrong)[0]["reason"]


FAULTY = """
    import ctypes, os, signal, time
    from pathlib import Path
    import gymnasium
    from gymnasium.envs.classic_control import CartPoleEnv

    HERE = Path({folder!r})

    class Faulty(CartPoleEnv):
        n = 0
        def step(self, action):
            Faulty.n += 1
            if Faulty.n > 20:
                fault(self)
            return super().step(action)

    def fault(env):
    {fault}

    gymnasium.register("Faulty-v0", entry_point=Faulty, max_episode_steps=500)
"""


@pytest.fixture
def faulty(tmp_path, monkeypatch, make_training):
    """Make a training whose environment does something wrong after 20 steps."""

    def make(fault, module="faulty_env", **changes):
        folder = tmp_path / "modules"
        folder.mkdir(exist_ok=True)
        body = textwrap.indent(textwrap.dedent(fault).strip(), "    ")
        text = textwrap.dedent(FAULTY).format(folder=str(folder), fault=body)
        (folder / f"{module}.py").write_text(text)
        monkeypatch.syspath_prepend(str(folder))
        return make_training(f"{module}:Faulty-v0", **changes)

    return make


def test_a_crash_is_told_from_a_kill(tmp_path, faulty, make_training, settings, listen):
    store, crash = Store(tmp_path), faulty("ctypes.string_at(0)")
    outcome = supervise([crash, make_training()], places((), 2), store, settings, listen())
    assert [training.env_id for training in outcome.stored] == ["CartPole-v1"]
    assert attempts_of(store, crash) == [(1, "crashed"), (2, "crashed")]
    assert "SIGSEGV" in outcome.failed[0][1]
    assert "package" in store.read_attempts(crash)[0]["remedy"]


def test_an_exhausted_memory_is_told_from_other_exceptions(tmp_path, faulty, settings, listen):
    store, hungry = Store(tmp_path), faulty("bytearray(1 << 62)")
    supervise([hungry], places((), 1), store, settings, listen())
    assert {kind for _, kind in attempts_of(store, hungry)} == {"out_of_memory"}
    assert "trainings_per_gpu" in store.read_attempts(hungry)[0]["remedy"]


def test_an_environment_that_leaves_a_thread_behind_holds_no_place(tmp_path, faulty, make_training, settings, listen):
    fault = "import threading; Faulty.n = -10**9; threading.Thread(target=time.sleep, args=(10**6,)).start()"
    store, trainings = Store(tmp_path), [faulty(fault), make_training()]
    assert supervise(trainings, places((), 1), store, settings, listen()).stored == trainings


def test_what_an_environment_starts_ends_with_its_training(tmp_path, faulty, settings, listen):
    store, mark = Store(tmp_path), str(10**6 + os.getpid())
    busy = faulty(f"import subprocess; Faulty.n = -10**9; subprocess.Popen(['sleep', '{mark}'])")
    assert supervise([busy], places((), 1), store, settings, listen()).stored == [busy]
    wait_for(lambda: not [each for each in psutil.process_iter(["cmdline"]) if each.info["cmdline"] == ["sleep", mark]])


def test_what_an_environment_starts_ends_with_a_supervisor_that_is_killed(tmp_path, faulty, monkeypatch):
    mark = str(2 * 10**6 + os.getpid())
    busy = faulty(f"import subprocess; Faulty.n = -10**9; subprocess.Popen(['sleep', '{mark}'])")

    def marked():
        return [each for each in psutil.process_iter(["cmdline"]) if each.info["cmdline"] == ["sleep", mark]]

    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'modules'}:{os.environ.get('PYTHONPATH', '')}")
    with launched(tmp_path, busy.env_id) as supervisor:
        wait_for(lambda: len(marked()) == 2)
        supervisor.kill()
        supervisor.communicate(timeout=180)
    wait_for(lambda: not marked())


def test_an_environment_that_exits_fails_like_one_that_raises(tmp_path, faulty, settings, listen):
    store, leaving = Store(tmp_path), faulty("import sys; sys.exit(-1)")
    ((_, reason),) = supervise([leaving], places((), 1), store, settings, listen()).failed
    assert reason == "SystemExit: -1"
    assert attempts_of(store, leaving) == [(1, "exception"), (2, "exception")]
    assert "sys.exit" in store.read_attempts(leaving)[0]["traceback"]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("raise OSError(5, 'Input/output error', '/dev/snd')", "storage"),
        ("try:\n    raise OSError(5, 'x')\nexcept OSError:\n    raise RuntimeError('sound card')", "exception"),
    ],
)
def test_an_input_output_error_of_one_environment_stops_no_other(tmp_path, fault, kind, faulty, make_training, settings, listen):
    store, deaf, other = Store(tmp_path), faulty(fault), make_training()
    outcome = supervise([deaf, other], places((), 1), store, settings, listen())
    assert outcome.stored == [other]
    assert [failed for failed, _ in outcome.failed] == [deaf]
    assert {kind for _, kind in attempts_of(store, deaf)} == {kind}


def test_the_last_words_of_a_child_are_heard_however_late_they_are_asked_for(tmp_path, faulty, settings, listen, monkeypatch):
    store, failing = Store(tmp_path), faulty("time.sleep(0.3); raise ValueError('last words')")
    has_ended = node.AttemptProcess.has_ended

    def ask_late(process):
        answer = has_ended(process)
        time.sleep(1)
        return answer

    monkeypatch.setattr(node.AttemptProcess, "has_ended", ask_late)
    ((_, reason),) = supervise([failing], places((), 1), store, settings, listen()).failed
    assert reason == "ValueError: last words"


EXHAUST = "[bytearray(b'x') * (1 << 31)]"  # of a control group of half as much memory


def exhaust_within(group):
    """Have the kernel kill a process in a control group of memory."""
    code = f"import os; open({str(group / 'cgroup.procs')!r}, 'w').write(str(os.getpid())); {EXHAUST}"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL


def supervise_within(group, trainings, root, settings):
    """Be the supervisor of trainings in a control group, as in that of a job of Slurm's."""
    Path(group, "cgroup.procs").write_text(str(os.getpid()))
    supervise(trainings, places((), 2), Store(root), settings, ProgressBar(2))


def test_a_kill_by_the_kernel_for_want_of_memory_is_named(tmp_path, memory_group, faulty, make_training, settings):
    hungry, other = faulty(EXHAUST), make_training()
    spawned = multiprocessing.get_context("spawn")
    supervisor = spawned.Process(target=supervise_within, args=(memory_group, [hungry, other], tmp_path, settings))
    supervisor.start()
    try:
        supervisor.join(300)
        assert supervisor.exitcode == 0
    finally:
        supervisor.kill()
    store = Store(tmp_path)
    assert store.has(other)
    assert attempts_of(store, hungry) == [(1, "out_of_memory"), (2, "out_of_memory")]
    assert all("memory ran out" in attempt["reason"] for attempt in store.read_attempts(hungry))


def test_a_kill_while_the_memory_of_somebody_else_runs_out_is_no_want_of_ours(
    tmp_path, memory_group, make_training, settings, listen
):
    store, training = Store(tmp_path), make_training()
    n_kills = node.MAX_TRIES + 1
    victims = [training] * n_kills

    def kill_beside_a_neighbour(training):
        if victims:
            kill(training, signal.SIGSTOP)  # so that it does not end meanwhile
            exhaust_within(memory_group)
            kill(victims.pop())

    outcome = supervise([training], places((), 1), store, settings, listen(kill_beside_a_neighbour))

    assert outcome.stored == [training]
    assert attempts_of(store, training) == [(number, "killed") for number in range(1, n_kills + 1)]


def test_a_damaged_checkpoint_is_told_recorded_and_costs_only_time(tmp_path, make_training, listen):
    training = make_training(total_timesteps=4_000)
    straight, store = Store(tmp_path / "straight"), Store(tmp_path / "damaged")
    supervise([training], places((), 1), straight, EAGER, listen())
    with_stop(store, training, listen, timesteps=1000)
    newest, older = Checkpoints(store.folder(training)).paths()
    newest.write_bytes(newest.read_bytes()[:-1])
    memory = listen()

    supervise([training], places((), 1), store, EAGER, memory)

    ((name, sentence),) = memory.heard("said")
    assert name == training.name
    assert newest.name in sentence
    assert older.name in sentence
    assert attempts_of(store, training)[-1] == (2, "checkpoint")
    assert store.read(training).policy_sha256 == straight.read(training).policy_sha256


def test_a_checkpoint_of_another_version_is_refused_by_name_and_left_as_it_is(tmp_path, make_training, listen):
    store, training = Store(tmp_path), make_training(total_timesteps=LONG)
    with_stop(store, training, listen)
    paths = Checkpoints(store.folder(training)).paths()
    before = [path.read_bytes() for path in paths]
    changed = make_training(total_timesteps=LONG, n_episodes=3)

    outcome = supervise([changed], places((), 1), store, EAGER, listen())

    ((_, reason),) = outcome.failed
    assert "evaluation.n_episodes 2 -> 3" in reason
    assert paths[0].name in reason
    assert [path.read_bytes() for path in paths] == before
    assert attempts_of(store, training)[-1] == (2, "refused")  # and not tried again


# --- stops ------------------------------------------------------------------------------------------------------------


def with_stop(store, training, listen, timesteps=1):
    """Carry out a training until it has a checkpoint, and stop."""
    stop = Stop()
    thread = once_saved(store, training, lambda: stop.request(10), timesteps)
    outcome = supervise([training], places((), 1), store, EAGER, listen(), stop=stop)
    thread.join()
    stop.close()
    return outcome


def test_a_stop_saves_every_training_and_says_what_is_to_be_continued(tmp_path, make_training, listen):
    store, stop = Store(tmp_path), Stop()
    trainings = [make_training(seed=seed, total_timesteps=LONG) for seed in (1, 2, 3)]
    thread = once_saved(store, trainings[1], lambda: stop.request(20))
    memory = listen()
    outcome = supervise(trainings, places((), 2), store, EAGER, memory, stop=stop)
    thread.join()
    stop.close()
    assert sorted(training.seed for training in outcome.stopped) == [1, 2, 3]
    assert (outcome.stored, outcome.failed) == ([], [])
    assert [attempts_of(store, training) for training in trainings] == [[(1, "stopped")], [(1, "stopped")], []]
    assert Checkpoints(store.folder(trainings[1])).timesteps() > 0
    assert memory.heard("failed") == []
    ((n_running, seconds),) = memory.heard("stopping")
    assert (n_running, 0 < seconds <= 20) == (2, True)
    assert multiprocessing.active_children() == []
    assert list(tmp_path.rglob(LEASE)) == []


def test_a_child_that_does_not_leave_is_killed_in_time(tmp_path, make_training, listen):
    store, training, stop = Store(tmp_path), make_training(total_timesteps=LONG), Stop()

    def freeze_and_stop():
        kill(training, signal.SIGSTOP)
        stop.request(1)

    thread = once_saved(store, training, freeze_and_stop)
    started = time.monotonic()
    outcome = supervise([training], places((), 1), store, EAGER, listen(), stop=stop)
    thread.join()
    stop.close()
    assert outcome.stopped == [training]
    assert "did not leave in time" in store.read_attempts(training)[0]["reason"]
    assert multiprocessing.active_children() == []
    assert time.monotonic() - started < 120  # no measurement: it does not wait for ever


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2])
def test_a_signal_to_one_child_has_it_save_and_go_on(tmp_path, make_training, listen, signum):
    store, training = Store(tmp_path), make_training(total_timesteps=6_000)
    threads = []
    memory = listen(
        lambda training: threads.append(once_saved(store, training, lambda: kill(training, signum))) if not threads else None
    )
    outcome = supervise([training], places((), 1), store, EAGER, memory)
    threads[0].join()
    assert outcome.stored == [training]
    assert attempts_of(store, training) == [(1, "stopped")]
    assert len(store.read(training).resumes) == 1


LAUNCH = """
import sys
from pathlib import Path
from rlhpc.records import Training
from rlhpc.results.store import Store
from rlhpc.training.node import supervise
from rlhpc.training.places import places
from rlhpc.training.progress_bar import ProgressBar
from rlhpc.training.settings import TrainSettings
from rlhpc.errors import STOPPED
from rlhpc.training.stop import on_signals

if __name__ == "__main__":
    hyperparameters = {"class": "PPO", "n_envs": 1, "n_steps": 64, "batch_size": 64}
    endless = 10**9
    trainings = [
        Training("custom", "CartPole-v1", "ppo", seed, "Discrete", endless, hyperparameters, {"n_episodes": 1}) for seed in (1, 2)
    ]
    settings = TrainSettings("test", "cpu", checkpoint_minutes=0, stop_seconds=20)
    with on_signals(20) as stop:
        outcome = supervise(trainings, places((), 2), Store(Path(sys.argv[1])), settings, ProgressBar(2), stop=stop)
    sys.exit(STOPPED if outcome.stopped else 0)
"""


@contextlib.contextmanager
def launched(tmp_path, env_id="CartPole-v1"):
    """Start a supervisor of two endless trainings in a process of its own, and wait until both have begun."""
    script = tmp_path / "launch.py"
    script.write_text(LAUNCH.replace("CartPole-v1", env_id))
    with subprocess.Popen([sys.executable, str(script), str(tmp_path)], stderr=subprocess.PIPE, text=True) as supervisor:
        heard = [supervisor.stderr.readline() for _ in range(2)]
        assert all("started" in line for line in heard)
        yield supervisor


def is_alive(process):
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def saved_family(supervisor, folder):
    """Return all processes that a supervisor has, when both trainings are saved: what they start before may end at any time."""
    wait_for(lambda: len({checkpoint.parent for checkpoint in folder.rglob("checkpoint-*")}) == 2)
    family = psutil.Process(supervisor.pid).children(recursive=True)
    assert len(family) >= 3  # the forkserver and two trainings at least
    return family


def assert_all_end(family):
    wait_for(lambda: not any(is_alive(process) for process in family))


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR2])
def test_a_supervisor_that_is_signalled_has_all_saved_and_leaves_nobody_behind(tmp_path, signum):
    with launched(tmp_path) as supervisor:
        family = saved_family(supervisor, tmp_path)
        supervisor.send_signal(signum)
        supervisor.communicate(timeout=180)
    assert supervisor.returncode == STOPPED
    assert_all_end(family)
    assert list(tmp_path.rglob(LEASE)) == []


def test_a_signal_to_the_whole_group_loses_nothing(tmp_path):
    """As Slurm sends it where it keeps track of processes by their group: to the supervisor, its children and their server."""
    with launched(tmp_path) as supervisor:
        family = saved_family(supervisor, tmp_path)
        for process in [*family, psutil.Process(supervisor.pid)]:
            process.send_signal(signal.SIGUSR2)
        supervisor.communicate(timeout=180)
    assert supervisor.returncode == STOPPED
    assert_all_end(family)
    ends = [json.loads(path.read_text()) for path in tmp_path.rglob("attempts.json")]
    assert len(ends) == 2
    # each training once, or again where its supervisor heard of its end before the signal
    assert {attempt["kind"] for attempts in ends for attempt in attempts} == {"stopped"}


def test_trainings_end_with_a_supervisor_that_is_killed_and_the_next_takes_over(tmp_path):
    with launched(tmp_path) as supervisor:
        family = saved_family(supervisor, tmp_path)
        supervisor.kill()
        supervisor.communicate(timeout=180)
    assert_all_end(family)
    assert len(list(tmp_path.rglob(LEASE))) == 2
    with launched(tmp_path) as successor:  # at once, as the holder is known to be dead
        successor.terminate()
        successor.communicate(timeout=180)
    assert successor.returncode == STOPPED
    first = json.loads(next(tmp_path.rglob("attempts.json")).read_text())[0]
    assert first["kind"] == "lost"
    assert f"process {supervisor.pid} on host" in first["reason"]


def test_trainings_are_started_anew_when_their_server_dies(tmp_path, make_training, listen):
    store, training = Store(tmp_path), make_training(total_timesteps=6_000)
    threads = []

    def kill_server():
        os.kill(forkserver._forkserver._forkserver_pid, signal.SIGKILL)

    memory = listen(lambda training: threads.append(once_saved(store, training, kill_server)) if not threads else None)
    outcome = supervise([training], places((), 1), store, EAGER, memory)
    threads[0].join()
    assert outcome.stored == [training]
    assert attempts_of(store, training) == [(1, "lost")]
    assert len(store.read(training).resumes) == 1


def freeze_server():
    os.kill(forkserver._forkserver._forkserver_pid, signal.SIGSTOP)


@pytest.mark.parametrize("code", [STOPPED, 255])
def test_an_environment_that_leaves_like_a_stop_or_a_lost_server_is_told_from_them(tmp_path, code, faulty, settings, listen):
    store, leaving = Store(tmp_path), faulty(f"os._exit({code})")
    ((_, reason),) = supervise([leaving], places((), 1), store, settings, listen()).failed
    assert reason == f"ended with exit code {code} and no result"
    assert attempts_of(store, leaving) == [(1, "exception"), (2, "exception")]


def test_a_training_that_dies_while_its_server_is_frozen_is_noticed(tmp_path, make_training, listen):
    store, training, threads = Store(tmp_path), make_training(total_timesteps=6_000), []

    def freeze_and_kill():
        freeze_server()
        kill(training)

    memory = listen(lambda _: threads.append(once_saved(store, training, freeze_and_kill)) if not threads else None)
    assert supervise([training], places((), 1), store, EAGER, memory).stored == [training]
    threads[0].join()
    assert attempts_of(store, training) == [(1, "killed")]


def test_a_server_that_is_frozen_starts_trainings_all_the_same(tmp_path, make_training, settings, listen):
    store, trainings = Store(tmp_path), [make_training(seed=seed) for seed in (1, 2)]
    memory = listen(lambda training: freeze_server() if training is trainings[0] else None)
    assert len(supervise(trainings, places((), 2), store, settings, memory).stored) == 2


def test_a_server_that_never_answers_again_is_replaced(tmp_path, make_training, listen, monkeypatch):
    store, training, threads, signal_server = Store(tmp_path), make_training(total_timesteps=6_000), [], process._signal_server
    monkeypatch.setattr(process, "_SECONDS_TO_TELL", 1.0)

    def send(pid, signum):  # SIGCONT does not reach what a debugger holds
        if signum != signal.SIGCONT:
            signal_server(pid, signum)

    def freeze_and_kill():
        freeze_server()
        kill(training)

    monkeypatch.setattr(process, "_signal_server", send)
    memory = listen(lambda _: threads.append(once_saved(store, training, freeze_and_kill)) if not threads else None)
    assert supervise([training], places((), 1), store, EAGER, memory).stored == [training]
    threads[0].join()
    assert attempts_of(store, training) == [(1, "lost")]


@pytest.mark.parametrize(("seconds", "signum"), [(300.0, signal.SIGCONT), (0.0, signal.SIGKILL)])
def test_a_server_is_continued_while_it_is_asked_and_killed_when_it_takes_too_long(monkeypatch, seconds, signum):
    sent = []
    monkeypatch.setattr(process, "_SECONDS_TO_START", seconds)
    monkeypatch.setattr(process, "_signal_server", lambda pid, signum: sent.append(signum))
    with process._answering():
        wait_for(lambda: sent)
    assert set(sent) == {signum}


def test_a_supervisor_whose_server_is_frozen_leaves_when_it_is_told_to(tmp_path):
    with launched(tmp_path) as supervisor:
        family = saved_family(supervisor, tmp_path)
        try:
            (server,) = [each for each in family if each.ppid() == supervisor.pid and each.children()]
            server.suspend()
            supervisor.terminate()
            supervisor.communicate(timeout=180)
        finally:
            for process in [supervisor, *family]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
    assert supervisor.returncode == STOPPED
    assert_all_end(family)


def test_a_server_that_is_frozen_delays_a_stop_by_seconds_only(tmp_path, make_training, listen):
    store, training, stop = Store(tmp_path), make_training(total_timesteps=LONG), Stop()

    def freeze_and_stop():
        freeze_server()
        stop.request(3)

    thread = once_saved(store, training, freeze_and_stop)
    outcome = supervise([training], places((), 1), store, EAGER, listen(), stop=stop)
    thread.join()
    stop.close()
    assert outcome.stopped == [training]
    assert Checkpoints(store.folder(training)).timesteps() > 0
    assert multiprocessing.active_children() == []


def test_a_python_without_descriptors_of_processes_does_as_well(tmp_path, make_training, settings, listen, monkeypatch):
    monkeypatch.delattr(os, "pidfd_open")
    store, training, stop = Store(tmp_path), make_training(), Stop()
    victims = [training]
    outcome = supervise([training], places((), 1), store, settings, listen(lambda each: kill(victims.pop()) if victims else None))
    assert outcome.stored == [training]
    endless = make_training(seed=2, total_timesteps=LONG)

    def freeze_and_stop():
        kill(endless, signal.SIGSTOP)
        stop.request(0.5)

    thread = once_saved(store, endless, freeze_and_stop)
    assert supervise([endless], places((), 1), store, EAGER, listen(), stop=stop).stopped == [endless]
    thread.join()
    stop.close()
    assert multiprocessing.active_children() == []


# --- exactly once -----------------------------------------------------------------------------------------------------


def test_what_is_stored_is_not_trained_again_and_leftovers_beside_it_are_removed(tmp_path, make_training, settings, listen):
    store, training = Store(tmp_path), make_training()
    supervise([training], places((), 1), store, settings, listen())
    before = store.read(training)
    folder = store.folder(training)
    (folder / "checkpoint-000000000032").write_bytes(b"left by a supervisor that was killed")
    (folder / LEASE).write_text(json.dumps({**vars(Leases().holder), "pid": 2**22 - 1, "id": "dead"}))
    memory = listen()

    outcome = supervise([training], places((), 1), store, settings, memory)

    assert outcome.stored == [training]
    assert memory.events == []
    assert store.read(training) == before
    assert [path.name for path in folder.glob("checkpoint-*")] == []
    assert not (folder / LEASE).exists()


def test_what_a_living_supervisor_holds_is_left_to_it(tmp_path, make_training, settings, listen):
    store, trainings = Store(tmp_path), [make_training(seed=seed) for seed in (1, 2)]
    others = Leases()
    others.take(store.folder(trainings[0]))
    outcome = supervise(trainings, places((), 2), store, settings, listen())
    ((left, holder),) = outcome.elsewhere
    assert left is trainings[0]
    assert f"process {os.getpid()}" in holder
    assert outcome.stored == [trainings[1]]
    assert (store.folder(left) / LEASE).exists()


def test_what_a_supervisor_held_that_has_died_meanwhile_is_not_said_to_be_elsewhere(tmp_path, make_training, settings, listen):
    store, trainings = Store(tmp_path), [make_training(seed=seed) for seed in (1, 2)]
    with subprocess.Popen(["sleep", "600"]) as other:
        held = dataclasses.replace(Leases().holder, id="other", pid=other.pid, pid_start="")
        Leases(held).take(store.folder(trainings[0]))

        def end_the_other(_):
            other.kill()
            other.wait()

        outcome = supervise(trainings, places((), 1), store, settings, listen(end_the_other))
    assert (outcome.stored, outcome.elsewhere) == (trainings[::-1], [])
    assert attempts_of(store, trainings[0]) == [(1, "lost")]


def test_a_training_whose_lease_is_taken_over_is_left_to_the_other(tmp_path, make_training, listen, monkeypatch):
    monkeypatch.setattr(node, "HEARTBEAT_SECONDS", 0.2)
    store, training = Store(tmp_path), make_training(total_timesteps=LONG)
    lease = store.folder(training) / LEASE

    def take_over():
        lease.unlink()
        Leases().take(store.folder(training))

    thread = once_saved(store, training, take_over)
    outcome = supervise([training], places((), 1), store, EAGER, listen())
    thread.join()
    assert [left for left, _ in outcome.elsewhere] == [training]
    assert multiprocessing.active_children() == []
    assert lease.exists()


def test_a_second_result_of_the_same_training_is_not_stored(tmp_path, make_training, settings, listen):
    store, training = Store(tmp_path), make_training(total_timesteps=6_000)
    other = Store(tmp_path / "other")
    supervise([training], places((), 1), other, EAGER, listen())
    path = store.folder(training) / RESULT

    def be_faster():
        path.write_bytes((other.folder(training) / RESULT).read_bytes())

    thread = once_saved(store, training, be_faster)
    outcome = supervise([training], places((), 1), store, EAGER, listen())
    thread.join()
    assert outcome.stored == [training]
    assert path.read_bytes() == (other.folder(training) / RESULT).read_bytes()
    assert store.read_attempts(training) == []


@pytest.mark.parametrize("what", ["a dangling link", "cut"])
def test_a_training_whose_result_has_no_place_is_not_trained_for_nothing(tmp_path, what, make_training, settings, listen):
    store, trainings = Store(tmp_path), [make_training(seed=seed) for seed in (1, 2)]
    path = store.folder(trainings[0]) / RESULT
    path.parent.mkdir(parents=True)
    if what == "cut":
        path.write_text("{")
    else:
        path.symlink_to(tmp_path / "nowhere")
    memory = listen()
    outcome = supervise(trainings, places((), 1), store, settings, memory)
    assert outcome.stored == trainings[1:]
    ((failed, reason),) = outcome.failed
    assert failed is trainings[0]
    assert f"'{path}' cannot be read" in reason
    assert memory.heard("started") == [(trainings[1].name, 1, 0)]


def test_a_training_whose_result_is_damaged_meanwhile_keeps_its_checkpoint_and_says_why(tmp_path, make_training, listen):
    store, training = Store(tmp_path), make_training(total_timesteps=6_000)
    path = store.folder(training) / RESULT
    thread = once_saved(store, training, lambda: path.write_text("{"))
    ((_, reason),) = supervise([training], places((), 1), store, EAGER, listen()).failed
    thread.join()
    assert f"'{path}' cannot be read" in reason
    assert Checkpoints(store.folder(training)).timesteps() >= 6_000


def test_what_cannot_be_removed_beside_a_stored_result_stops_nobody(tmp_path, make_training, settings, listen):
    store, training = Store(tmp_path), make_training()
    (store.folder(training) / "checkpoint-best").mkdir(parents=True)
    for _ in range(2):
        assert supervise([training], places((), 1), store, settings, listen()).stored == [training]


def test_a_lease_that_is_lost_while_all_stop_leaves_the_training_stopped(tmp_path, make_training, listen, monkeypatch):
    monkeypatch.setattr(node, "HEARTBEAT_SECONDS", 0.2)
    store, training, stop = Store(tmp_path), make_training(total_timesteps=LONG), Stop()

    def freeze_and_take_over():
        kill(training, signal.SIGSTOP)
        stop.request(20)
        (store.folder(training) / LEASE).unlink()

    thread = once_saved(store, training, freeze_and_take_over)
    outcome = supervise([training], places((), 1), store, EAGER, listen(), stop=stop)
    thread.join()
    stop.close()
    assert outcome.stopped == [training]


# --- GPUs -------------------------------------------------------------------------------------------------------------


def test_each_training_sees_the_gpu_of_its_place_alone(tmp_path, make_training, settings, listen):
    store, trainings = Store(tmp_path), [make_training(seed=seed) for seed in (1, 2)]
    supervise(trainings, places(["5", "7"], 1), store, settings, listen())
    assert [store.read(training).device["visible_gpus"] for training in trainings] == ["5", "7"]


def test_a_training_that_keeps_killing_its_neighbours_gpu_runs_alone(tmp_path, faulty, make_training, settings, listen):
    culprit = faulty("raise RuntimeError('CUDA error: an illegal memory access was encountered')", "culprit")
    # what a client of the same GPU meets when a neighbour breaks it: an error too, as long as it has neighbours
    victim = faulty(
        """
        n = len(list(HERE.glob("victim-*")))
        if n < 2:
            (HERE / f"victim-{n}").touch()
            raise RuntimeError("CUDA error: unspecified launch failure")
        """,
        "victim",
    )
    store, others = Store(tmp_path), [make_training(seed=seed) for seed in (1, 2)]
    outcome = supervise([culprit, victim, *others], places(["0"], 2), store, settings, listen())
    assert {training.env_id for training in outcome.stored} == {"victim:Faulty-v0", "CartPole-v1"}
    ((failed, _),) = outcome.failed
    assert failed is culprit
    assert attempts_of(store, victim) == [(1, "gpu"), (2, "gpu")]
    assert attempts_of(store, culprit) == [(1, "gpu"), (2, "gpu"), (3, "gpu"), (4, "gpu")]  # twice alone


def test_a_training_that_runs_alone_on_a_gpu_runs_on_the_cores_of_all_its_places(tmp_path, faulty, settings, listen):
    culprit = faulty(
        """
        (HERE / f"{len(list(HERE.glob('*.cores')))}.cores").write_text(str(sorted(os.sched_getaffinity(0))))
        raise RuntimeError("CUDA error: an illegal memory access was encountered")
        """
    )
    ours = sorted(os.sched_getaffinity(0))
    shares = [(ours[0],), (ours[-1],)]
    supervise([culprit], [Place("0", share) for share in shares], Store(tmp_path / "logs"), settings, listen())
    found = [path.read_text() for path in sorted(tmp_path.rglob("*.cores"))]
    assert {*found[:2]} <= {str([*share]) for share in shares}
    assert found[2:] == [str(sorted({ours[0], ours[-1]}))] * 2


# --- order and records ------------------------------------------------------------------------------------------------


def test_one_place_takes_the_trainings_in_their_order(tmp_path, make_training, settings, listen):
    trainings = [make_training(seed=seed) for seed in (3, 1, 2)]
    memory = listen()
    supervise(trainings, places((), 1), Store(tmp_path), settings, memory)
    assert [event[1] for event in memory.events if event[0] == "started"] == [training.name for training in trainings]


def test_a_record_that_cannot_be_read_or_written_ends_no_other_training(tmp_path, make_training, settings, listen):
    store, trainings = Store(tmp_path), [make_training(seed=seed) for seed in (1, 2, 3)]
    unreadable, blocked = (store.folder(training) for training in trainings[:2])
    unreadable.mkdir(parents=True)
    (unreadable / "attempts.json").write_text("[{")
    blocked.write_text("a file where the folder of a training should be")

    outcome = supervise(trainings, places((), 1), store, settings, listen())

    assert sorted(training.seed for training in outcome.stored) == [1, 3]
    assert store.read(trainings[0]).attempt == 2
    ((failed, reason),) = outcome.failed
    assert failed is trainings[1]
    assert "folder cannot be used" in reason


def test_a_full_log_ends_no_training(tmp_path):
    script = tmp_path / "launch.py"
    script.write_text(LAUNCH.replace("10**9", "64"))
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run([sys.executable, str(script), str(tmp_path)], stderr=full, check=False)
    assert done.returncode == 0
    assert len(list(tmp_path.rglob("result.json"))) == 2


# --- storage ----------------------------------------------------------------------------------------------------------


def test_a_full_disk_stops_the_supervisor_with_everything_stored_intact(small_disk, fill, make_training, listen):
    store = Store(small_disk)
    done, endless = make_training(seed=1), make_training(seed=2, total_timesteps=LONG)
    supervise([done], places((), 1), store, EAGER, listen())
    before = store.read(done)

    thread = once_saved(store, endless, lambda: fill(small_disk))
    with pytest.raises(StorageError, match=r"No space left.*Free space"):
        supervise([endless], places((), 1), store, EAGER, listen())
    thread.join()
    assert store.read(done) == before
    assert multiprocessing.active_children() == []
    (small_disk / "filler").unlink()
    saved_at = Checkpoints(store.folder(endless)).timesteps()
    assert saved_at > 0
    memory = listen()
    stop = Stop()
    thread = once_saved(store, endless, lambda: stop.request(10), saved_at + 1)
    supervise([endless], places((), 1), store, EAGER, memory, stop=stop)
    thread.join()
    stop.close()
    assert memory.heard("said") == [(endless.name, "stopped, to be continued")]


def test_a_full_disk_that_a_stop_meets_in_the_middle_of_a_rollout_is_told(small_disk, fill, tmp_path, faulty, listen):
    """The state in memory cannot be written then; nobody is to take that for a training that is saved."""
    frozen = tmp_path / "modules" / "frozen"
    endless = faulty(
        """
        import rlhpc.training.saving
        rlhpc.training.saving.LONG_ROLLOUT_SECONDS = 0.0  # so that the state is kept in memory at each
        if Faulty.n > 200:
            (HERE / "frozen").touch()
            time.sleep(10**6)
        """,
        total_timesteps=LONG,
    )
    stop, store, memory = Stop(), Store(small_disk), listen()

    def fill_and_stop():
        wait_for(frozen.exists)
        fill(small_disk)
        stop.request(2)

    thread = threading.Thread(target=fill_and_stop)
    thread.start()
    settings = dataclasses.replace(EAGER, checkpoint_minutes=1e6)
    with pytest.raises(StorageError, match="No space left"):
        supervise([endless], places((), 1), store, settings, memory, stop=stop)
    thread.join()
    stop.close()
    ((_, sentence),) = memory.heard("said")
    assert "No space left" in sentence


@pytest.fixture
def make_read_only(small_disk, tmp_path):
    """Make a disk read-only at one stroke, but for files that are open already: as long as one is, the disk itself cannot be."""
    view = tmp_path / "view"
    view.mkdir()
    for options in (["--bind", small_disk], ["-o", "remount,bind,ro"]):
        subprocess.run(["mount", *options, view], check=True)
    mounted = [view]

    def make():
        subprocess.run(["mount", "--bind", view, small_disk], check=True)
        mounted.append(small_disk)

    yield make
    for folder in mounted:
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_disk_that_turns_read_only_stops_the_supervisor_and_leaves_the_checkpoints(
    small_disk, make_read_only, make_training, listen
):
    store, endless = Store(small_disk), [make_training(seed=seed, total_timesteps=LONG) for seed in (1, 2)]
    thread = once_saved(store, endless[0], make_read_only)
    with pytest.raises(StorageError, match=r"Read-only file system.*wait at their last checkpoints.*mend the file system"):
        supervise(endless, places((), 2), store, EAGER, listen())
    thread.join()
    assert multiprocessing.active_children() == []
    (newest, *_) = Checkpoints(store.folder(endless[0])).paths()
    assert verify(newest).timesteps > 0


@pytest.mark.parametrize("code", [errno.ESTALE, errno.EACCES])
def test_a_folder_that_cannot_be_listed_ends_no_other_training(tmp_path, make_training, settings, listen, monkeypatch, code):
    """Listing fails for the supervisor alone, as where another client of a file server has moved a folder."""
    store, trainings = Store(tmp_path), [make_training(seed=seed) for seed in (1, 2)]
    bad, glob = store.folder(trainings[0]), Path.glob

    def glob_elsewhere(path, pattern):
        if path == bad:
            raise OSError(code, os.strerror(code), str(path))
        return glob(path, pattern)

    monkeypatch.setattr(Path, "glob", glob_elsewhere)
    victims = [trainings[0]]
    memory = listen(lambda training: kill(victims.pop()) if training in victims else None)

    outcome = supervise(trainings, places((), 2), store, settings, memory)

    assert sorted(training.seed for training in outcome.stored) == [1, 2]
    ((name, reason, will_retry),) = memory.heard("failed")
    assert name == trainings[0].name
    assert "could not be recorded" in reason
    assert os.strerror(code) in reason
    assert will_retry


@pytest.fixture
def refused_leases(monkeypatch):
    """Have the file system refuse the lease of a folder for a number of times."""
    left, take = {}, Leases.take

    def take_or_refuse(leases, folder):
        if left.get(folder, 0) > 0:
            left[folder] -= 1
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return take(leases, folder)

    monkeypatch.setattr(Leases, "take", take_or_refuse)
    monkeypatch.setattr(node, "HEARTBEAT_SECONDS", 0.2)
    monkeypatch.setattr(node, "POLL_SECONDS", 0.2)
    return left


def test_a_fault_of_the_storage_that_passes_while_a_lease_is_taken_is_recorded_and_tried_again(
    tmp_path, make_training, settings, listen, refused_leases
):
    store, training, memory = Store(tmp_path), make_training(), listen()
    refused_leases[store.folder(training)] = 2
    assert supervise([training], places((), 1), store, settings, memory).stored == [training]
    assert attempts_of(store, training) == [(1, "storage"), (2, "storage")]
    assert [will_retry for *_, will_retry in memory.heard("failed")] == [True, True]


def test_a_fault_of_the_storage_that_does_not_pass_fails_one_training_in_the_end(
    tmp_path, make_training, settings, listen, refused_leases
):
    store, trainings = Store(tmp_path), [make_training(seed=seed) for seed in (1, 2)]
    refused_leases[store.folder(trainings[0])] = 10**6
    outcome = supervise(trainings, places((), 1), store, settings, listen())
    assert outcome.stored == trainings[1:]
    ((failed, reason),) = outcome.failed
    assert failed is trainings[0]
    assert "folder cannot be used" in reason
    records = store.read_attempts(failed)
    assert [record["will_retry"] for record in records] == [True] * node.MAX_INTERRUPTIONS + [False]


def test_an_attempt_is_recorded_before_another_supervisor_may_begin_the_next(
    tmp_path, make_training, settings, listen, monkeypatch
):
    store, training, write_attempts, is_held = Store(tmp_path), make_training(), Store.write_attempts, []

    def write(store, training, attempts):
        is_held.append((store.folder(training) / LEASE).exists())
        return write_attempts(store, training, attempts)

    monkeypatch.setattr(Store, "write_attempts", write)
    victims = [training]
    supervise([training], places((), 1), store, settings, listen(lambda each: kill(victims.pop()) if victims else None))
    assert is_held == [True]
    assert not (store.folder(training) / LEASE).exists()


def test_a_machine_that_starts_no_process_stops_the_supervisor_with_a_clear_error(tmp_path, make_training, listen, monkeypatch):
    store, trainings = Store(tmp_path), [make_training(seed=seed) for seed in (1, 2)]

    def refuse(*_):
        raise ChildProcessError("no process can be started: EOFError")

    monkeypatch.setattr(node, "AttemptProcess", refuse)
    memory = listen()
    with pytest.raises(RlhpcError, match="ulimit"):
        supervise(trainings, places((), 2), store, EAGER, memory)
    assert memory.events == []
    assert list(tmp_path.rglob(LEASE)) == []


def test_a_plan_whose_trainings_are_all_stored_ends_at_once(tmp_path, make_training, settings, listen, monkeypatch):
    store, training = Store(tmp_path), make_training()
    supervise([training], places((), 1), store, settings, listen())
    monkeypatch.setattr(node, "AttemptProcess", lambda *_: pytest.fail("a process was started"))
    assert supervise([training] * 3, places((), 1), store, settings, listen()).stored == [training] * 3
