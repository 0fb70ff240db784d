"""GPU sharing: trainings use a GPU at the same time, through a daemon of MPS, or in turn (time slicing), as without one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rlhpc.errors import InputError
from rlhpc.training import mps, places

MAX_RESTARTS = 3  # of a daemon that has died; what dies so often does more harm than good
RECOVERY_SECONDS = 10.0  # after a fault a server takes no clients until those that met it have left
_OTHERWISE = "Give packing.mps=auto or packing.mps=off, by which the GPUs are shared by time slicing."


class GpuSharing:
    """How the trainings of a node share its GPUs: in turn, until `use_mps` has them do it at the same time.

    Parameters
    ----------
    gpus : sequence of str
        As CUDA_VISIBLE_DEVICES spells them.
    trainings_per_gpu : int
    say : callable
        Is told what a user should know, in a sentence.
    """

    def __init__(self, gpus: Sequence[str] = (), trainings_per_gpu: int = 1, say: Callable[[str], None] = print) -> None:
        self._gpus = tuple(gpus)
        self._trainings_per_gpu = trainings_per_gpu
        self._say = say
        self._daemon: mps.Daemon | None = None
        self._n_restarts = 0
        self._limits: dict[str, int] = {}  # MiB that a client may have of each GPU

    def use_mps(self) -> None:
        """Start a daemon for these GPUs.

        Raises
        ------
        OSError
            If it does not start.
        """
        self._daemon = mps.Daemon(self._gpus)
        if self._n_restarts == 0:  # later a GPU may be broken, and nvidia-smi hang
            memory = {gpu: places.memory_mib(gpu) for gpu in self._gpus}
            self._limits = {gpu: mib // self._trainings_per_gpu for gpu, mib in memory.items() if mib}

    def variables(self, gpu: str | None, *, is_alone: bool) -> dict[str, str]:
        """Return the environment variables of a training on a GPU; one that is alone there may have all of its memory."""
        if gpu is None:
            return {}
        if self._daemon is None:
            return {"CUDA_VISIBLE_DEVICES": gpu}
        number = str(self._gpus.index(gpu))  # as its clients count
        limit = {} if is_alone or gpu not in self._limits else {"CUDA_MPS_PINNED_DEVICE_MEM_LIMIT": f"0={self._limits[gpu]}M"}
        return {"CUDA_VISIBLE_DEVICES": number, places.NAME: gpu, **self._daemon.variables, **limit}

    @property
    def recovery_seconds(self) -> float:
        """How long to wait after a fault of a GPU before a training is started on it."""
        return RECOVERY_SECONDS if self._daemon else 0.0

    def mend(self) -> None:
        """After a fault of a GPU, start a daemon of ours that has died again; do without when that happens too often."""
        if self._daemon is None or not self._daemon.has_died():
            return
        self.close()
        if self._n_restarts == MAX_RESTARTS:
            self._say(f"the daemon of MPS has died again after {MAX_RESTARTS} restarts; the GPUs are shared by time slicing now")
            return
        self._n_restarts += 1
        try:
            self.use_mps()
        except OSError as error:
            self._say(f"the daemon of MPS has died and cannot be restarted ({error}); the GPUs are shared by time slicing now")
        else:
            self._say(f"the daemon of MPS had died and was restarted ({self._n_restarts} of {MAX_RESTARTS} times)")

    def close(self) -> None:
        """End the daemon, if one of ours is there."""
        if self._daemon is not None:
            self._daemon.close()
            self._daemon = None


def refuse(wanted: str, gpus: Sequence[str]) -> None:
    """Refuse MPS that is asked for where it cannot be.

    Raises
    ------
    InputError
    """
    if wanted == "on" and not gpus:
        raise InputError(
            "packing.mps = on shares GPUs, and this machine shows none (by CUDA_VISIBLE_DEVICES, or else by nvidia-smi)."
            f" {_OTHERWISE}"
        )
    if wanted == "on" and not mps.is_installed() and not _is_provided():
        raise InputError(
            f"packing.mps = on needs the program {mps.PROGRAM} of NVIDIA's driver, which is not on PATH (in an Apptainer image:"
            f" give --nv), or a daemon that runs already, whose folder {mps.PIPE_DIRECTORY} names. {_OTHERWISE}"
        )


@contextlib.contextmanager
def share(wanted: str, gpus: Sequence[str], trainings_per_gpu: int, say: Callable[[str], None]) -> Iterator[GpuSharing]:
    """Have trainings share GPUs, for as long as the context lasts.

    A daemon that the site provides is used as it is: its clients get its variables from our environment.

    Parameters
    ----------
    wanted : str
        ``on``: by MPS; ``auto``: by MPS where several trainings are to share a GPU and it can be had; ``off``: in turn.
    gpus : sequence of str
        As CUDA_VISIBLE_DEVICES spells them; none to train on cores.
    trainings_per_gpu : int
    say : callable
        Is told what a user should know, in a sentence.

    Raises
    ------
    InputError
        If MPS is asked for and cannot be had.
    """
    refuse(wanted, gpus)
    sharing = GpuSharing(gpus, trainings_per_gpu, say)
    is_useful = wanted == "on" or (wanted == "auto" and gpus and trainings_per_gpu > 1)
    try:
        if is_useful and mps.is_installed() and not _is_provided():
            try:
                sharing.use_mps()
            except OSError as error:
                if wanted == "on":
                    raise InputError(f"packing.mps = on, but its daemon cannot be started: {error}. {_OTHERWISE}") from error
                say(f"MPS cannot be used ({error}); the GPUs are shared by time slicing")
        yield sharing
    finally:
        sharing.close()


def _is_provided() -> bool:
    """Tell whether the site provides a daemon; where nothing can ask it, as in some images, its folder is believed."""
    folder = os.environ.get(mps.PIPE_DIRECTORY)
    if not folder:
        return False
    return mps.answers(os.environ) if mps.is_installed() else Path(folder).is_dir()
