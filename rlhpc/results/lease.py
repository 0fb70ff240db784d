"""The leases of trainings: who is working on which, so that no two supervisors do the same work at the same time.

A lease is a small file in the folder of a training, there while the training is worked on. Its holder renews it by setting
its time, a beat. No file is locked and no two clocks are compared: what counts is whether a lease changes while we watch.

``lease.json`` changes hands by operations of which exactly one of several contenders succeeds:

take       link it, which fails where it exists
take over  link a claim, ``lease.next.json``; see that the lease is still the one that was judged; rename the claim to the lease
beat       set the lease's time, remove any claim, see that the lease is still ours

A claim that was removed cannot be renamed any more. So a holder that beats in the last instant keeps its lease: who looks after
the beat sees it, and who looked before it has lost its claim or has won. And who comes too late with a claim moves nothing.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import errno
import json
import os
import platform
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from rlhpc.files import write_json
from rlhpc.records import Training
from rlhpc.results.store import Store

LEASE = "lease.json"
CLAIM = "lease.next.json"
HEARTBEAT_SECONDS = 30
EXPIRY_SECONDS = 6 * HEARTBEAT_SECONDS  # a busy file server may hold up a beat or two, never all of these
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


class Standing(enum.Enum):
    """How a lease stands for who asks for it."""

    OURS = "ours"
    WAIT = "wait"  # another's, not known yet whether it lives: ask again
    HELD = "held"  # another's, that was seen to live: leave it the work


@dataclass(frozen=True)
class Taken:
    """What came of asking for a lease.

    Attributes
    ----------
    standing : Standing
    holder : Holder or None
        Whose it is if not ours; None if it changed hands this very moment.
    former : Holder or None
        The dead holder whose lease we took over. Of all contenders only the one that has the lease is told.
    """

    standing: Standing
    holder: Holder | None = None
    former: Holder | None = None


@dataclass(frozen=True)
class _Seen:
    """A lease as it lay there; it changes with every beat and every holder."""

    holder: Holder
    inode: int
    mtime_ns: int  # by the clock of the file system; only ever compared for equality


@dataclass(frozen=True)
class _Watch:
    """What was seen of another's lease over several looks.

    Attributes
    ----------
    seen : _Seen
        At the last look.
    looked_at : float
        When the last look ended, in seconds of our monotonic clock.
    quiet_seconds : float
        For how long it has not changed.
    has_changed : bool
        Whether it ever changed between two looks, which shows a living holder.
    """

    seen: _Seen
    looked_at: float
    quiet_seconds: float = 0.0
    has_changed: bool = False

    def followed_by(self, seen: _Seen, began_at: float, ended_at: float, longest: float) -> _Watch:
        """Add a look.

        Only the time between looks counts: a file system that kept us waiting kept the holder waiting too. And no more than
        `longest` of it at once: what stopped this process, such as Slurm's suspension, may have stopped the holder too.
        """
        if seen != self.seen:
            return _Watch(seen, ended_at, has_changed=True)
        quiet = self.quiet_seconds + min(began_at - self.looked_at, longest)
        return _Watch(seen, ended_at, quiet, self.has_changed)


class Leases:
    """The leases of one supervisor; one thread uses them.

    Parameters
    ----------
    store : Store
    holder : Holder, optional
        Who holds them; by default this process, under an id of its own.
    expiry_seconds : float
        After this time without a beat another's lease is that of a dead holder. It counts from our first look, and needs at
        least four looks; who looks every `HEARTBEAT_SECONDS` loses no time by that.
    """

    def __init__(self, store: Store, holder: Holder | None = None, *, expiry_seconds: float = EXPIRY_SECONDS) -> None:
        self.holder = holder or this_process()
        self._store = store
        self._expiry_seconds = expiry_seconds
        self._held: dict[Path, Training] = {}
        self._watches: dict[Path, _Watch] = {}

    def take(self, training: Training) -> Taken:
        """Take the lease of a training if it is free, or if its holder is known to be dead; never wait for it.

        Raises
        ------
        OSError
            If the file system cannot be read or written.
        """
        path, former = self._path(training), None
        watch = self._watch(path)
        if watch is None:
            with contextlib.suppress(FileExistsError):
                write_json(path, dataclasses.asdict(self.holder), exclusive=True)
        elif self._is_ours(watch.seen):
            self._renew(path)
        else:
            lives = self._lives(watch)
            if lives is not False:
                return Taken(Standing.HELD if lives else Standing.WAIT, watch.seen.holder)
            former = watch.seen.holder
            self._take_over(path, watch.seen)
        # What lies there decides, not what the calls returned: NFS may carry out a link or a rename and say that it failed.
        seen = _look(path)
        if not self._is_ours(seen):
            return Taken(Standing.WAIT, seen.holder if seen else None)
        self._held[path] = training
        self._watches.pop(path, None)
        return Taken(Standing.OURS, former=former)

    def beat(self) -> list[Training]:
        """Renew all leases that are held.

        Returns
        -------
        list of Training
            Those whose lease is gone or another's; they are not held any more.

        Raises
        ------
        OSError
            If a lease could not be renewed, after all others were; it is held still. Told by the next beat if some were lost.
        """
        lost, errors = [], []
        for path in self._held:
            try:
                if not self._renew(path):
                    lost.append(path)
            except OSError as error:
                errors.append(error)
        if errors and not lost:
            raise errors[0]
        return [self._held.pop(path) for path in lost]

    def release(self, training: Training) -> None:
        """Remove the lease of a training if it is ours.

        Raises
        ------
        OSError
            If it cannot be removed; it is not held any more, and expires.
        """
        path = self._path(training)
        self._held.pop(path, None)
        if self._renew(path):  # from now on nobody has a claim that could replace it
            path.unlink(missing_ok=True)

    def release_all(self) -> None:
        """Remove all leases that are held.

        Raises
        ------
        OSError
            If one cannot be removed, after all others were.
        """
        errors = []
        for training in list(self._held.values()):
            try:
                self.release(training)
            except OSError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def _path(self, training: Training) -> Path:
        """Return where the lease of a training lies."""
        return self._store.folder(training) / LEASE

    def _is_ours(self, seen: _Seen | None) -> bool:
        """Tell whether a lease or a claim is ours."""
        return seen is not None and seen.holder.id == self.holder.id

    def _watch(self, path: Path) -> _Watch | None:
        """Look at a lease or a claim once more; None where there is none."""
        began_at = time.monotonic()
        seen = _look(path)
        ended_at = time.monotonic()
        before = self._watches.pop(path, None)
        if seen is None:
            return None
        if before is None:
            watch = _Watch(seen, ended_at)
        else:
            watch = before.followed_by(seen, began_at, ended_at, self._expiry_seconds / 3)
        self._watches[path] = watch
        return watch

    def _lives(self, watch: _Watch) -> bool | None:
        """Tell whether the holder of what is watched lives; None if that is not known yet."""
        lives = _known_to_live(watch.seen.holder, self.holder)
        if lives is False or watch.quiet_seconds >= self._expiry_seconds:
            return False
        return lives or watch.has_changed or None

    def _take_over(self, path: Path, judged: _Seen) -> None:
        """Replace the lease of a dead holder by ours, unless another is about to do so, or the lease has changed."""
        claim = path.with_name(CLAIM)
        rival = self._watch(claim)
        if rival is not None:
            if not self._is_ours(rival.seen) and self._lives(rival) is not False:
                return
            claim.unlink(missing_ok=True)  # its holder died in these few lines, and may not rename it if it lives after all
        try:
            write_json(claim, dataclasses.asdict(self.holder), exclusive=True)
        except FileExistsError:
            return
        try:
            if _look(path) == judged:
                with contextlib.suppress(FileNotFoundError):  # the holder lives after all, and has removed our claim
                    claim.rename(path)
        finally:
            claim.unlink(missing_ok=True)

    def _renew(self, path: Path) -> bool:
        """Renew a lease if it is ours; tell whether it is, and no claim of another can replace it."""
        try:
            with path.open("rb") as stream:
                if _parse(stream.read()).id != self.holder.id:
                    return False
                os.utime(stream.fileno())  # of the file that was read, whatever has its name by now
        except FileNotFoundError:
            return False
        path.with_name(CLAIM).unlink(missing_ok=True)
        return self._is_ours(_look(path))


def this_process() -> Holder:
    """Describe the process that asks, under a new id."""
    array, element = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    own = _PROC / "self"
    return Holder(
        id=uuid.uuid4().hex,
        host=platform.node(),
        boot_id=_read(_PROC / "sys" / "kernel" / "random" / "boot_id"),
        # A /proc of another namespace than ours names other processes: better none than those.
        pid_namespace=_link(own / "ns" / "pid") if _link(own) == str(os.getpid()) else "",
        pid=os.getpid(),
        pid_start=_process("self")[1],
        job=f"{array}_{element}" if array and element else os.environ.get("SLURM_JOB_ID", ""),
    )


def _known_to_live(holder: Holder, here: Holder) -> bool | None:
    """Tell whether a holder lives, as far as that is known from here at once; None where it is not."""
    if holder.host != here.host or not holder.boot_id or not here.boot_id:
        return None
    if holder.boot_id != here.boot_id:  # the machine was started anew, unless its name is one that many machines have
        return None if here.host.partition(".")[0] in ("", "localhost") else False
    if not here.pid_namespace or holder.pid_namespace != here.pid_namespace:
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


def _look(path: Path) -> _Seen | None:
    """Look at a lease; None where there is none."""
    try:
        with path.open("rb") as stream:  # opening makes NFS ask the server, where stat may answer from a cache
            status = os.fstat(stream.fileno())
            return _Seen(_parse(stream.read()), status.st_ino, status.st_mtime_ns)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ESTALE):  # ESTALE: removed by another machine while it was open
            return None
        raise


def _parse(text: bytes) -> Holder:
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
