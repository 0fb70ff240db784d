"""Endings: why an attempt at a training ended without a result, whose fault that was, and what to do about it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from rlhpc.errors import ForeignCheckpointError
from rlhpc.files import is_storage_error

LONGEST_REASON = 1_000  # characters
LONGEST_TRACEBACK = 20_000  # characters; a pipe holds this much without a reader
# Signals that a program brings upon itself; all others come from outside.
_CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSYS, signal.SIGTRAP)
# In capitals: as the driver calls those of MPS, and as torch tells them; a neighbour's fault, or the end of the daemon, comes so.
_GPU_ERRORS = (
    *("CUDA ERROR", "CUBLAS_STATUS", "CUDNN_STATUS", "DEVICE-SIDE ASSERT", "CUDAERROR"),
    *("CUDA_ERROR_", "MPS CLIENT", "MPS SERVER", "MPS CONTROL DAEMON", "UNSPECIFIED LAUNCH FAILURE"),
)


class Kind(StrEnum):
    """What an attempt ended by."""

    EXCEPTION = "exception"
    CRASHED = "crashed"
    OUT_OF_MEMORY = "out_of_memory"
    GPU = "gpu"
    REFUSED = "refused"  # its checkpoint belongs to something else
    KILLED = "killed"
    LOST = "lost"  # with the process that it was started from
    STOPPED = "stopped"
    STORAGE = "storage"
    CHECKPOINT = "checkpoint"  # no ending: a checkpoint that could not be used, or made


# Not the training's fault: such an ending does not use up one of its tries.
_FORGIVEN = (Kind.KILLED, Kind.LOST, Kind.STOPPED, Kind.STORAGE, Kind.CHECKPOINT)
_REMEDIES = {
    Kind.EXCEPTION: "The traceback says where. Mend the cause and launch again: it goes on from its checkpoint, if any.",
    Kind.CRASHED: "A library crashed. The log may say more; if it happens again, try another version of that package.",
    Kind.OUT_OF_MEMORY: "Ask for more memory, or pack fewer trainings on each GPU (packing.trainings_per_gpu), and launch again.",
    Kind.GPU: "If it fails alone on a GPU too, look at the traceback; if others fail on the same GPU, have that GPU looked at.",
    Kind.REFUSED: "Go back to what the checkpoint was made with, or delete it to begin this training anew.",
    Kind.KILLED: "Somebody or the cluster killed it. Launch again: the training goes on from its checkpoint, if any.",
    Kind.LOST: "Nothing is to be done: the training goes on from its checkpoint, if any.",
    Kind.STOPPED: "Launch again: the training goes on from its checkpoint, if any.",
    Kind.STORAGE: "Free space, or mend the file system, and launch again: the training goes on from its checkpoint, if any.",
    Kind.CHECKPOINT: "The training went on. What to look at, if it happens again, is said in the reason.",
}


@dataclass(frozen=True)
class Ending:
    """Why an attempt ended without a result.

    Attributes
    ----------
    kind : Kind
    reason : str
        One line.
    traceback : str
        Blank where there was none.
    """

    kind: Kind
    reason: str
    traceback: str = ""

    @property
    def remedy(self) -> str:
        """What to do, in words."""
        return _REMEDIES[self.kind]

    @property
    def is_forgiven(self) -> bool:
        """Whether it was not the training's fault, and uses up none of its tries."""
        return self.kind in _FORGIVEN


def of_exception(error: BaseException, traceback: str) -> Ending:
    """Say what an exception ended."""
    first_line = str(error).partition("\n")[0][:LONGEST_REASON]
    reason = f"{type(error).__name__}: {first_line}"
    kind = Kind.EXCEPTION
    if isinstance(error, ForeignCheckpointError):
        kind, reason = Kind.REFUSED, first_line
    elif is_storage_error(error):
        kind = Kind.STORAGE
    elif any(isinstance(link, MemoryError) or type(link).__name__ == "OutOfMemoryError" for link in _chain(error)):
        kind = Kind.OUT_OF_MEMORY
    elif any(mark in str(link).upper() for link in _chain(error) for mark in _GPU_ERRORS):
        kind = Kind.GPU
    return Ending(kind, reason, traceback[-LONGEST_TRACEBACK:])


def of_exit_code(code: int | None, n_memory_kills: int) -> Ending:
    """Say what ended a process that could not tell any more.

    Parameters
    ----------
    code : int or None
        Of the process; negative: a signal; None: not known, because what it was started from has died.
    n_memory_kills : int
        Processes that the kernel killed for want of memory while the attempt went on, by differences of
        `memory_kills.count`; below 0 where the process has come to another group meanwhile.
    """
    if code is None:
        return Ending(Kind.LOST, "ended with the process that trainings are started from")
    if code >= 0:
        return Ending(Kind.EXCEPTION, f"ended with exit code {code} and no result")
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    if -code == signal.SIGKILL and n_memory_kills > 0:
        return Ending(Kind.OUT_OF_MEMORY, "killed, probably by the kernel, because the memory ran out")
    if -code in _CRASHES:
        return Ending(Kind.CRASHED, f"crashed with {name}")
    return Ending(Kind.KILLED, f"killed by {name}")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those that it came from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
