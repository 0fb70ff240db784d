"""When a training has failed for good, and how far one without a result is."""

import dataclasses
import datetime as dt
import json
import os
import time

import pytest

from rlhpc.results import progress
from rlhpc.results.holder import this_process
from rlhpc.results.lease import EXPIRY_SECONDS, LEASE
from rlhpc.results.progress import PROGRESS, Phase, Progress
from rlhpc.results.unfinished import RecordState, has_given_up, how_far

FAILED, KILLED = {"reason": "boom"}, {"reason": "killed", "forgiven": True}
RETRIED, LAST = ({**FAILED, "forgiven": False, "will_retry": will_retry} for will_retry in (True, False))


@pytest.mark.parametrize(
    ("attempts", "expected"),
    [
        ([], False),
        ([RETRIED], False),
        ([LAST], True),
        ([RETRIED, LAST], True),
        ([LAST, RETRIED], False),
        ([LAST, KILLED], False),
        ([{**KILLED, "will_retry": False}], False),
        ([FAILED], True),
        ([{**FAILED, "forgiven": False}], True),
        ([KILLED], False),
    ],
)
def test_a_training_has_given_up_when_its_last_ending_was_its_own_fault_and_the_last_try(attempts, expected):
    assert has_given_up(attempts) is expected


# --- how far one without a result is

ELSEWHERE = dataclasses.replace(this_process(), host="n1", boot_id="another")


@pytest.fixture
def hold(tmp_path):
    """Have a supervisor hold the lease of a training's folder, renewed some seconds ago."""

    def take(seconds_ago, holder=ELSEWHERE):
        (tmp_path / LEASE).write_text(json.dumps(dataclasses.asdict(holder)))
        touch(tmp_path / LEASE, seconds_ago)
        return tmp_path

    return take


def touch(path, seconds_ago):
    os.utime(path, (time.time() - seconds_ago,) * 2)


@pytest.mark.parametrize(
    ("seconds_ago", "expected"),
    [(EXPIRY_SECONDS - 60, RecordState.RUNNING), (EXPIRY_SECONDS + 60, RecordState.BEGUN), (-60, RecordState.RUNNING)],
)
def test_one_that_is_held_elsewhere_is_running_until_the_lease_expires(hold, seconds_ago, expected):
    assert how_far(hold(seconds_ago))[0] is expected


def test_one_whose_lease_has_expired_has_stopped_where_there_is_a_checkpoint_and_says_how_the_last_attempt_ended(hold):
    folder = hold(3 * 24 * 3600)
    (folder / "checkpoint-64").touch()
    assert how_far(folder) == (RecordState.STOPPED, "it will continue from its checkpoint")
    (folder / "attempts.json").write_text('[{"attempt": 1, "reason": "boom"}]')
    assert how_far(folder) == (RecordState.FAILED, "boom (1 attempt)")


def test_one_whose_holder_is_known_to_live_is_running_however_old_its_lease_is(hold):
    assert how_far(hold(3 * 24 * 3600, holder=this_process()))[0] is RecordState.RUNNING


def tell(folder, seconds_behind, machine_behind=0):
    """Have a training write its progress, where the clocks of the file system and of its machine are behind ours."""
    at = (dt.datetime.now(dt.UTC) - dt.timedelta(seconds=machine_behind)).isoformat()
    progress.write(folder, Progress(1, 5, 10, False, Phase.LEARNING, 1.0, at, at, None, "n1", ""))
    touch(folder / PROGRESS, seconds_behind)
    return at


@pytest.mark.parametrize("seconds_behind", [600, -600])
def test_the_age_of_a_lease_is_told_by_the_clock_of_the_file_system_as_far_as_progress_shows_it(hold, seconds_behind):
    folder = hold(seconds_behind + EXPIRY_SECONDS / 2)
    at = tell(folder, seconds_behind)
    assert how_far(folder)[0] is RecordState.RUNNING
    touch(folder / LEASE, max(seconds_behind, 0) + 2 * EXPIRY_SECONDS)
    assert how_far(folder)[0] is RecordState.BEGUN
    (folder / PROGRESS).write_text((folder / PROGRESS).read_text().replace(at, "edited"))
    touch(folder / LEASE, 1)
    assert how_far(folder)[0] is RecordState.RUNNING


@pytest.mark.parametrize("machine_behind", [600, -600])
def test_a_lease_that_was_just_renewed_is_fresh_however_wrong_the_clock_of_its_machine_is(hold, machine_behind):
    folder = hold(1)
    tell(folder, 1, machine_behind)
    assert how_far(folder)[0] is RecordState.RUNNING


@pytest.mark.parametrize(
    ("names", "state", "what_next"),
    [
        (["checkpoint-64"], RecordState.STOPPED, "it will continue from its checkpoint"),
        ([], RecordState.BEGUN, "no checkpoint is there: it will begin anew"),
    ],
)
def test_one_whose_last_attempt_is_to_be_followed_by_another_has_not_failed(tmp_path, names, state, what_next):
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "attempts.json").write_text(json.dumps([{"attempt": 1, **RETRIED}]))
    assert how_far(tmp_path) == (state, f"boom; {what_next}")
    (tmp_path / "attempts.json").write_text(json.dumps([{"attempt": 1, **RETRIED}, {"attempt": 2, **LAST}]))
    assert how_far(tmp_path) == (RecordState.FAILED, "boom (2 attempts)")
