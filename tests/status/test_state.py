"""What is said of a training, by what its folder and Slurm tell; needs 6 and 11 of the users of this field."""

import datetime as dt
from pathlib import Path

import pytest

from rlhpc.results.lease import EXPIRY_SECONDS
from rlhpc.results.progress import Phase
from rlhpc.status.facts import Facts
from rlhpc.status.state import NO_NEWS_SECONDS, Queue, State, judge

NAME, FOLDER, THERE = "bench/X-v0/ppo/1", Path("/logs/mine"), 1_000_000.0
FAILED = {"attempt": 1, "reason": "ValueError: boom", "forgiven": False, "will_retry": False, "at": "2025-06-01T10:00:00+00:00"}


@pytest.fixture
def state(now):
    """Judge a training that has begun, by its facts."""

    def judged(queue=None, others="", **facts):
        return judge(Facts(NAME, FOLDER, **{"has_begun": True, **facts}), queue or Queue(), now, THERE, others)

    return judged


@pytest.fixture
def queue(element):
    """Slurm has answered, and the training is in an element of this state and reason."""

    def make(*how, submitted_at="2025-06-01T09:00:00+00:00", **changes):
        places = {NAME: element(*how, **changes)} if how else {}
        running = frozenset(each.job_id for each in places.values() if each.state == "RUNNING")
        return Queue(places, {NAME: submitted_at}, running, frozenset({"12"}), age_seconds=3.0)

    return make


def test_a_stored_one_is_done_and_a_damaged_one_says_why(state):
    assert state(is_stored=True).state is State.DONE
    damaged = state(damage="'result.json' was edited")
    assert (damaged.state, damaged.reason) == (State.DAMAGED, "'result.json' was edited")


# --- running


def test_a_running_one_tells_how_far_how_fast_and_until_when(state, elsewhere, make_progress, now):
    found = state(holder=elsewhere, lease_at=THERE - 10, progress=make_progress(), progress_at=THERE - 10)
    assert (found.state, found.reason, found.job) == (State.RUNNING, "", "12_3")
    assert (found.timesteps, found.percent, found.steps_per_second) == (500, 50.0, 10.0)
    assert found.ends_at == now + dt.timedelta(seconds=50)
    assert found.slow == ""


def test_one_that_has_told_nothing_yet_is_starting(state, elsewhere):
    found = state(holder=elsewhere, lease_at=THERE - 10)
    assert (found.state, found.reason, found.ends_at) == (State.RUNNING, "starting", None)


def test_one_that_is_evaluated_has_no_speed_and_no_end(state, elsewhere, make_progress):
    told = make_progress(phase=Phase.EVALUATING, timesteps=1000)
    found = state(holder=elsewhere, lease_at=THERE, progress=told, progress_at=THERE)
    assert (found.reason, found.percent, found.steps_per_second, found.ends_at) == ("evaluating", 100.0, None, None)


@pytest.mark.parametrize(
    "changes", [{"steps_per_second": None}, {"steps_per_second": 0.0}, {"steps_per_second": 1e-300}, {"at": "x"}]
)
def test_an_end_that_cannot_be_known_is_not_told(state, elsewhere, make_progress, changes):
    assert state(holder=elsewhere, lease_at=THERE, progress=make_progress(**changes), progress_at=THERE).ends_at is None


def test_an_end_is_never_in_the_past(state, elsewhere, make_progress, now):
    told = make_progress(at=(now - dt.timedelta(hours=1)).isoformat())
    assert state(holder=elsewhere, lease_at=THERE, progress=told, progress_at=THERE).ends_at == now


def test_one_whose_supervisor_lives_and_which_tells_nothing_new_is_worth_a_look(state, elsewhere, make_progress):
    for seconds, slow in ((NO_NEWS_SECONDS - 1, ""), (NO_NEWS_SECONDS + 60, "no news for 11 minutes")):
        found = state(holder=elsewhere, lease_at=THERE, progress=make_progress(), progress_at=THERE - seconds)
        assert (found.state, found.slow) == (State.RUNNING, slow)


# --- no ghosts, and nobody declared dead


def test_one_whose_lease_is_not_renewed_is_no_longer_called_running(state, elsewhere, make_progress):
    found = state(holder=elsewhere, lease_at=THERE - EXPIRY_SECONDS + 1, progress=make_progress(), progress_at=THERE)
    assert found.state is State.RUNNING
    found = state(holder=elsewhere, lease_at=THERE - 600, progress=make_progress(), progress_at=THERE - 600, checkpoint=400)
    assert found.state is State.SILENT
    assert (
        found.reason
        == "no sign of life for 10 minutes from process 77 on host n1 (Slurm job 12_3); if it has ended, launch again"
    )
    assert (found.steps_per_second, found.ends_at, found.timesteps) == (None, None, 400)


def test_of_a_silent_one_as_of_one_at_rest_only_what_its_checkpoint_holds_counts(state, elsewhere, make_progress):
    kept = {"progress": make_progress(timesteps=900), "progress_at": THERE - 600, "checkpoint": 400}
    silent, at_rest = state(holder=elsewhere, lease_at=THERE - 600, **kept), state(**kept)
    assert (silent.state, at_rest.state) == (State.SILENT, State.STOPPED)
    assert (silent.timesteps, silent.percent) == (at_rest.timesteps, at_rest.percent) == (400, 40.0)


def test_one_that_is_known_to_live_runs_however_old_its_lease_is(state, elsewhere):
    assert state(holder=elsewhere, is_known_to_live=True, lease_at=THERE - 10_000).state is State.RUNNING


def test_a_silent_one_whose_job_runs_by_slurm_is_not_declared_dead(state, queue, elsewhere):
    found = state(queue("RUNNING", "None"), holder=elsewhere, lease_at=THERE - 600)
    assert found.state is State.SILENT
    assert found.reason.endswith("Slurm says that its job runs: look at it, or scancel 12_3")


@pytest.mark.parametrize(
    ("how", "expected"),
    [((), (State.STOPPED, "no longer in the queue: launch again")), (("PENDING", "BeginTime"), (State.WAITING, ""))],
)
def test_a_silent_one_whose_job_has_ended_by_slurm_waits_or_has_stopped(state, queue, elsewhere, how, expected):
    found = state(queue(*how), holder=elsewhere, lease_at=THERE - 600, checkpoint=400)
    assert found.state is expected[0]
    assert found.reason.endswith(expected[1])


def test_without_an_answer_of_slurm_a_silent_one_stays_so(state, elsewhere):
    unknown = Queue(submitted_at={NAME: "x"}, job_ids=frozenset({"12"}), fault="squeue does not answer")
    assert state(unknown, holder=elsewhere, lease_at=THERE - 600).state is State.SILENT


def test_one_whose_lease_cannot_be_read_is_neither_alive_nor_dead(state, elsewhere):
    found = state(holder=elsewhere, lease_at=None)
    assert (found.state, found.reason.partition(" from ")[0]) == (State.SILENT, "no sign of life")


# --- waiting


def test_one_in_a_waiting_element_says_why_in_plain_words(state, queue):
    found = state(queue("PENDING", "Priority", starts_at="2025-06-01T15:00:00"), has_begun=False)
    assert (found.state, found.reason) == (State.WAITING, "behind jobs of higher priority")
    assert (found.job, found.starts_at) == ("12_3", "2025-06-01T15:00:00")


def test_one_in_a_running_element_waits_for_a_place(state, queue):
    found = state(queue("RUNNING", "None", starts_at="2025-06-01T11:00:00"), has_begun=False)
    assert (found.state, found.reason, found.starts_at) == (State.WAITING, "waiting for a place on the node", "")


def test_any_other_state_of_slurm_is_told_as_it_is(state, queue):
    assert state(queue("COMPLETING", "None")).reason == "the job is completing"


def test_one_that_was_requeued_keeps_its_progress(state, queue, make_progress):
    found = state(queue("PENDING", "BeginTime"), checkpoint=400, progress=make_progress())
    assert (found.state, found.timesteps, found.percent) == (State.WAITING, 400, 40.0)


def test_one_that_was_never_submitted_says_what_to_do(state, queue):
    found = state(has_begun=False)
    assert (found.state, found.reason) == (State.WAITING, "no launch is at work on it: launch again")
    assert state(Queue(submitted_at={"another": "x"}), has_begun=False).reason == "not submitted: launch again"
    assert state(queue(), has_begun=False).reason == "no longer in the queue: launch again"


def test_where_slurm_does_not_answer_nothing_is_claimed_of_the_queue(state):
    unknown = Queue(submitted_at={NAME: "x"}, fault="squeue does not answer")
    assert state(unknown, has_begun=False).reason == "in the queue or not, Slurm does not tell"


def test_another_launch_that_lives_may_have_it(state):
    found = state(has_begun=False, others="process 7 on host here")
    assert found.reason == (
        "waiting for its turn in the launch that is at work (process 7 on host here); should that end without it, launch again"
    )


# --- stopped and failed


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"checkpoint": 400}, "to go on from a checkpoint; no launch is at work on it: launch again"),
        ({}, "no checkpoint is there, to begin anew; no launch is at work on it: launch again"),
        (
            {"checkpoint": 400, "attempts": [{"reason": "stopped, to be continued", "kind": "stopped", "forgiven": True}]},
            "to go on from a checkpoint; no launch is at work on it: launch again",
        ),
        (
            {"checkpoint": 400, "attempts": [{"reason": "killed by SIGKILL", "kind": "killed", "forgiven": True}]},
            "killed by SIGKILL; to go on from a checkpoint; no launch is at work on it: launch again",
        ),
        (
            {"attempts": [{**FAILED, "kind": "exception", "will_retry": True}]},
            "ValueError: boom; no checkpoint is there, to begin anew; no launch is at work on it: launch again",
        ),
    ],
)
def test_a_stopped_one_says_how_it_goes_on(state, facts, reason):
    found = state(**facts)
    assert (found.state, found.reason) == (State.STOPPED, reason)


def test_a_failed_one_tells_all_that_is_recorded(state):
    last = {**FAILED, "attempt": 2, "traceback": "Traceback\nboom", "log": "/l/output.log", "remedy": "mend it", "host": "n1"}
    found = state(attempts=[{**FAILED, "will_retry": True}, last])
    assert (found.state, found.reason) == (State.FAILED, "ValueError: boom (2 attempts)")
    told = found.failure
    assert (told.n_attempts, told.traceback, told.log, told.remedy) == (2, "Traceback\nboom", "/l/output.log", "mend it")
    assert (told.at, told.host) == (FAILED["at"], "n1")


def test_a_record_that_holds_no_more_than_a_reason_is_a_failure(state):
    assert state(attempts=[{"attempt": 1, "reason": "boom"}]).failure.log == ""


@pytest.mark.parametrize("how", [("PENDING", "Priority"), ("RUNNING", "None")])
def test_one_that_failed_before_it_was_submitted_again_waits_and_one_that_failed_since_has_failed(state, queue, how):
    assert state(queue(*how, submitted_at="2025-06-01T09:00:00+00:00"), attempts=[FAILED]).state is State.FAILED
    assert state(queue(*how, submitted_at="2025-06-01T11:00:00+00:00"), attempts=[FAILED]).state is State.WAITING
    assert state(queue(*how), attempts=[{"reason": "of an earlier version"}]).state is State.WAITING
