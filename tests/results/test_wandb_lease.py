"""One start at a time sends the runs of a folder."""

import os
import time
import uuid
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from rlhpc.errors import InputError
from rlhpc.files import write_json
from rlhpc.results.holder import this_process
from rlhpc.results.wandb_lease import SendingLease

SOON = 0.3  # seconds until a lease expires, where a test waits for it
PROC = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="absent: Linux's /proc")


def nothing(*_):
    """Hear nothing."""


def lay(root, **fields):
    """Lay a lease of another start."""
    write_json(root / "lease.json", asdict(replace(this_process(), **fields)))


def elsewhere():
    """Say on which machine a start is of which only the beats can be seen."""
    return {"host": uuid.uuid4().hex}


@PROC
def test_a_second_start_is_refused_at_once_and_told_which_process_sends(store):
    with SendingLease(store.root, nothing):
        with (
            pytest.raises(InputError, match=f"are being sent by process {os.getpid()} on host .*: wait until it has ended"),
            SendingLease(store.root, nothing),
        ):
            pass
        assert (store.root / "lease.json").exists()
    assert [path.name for path in store.root.iterdir()] == []


@PROC
def test_a_start_that_was_killed_is_followed_at_once(store):
    said = []
    lay(store.root, pid_start="1")
    with SendingLease(store.root, said.append) as lease:
        lease.check()
    assert said == []
    assert [path.name for path in store.root.iterdir()] == []


def test_a_start_elsewhere_that_beats_no_more_is_followed_when_its_lease_has_expired(store):
    said = []
    lay(store.root, **elsewhere())
    with SendingLease(store.root, said.append, expiry_seconds=SOON) as lease:
        lease.check()
    (told,) = said
    assert told.startswith("waiting up to 3 minutes to see whether process ")


def test_a_start_elsewhere_that_is_seen_to_live_is_not_followed(store):
    lay(store.root, **elsewhere())
    with (
        pytest.raises(InputError, match="are being sent by process"),
        SendingLease(store.root, lambda _: os.utime(store.root / "lease.json", (1, 1))),
    ):
        pass


def test_a_lease_is_renewed_while_a_part_is_sent(store):
    with SendingLease(store.root, nothing, expiry_seconds=SOON):
        before = (store.root / "lease.json").stat().st_mtime_ns
        for _ in range(100):
            time.sleep(SOON / 10)
            if (store.root / "lease.json").stat().st_mtime_ns != before:
                return
    pytest.fail("the lease was not renewed")
