"""Faults that hit a launch at random instants, and the proof that it comes to what it comes to without them.

The sequence of faults (kinds, victims, delays) is drawn from one generator, so that a seed repeats it; what the processes are
doing at each instant is theirs. A fault waits until there is something alive for it to hit.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import psutil
import yaml

from rlhpc.errors import STOPPED, DamagedCheckpointError
from rlhpc.results.lease import CLAIM, LEASE, Leases
from rlhpc.results.store import EVALUATIONS, LEARNING_CURVE, Store, read_attempts
from rlhpc.training.checkpoint import Checkpoints, read_header
from rlhpc.training.child import OUTPUT_LOG

ROOT = Path(__file__).resolve().parents[1]
CHECKPOINT_SECONDS = 1.2
# In peace it is saved as often as it can be, so that what is at stake at any instant is one rollout, or the start.
CHECKPOINT_SECONDS_IN_PEACE = 0.1
STOP_SECONDS = 8
MARK = "RLHPC_FAULTS"  # in the environment of every process that is started here, however it is related to us
SHORTEST_DELAY, LONGEST_DELAY = 0.1, 20.0  # seconds that there is something to hit before it is hit
POLL_SECONDS = 0.1
MARGIN = 2.0  # work takes more of a processor where others take its caches, and a look comes late
LONGEST_PAUSE = 4.0  # seconds that a process is stopped, or a disk is full
SECONDS_TO_END = 900  # without any fault; half a lease alone takes 180 to expire
MOST_BAD_ENDS = 3  # of launches in a row that no fault has hit

# Agent steps of each training, for about as much time each: algorithm -> environment -> steps; SAC acts in one of them only.
STEPS = {
    "ppo": {"CartPole-v1": 8_000, "dm_control/pendulum-swingup-v0": 6_000, "Acrobot-v1": 8_000, "MsPacmanNoFrameskip-v4": 512},
    "a2c": {"CartPole-v1": 6_000, "dm_control/pendulum-swingup-v0": 5_000, "Acrobot-v1": 6_000, "MsPacmanNoFrameskip-v4": 1_000},
    "dqn": {"CartPole-v1": 4_000, "Acrobot-v1": 2_000, "MsPacmanNoFrameskip-v4": 600},
    "sac": {"dm_control/pendulum-swingup-v0": 500},
}
ENVS = tuple(STEPS["ppo"])  # three trainings a seed on each
HYPERPARAMETERS = {
    "ppo": {"n_envs": 2, "n_steps": 128, "n_epochs": 4, "batch_size": 64},
    "a2c": {"n_envs": 2},
    "dqn": {"buffer_size": 5_000, "learning_starts": 100},
    "sac": {"buffer_size": 5_000},
}


def grid(n_envs, n_seeds):
    """Configure a small real grid of three trainings for each environment and seed."""
    return {
        "envs": list(ENVS[:n_envs]),
        "algos": list(STEPS),
        "seeds": list(range(1, n_seeds + 1)),
        "device": "cpu",
        "tensorboard": False,
        "stop_seconds": STOP_SECONDS,
        "evaluation": {"n_episodes": 1},
        "hyperparameters": {
            algo: {"all": HYPERPARAMETERS[algo]} | {env: {"n_timesteps": n} for env, n in steps.items()}
            for algo, steps in STEPS.items()
        },
    }


# --- faults -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    """A fault as it was drawn.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    delay : float
        Seconds from when there is something to hit, and the fault before it is over.
    victim : float
        In [0, 1); chooses among what can be hit.
    seconds : float
        That it lasts, where it does.
    """

    kind: str
    delay: float
    victim: float
    seconds: float


def draw(seed, kinds, longest_delay=LONGEST_DELAY):
    """Yield faults without end: all kinds in random order, again and again."""
    generator = np.random.default_rng(seed)
    while True:
        for kind in generator.permutation(kinds):
            delay = np.exp(generator.uniform(np.log(SHORTEST_DELAY), np.log(longest_delay)))
            yield Fault(str(kind), float(delay), float(generator.random()), float(generator.uniform(0.1, LONGEST_PAUSE)))


@contextlib.contextmanager
def small_disk(folder, megabytes):
    """Mount a small disk; yield False where that is not allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder]
    is_mounted = shutil.which("mount") is not None and subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", "--lazy", folder], check=True)


# --- a launch and what is done to it ----------------------------------------------------------------------------------


@dataclass
class Tally:
    """What was done, and what came of it.

    Attributes
    ----------
    injected : Counter of str
        Faults of each kind that hit something.
    exit_codes : Counter of int
        Of the supervisors.
    lost_seconds : list of float
        For each training that was killed while it learned: the seconds of a processor that it had spent since its last
        checkpoint or, if that is later, since its process began; rounded up to a look. A pause costs none of them. Not counted
        are those whose checkpoints were cut first, which costs one more checkpoint, or all, by what the fault is.
    n_evaluations : int
        Trainings that were killed when only their evaluation was left, which is repeated whole.
    most_at_stake : float
        The most that a kill at the worst instant would have cost, in the same seconds.
    """

    injected: Counter = field(default_factory=Counter)
    exit_codes: Counter = field(default_factory=Counter)
    lost_seconds: list = field(default_factory=list)
    n_evaluations: int = 0
    most_at_stake: float = 0.0


@dataclass(frozen=True)
class Work:
    """What the process of a training has done, as far as that was seen.

    Attributes
    ----------
    newest : tuple or None
        What tells its newest checkpoint from others.
    learned : bool
        Whether only the evaluation is left behind that checkpoint.
    saved_seconds : float
        Of a processor, that it had spent at the last look before that checkpoint was seen.
    seconds : float
        Of a processor, that it has spent.
    """

    newest: tuple | None
    learned: bool
    saved_seconds: float
    seconds: float

    @property
    def at_stake(self):
        """What a kill costs now, in seconds of a processor."""
        return self.seconds - self.saved_seconds


class Launch:
    """A grid that is launched, hit by faults, and launched again until all of it is stored.

    Parameters
    ----------
    config : dict
        From `grid`.
    folder : Path
        For its configuration and what supervisors print.
    logs_dir : Path
        For its results; a disk of its own if faults are to fill it.
    places : int
        Trainings at once.
    checkpoint_seconds : float
        Time between checkpoints.
    """

    def __init__(self, config, folder, logs_dir, places=2, checkpoint_seconds=CHECKPOINT_SECONDS):
        folder.mkdir(parents=True, exist_ok=True)
        self.store = Store(logs_dir / "grid")
        self.tally = Tally()
        self.problems = []
        self.logs = []
        self._folder = folder
        self._logs_dir = logs_dir
        config_file = folder / "grid.yaml"
        config_file.write_text(yaml.safe_dump({**config, "name": "grid", "logs_dir": str(logs_dir)}))
        self._command = [sys.executable, "jobs/launch_training.py", "--cluster", "local", "--config", str(config_file)]
        self._command += ["--trainings-per-gpu", str(places), f"checkpoint_minutes={checkpoint_seconds / 60}"]
        self._mark = uuid.uuid4().hex
        self._supervisors = []
        self._last_code = None
        self._undo = []  # (when, what): what ends faults that last
        self._work = {}  # process of a training -> Work
        self._hits = {}  # supervisor -> kinds of faults that hit anything while it lived
        self._due = None  # when the next fault is to hit; None: there is nothing to hit yet
        self._n_bad_ends = 0  # in a row

    def run(self, faults=None, n_faults=0):
        """Launch until everything is stored and no supervisor is left; hit it meanwhile, by so many faults at most."""
        try:
            self._run(faults, n_faults)
        except BaseException:
            self.end()
            raise

    def _run(self, faults, n_faults):
        fault = next(faults) if n_faults else None
        deadline = time.monotonic() + SECONDS_TO_END
        self._last_code = None
        while self._goes_on():
            self._end_lasting_faults(time.monotonic())
            self._look_at_all()
            if fault is not None and self._meet(fault):
                fault = next(faults) if self.tally.injected.total() < n_faults else None
                deadline = time.monotonic() + SECONDS_TO_END
            if time.monotonic() > deadline or self._n_bad_ends > MOST_BAD_ENDS:
                self.problems.append(f"it does not come to an end; see {self.logs[-1]}")
                self.end()
                break
            time.sleep(POLL_SECONDS)
        self._end_lasting_faults(float("inf"))

    def _goes_on(self):
        """See which supervisors have ended; start one if there is none and something is left to do."""
        for supervisor in [each for each in self._supervisors if each.poll() is not None]:
            self._supervisors.remove(supervisor)
            self._last_code = supervisor.returncode
            self.tally.exit_codes[supervisor.returncode] += 1
            hits = self._hits.pop(supervisor)
            self._n_bad_ends = 0 if hits or supervisor.returncode == 0 else self._n_bad_ends + 1
            if not explained(supervisor.returncode, hits):
                self.problems.append(f"a supervisor ended with {supervisor.returncode}, hit by {sorted(hits)}; see {self.logs}")
        if self._supervisors:
            return True
        if self._last_code == 0:
            return False
        self._start()
        return True

    def _start(self):
        self.logs.append(self._folder / f"supervisor-{len(self.logs) + 1:03d}.log")
        environment = {**os.environ, MARK: self._mark}
        with self.logs[-1].open("w") as log:
            supervisor = subprocess.Popen(self._command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)
        self._supervisors.append(supervisor)
        self._hits[supervisor] = {FULL_DISK} if (self._logs_dir / FILLER).exists() else set()

    def end(self):
        """Kill whatever is left."""
        for process in self.alive():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        for supervisor in self._supervisors:
            supervisor.wait()
        self._supervisors.clear()

    def alive(self):
        """List the processes that were started here, or by those, and live."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process):
        try:
            return process.environ().get(MARK) == self._mark and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    # --- who there is ---------------------------------------------------------------------------------------------------

    def _heads(self):
        return [psutil.Process(supervisor.pid) for supervisor in self._supervisors]

    def _servers(self):
        """List the processes that trainings are forked from."""
        helpers = [helper for head in self._heads() for helper in head.children()]
        return [helper for helper in helpers if any("multiprocessing.forkserver" in word for word in helper.cmdline())]

    def _children(self):
        """List the processes of trainings; what else the forkserver starts, such as a library's search, is not forked."""
        servers = self._servers()
        return [child for server in servers for child in server.children() if child.cmdline() == server.cmdline()]

    def _folder_of(self, child):
        """Return the folder of the training that a process carries out; None if it has not come to that yet."""
        try:
            log = Path(f"/proc/{child.pid}/fd/1").readlink()
        except OSError:
            return None
        return log.parent if log.name == OUTPUT_LOG else None

    def _unfinished(self):
        """List the folders of trainings that have begun and are not stored."""
        folders = sorted(self.store.trainings.glob("*/*/*/*"))
        return [folder for folder in folders if not (folder / "result.json").exists()]

    # --- faults ---------------------------------------------------------------------------------------------------------

    def _meet(self, fault):
        """Carry out a fault when its time has come; tell whether it is over with it."""
        kind = KINDS[fault.kind]
        try:
            if fault.kind == SECOND and len(self._supervisors) > 1:
                return True  # two are enough; it does not count
            if self._due is None and kind.candidates(self):
                self._due = time.monotonic() + fault.delay
            if self._due is None or time.monotonic() < self._due:
                return False
            self._due = None
            candidates = kind.candidates(self)
            if not candidates:
                return False
            kind.act(self, candidates[int(fault.victim * len(candidates))], fault)
        except (psutil.Error, OSError):  # what was to be hit has just ended, or the disk is full
            return False
        self.tally.injected[fault.kind] += 1
        for supervisor in self._supervisors:
            self._hits[supervisor].add(fault.kind)
        return True

    def _end_lasting_faults(self, now):
        for when, what in list(self._undo):
            if when <= now:
                self._undo.remove((when, what))
                with contextlib.suppress(psutil.NoSuchProcess):
                    what()

    def _look_at_all(self):
        """See what is at stake now, in every training."""
        with contextlib.suppress(psutil.Error):  # a supervisor has just ended
            for child in self._children():
                work = self._look(child)
                if work is not None and not work.learned:
                    self.tally.most_at_stake = max(self.tally.most_at_stake, work.at_stake)

    def _look(self, child):
        """See what the process of a training has done; None if it has not come to that, or has ended."""
        folder, before = self._folder_of(child), self._work.get(child)
        try:
            seconds = sum(child.cpu_times()[:2])  # user and system
            path = next(iter(Checkpoints(folder).paths()), None) if folder else None
            status = path.stat() if path else None
            newest = (path.name, status.st_ino, status.st_mtime_ns) if path else None
            if before is None or newest != before.newest:
                saved_seconds = before.seconds if before else 0.0
                before = Work(newest, bool(path and read_header(path).learned), saved_seconds, seconds)
        except (psutil.Error, OSError, DamagedCheckpointError):
            return None
        self._work[child] = replace(before, seconds=seconds)
        return self._work[child]

    def _note_loss(self, children):
        """Note what a kill of some trainings, at this instant, costs."""
        for work in filter(None, map(self._look, children)):
            if work.learned:
                self.tally.n_evaluations += 1
            else:
                self.tally.lost_seconds.append(work.at_stake)

    def _signal(self, victim, signum):
        """Send a signal to a process; note the loss if it is a kill."""
        if signum == signal.SIGKILL:
            below = victim.children(recursive=True)
            self._note_loss([child for child in self._children() if child == victim or child in below])
        victim.send_signal(signum)

    def _signal_all(self, *_):
        for process in [process for head in self._heads() for process in (head, *head.children(recursive=True))]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGUSR2)

    def _pause(self, victim, fault):
        """Stop a process for a while."""
        victim.suspend()
        self._undo.append((time.monotonic() + fault.seconds, victim.resume))

    def _disk(self):
        """List the disk if something is at work on it, and it is not full already."""
        return [self._logs_dir] if self._children() and not (self._logs_dir / FILLER).exists() else []

    def _fill(self, disk, fault):
        """Leave no byte of a disk free for a while."""
        filler = disk / FILLER
        with filler.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
            os.posix_fallocate(stream.fileno(), 0, max(shutil.disk_usage(disk).free - 65_536, 1))
            stream.seek(0, os.SEEK_END)
            while stream.write(b"x" * 4096):
                pass
        self._undo.append((time.monotonic() + fault.seconds, filler.unlink))

    def _saved(self, n):
        """List the processes of trainings that have `n` checkpoints."""
        found = [(child, self._folder_of(child)) for child in self._children()]
        return [child for child, folder in found if folder and len(Checkpoints(folder).paths()) >= n]

    def _cut(self, child, n):
        """Cut a byte off the newest `n` checkpoints of a training that runs, and kill it, so that they are read."""
        child.suspend()  # so that no newer one is written meanwhile
        for path in Checkpoints(self._folder_of(child)).paths()[:n]:
            os.truncate(path, path.stat().st_size - 1)
        child.kill()

    def _start_second(self, *_):
        """Start the same launch once more while it runs."""
        self._start()

    def _leave_temporary(self, folder, _):
        """Leave what writers leave that are killed, and the claim of a supervisor that died while it took a lease over."""
        for name in ("checkpoint-000000000064", "result.json", "attempts.json", LEASE):
            (folder / f".{name}.{uuid.uuid4().hex}.tmp").write_bytes(b'{"cut": ')
        dead = {**vars(Leases().holder), "id": "dead", "pid": 2**22 - 1}
        (folder / CLAIM).write_text(json.dumps(dead))

    def _leave_half_lease(self, folder, _):
        """Leave half a lease, whoever holds it."""
        (folder / LEASE).write_text('{"id": "5e')


@dataclass(frozen=True)
class Kind:
    """A kind of fault.

    Attributes
    ----------
    candidates : callable
        Lists what can be hit in a `Launch` now.
    act : callable
        Hits one of them, in a `Launch`, as a `Fault` says.
    """

    candidates: Callable
    act: Callable


FILLER = "filler"
FULL_DISK, HALF_LEASE, SECOND = "disk full for a while", "half a lease", "second supervisor"
_PROCESSES = {"a training": Launch._children, "the supervisor": Launch._heads, "the forkserver": Launch._servers}
_SIGNALS = [
    ("SIGKILL", "a training"),
    ("SIGTERM", "a training"),
    ("SIGUSR2", "a training"),
    ("SIGKILL", "the supervisor"),
    ("SIGTERM", "the supervisor"),
    ("SIGUSR2", "the supervisor"),
    ("SIGKILL", "the forkserver"),
]


def _signal_kind(name, who):
    return Kind(_PROCESSES[who], lambda launch, victim, _: launch._signal(victim, signal.Signals[name]))


KINDS = {
    **{f"{name} to {who}": _signal_kind(name, who) for name, who in _SIGNALS},
    "SIGUSR2 to all": Kind(Launch._children, Launch._signal_all),
    **{f"{who} stopped for a while": Kind(candidates, Launch._pause) for who, candidates in _PROCESSES.items()},
    FULL_DISK: Kind(Launch._disk, Launch._fill),
    "newest checkpoint cut": Kind(lambda launch: launch._saved(1), lambda launch, child, _: launch._cut(child, 1)),
    "both checkpoints cut": Kind(lambda launch: launch._saved(2), lambda launch, child, _: launch._cut(child, 2)),
    SECOND: Kind(Launch._heads, Launch._start_second),
    "temporary files left": Kind(Launch._unfinished, Launch._leave_temporary),
    HALF_LEASE: Kind(Launch._unfinished, Launch._leave_half_lease),
}


# --- the proof --------------------------------------------------------------------------------------------------------


def in_peace(config, folder, **how):
    """Launch a grid and leave it in peace."""
    launch = Launch(config, folder / "undisturbed", folder / "undisturbed", checkpoint_seconds=CHECKPOINT_SECONDS_IN_PEACE, **how)
    launch.run()
    return launch


def n_resumes(store):
    """Count how often a training was continued from a checkpoint."""
    return sum(len(result.resumes) for result in store.iterate())


def rounds(config, folder, undisturbed, faults, n_faults, **how):
    """Launch a grid under fire, again and again in new folders, until so many faults have hit.

    Yields
    ------
    launch : Launch
        After each round.
    problems : list of str
        From `verify`; after a round with any there is no other.
    """
    n_left, problems, n_rounds = n_faults, [], 0
    while n_left > 0 and not problems:
        n_rounds += 1
        launch = Launch(config, folder / f"round-{n_rounds}", folder / "disk" / f"round-{n_rounds}", **how)
        launch.run(faults, n_left)
        problems = verify(launch, undisturbed)
        n_left -= launch.tally.injected.total()
        yield launch, problems


def verify(launch, undisturbed):
    """List, in sentences, everything in which a launch differs from an undisturbed one, or leaves behind what it must not."""
    problems = list(launch.problems)
    deadline = time.monotonic() + 60
    while (alive := launch.alive()) and time.monotonic() < deadline:
        time.sleep(0.1)
    problems += [f"process {process.pid} still lives" for process in alive]
    problems += unexplained_attempts(launch)
    most = most_lost(undisturbed)
    problems += [f"a kill cost {lost:.2f} s, more than {most:.2f}" for lost in launch.tally.lost_seconds if lost > most]
    problems += [f"a traceback in {log}" for log in launch.logs if "Traceback" in log.read_text(errors="replace")]
    audited = subprocess.run(
        [sys.executable, "jobs/audit.py", launch.store.root], cwd=ROOT, capture_output=True, text=True, check=False
    )
    problems += [f"the audit says: {audited.stdout}{audited.stderr}"] if audited.returncode else []
    problems += [f"left behind: {path}" for path in leftovers(launch.store)]
    return problems + differences(launch.store, undisturbed.store)


def most_lost(undisturbed):
    """Return what a kill may cost: an interval, and a rollout or the start, as they were in peace, in seconds of a processor."""
    return CHECKPOINT_SECONDS + MARGIN * undisturbed.tally.most_at_stake


def explained(exit_code, hits):
    """Tell whether a supervisor may end so after what has hit it, or others, while it lived."""
    return exit_code == 0 or bool(hits & _EXPLAIN_CODE.get(exit_code, set()))


def unexplained_attempts(launch):
    """List the attempts without a result that are held against their trainings, or that no fault explains."""
    problems = []
    for path in sorted(launch.store.trainings.glob("*/*/*/*/attempts.json")):
        for attempt in read_attempts(path.parent):
            kind = attempt.get("kind")
            if not attempt.get("forgiven") or not launch.tally.injected.keys() & _EXPLAIN_ATTEMPT.get(kind, set()):
                problems.append(f"{path}: an attempt ended by '{kind}': {attempt['reason']}")
    return problems


# What makes a supervisor end otherwise than with everything stored, and an attempt without a result.
_STOPS = {"SIGTERM to the supervisor", "SIGUSR2 to the supervisor", "SIGUSR2 to all"}
_CUTS = {"newest checkpoint cut", "both checkpoints cut"}
_EXPLAIN_CODE = {
    1: {FULL_DISK},
    STOPPED: _STOPS | {SECOND},  # the one leaves to the other what that works on
    -signal.SIGKILL: {"SIGKILL to the supervisor"},
    -signal.SIGTERM: {"SIGTERM to the supervisor"},  # before it listens
    -signal.SIGUSR2: {"SIGUSR2 to the supervisor", "SIGUSR2 to all"},
}
_EXPLAIN_ATTEMPT = {
    "killed": _CUTS | {"SIGKILL to a training"},
    "lost": {"SIGKILL to the supervisor", "SIGKILL to the forkserver", HALF_LEASE},
    "stopped": _STOPS | {"SIGTERM to a training", "SIGUSR2 to a training", FULL_DISK},
    "storage": {FULL_DISK},
    "checkpoint": _CUTS,
}


def leftovers(store):
    """List what should be gone when everything is stored."""
    return [*store.trainings.rglob("checkpoint-*"), *store.trainings.rglob("lease*.json")]


def n_temporary(store):
    """Count the temporary files that killed writers have left."""
    return len(list(store.trainings.rglob(".*.tmp")))


def differences(store, undisturbed):
    """List where results and curves differ from those of an undisturbed launch."""
    expected = list(undisturbed.iterate())
    assert [result.training.name for result in expected]
    found = {result.training.key: result for result in store.iterate()}
    problems = [f"{len(found)} results instead of {len(expected)}"] if len(found) != len(expected) else []
    for result in expected:
        training = result.training
        other = found.get(training.key)
        if other is None:
            problems.append(f"{training.name} is not stored")
            continue
        problems += [
            f"{training.name}: {name} is {getattr(other, name)} instead of {getattr(result, name)}"
            for name in ("training", "policy_sha256", "episode_scores", "score", "timesteps", "converged")
            if getattr(result, name) != getattr(other, name)
        ]
        for name in (LEARNING_CURVE, EVALUATIONS):
            paths = [each.folder(training) / name for each in (undisturbed, store)]
            if len({path.read_bytes() if path.exists() else None for path in paths}) > 1:
                problems.append(f"{training.name}: {name} differs")
    return problems
