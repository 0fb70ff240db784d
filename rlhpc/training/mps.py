"""A daemon of CUDA MPS, through which processes use a GPU at the same time instead of in turn: started, asked, ended.

    python -m rlhpc.training.mps FOLDER

keeps one until standard input ends, which it does with whoever holds its other end: however that was killed, nothing is left.
Manual: https://docs.nvidia.com/deploy/mps
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from io import FileIO
from multiprocessing.connection import wait
from pathlib import Path
from typing import cast

from rlhpc.training import stop

PROGRAM = "nvidia-cuda-mps-control"
PIPE_DIRECTORY, LOG_DIRECTORY = "CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY"
_READY = "ready"
_QUESTION = "get_default_active_thread_percentage"  # that changes nothing
_LONGEST_BASE = 60  # characters; with what is put below it, the name of a Unix socket may have 107 (unix(7))
_SECONDS_TO_START = 15.0  # the control daemon, and then its server, which opens every GPU
_SECONDS_TO_ANSWER = 5.0
_SECONDS_TO_TELL = 2 * _SECONDS_TO_START + 3 * _SECONDS_TO_ANSWER  # for the keeper, whether it has come to that
_SECONDS_TO_LEAVE = 2.0  # for a daemon that was told to quit, and its servers
_SECONDS_TO_END = 2 * _SECONDS_TO_ANSWER + _SECONDS_TO_LEAVE  # for the keeper
_PR_SET_CHILD_SUBREAPER = 36  # of prctl(2)


def is_installed() -> bool:
    """Tell whether there is the program that starts and asks daemons."""
    return shutil.which(PROGRAM) is not None


def answers(environment: Mapping[str, str]) -> bool:
    """Tell whether the daemon that an environment names is well."""
    return _ask(_QUESTION, environment) is not None


class Daemon:
    """A daemon of our own, in a private folder.

    Parameters
    ----------
    gpus : sequence of str
        As CUDA_VISIBLE_DEVICES spells them. Its clients number them anew, from 0, in this order.

    Attributes
    ----------
    variables : dict
        Of the environment, by which a process becomes its client.

    Raises
    ------
    OSError
        If it does not start, with what it says of that.
    """

    def __init__(self, gpus: Sequence[str]) -> None:
        if len(gpus) > 1 and any(gpu.startswith("MIG") for gpu in gpus):
            raise ChildProcessError(f"one daemon serves one MIG instance, and these are {', '.join(gpus)}")
        base = tempfile.gettempdir() if len(tempfile.gettempdir()) <= _LONGEST_BASE else "/tmp"  # noqa: S108  # it is made safely
        self._folder = Path(tempfile.mkdtemp(prefix="rlhpc-mps-", dir=base))  # of mode 0700
        self.variables = {PIPE_DIRECTORY: str(self._folder / "pipe"), LOG_DIRECTORY: str(self._folder / "log")}
        self._environment = {**os.environ, **self.variables, "CUDA_VISIBLE_DEVICES": ",".join(gpus)}
        try:
            with stop.blocked():  # signals to us are ours to pass on: clients need it until they have saved
                self._keeper = subprocess.Popen(
                    [sys.executable, "-P", "-m", "rlhpc.training.mps", self._folder],
                    env=self._environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    start_new_session=True,
                )
        except OSError:
            self._folder.rmdir()
            raise
        told = self._hear()
        if told != _READY:
            self.close()
            raise ChildProcessError(told or f"{PROGRAM} does not start")

    def _hear(self) -> str:
        """Return the line that the keeper tells; blank if it tells none."""
        stream = cast("FileIO", self._keeper.stdout)  # a pipe, as asked for
        is_told = wait([stream.fileno()], _SECONDS_TO_TELL)
        return stream.readline().decode(errors="replace").strip() if is_told else ""

    def has_died(self) -> bool:
        """Tell whether nobody is there to ask; who does not answer in time may only be busy, and has clients."""
        return all(_ask(_QUESTION, self._environment, if_silent="") is None for _ in range(2))

    def close(self) -> None:
        """End it, with its servers, and remove its folder."""
        try:
            self._keeper.communicate(timeout=_SECONDS_TO_END)  # the end of its standard input
        except subprocess.TimeoutExpired:
            self._keeper.kill()  # the daemon ends with it
            self._keeper.communicate()
        shutil.rmtree(self._folder, ignore_errors=True)  # as the keeper has, unless it was killed


def _ask(command: str, environment: Mapping[str, str] | None = None, *, if_silent: str | None = None) -> str | None:
    """Return what a daemon answers to a command; None if there is none or it refuses, `if_silent` if it takes too long."""
    try:
        done = subprocess.run(
            [PROGRAM],
            env=environment,
            input=f"{command}\n".encode(),
            capture_output=True,
            timeout=_SECONDS_TO_ANSWER,
            check=False,
            start_new_session=True,  # a Ctrl-C in the middle of it says nothing of the daemon
        )
    except OSError:
        return None
    except subprocess.TimeoutExpired:
        return if_silent
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None


# --- the keeper -----------------------------------------------------------------------------------------------------------


def keep(folder: Path) -> None:
    """Start the daemon that the environment names, tell whether it is ready, and end it when standard input ends."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)  # servers that outlive their daemon become children of ours
    try:
        for name in (PIPE_DIRECTORY, LOG_DIRECTORY):
            Path(os.environ[name]).mkdir()
        print(_start(folder / "output") or _READY, flush=True)
        sys.stdin.read()
    finally:
        _end_daemon()
        shutil.rmtree(folder, ignore_errors=True)


def _start(output: Path) -> str:
    """Start a daemon in the foreground, and a server of it; return why it does not come to that, blank if it does."""
    with output.open("wb") as stream:
        try:
            daemon = subprocess.Popen(
                [PROGRAM, "-f"],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                preexec_fn=_before_daemon,  # noqa: PLW1509  # the keeper has no threads
            )
        except OSError as error:
            return f"{PROGRAM} cannot be started: {error}"
    if not _comes(daemon, lambda: answers(os.environ)):
        what = "does not answer" if daemon.poll() is None else f"ended with exit code {daemon.returncode}"
    else:
        # Else the first client would have it started; a server that cannot use these GPUs is noticed before any training is.
        _ask(f"start_server -uid {os.getuid()}")
        if _comes(daemon, lambda: bool((_ask("get_server_list") or "").strip())):
            return ""
        what = "starts no server for these GPUs"
    return f"{PROGRAM} {what}{_last_words(output)}"


def _before_daemon() -> None:
    """Have a daemon end with its keeper; the signals of a scheduler stay blocked, for it may send them to every process."""
    signal.pthread_sigmask(signal.SIG_SETMASK, stop.SIGNALS)
    stop.leave_with_parent(signal.SIGKILL)


def _comes(daemon: subprocess.Popen[bytes], is_so: Callable[[], bool]) -> bool:
    """Wait until something is so, while a daemon runs; tell whether it came to that."""
    deadline = time.monotonic() + _SECONDS_TO_START
    while time.monotonic() < deadline and daemon.poll() is None:
        if is_so():
            return True
        time.sleep(0.05)
    return False


def _last_words(output: Path) -> str:
    """Return the last line that a daemon has printed or logged, to be appended to a reason; blank without any."""
    logs = sorted(Path(os.environ[LOG_DIRECTORY]).glob("*.log"))  # control.log, server.log
    lines = [line.strip() for path in [*logs, output] for line in path.read_text(errors="replace").splitlines()]
    return next((f": {line}" for line in reversed(lines) if line), "")


def _end_daemon() -> None:
    """Have the daemon quit, and kill what is left of it and its servers, which become children of ours."""
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    has_heard = _ask("quit -t 1") is not None  # clients that are still there have a second to leave
    kill_at = time.monotonic() + (_SECONDS_TO_LEAVE if has_heard else 0.0)
    while pids := children.read_text().split():
        if time.monotonic() >= kill_at:
            for pid in pids:
                os.kill(int(pid), signal.SIGKILL)  # the dead keep their numbers until they are waited for
        os.waitpid(-1, os.WNOHANG)
        time.sleep(0.02)


if __name__ == "__main__":
    keep(Path(sys.argv[1]))
