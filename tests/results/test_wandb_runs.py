import os
import shlex

import pytest

from rlhpc.results.wandb_runs import offline_runs


@pytest.fixture
def leave(store):
    """Leave a part of a run in a training's folder, as wandb does."""

    def leave(seed, time, run_id="abc", prefix="offline-run"):
        folder = (
            store.trainings / "bench" / "dm_control+x-v0" / "ppo" / str(seed) / "wandb" / f"{prefix}-20250101_{time}-{run_id}"
        )
        folder.mkdir(parents=True)
        (folder / f"run-{run_id}.wandb").write_bytes(b"12345")
        return folder

    return leave


def test_the_parts_of_a_run_come_oldest_first(store, leave):
    folders = [leave(1, time) for time in ("230000", "000009", "120000")]
    (run,) = offline_runs(store)
    assert (run.training, run.run_id, run.n_unfinished) == ("bench/dm_control/x-v0/ppo/1", "abc", 0)
    assert [part.folder for part in run.parts] == sorted(folders)


def test_each_run_of_a_training_is_one(store, leave):
    for time, run_id in (("000001", "abc"), ("000002", "with-dash"), ("000003", "abc")):
        leave(1, time, run_id)
    assert [(run.run_id, len(run.parts)) for run in offline_runs(store)] == [("abc", 2), ("with-dash", 1)]


def test_online_runs_and_what_else_lies_there_are_passed_over(store, leave):
    leave(1, "000001", prefix="run")
    (leave(2, "000001").parent / "latest-run").symlink_to("offline-run-20250101_000001-abc")
    (store.trainings / "bench" / "dm_control+x-v0" / "ppo" / "2" / "wandb" / "debug.log").touch()
    assert [len(run.parts) for run in offline_runs(store)] == [1]


def test_the_newest_part_of_a_running_training_is_left_out(store, leave):
    leave(1, "000001")
    newest = leave(1, "000002")
    (newest.parents[1] / "lease.json").write_text('{"host": "elsewhere"}')
    (run,) = offline_runs(store)
    assert ([part.folder.name for part in run.parts], run.n_unfinished) == (["offline-run-20250101_000001-abc"], 1)


def test_of_a_training_whose_lease_has_expired_the_newest_part_is_sent_too(store, leave):
    lease = leave(1, "000001").parents[1] / "lease.json"
    lease.write_text('{"host": "a-node-that-died"}')
    os.utime(lease, (0, 0))
    (run,) = offline_runs(store)
    assert (len(run.parts), run.n_unfinished) == (1, 0)


def test_a_stored_training_is_not_running_even_where_a_lease_is_left(store, leave):
    folder = leave(1, "000001").parents[1]
    (folder / "lease.json").write_text('{"host": "elsewhere"}')
    (folder / "result.json").touch()
    assert [run.n_unfinished for run in offline_runs(store)] == [0]


def test_a_part_knows_its_file_its_mark_and_its_command(store, leave):
    folder = leave(1, "000001")
    ((part,),) = [run.parts for run in offline_runs(store)]
    assert (part.file, part.n_bytes) == (folder / "run-abc.wandb", 5)
    assert part.mark == folder / "run-abc.wandb.synced"
    assert shlex.split(part.command) == ["wandb", "sync", str(folder)]
    part.file.unlink()
    assert part.n_bytes == 0


def test_a_folder_without_tracked_trainings_has_no_runs(store):
    assert offline_runs(store) == ()
