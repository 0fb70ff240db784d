"""The lease for sending the runs of a folder.

Two starts on one folder would send the same parts and overwrite each other's record of links: one at a time holds its lease.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from rlhpc.errors import InputError, RlhpcError
from rlhpc.results.lease import EXPIRY_SECONDS, HEARTBEAT_SECONDS, Leases, Standing


class SendingLease:
    """The right to send the runs of one folder, ``logs/NAME/lease.json``; held for the time of a ``with``.

    Parameters
    ----------
    root : Path
        ``logs/NAME``.
    say : callable
        Takes one line for the user who waits.
    expiry_seconds : float
        After this time without a beat the lease of a start elsewhere is free.

    Raises
    ------
    InputError
        On entering, if another start holds it and is seen to live.
    """

    def __init__(self, root: Path, say: Callable[[str], object], *, expiry_seconds: float = EXPIRY_SECONDS) -> None:
        self._root = root
        self._say = say
        self._expiry_seconds = expiry_seconds
        self._leases = Leases(expiry_seconds=expiry_seconds)
        self._lock = threading.Lock()
        self._is_lost = False
        self._has_ended = threading.Event()
        self._beats = threading.Thread(target=self._beat_often, daemon=True)

    def __enter__(self) -> Self:
        was_told = False
        while (taken := self._leases.take(self._root)).standing is not Standing.OURS:
            holder = taken.holder or "another process"
            if taken.standing is Standing.HELD:
                raise InputError(
                    f"the runs of '{self._root}' are being sent by {holder}: wait until it has ended and start this again, which "
                    "sends what is left; or end it with Ctrl-C there, or kill."
                )
            if not was_told:
                was_told = True
                minutes = EXPIRY_SECONDS // 60
                self._say(f"waiting up to {minutes} minutes to see whether {holder} still sends the runs of '{self._root}'")
            time.sleep(self._expiry_seconds / EXPIRY_SECONDS)  # a second
        self._beats.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._has_ended.set()
        self._beats.join()
        with contextlib.suppress(OSError):  # it expires
            self._leases.release(self._root)

    def check(self) -> None:
        """Renew it.

        Raises
        ------
        RlhpcError
            If another start has taken it over.
        """
        self._beat()
        if self._is_lost:
            raise RlhpcError(
                f"the lease of '{self._root}' is lost: this process stood still for more than {EXPIRY_SECONDS // 60} minutes, "
                "and another start has taken over, or lease.json was deleted. Start this again when no other is sending."
            )

    def _beat(self) -> None:
        # an error of a file server that is away for a moment may pass; the lease expires after several beats
        with self._lock, contextlib.suppress(OSError):
            self._is_lost = bool(self._leases.beat()) or self._is_lost

    def _beat_often(self) -> None:
        while not self._has_ended.wait(self._expiry_seconds * HEARTBEAT_SECONDS / EXPIRY_SECONDS):
            self._beat()
