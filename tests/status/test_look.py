"""What a look at a whole grid tells: launches beside its submissions, and a folder that cannot be read for a while."""

import dataclasses
import errno
import os
import time

import pytest

from rlhpc.cluster.recent import RecentQueue
from rlhpc.errors import InputError
from rlhpc.results import node_load
from rlhpc.results.node_load import GpuLoad, NodeLoad
from rlhpc.status.look import Looker

WAITING, HELD = "bench/X-v0/ppo/1", "bench/X-v0/ppo/2"


@pytest.fixture
def looker(store, make_training):
    """Look at a grid of two trainings that was submitted nowhere."""
    store.write_grid([make_training(1), make_training(2)])
    return Looker(store, RecentQueue(None))


def test_a_launch_elsewhere_is_named_as_one_that_lives_only_while_it_renews_its_leases(looker, hold, make_training, elsewhere):
    holder = dataclasses.replace(elsewhere, job="")
    reasons = []
    for seconds_ago in (3 * 24 * 3600.0, 10.0):
        hold(make_training(2), seconds_ago=seconds_ago, holder=holder)
        reasons += [each.reason for each in looker.look().trainings if each.name == WAITING]
    assert reasons == [
        "no launch is at work on it: launch again",
        ("waiting for its turn in the launch that is at work (process 77 on host n1); should that end without it, launch again"),
    ]


def test_how_busy_a_node_is_is_told_while_its_supervisor_tells(looker, store, hold, make_training, make_progress):
    hold(make_training(2), make_progress())
    where = node_load.path(store.root, "n1", "12_3", 0)
    node_load.write(where, NodeLoad("n1", "12_3", 16, 98.0, {"1": GpuLoad(76.0, 9.8, 85.9)}))
    (part,) = looker.look().nodes
    assert (part.cores_busy_percent, part.gpu_load) == (98.0, GpuLoad(76.0, 9.8, 85.9))
    os.utime(where, (0, time.time() - 200.0))  # it was killed, or hangs
    (part,) = looker.look().nodes
    assert (part.cores_busy_percent, part.gpu_load) == (None, None)


def test_while_the_folder_cannot_be_read_the_last_look_is_shown_with_the_reason(looker, store, put, make_training):
    before = looker.look()
    aside = store.root.rename(store.root.with_name("aside"))
    gone = looker.look_again(before)
    store.root.mkdir()
    empty = looker.look_again(gone)
    store.root.rmdir()
    aside.rename(store.root)
    put(make_training(1))
    assert gone == dataclasses.replace(before, folder_fault=gone.folder_fault)
    since = f"all else is as of {before.at.astimezone():%H:%M:%S}"
    assert gone.folder_fault == f"the folder cannot be read just now (No such file or directory); {since}"
    assert empty == dataclasses.replace(before, folder_fault=empty.folder_fault)
    assert "it holds neither trainings/ nor grid.json" in empty.folder_fault
    assert empty.folder_fault.endswith(since)
    after = looker.look_again(empty)
    assert (after.folder_fault, [each.state for each in after.trainings]) == ("", ["done", "waiting"])


def test_a_file_server_that_fails_in_the_middle_of_a_look_is_waited_for_too(looker, store, monkeypatch):
    def fail(store):
        raise OSError(errno.ESTALE, "Stale file handle")

    before = looker.look()
    monkeypatch.setattr(type(store), "read_grid", fail)
    assert "(Stale file handle)" in looker.look_again(before).folder_fault


def test_the_first_look_refuses_what_is_no_folder_of_results(looker, store):
    store.grid.unlink()
    with pytest.raises(InputError, match="no folder of results"):
        looker.look()
