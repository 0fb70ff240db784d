"""Leases of folders: who is working in which, so that no two processes do the same work at the same time.

A lease is a small file in the folder, of a training for one, there while it is worked on. Its holder renews it by setting
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
import os
import time
from dataclasses import dataclass
from pathlib import Path

from rlhpc.files import write_json
from rlhpc.results.holder import UNKNOWN, Holder, known_to_live, parse, this_process

LEASE = "lease.json"
CLAIM = "lease.next.json"
HEARTBEAT_SECONDS = 30
EXPIRY_SECONDS = 6 * HEARTBEAT_SECONDS  # a busy file server may hold up a beat or two, never all of these


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
    """The leases of one process; one thread uses them.

    Parameters
    ----------
    holder : Holder, optional
        Who holds them; by default this process, under an id of its own.
    expiry_seconds : float
        After this time without a beat another's lease is that of a dead holder. It counts from our first look, and needs at
        least four looks; who looks every `HEARTBEAT_SECONDS` loses no time by that.
    """

    def __init__(self, holder: Holder | None = None, *, expiry_seconds: float = EXPIRY_SECONDS) -> None:
        self.holder = holder or this_process()
        self._expiry_seconds = expiry_seconds
        self._held: dict[Path, None] = {}  # the files, in the order of taking
        self._watches: dict[Path, _Watch] = {}

    def take(self, folder: Path) -> Taken:
        """Take the lease of a folder if it is free, or if its holder is known to be dead; never wait for it.

        The folder is made if it is missing.

        Raises
        ------
        OSError
            If the file system cannot be read or written.
        """
        path, former = folder / LEASE, None
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
        self._held[path] = None
        self._watches.pop(path, None)
        return Taken(Standing.OURS, former=former)

    def beat(self) -> list[Path]:
        """Renew all leases that are held.

        Returns
        -------
        list of Path
            The folders whose lease is gone or another's; they are not held any more.

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
        for path in lost:
            del self._held[path]
        return [path.parent for path in lost]

    def release(self, folder: Path) -> None:
        """Remove the lease of a folder if it is ours.

        Raises
        ------
        OSError
            If it cannot be removed; it is not held any more, and expires.
        """
        path = folder / LEASE
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
        for path in list(self._held):
            try:
                self.release(path.parent)
            except OSError as error:
                errors.append(error)
        if errors:
            raise errors[0]

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
        lives = known_to_live(watch.seen.holder, self.holder)
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
                if parse(stream.read()).id != self.holder.id:
                    return False
                os.utime(stream.fileno())  # of the file that was read, whatever has its name by now
        except FileNotFoundError:
            return False
        path.with_name(CLAIM).unlink(missing_ok=True)
        return self._is_ours(_look(path))


def _look(path: Path) -> _Seen | None:
    """Look at a lease; None where there is none."""
    try:
        with path.open("rb") as stream:  # opening makes NFS ask the server, where stat may answer from a cache
            status = os.fstat(stream.fileno())
            return _Seen(parse(stream.read()), status.st_ino, status.st_mtime_ns)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ESTALE):  # ESTALE: removed by another machine while it was open
            return None
        raise


def read_lease(folder: Path) -> tuple[Holder, float | None] | None:
    """Read who holds the lease of a training's folder, and when it was renewed; None where there is none.

    Returns
    -------
    holder : Holder
        `UNKNOWN` where that cannot be told.
    renewed_at : float or None
        Seconds since the epoch, by the clock of the file system; None where it cannot be told.
    """
    try:
        seen = _look(folder / LEASE)
    except OSError:
        return UNKNOWN, None
    return (seen.holder, seen.mtime_ns / 1e9) if seen else None
