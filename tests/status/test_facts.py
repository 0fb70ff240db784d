"""What is read from the folder of a training, and what is not read again; and the file system's clock."""

import dataclasses
import os

import pytest

from rlhpc.results import store as store_module
from rlhpc.results.holder import this_process
from rlhpc.results.lease import LEASE
from rlhpc.results.progress import PROGRESS
from rlhpc.status import facts as facts_module
from rlhpc.status.clock import file_system_now
from rlhpc.status.facts import Facts, Reader


@pytest.fixture
def reader(store):
    return Reader(store, 180.0)


def test_nothing_is_there_before_a_training_begins(reader, make_training, store):
    assert reader.read(make_training()) == Facts("bench/X-v0/ppo/1", store.folder(make_training()))


def test_a_result_that_verified_is_not_read_again_until_its_file_is_another(reader, make_training, put, monkeypatch):
    path = put(make_training())
    n_reads = []
    real = store_module.read_result
    monkeypatch.setattr(store_module, "read_result", lambda path: (n_reads.append(path), real(path))[1])
    for _ in range(3):
        assert reader.read(make_training()).is_stored
    assert len(n_reads) == 1
    path.write_text(path.read_text().replace('"score": 1.0', '"score": 2.0'))
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    assert "was edited" in reader.read(make_training()).damage
    assert "was edited" in reader.read(make_training()).damage
    path.unlink()
    assert reader.read(make_training()).damage == ""


def test_a_result_of_another_training_or_a_link_to_nowhere_is_damage(reader, make_training, put, store):
    path = put(make_training())
    other = store.folder(make_training(2))
    other.mkdir()
    (other / "result.json").write_bytes(path.read_bytes())
    assert "was moved" in reader.read(make_training(2)).damage
    path.unlink()
    path.symlink_to("nowhere")
    assert "cannot be read" in reader.read(make_training()).damage


def test_a_folder_that_is_none_is_damage_and_no_crash(reader, make_training, store):
    folder = store.folder(make_training())
    folder.parent.mkdir(parents=True)
    folder.write_text("")
    assert reader.read(make_training()).damage


def test_all_of_an_unfinished_one_is_read(reader, make_training, store, hold, make_progress, elsewhere):
    folder = hold(make_training(), make_progress())
    for name in ("checkpoint-000000000300", "checkpoint-000000000400", "checkpoint-000000000500.damaged-0123", "checkpoint-best"):
        (folder / name).write_text("")
    (folder / ".checkpoint-000000000600.0123.tmp").write_text("")
    store.write_attempts(make_training(), [{"attempt": 1, "reason": "boom"}])
    found = reader.read(make_training())
    assert (found.checkpoint, found.holder, found.is_known_to_live) == (400, elsewhere, False)
    assert found.progress.timesteps == 500
    assert found.progress_at == (folder / PROGRESS).stat().st_mtime
    assert found.lease_at == pytest.approx((folder / LEASE).stat().st_mtime, abs=1e-3)
    assert [attempt["reason"] for attempt in found.attempts] == ["boom"]


def test_a_process_of_this_machine_is_known_to_live_or_to_have_ended(reader, make_training, hold):
    hold(make_training(), seconds_ago=10_000, holder=this_process())
    found = reader.read(make_training())
    assert found.is_known_to_live
    hold(make_training(), holder=dataclasses.replace(this_process(), pid_start="1"))
    found = reader.read(make_training())
    assert (found.holder, found.is_known_to_live) == (None, False)


def test_a_lease_that_changes_between_two_looks_is_of_one_that_lives_whatever_the_clocks_say(
    reader, make_training, hold, monkeypatch
):
    now = [0.0]
    monkeypatch.setattr(facts_module.time, "monotonic", lambda: now[0])
    hold(make_training(), seconds_ago=10_000)
    assert not reader.read(make_training()).is_known_to_live
    assert not reader.read(make_training()).is_known_to_live
    now[0] = 30.0
    hold(make_training(), seconds_ago=9_970)
    assert reader.read(make_training()).is_known_to_live
    now[0] = 209.0
    assert reader.read(make_training()).is_known_to_live
    now[0] = 211.0
    assert not reader.read(make_training()).is_known_to_live


def test_a_file_system_whose_clock_goes_wrong_is_seen_by_what_trainings_wrote(make_progress, now):
    """Files get a time that is ten minutes ahead of, or behind, what their writers' clocks said."""
    at = now.timestamp()
    for offset in (600.0, -600.0):
        found = [Facts("a", None, progress=make_progress(), progress_at=at + offset + delay) for delay in (0.0, 0.1, 1e6)]
        assert file_system_now(found, 5_000.0) == pytest.approx(5_000.0 + offset, abs=1.0)


def test_without_such_files_our_own_clock_is_what_there_is(make_progress):
    found = [Facts("a", None), Facts("b", None, progress=make_progress(at="edited"), progress_at=1.0)]
    assert file_system_now(found, 5_000.0) == 5_000.0
