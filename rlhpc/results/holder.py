"""The holder of a lease: a process, told apart from every other, on this machine and elsewhere."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import uuid
from dataclasses import dataclass
from pathlib import Path

_LARGEST_PID = 2**22  # Linux' PID_MAX_LIMIT
_PROC = Path("/proc")


@dataclass(frozen=True)
class Holder:
    """A supervisor that holds leases; fields that its system does not tell are blank.

    Attributes
    ----------
    id : str
        Of this supervisor alone.
    host, boot_id : str
        Its machine, and since which start of it.
    pid_namespace : str
        Within which `pid` means this process; containers have their own.
    pid : int
    pid_start : str
        When the process began, in clock ticks since the machine's start: another process may get the same `pid` later.
    job : str
        Its Slurm job, ``12`` or ``12_3`` for an element of an array; blank outside Slurm.
    """

    id: str
    host: str
    boot_id: str
    pid_namespace: str
    pid: int
    pid_start: str
    job: str

    def __str__(self) -> str:
        """Name the process in words."""
        if self == UNKNOWN:
            return "an unknown process (its lease is damaged)"
        return f"process {self.pid} on host {self.host}" + (f" (Slurm job {self.job})" if self.job else "")


UNKNOWN = Holder("", "", "", "", 0, "", "")  # whose lease cannot be read
_TYPES = [type(value) for value in dataclasses.astuple(UNKNOWN)]


def this_process() -> Holder:
    """Describe the process that asks, under a new id."""
    own = _PROC / "self"
    return Holder(
        id=uuid.uuid4().hex,
        host=platform.node(),
        boot_id=_read(_PROC / "sys" / "kernel" / "random" / "boot_id"),
        # A /proc of another namespace than ours names other processes: better none than those.
        pid_namespace=_link(own / "ns" / "pid") if _link(own) == str(os.getpid()) else "",
        pid=os.getpid(),
        pid_start=_process("self")[1],
        job=this_job(),
    )


def this_job() -> str:
    """Return the Slurm job of the process that asks, as squeue spells it; blank outside Slurm."""
    array, element = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{element}" if array and element else os.environ.get("SLURM_JOB_ID", "")


def known_to_live(holder: Holder, here: Holder) -> bool | None:
    """Tell whether a holder lives, as far as that is known from here at once; None where it is not.

    Another start of the machine proves no death: machines of one name exist, copied from one image, and both may live.
    """
    place = (here.host, here.boot_id, here.pid_namespace)
    if not all(place) or place != (holder.host, holder.boot_id, holder.pid_namespace):
        return None
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it is there, and another user's; its /proc may be hidden
    state, start = _process(holder.pid)
    is_another = bool(start and holder.pid_start) and start != holder.pid_start
    return not is_another and state not in ("Z", "X")  # ended, and its parent has not asked how


def parse(text: bytes) -> Holder:
    """Read who holds a lease; `UNKNOWN` if it is damaged."""
    try:
        holder = Holder(**json.loads(text))
    except (ValueError, TypeError):
        return UNKNOWN
    types = [type(value) for value in dataclasses.astuple(holder)]
    return holder if types == _TYPES and 0 < holder.pid <= _LARGEST_PID else UNKNOWN


def _process(pid: int | str) -> tuple[str, str]:
    """Return the state and the start, in clock ticks since the machine's start, of a process; blank where not told."""
    # proc_pid_stat(5): fields 3 and 22; field 2, the command's name in brackets, may hold spaces and brackets
    fields = _read(_PROC / str(pid) / "stat").rpartition(")")[2].split()
    return (fields[0], fields[19]) if fields else ("", "")


def _read(path: Path) -> str:
    """Read what the kernel tells; blank where it does not."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _link(path: Path) -> str:
    """Read a link of the kernel's; blank where it cannot be."""
    try:
        return str(path.readlink())
    except OSError:
        return ""
