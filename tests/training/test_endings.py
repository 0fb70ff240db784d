"""Endings: what is said of each way to end, and whose fault it is."""

import errno
import signal

import pytest

from rlhpc.errors import ForeignCheckpointError
from rlhpc.training import endings
from rlhpc.training.endings import Kind, of_exception, of_exit_code


def chained(error, cause):
    error.__cause__ = cause
    return error


class OutOfMemoryError(RuntimeError):
    """As torch calls it."""


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ValueError("quick"), Kind.EXCEPTION),
        (MemoryError(), Kind.OUT_OF_MEMORY),
        (OutOfMemoryError("CUDA out of memory"), Kind.OUT_OF_MEMORY),
        (chained(RuntimeError("while stepping"), MemoryError()), Kind.OUT_OF_MEMORY),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), Kind.GPU),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), Kind.GPU),
        (RuntimeError("CUDA driver error: unspecified launch failure"), Kind.GPU),
        (RuntimeError("nvrtc: CUDA_ERROR_MPS_CONNECTION_FAILED"), Kind.GPU),
        (RuntimeError("nvrtc: CUDA_ERROR_MPS_RPC_FAILURE"), Kind.GPU),
        (RuntimeError("nvrtc: CUDA_ERROR_MPS_SERVER_NOT_READY"), Kind.GPU),
        (RuntimeError("Error 805: MPS client failed to connect to the MPS control daemon or the MPS server"), Kind.GPU),
        (chained(RuntimeError("torch finds no GPU"), RuntimeError("Error 807: MPS server is not ready")), Kind.GPU),
        (RuntimeError("CUDA error: mps client terminated"), Kind.GPU),
        (chained(RuntimeError("torch finds no GPU"), RuntimeError("No CUDA GPUs are available")), Kind.EXCEPTION),
        (OSError(errno.ENOSPC, "No space left on device"), Kind.STORAGE),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), Kind.STORAGE),
        (OSError(errno.EROFS, "Read-only file system"), Kind.STORAGE),
        (chained(RuntimeError("tensorboard"), OSError(errno.ENOSPC, "No space left")), Kind.STORAGE),
        (FileNotFoundError(errno.ENOENT, "no such ROM"), Kind.EXCEPTION),
        (ForeignCheckpointError("'x' cannot be continued"), Kind.REFUSED),
    ],
)
def test_an_exception_has_the_kind_of_what_caused_it(error, kind):
    ending = of_exception(error, "Traceback ...")
    assert ending.kind is kind
    assert ending.traceback == "Traceback ..."


def test_a_reason_is_one_line_and_a_long_traceback_keeps_its_end():
    ending = of_exception(ValueError("first\nsecond"), "x" * 50_000 + "end")
    assert ending.reason == "ValueError: first"
    assert ending.traceback.endswith("end")
    assert len(ending.traceback) == endings.LONGEST_TRACEBACK


@pytest.mark.parametrize(
    ("code", "n_memory_kills", "kind", "words"),
    [
        (-signal.SIGKILL, 0, Kind.KILLED, "SIGKILL"),
        (-signal.SIGKILL, 1, Kind.OUT_OF_MEMORY, "probably by the kernel, because the memory ran out"),
        (-signal.SIGKILL, -1, Kind.KILLED, "SIGKILL"),
        (-signal.SIGTERM, 1, Kind.KILLED, "SIGTERM"),
        (-signal.SIGSEGV, 0, Kind.CRASHED, "SIGSEGV"),
        (-signal.SIGBUS, 0, Kind.CRASHED, "SIGBUS"),
        (-63, 0, Kind.KILLED, "63"),
        (75, 0, Kind.EXCEPTION, "exit code 75"),  # who is told to stop says so
        (255, 0, Kind.EXCEPTION, "exit code 255"),
        (None, 0, Kind.LOST, "started from"),
        (3, 0, Kind.EXCEPTION, "exit code 3"),
        (0, 0, Kind.EXCEPTION, "exit code 0 and no result"),
    ],
)
def test_an_exit_code_has_the_kind_of_who_ended_the_process(code, n_memory_kills, kind, words):
    ending = of_exit_code(code, n_memory_kills)
    assert ending.kind is kind
    assert words in ending.reason


def test_every_kind_tells_what_to_do():
    assert all(endings.Ending(kind, "x").remedy for kind in Kind)


def test_what_comes_from_outside_is_forgiven_and_what_a_training_does_is_not():
    forgiven = {kind for kind in Kind if endings.Ending(kind, "x").is_forgiven}
    assert forgiven == {Kind.KILLED, Kind.LOST, Kind.STOPPED, Kind.STORAGE, Kind.CHECKPOINT}
