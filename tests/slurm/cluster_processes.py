"""The processes of a throw-away cluster: told apart from all others, and ended whatever they do."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
POLL_SECONDS = 0.02
SECONDS_TO_DIE = 10.0


@dataclass(frozen=True)
class Process:
    """A process, told apart from every other that had or will have its number.

    Attributes
    ----------
    pid : int
    start_ticks : int
        When it began, in ticks since the machine started.
    """

    pid: int
    start_ticks: int

    def send(self, signal_number: int) -> None:
        """Send a signal, if it is still there."""
        if start_ticks(self.pid) == self.start_ticks:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, signal_number)

    def alive(self) -> bool:
        """Whether it still does anything; what has ended and only waits to be asked for its exit code does not."""
        fields = _stat(self.pid)
        return fields is not None and int(fields[19]) == self.start_ticks and fields[0] not in {"Z", "X"}


def _stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/PID/stat after the name: state, parent, ..."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def start_ticks(pid: int) -> int | None:
    """Return when a process began; None where there is none."""
    fields = _stat(pid)
    return int(fields[19]) if fields else None


def alive(pid: int) -> bool:
    """Whether a process still does anything."""
    ticks = start_ticks(pid)
    return ticks is not None and Process(pid, ticks).alive()


def environment(pid: int) -> dict[str, str]:
    """Return the environment that a process was started with; empty where it is gone or another user's."""
    try:
        text = (PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return {}
    pairs = (entry.partition("=") for entry in os.fsdecode(text).split("\0"))
    return {name: value for name, _, value in pairs if name}


def find(wanted: Callable[[dict[str, str]], bool], seeds: Iterable[Process] = ()) -> list[Process]:
    """Find processes by their environments, and all that descend from them; parents before their children.

    Parameters
    ----------
    wanted : callable
        Whether a process with this environment belongs.
    seeds : iterable of Process
        What belongs too, if it is still there.

    Returns
    -------
    list of Process
        Never this process or one that it descends from.
    """
    stats = {int(path.name): fields for path in PROC.glob("[0-9]*") if (fields := _stat(int(path.name))) is not None}
    alive = {pid: Process(pid, int(fields[19])) for pid, fields in stats.items() if fields[0] not in {"Z", "X"}}
    children: dict[int, list[int]] = {}
    for pid, fields in stats.items():
        children.setdefault(int(fields[1]), []).append(pid)
    spared, pid = set(), os.getpid()
    while pid in stats and pid not in spared:
        spared.add(pid)
        pid = int(stats[pid][1])
    roots = {seed.pid for seed in seeds if alive.get(seed.pid) == seed} | {pid for pid in alive if wanted(environment(pid))}
    found: dict[int, None] = {}
    waiting = sorted(roots, reverse=True)
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found[pid] = None
            waiting += children.get(pid, [])
    return [alive[pid] for pid in found if pid in alive and pid not in spared]


def kill(members: Callable[[], list[Process]]) -> None:
    """Kill processes so that none sees another die: all are stopped first, then killed, until there are none.

    Parameters
    ----------
    members : callable
        Finds those that there are now.

    Raises
    ------
    TimeoutError
        If one does not go.
    """
    deadline = time.monotonic() + SECONDS_TO_DIE
    while there := members():
        stopped: set[Process] = set()
        while new := set(there) - stopped:
            for process in [process for process in there if process in new]:
                process.send(signal.SIGSTOP)
            stopped |= new
            there = members()
        for process in there:
            process.send(signal.SIGKILL)
        while any(process.alive() for process in there):
            if time.monotonic() > deadline:
                raise TimeoutError(f"still there {SECONDS_TO_DIE:g} s after SIGKILL: {[p.pid for p in there if p.alive()]}")
            time.sleep(POLL_SECONDS)
