"""A watch over the load of a node: how busy its cores and GPUs are, told again and again while trainings run there."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import statistics
import subprocess
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from rlhpc.results import node_load
from rlhpc.results.holder import this_job
from rlhpc.results.node_load import GpuLoad, NodeLoad

POLL_SECONDS = 15.0
_FIRST_SECONDS = 2.0  # the first looks come sooner, each after twice the time, so that something is seen soon after a launch
_N_LOOKS = 20  # over which means are told: five minutes, as the speed of trainings
_SMI_SECONDS = 10.0  # a GPU may be broken, and nvidia-smi hang
_QUERY = ("index", "uuid", "utilization.gpu", "memory.used", "memory.total")
_MIB = 1 << 20
_OLD_SECONDS = 86_400.0


@contextlib.contextmanager
def watch(root: Path, gpus: Sequence[str], poll_seconds: float = POLL_SECONDS) -> Iterator[None]:
    """Tell of the load of this node, for as long as the context lasts; never fail, and take part in nothing.

    Parameters
    ----------
    root : Path
        The folder of the grid.
    gpus : sequence of str
        As CUDA_VISIBLE_DEVICES spells them; none to train on cores.
    poll_seconds : float
        Between two looks, but for the first ones.
    """
    thread = _Watch(root, gpus, poll_seconds)
    with contextlib.suppress(RuntimeError):  # no more threads are to be had
        thread.start()
    try:
        yield
    finally:
        thread.end()


def gpu_loads(gpus: Sequence[str]) -> dict[str, GpuLoad]:
    """Return the load of GPUs at this moment, of those of which nvidia-smi tells."""
    if not gpus or shutil.which("nvidia-smi") is None:
        return {}
    command = ["nvidia-smi", f"--query-gpu={','.join(_QUERY)}", "--format=csv,noheader,nounits"]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_SMI_SECONDS).stdout
        parsed = [_parse(line) for line in told.splitlines()]
        return {gpu: load for gpu in gpus for index, uuid, load in filter(None, parsed) if gpu == index or uuid.startswith(gpu)}
    return {}


def _parse(line: str) -> tuple[str, str, GpuLoad] | None:
    """Read what nvidia-smi tells of one GPU; None where it does not know, as of one that is divided (MIG)."""
    try:
        index, uuid, busy, used, total = line.split(", ")
        return index, uuid, GpuLoad(float(busy), float(used) * _MIB / 1e9, float(total) * _MIB / 1e9)
    except ValueError:
        return None


class _Watch(threading.Thread):
    """Look, and tell, until it is ended."""

    def __init__(self, root: Path, gpus: Sequence[str], poll_seconds: float) -> None:
        super().__init__(daemon=True)
        self._root = root
        self._gpus = gpus
        self._poll_seconds = poll_seconds
        self._cores = os.sched_getaffinity(0)
        self._path = node_load.path(root, platform.node(), this_job(), os.getpid())
        self._looks: deque[tuple[float, dict[str, GpuLoad]]] = deque(maxlen=_N_LOOKS)
        self._ended = threading.Event()

    def run(self) -> None:
        """Look and tell."""
        pause = min(_FIRST_SECONDS, self._poll_seconds)
        self._cores_busy_percent()  # from now on the next look counts
        while not self._ended.wait(pause):
            self._looks.append((self._cores_busy_percent(), gpu_loads(self._gpus)))
            if not self._ended.is_set():
                self._tell()
            pause = min(2 * pause, self._poll_seconds)

    def end(self) -> None:
        """Look no more, and take back what was told."""
        self._ended.set()
        if self.ident is not None:
            self.join(1.0)  # longer only where nvidia-smi hangs
        node_load.remove(self._path)

    def _tell(self) -> None:
        """Write down what was seen; the first time, remove what others have left."""
        with contextlib.suppress(OSError):  # nothing depends on it
            node_load.write(self._path, self._load())
            if len(self._looks) == 1:
                node_load.remove_old(self._root, self._path.stat().st_mtime - _OLD_SECONDS)

    def _cores_busy_percent(self) -> float:
        """Return how busy our cores were since the last call; all of the node, where the kernel numbers them otherwise."""
        every = psutil.cpu_percent(percpu=True)
        ours = [every[core] for core in self._cores if core < len(every)]
        return statistics.fmean(ours if len(ours) == len(self._cores) else every)

    def _load(self) -> NodeLoad:
        """Return the mean of the looks."""
        cores = statistics.fmean(busy for busy, _ in self._looks)
        gpus: dict[str, GpuLoad] = {}
        for gpu in self._gpus:
            told = [of_gpus[gpu] for _, of_gpus in self._looks if gpu in of_gpus]
            if told:
                busy = statistics.fmean(each.busy_percent for each in told)
                gpus[gpu] = GpuLoad(round(busy, 1), round(told[-1].memory_gb, 2), round(told[-1].memory_total_gb, 2))
        return NodeLoad(platform.node(), this_job(), len(self._cores), round(cores, 1), gpus)
