"""The process of an attempt, as its supervisor holds it: started from a preloaded server, heard, and ended for certain."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess

from rlhpc.records import Training
from rlhpc.training import endings, memory_kills
from rlhpc.training.child import Attempt, carry_out
from rlhpc.training.endings import Ending
from rlhpc.training.stop import blocked

GAMES_AHEAD = "RLHPC_GAMES_AHEAD"  # variable: what a server loads, `Preload.games` in JSON
_START_TRIES = 5  # the server may be dying just now; it is then started again
# What was killed runs none of its code any more, but a file server that is away may keep it from ending.
_SECONDS_TO_END = 10.0
_SECONDS_TO_TELL = 10.0  # how it ended, by the server
_SECONDS_TO_START = 300.0  # a process; the first one has the server import everything, maybe from a slow file system
_SECONDS_TO_DIE = 1.0  # for a server whose pipes are closed already
_LOST = 255  # what multiprocessing tells of a child whose server has died; but a child may leave with it too


def libraries_of(env_ids: Iterable[str]) -> list[str]:
    """Return the modules that import all that trainings in some environments need, for a server to fork them from.

    A quarter of the time is dm_control's, which is there only where one of its tasks is, or a module of the user's that may be
    built on one.
    """
    may_have_tasks = any(env_id.startswith("dm_control/") or ":" in env_id for env_id in env_ids)
    of_tasks = ["rlhpc.training.shimmy_envs", "rlhpc.training.physics", "rlhpc.training.lean.control"]
    return [*(of_tasks if may_have_tasks else []), "rlhpc.training.preload"]


@dataclass(frozen=True)
class Preload:
    """What a server has ready for the trainings that are forked from it.

    Attributes
    ----------
    libraries : tuple of str
        Modules, from `libraries_of`.
    games : mapping of str to int
        Environments whose games are loaded ahead, and how many of each.
    """

    libraries: tuple[str, ...]
    games: Mapping[str, int]


def preload_of(trainings: Sequence[Training], n_at_once: int, n_cores: int) -> Preload:
    """Return what is worth to be ready for trainings, of which so many begin at once.

    Parameters
    ----------
    trainings : sequence of Training
        In the order in which they begin.
    n_at_once : int
    n_cores : int
        That they share.
    """
    n_envs: dict[str, list[int]] = defaultdict(list)
    for training in trainings[:n_at_once]:
        n_envs[training.env_id].append(int(training.hyperparameters.get("n_envs", 1)))
    # By one process alone it takes as long as by one training on each core. What a module of the user's makes is his.
    games = {env_id: max(each) for env_id, each in n_envs.items() if len(each) > n_cores and ":" not in env_id}
    return Preload(tuple(libraries_of(training.env_id for training in trainings)), games)


class AttemptProcess:
    """A running attempt.

    Parameters
    ----------
    attempt : Attempt
    preload : Preload
        For the server, if this process is the first that it is asked for.

    Raises
    ------
    ChildProcessError
        If no process can be started.
    """

    def __init__(self, attempt: Attempt, preload: Preload) -> None:
        self._n_memory_kills = memory_kills.count()
        self._process, self._connection = _start(attempt, preload)
        self._server_pid = _server_pid()
        self._has_hung_up = False
        self._pid: int = self._process.pid  # type: ignore[assignment]  # it has been started
        self._pidfd = _pidfd(self._pid)
        self._exit_code: int | None = None
        self._ending: Ending | None = None  # as it told itself

    @property
    def sources(self) -> list[Connection | int]:
        """What becomes readable when it has said something or ended, for `multiprocessing.connection.wait`."""
        return [*self._signs_of_its_end, *([] if self._has_hung_up else [self._connection])]

    @property
    def _signs_of_its_end(self) -> list[int]:
        """What becomes readable when it has ended: what its server tells, which may be stopped, and what the kernel tells."""
        return [self._process.sentinel, *([] if self._pidfd is None else [self._pidfd])]

    def has_ended(self) -> bool:
        """Tell whether it has ended, or whether its server has, so that it can no longer be known."""
        return self._has_hung_up or bool(wait(self._signs_of_its_end, 0))

    def hear(self) -> Iterator[str]:
        """Yield the sentences that it has said, and keep why it fails, if it has told."""
        try:
            while self._connection.poll():
                message = self._connection.recv()
                if isinstance(message, Ending):
                    self._ending = message
                else:
                    yield message
        except (EOFError, OSError):  # it has ended, or its last message was cut by its death
            self._has_hung_up = True

    def tell_to_stop(self, seconds: float) -> None:
        """Tell it to leave within some seconds."""
        with contextlib.suppress(OSError):  # it has just ended
            self._connection.send(seconds)

    def end(self) -> int | None:
        """Kill it if it lives, and all that it has started; return its exit code, None if that is not known. May be called again.

        A child that its server no longer knows, because that has died, may still live: it must not write beside its successor.
        """
        is_dead = False
        if self._pidfd is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            is_dead = bool(wait([self._pidfd], _SECONDS_TO_END))
            os.close(self._pidfd)
            self._pidfd = None
        elif not wait([self._process.sentinel], 0):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError, PermissionError):  # what its environment has started: the rest of its group
            os.killpg(self._pid, signal.SIGKILL)
        self._exit_code = self._ask_server(is_dead=is_dead)
        self._connection.close()
        return self._exit_code

    def _ask_server(self, *, is_dead: bool) -> int | None:
        """Return its exit code; None if its server cannot tell.

        A server that does not tell of the dead would keep us waiting once more when this process ends, and for ever.
        """
        _signal_server(self._server_pid, signal.SIGCONT)  # it may be stopped
        self._process.join(_SECONDS_TO_TELL)
        if is_dead and self._process.exitcode is None:
            _signal_server(self._server_pid, signal.SIGKILL)
            self._process.join(_SECONDS_TO_TELL)
        code = self._process.exitcode
        return None if code == _LOST and _server_has_died(self._server_pid) else code

    def ending(self) -> Ending:
        """Say why it ended without a result; call it after `end`."""
        n_memory_kills = memory_kills.count() - self._n_memory_kills
        return self._ending or endings.of_exit_code(self._exit_code, n_memory_kills)


def _pidfd(pid: int) -> int | None:
    """Return a descriptor that stands for a process, whoever gets its number later; None if it has ended.

    None too where the system has no such thing: Linux before 5.3, some containers, Pythons built for older systems.
    """
    if not hasattr(os, "pidfd_open") or not hasattr(signal, "pidfd_send_signal"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def _start(attempt: Attempt, preload: Preload) -> tuple[ForkServerProcess, Connection]:
    """Fork a child from the server, which is started with the first one, and again if it has died."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*preload.libraries])
    with blocked():  # started with the server, it would undo its `blocked`
        resource_tracker.ensure_running()
    for tries_left in reversed(range(_START_TRIES)):
        try:
            ours, theirs = context.Pipe()
        except OSError as error:
            raise _cannot_start(error) from error
        process = context.Process(target=carry_out, args=(attempt, theirs), name=attempt.training.name)
        try:
            with blocked(), _answering(), _told(preload.games):
                process.start()
        except (EOFError, OSError, RuntimeError) as error:  # RuntimeError: no thread can be started
            ours.close()
            if not tries_left or not isinstance(error, (EOFError, ConnectionError, FileNotFoundError)):
                raise _cannot_start(error) from error
            time.sleep(0.2)
        else:
            return process, ours
        finally:
            theirs.close()
    raise AssertionError("unreachable")


@contextlib.contextmanager
def _told(games: Mapping[str, int]) -> Iterator[None]:
    """Have a server that is started meanwhile load games ahead."""
    os.environ[GAMES_AHEAD] = json.dumps(dict(games))
    try:
        yield
    finally:
        del os.environ[GAMES_AHEAD]


@contextlib.contextmanager
def _answering() -> Iterator[None]:
    """Continue the server if it is stopped while a process is asked of it, and kill it if it does not answer at all."""
    has_answered = threading.Event()

    def watch() -> None:
        deadline = time.monotonic() + _SECONDS_TO_START
        while not has_answered.wait(1.0):
            _signal_server(_server_pid(), signal.SIGCONT if time.monotonic() < deadline else signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        has_answered.set()


def _server_pid() -> int | None:
    """Return the process that children are forked from; None before it is started."""
    return forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined,no-any-return]  # noqa: SLF001  # not told otherwise


def _signal_server(pid: int | None, signum: int) -> None:
    """Send a signal to a server; nothing if another has taken its place, since its number may be anybody's then."""
    if pid is not None and pid == _server_pid():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signum)


def _server_has_died(pid: int | None) -> bool:
    """Tell whether a server has died; where that is not told, it is taken for dead."""
    descriptor = _pidfd(pid) if pid is not None and pid == _server_pid() else None
    if descriptor is None:
        return True
    try:
        return bool(wait([descriptor], _SECONDS_TO_DIE))
    finally:
        os.close(descriptor)


def _cannot_start(error: Exception) -> ChildProcessError:
    return ChildProcessError(f"no process can be started: {type(error).__name__}: {error}")
